// SPDX-License-Identifier: GPL-2.0-only
/*
 * A 32-bit VMM: the same requests through KVM's compat path. Built without
 * the selftest library, which exists for 64 bit only.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/kvm.h>

#include "kvmi_test.h"

/*
 * System calls by int $0x80: what the vDSO offers returns by SYSRET, which
 * leaves a 16-bit stack on Bochs. glibc has the entry's address in the thread
 * control block. In the kernel both ways meet before they reach KVM.
 */
asm(".text; enter_by_int80: int $0x80; ret");

__attribute__((constructor))
static void use_int80(void)
{
	asm volatile("movl $enter_by_int80, %gs:0x10");
}

#define GPA 0x100000
#define PAGES 4

static int new_vm(void)
{
	int kvm = open("/dev/kvm", O_RDWR), vm;

	CHECK(kvm >= 0, "/dev/kvm: %s", strerror(errno));
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	CHECK(vm >= 0, "KVM_CREATE_VM: %s", strerror(errno));
	close(kvm);
	return vm;
}

static uint8_t *add_memory(int vm, unsigned int flags)
{
	void *mem = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region region = {
		.slot = 1,
		.flags = flags,
		.guest_phys_addr = GPA,
		.memory_size = PAGES * 4096,
		.userspace_addr = (uintptr_t)mem,
	};

	CHECK(mem != MAP_FAILED, "mmap");
	CHECK_EQ(ioctl_errno(vm, KVM_SET_USER_MEMORY_REGION, &region), 0);
	return mem;
}

static int new_session(int vm)
{
	int sv[2];

	socket_pair(sv);
	CHECK_EQ(hook_raw(vm, sv[1], 0), 0);
	close(sv[1]);
	return sv[0];
}

static int request(int vm, unsigned long cmd)
{
	return ioctl_errno(vm, cmd, NULL);
}

static void is_32_bit(void)
{
	CHECK_EQ(sizeof(void *), 4);
	CHECK_EQ(sizeof(long), 4);
}

static void whole_session(void)
{
	struct kvmi_counts before;
	struct message msg;
	int vm = new_vm(), fd, i;

	counts_read(&before);
	for (i = 0; i < 10; i++) {
		fd = new_session(vm);
		check_alive(fd);
		CHECK_EQ(feature_raw(vm, KVM_INTROSPECTION_COMMAND, 1, -1), 0);
		CHECK_EQ(feature_raw(vm, KVM_INTROSPECTION_EVENT, 1, 0), 0);
		CHECK_EQ(request(vm, KVM_INTROSPECTION_PREUNHOOK), -ENOENT);
		CHECK_EQ(event_unhook(fd, 1), 0);
		CHECK_EQ(request(vm, KVM_INTROSPECTION_PREUNHOOK), 0);
		CHECK_EQ(recv_msg(fd, &msg), 8);
		CHECK_EQ(msg.hdr.id, KVMI_VM_EVENT);
		CHECK_EQ(request(vm, KVM_INTROSPECTION_UNHOOK), 0);
		CHECK(closed_silently(fd), "open after UNHOOK");
		close(fd);
	}
	counts_check(&before);
}

static void errors(void)
{
	int vm = new_vm(), fd, sv[2], packets[2];

	socket_pair(sv);
	CHECK_EQ(request(vm, KVM_INTROSPECTION_UNHOOK), 0);
	CHECK_EQ(request(vm, KVM_INTROSPECTION_PREUNHOOK), -EFAULT);
	CHECK_EQ(request(vm, KVM_INTROSPECTION_HOOK), -EFAULT);
	CHECK_EQ(request(vm, KVM_INTROSPECTION_COMMAND), -EFAULT);
	CHECK_EQ(request(vm, KVM_INTROSPECTION_EVENT), -EFAULT);
	CHECK_EQ(hook_raw(vm, sv[1], 1), -EINVAL);
	CHECK_EQ(hook_raw(vm, -1, 0), -EINVAL);
	CHECK_EQ(feature_raw(vm, KVM_INTROSPECTION_COMMAND, 1, 2), -EFAULT);
	CHECK_EQ(feature_raw(vm, KVM_INTROSPECTION_COMMAND, 1, 30), -EINVAL);
	CHECK_EQ(feature_raw(vm, KVM_INTROSPECTION_EVENT, 2, 1), -EINVAL);
	CHECK_EQ(hook_raw(vm, vm, 0), -EINVAL);
	CHECK_EQ(hook_raw(vm, socket(AF_UNIX, SOCK_STREAM, 0), 0), -ENOTCONN);
	CHECK(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, packets), "socketpair");
	CHECK_EQ(hook_raw(vm, packets[1], 0), -EPROTOTYPE);
	fd = new_session(vm);
	CHECK_EQ(hook_raw(vm, sv[1], 0), -EEXIST);
	CHECK_EQ(hook_raw(vm, -1, 0), -EEXIST);
	CHECK_EQ(hook_raw(vm, sv[1], 1), -EINVAL);
	CHECK_EQ(feature_raw(vm, KVM_INTROSPECTION_COMMAND, 1, -2), -EINVAL);
	CHECK_EQ(feature_raw(vm, KVM_INTROSPECTION_COMMAND, 1, 30), -EINVAL);
	CHECK_EQ(feature_raw(vm, KVM_INTROSPECTION_COMMAND, 2, 2), -EINVAL);
	CHECK_EQ(feature_raw(vm, KVM_INTROSPECTION_COMMAND, 0, 2), -EPERM);
	CHECK_EQ(feature_raw(vm, KVM_INTROSPECTION_EVENT, 1, 20), -EINVAL);
	CHECK_EQ(feature_raw(vm, KVM_INTROSPECTION_EVENT, 0, 19), 0);
	check_alive(fd);
	CHECK_EQ(request(vm, KVM_INTROSPECTION_UNHOOK), 0);
}

