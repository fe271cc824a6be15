// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs whose memory the host shall not see: HOOK is refused. Memory that is not
 * where the memory slot says is read right or refused, never made up.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm_util.h"
#include "kvmi_test.h"

/* Newer than the selftest library's header. */
#ifndef KVM_CAP_VM_TYPES
#define KVM_CAP_VM_TYPES 235
#define KVM_CAP_GUEST_MEMFD 234
#define KVM_MEM_GUEST_MEMFD (1UL << 2)
#define KVM_X86_SW_PROTECTED_VM 1

struct kvm_userspace_memory_region2 {
	__u32 slot;
	__u32 flags;
	__u64 guest_phys_addr;
	__u64 memory_size;
	__u64 userspace_addr;
	__u64 guest_memfd_offset;
	__u32 guest_memfd;
	__u32 pad1;
	__u64 pad2[14];
};
#define KVM_SET_USER_MEMORY_REGION2 \
	_IOW(KVMIO, 0x49, struct kvm_userspace_memory_region2)

struct kvm_create_guest_memfd {
	__u64 size;
	__u64 flags;
	__u64 reserved[6];
};
#define KVM_CREATE_GUEST_MEMFD _IOWR(KVMIO, 0xd4, struct kvm_create_guest_memfd)
#endif
#ifndef KVM_CAP_GUEST_MEMFD_FLAGS
#define KVM_CAP_GUEST_MEMFD_FLAGS 244
#define GUEST_MEMFD_FLAG_MMAP (1ULL << 0)
#define GUEST_MEMFD_FLAG_INIT_SHARED (1ULL << 1)
#endif

#define GPA 0x10000ull
#define SIZE 0x4000ull

/* SEV-ES, SNP, TDX and KVM's own imitation; plain SEV shows its registers. */
static const int protected_types[] = { KVM_X86_SW_PROTECTED_VM, 3, 4, 5 };

static void protected_vm(void)
{
	int types = kvm_check_cap(KVM_CAP_VM_TYPES), seen = 0, vm, i, sv[2];
	int kvm = open_kvm_dev_path_or_exit();

	socket_pair(sv);
	for (i = 0; i < ARRAY_SIZE(protected_types); i++) {
		if (!(types & 1 << protected_types[i]))
			continue;
		vm = ioctl(kvm, KVM_CREATE_VM, (long)protected_types[i]);
		CHECK(vm >= 0, "type %d: %s", protected_types[i],
		      strerror(errno));
		CHECK_EQ(hook_raw(vm, sv[1], 1), -EINVAL);
		CHECK_EQ(hook_raw(vm, sv[1], 0), -EOPNOTSUPP);
		/* After everything about the socket. */
		CHECK_EQ(hook_raw(vm, -1, 0), -EINVAL);
		CHECK_EQ(ioctl_errno(vm, KVM_INTROSPECTION_UNHOOK, NULL), 0);
		close(vm);
		seen++;
	}
	if (!seen)
		kvmi_skip("this host offers no confidential VM type (%#x)",
			  types);
}

static bool have_gmem(void)
{
	struct kvm_vm *vm;
	bool have;

	if (kvm_check_cap(KVM_CAP_GUEST_MEMFD_FLAGS) <= 0)
		return false;
	vm = vm_create_barebones();
	have = (vm_check_cap(vm, KVM_CAP_GUEST_MEMFD_FLAGS) & 3) == 3;
	kvm_vm_free(vm);
	return have;
}

static int gmem_slot(struct kvm_vm *vm, void *hva, void **gmem)
{
	struct kvm_create_guest_memfd create = {
		.size = SIZE,
		.flags = GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED,
	};
	struct kvm_userspace_memory_region2 region = {
		.slot = 1, .flags = KVM_MEM_GUEST_MEMFD,
		.guest_phys_addr = GPA, .memory_size = SIZE,
	};
	int fd = ioctl(vm->fd, KVM_CREATE_GUEST_MEMFD, &create);

	CHECK(fd >= 0, "guest_memfd: %s", strerror(errno));
	*gmem = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(*gmem != MAP_FAILED, "mmap: %s", strerror(errno));
	region.guest_memfd = fd;
	region.userspace_addr = (uintptr_t)(hva ? hva : *gmem);
	return ioctl_errno(vm->fd, KVM_SET_USER_MEMORY_REGION2, &region);
}

static int read_byte(int fd, uint8_t *byte)
{
	struct kvmi_vm_read_physical req = { .gpa = GPA + 4096, .size = 1 };

	return command(fd, KVMI_VM_READ_PHYSICAL, &req, sizeof(req), byte, 1);
}

/* The guest's memory is the guest_memfd, and so is what the slot points to. */
static void gmem_mapped(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	void *gmem;
	uint8_t byte = 0;
	int fd, err;

	CHECK_EQ(gmem_slot(vm, NULL, &gmem), 0);
	memset(gmem, 0x55, SIZE);
	fd = session_all(vm);
	err = read_byte(fd, &byte);
	CHECK(err == -KVMI_EOPNOTSUPP || (!err && byte == 0x55),
	      "error %d byte %#x", err, byte);
	check_alive(fd);
}

/* The guest's memory is the guest_memfd, the slot points somewhere else. */
static void gmem_elsewhere(void)
{
	void *hva = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *gmem;
	struct kvm_vm *vm = vm_create_barebones();
	uint8_t byte = 0;
	int fd, err;

	memset(hva, 0xaa, SIZE);
	CHECK_EQ(gmem_slot(vm, hva, &gmem), 0);
	memset(gmem, 0x55, SIZE);
	fd = session_all(vm);
	err = read_byte(fd, &byte);
	CHECK(err == -KVMI_EOPNOTSUPP || (!err && byte == 0x55),
	      "error %d byte %#x", err, byte);
	check_alive(fd);
}

static const struct kvmi_case cases[] = {
	{ "HOOK of a confidential VM is EOPNOTSUPP", protected_vm },
	{ "guest_memfd memory that is mapped", gmem_mapped, have_gmem },
	{ "guest_memfd memory and a slot that points elsewhere",
	  gmem_elsewhere, have_gmem },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