static void memory(void)
{
	struct kvmi_vm_read_physical req = { .gpa = GPA + 4096, .size = 8 };
	struct { struct kvmi_vm_write_physical hdr; char data[8]; } write = {
		.hdr = { .gpa = GPA + 8192, .size = 8 },
		.data = "32 bits",
	};
	int vm = new_vm(), fd;
	uint8_t *mem = add_memory(vm, 0);
	char data[8];

	fd = new_session(vm);
	CHECK_EQ(feature_raw(vm, KVM_INTROSPECTION_COMMAND, 1, -1), 0);
	memcpy(mem + 4096, "abcdefg", 8);
	CHECK_EQ(command(fd, KVMI_VM_READ_PHYSICAL, &req, sizeof(req), data,
			 8), 0);
	CHECK(!memcmp(data, "abcdefg", 8), "data");
	CHECK_EQ(command(fd, KVMI_VM_WRITE_PHYSICAL, &write,
			 sizeof(write.hdr) + 8, NULL, 0), 0);
	CHECK(!memcmp(mem + 8192, "32 bits", 8), "data");
}

struct dirty_log32 {
	uint32_t slot;
	uint32_t padding;
	union {
		uint32_t bitmap;
		uint64_t padding2;
	};
};

/* KVM's own compat request, which shares the function with ours. */
static void stock_compat(void)
{
	struct { struct kvmi_vm_write_physical hdr; char data[8]; } write = {
		.hdr = { .gpa = GPA + 8192, .size = 8 },
	};
	uint64_t bitmap = 0;
	struct dirty_log32 log = { .slot = 1, .bitmap = (uintptr_t)&bitmap };
	unsigned long get = _IOW(KVMI_KVMIO, 0x42, struct dirty_log32);
	int vm = new_vm(), fd;

	add_memory(vm, KVM_MEM_LOG_DIRTY_PAGES);
	CHECK_EQ(ioctl_errno(vm, get, &log), 0);
	fd = new_session(vm);
	CHECK_EQ(feature_raw(vm, KVM_INTROSPECTION_COMMAND, 1, -1), 0);
	CHECK_EQ(command(fd, KVMI_VM_WRITE_PHYSICAL, &write,
			 sizeof(write.hdr) + 8, NULL, 0), 0);
	CHECK_EQ(ioctl_errno(vm, get, &log), 0);
	CHECK_EQ(bitmap, 1 << 2);
	CHECK_EQ(request(vm, KVM_INTROSPECTION_UNHOOK), 0);
	CHECK_EQ(ioctl_errno(vm, get, &log), 0);
	CHECK_EQ(bitmap, 0);
}

static void other_requests(void)
{
	static char arg[256];
	int vm = new_vm(), fd = new_session(vm);

	CHECK_EQ(ioctl_errno(vm, KVM_CHECK_EXTENSION, (void *)KVM_CAP_KVMI),
		 KVMI_VERSION);
	CHECK_EQ(ioctl_errno(vm, KVM_CHECK_EXTENSION,
			     (void *)KVM_CAP_USER_MEMORY), 1);
	CHECK_EQ(ioctl_errno(vm, _IO(KVMI_KVMIO, 0xc8), arg), -ENOTTY);
	CHECK_EQ(ioctl_errno(vm, _IOW(KVMI_KVMIO, 0xc8, uint32_t), arg),
		 -ENOTTY);
	check_alive(fd);
}

static int outsider(void *arg)
{
	int vm = *(int *)arg;

	CHECK(!setuid(65534), "setuid");
	CHECK_EQ(request(vm, KVM_INTROSPECTION_UNHOOK), -EIO);
	CHECK_EQ(request(vm, KVM_INTROSPECTION_HOOK), -EIO);
	CHECK_EQ(request(vm, KVM_INTROSPECTION_PREUNHOOK), -EIO);
	CHECK_EQ(request(vm, KVM_INTROSPECTION_COMMAND), -EIO);
	CHECK_EQ(request(vm, KVM_INTROSPECTION_EVENT), -EIO);
	return 0;
}

static void authority(void)
{
	int vm = new_vm(), fd = new_session(vm);

	CHECK_EQ(in_child(outsider, &vm), 0);
	check_alive(fd);
}

static int attach(void *arg)
{
	int vm = *(int *)arg, fd = new_session(vm);

	check_alive(fd);
	CHECK_EQ(feature_raw(vm, KVM_INTROSPECTION_COMMAND, 1, 8), 0);
	CHECK_EQ(request(vm, KVM_INTROSPECTION_PREUNHOOK), -ENOENT);
	/* KVM's own requests stay closed, as for 64 bit. */
	CHECK_EQ(ioctl_errno(vm, KVM_CHECK_EXTENSION, (void *)1), -EIO);
	return 0;
}

/* A 32-bit tool attaches to the VM of another process. */
static void external(void)
{
	struct kvmi_counts before;
	int vm = new_vm(), fd;

	counts_read(&before);
	CHECK_EQ(in_child(attach, &vm), 0);
	counts_check(&before);
	fd = new_session(vm);
	check_alive(fd);
}

static const struct kvmi_case cases[] = {
	{ "this is a 32-bit program", is_32_bit },
	{ "a whole session", whole_session },
	{ "errors", errors },
	{ "reading and writing memory", memory },
	{ "KVM's own compat request", stock_compat },
	{ "other requests", other_requests },
	{ "authority", authority },
	{ "a 32-bit tool attaches", external },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
