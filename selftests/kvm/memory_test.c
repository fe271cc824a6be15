// SPDX-License-Identifier: GPL-2.0-only
/*
 * READ_PHYSICAL and WRITE_PHYSICAL: errors in their order, contents against
 * what the guest itself reads and writes, page borders, holes, read-only
 * slots, and KVM's dirty log.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm_util.h"
#include "processor.h"
#include "kvmi_test.h"

#define SLOT 10
#define PAGES 16
#define GPA 0x40000000ull
#define GVA 0xc0000000ull
#define END (GPA + PAGES * 4096)

struct write_msg {
	struct kvmi_vm_write_physical hdr;
	uint8_t data[4096];
};

static int read_at(int fd, uint64_t gpa, uint16_t size, void *out)
{
	struct kvmi_vm_read_physical req = { .gpa = gpa, .size = size };

	return command(fd, KVMI_VM_READ_PHYSICAL, &req, sizeof(req), out, size);
}

static int write_at(int fd, uint64_t gpa, uint16_t size, const void *in)
{
	struct write_msg req = { .hdr = { .gpa = gpa, .size = size } };

	memcpy(req.data, in, size < 4096 ? size : 4096);
	return command(fd, KVMI_VM_WRITE_PHYSICAL, &req,
		       sizeof(req.hdr) + (size < 4096 ? size : 4096), NULL, 0);
}

/* A VM without vCPU whose slot holds a pattern; @flags are the slot's. */
static struct kvm_vm *create(uint32_t flags, uint8_t **mem)
{
	struct kvm_vm *vm = vm_create_barebones();
	size_t i;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, GPA, SLOT, PAGES,
				    flags);
	*mem = addr_gpa2hva(vm, GPA);
	for (i = 0; i < PAGES * 4096; i++)
		(*mem)[i] = i * 31 + i / 4096;
	return vm;
}

/* Both commands have the same argument errors, seen before the slot is. */
static void bad_arguments(uint16_t id, uint64_t gpa)
{
	static const struct { uint32_t offset; uint16_t size; } bad[] = {
		{ 0, 0 }, { 0, 4097 }, { 0, 8168 }, { 0, 0xffff }, { 1, 4096 },
		{ 4095, 2 }, { 4095, 4096 }, { 2048, 2049 }, { 100, 0 },
	};
	struct write_msg req;
	struct kvm_vm *vm;
	uint8_t *mem;
	int fd, i;

	vm = create(0, &mem);
	fd = session_all(vm);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		/* A write as long as it says, or it would close. */
		static uint8_t big[8184];

		if (bad[i].size > 8168 && id == KVMI_VM_WRITE_PHYSICAL)
			continue;
		memset(&req, 0, sizeof(req));
		req.hdr.gpa = gpa + bad[i].offset;
		req.hdr.size = bad[i].size;
		memcpy(big, &req.hdr, 16);
		CHECK_EQ(command(fd, id, big, sizeof(big), NULL, 0),
			 -KVMI_EINVAL);
	}
	for (i = 10; i < 16; i++) {
		memset(&req, 0, sizeof(req));
		req.hdr.gpa = gpa;
		req.hdr.size = 8;
		((uint8_t *)&req)[i] = 1;
		CHECK_EQ(command(fd, id, &req, 24, NULL, 0), -KVMI_EINVAL);
	}
}

static void arguments(void)
{
	bad_arguments(KVMI_VM_READ_PHYSICAL, GPA);
	bad_arguments(KVMI_VM_READ_PHYSICAL, END);
	bad_arguments(KVMI_VM_WRITE_PHYSICAL, GPA);
	bad_arguments(KVMI_VM_WRITE_PHYSICAL, END);
}

static void no_slot(void)
{
	static const uint64_t holes[] = {
		0, 0x1000, 0xfee00000, GPA - 1, GPA - 4096, END, END + 4096,
		1ull << 36, 1ull << 51, 1ull << 52, 1ull << 62,
		0xfffffffffffff000, 0xffffffffffffffff,
	};
	uint8_t data[4096] = { 0 }, *mem;
	struct kvm_vm *vm = create(0, &mem);
	int fd = session_all(vm), i;

	for (i = 0; i < ARRAY_SIZE(holes); i++) {
		CHECK_EQ(read_at(fd, holes[i], 1, data), -KVMI_ENOENT);
		CHECK_EQ(write_at(fd, holes[i], 1, data), -KVMI_ENOENT);
	}
	CHECK_EQ(read_at(fd, END - 1, 1, data), 0);
	CHECK_EQ(data[0], mem[PAGES * 4096 - 1]);
}

/* Every size that fits from some offsets, every offset for some sizes. */
static void read_all(int fd, const uint8_t *mem, unsigned int at,
		     unsigned int size)
{
	uint8_t data[4096];

	memset(data, ~mem[at], sizeof(data));
	CHECK_EQ(read_at(fd, GPA + at, size, data), 0);
	CHECK(!memcmp(data, mem + at, size), "at %#x size %u", at, size);
}

static void read_borders(void)
{
	static const uint16_t near[] = { 0, 1, 7, 8, 2047, 2048, 4088, 4095 };
	unsigned int step = kvmi_full ? 1 : 61, i, n;
	uint8_t *mem;
	struct kvm_vm *vm = create(0, &mem);
	int fd = session_all(vm);

	for (i = 0; i < ARRAY_SIZE(near); i++) {
		for (n = 1; near[i] + n <= 4096; n += step)
			read_all(fd, mem, 4096 + near[i], n);
		read_all(fd, mem, 4096 + near[i], 4096 - near[i]);
	}
	for (i = 0; i < 4096; i += step) {
		read_all(fd, mem, 8192 + i, 1);
		read_all(fd, mem, 8192 + i, 4096 - i);
	}
	for (i = 0; i < PAGES; i++)
		read_all(fd, mem, i * 4096, 4096);
}

static void write_borders(void)
{
	static const uint16_t sizes[] = { 1, 2, 8, 100, 2048, 4095, 4096 };
	static const uint16_t offs[] = { 0, 1, 8, 2000, 2048, 4088, 4095 };
	uint8_t data[4096], want[PAGES * 4096], *mem;
	struct kvm_vm *vm = create(0, &mem);
	int fd = session_all(vm), i, n, round = 0;

	memcpy(want, mem, sizeof(want));
	for (i = 0; i < ARRAY_SIZE(offs); i++) {
		for (n = 0; n < ARRAY_SIZE(sizes); n++) {
			if (offs[i] + sizes[n] > 4096)
				continue;
			memset(data, ++round, sizeof(data));
			memcpy(want + 4096 + offs[i], data, sizes[n]);
			CHECK_EQ(write_at(fd, GPA + 4096 + offs[i], sizes[n],
					  data), 0);
			CHECK(!memcmp(want, mem, sizeof(want)),
			      "offset %u size %u", offs[i], sizes[n]);
		}
	}
}

/* The guest adds one to what it finds, and shows what it found. */
static void guest_code(void)
{
	volatile uint64_t *p = (uint64_t *)(GVA + 8);

	for (;;) {
		GUEST_SYNC(*p);
		*p += 1;
		p[511] = *p;
	}
}

static uint64_t guest_found(struct kvm_vcpu *vcpu)
{
	struct ucall uc;

	vcpu_run(vcpu);
	CHECK_EQ(get_ucall(vcpu, &uc), UCALL_SYNC);
	return uc.args[1];
}

static void with_guest(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, guest_code);
	uint64_t value = 0x1122334455667788, found;
	int fd, i;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, GPA, SLOT, PAGES,
				    0);
	virt_map(vm, GVA, GPA, PAGES);
	fd = session_all(vm);
	CHECK_EQ(write_at(fd, GPA + 8, 8, &value), 0);
	CHECK_EQ(guest_found(vcpu), value);
	for (i = 0; i < 50; i++) {
		value = value * 3 + i;
		CHECK_EQ(write_at(fd, GPA + 8, 8, &value), 0);
		CHECK_EQ(guest_found(vcpu), value + 1);
		CHECK_EQ(read_at(fd, GPA + 8, 8, &found), 0);
		CHECK_EQ(found, value + 1);
		CHECK_EQ(read_at(fd, GPA + 4096, 8, &found), 0);
		CHECK_EQ(found, value + 1);
	}
}

/* A read-only slot can be read and not written, whatever KVM does with it. */
static void read_only(void)
{
	uint8_t data[8], *mem;
	struct kvm_vm *vm = create(KVM_MEM_READONLY, &mem);
	int fd = session_all(vm);

	CHECK_EQ(read_at(fd, GPA + 16, 8, data), 0);
	CHECK(!memcmp(data, mem + 16, 8), "data");
	memset(data, 0xee, sizeof(data));
	CHECK_EQ(write_at(fd, GPA + 16, 8, data), -KVMI_ENOENT);
	CHECK(memcmp(data, mem + 16, 8), "written");
	CHECK_EQ(read_at(fd, GPA + 16, 8, data), 0);
}

/* Exactly the written pages are in the log; reading logs nothing. */
static void dirty_log(void)
{
	uint64_t log[1] = { 0 };
	uint8_t data[8] = { 1 }, *mem;
	struct kvm_vm *vm = create(KVM_MEM_LOG_DIRTY_PAGES, &mem);
	int fd = session_all(vm), i;

	kvm_vm_get_dirty_log(vm, SLOT, log);
	for (i = 0; i < PAGES; i++)
		CHECK_EQ(read_at(fd, GPA + i * 4096, 8, data), 0);
	kvm_vm_get_dirty_log(vm, SLOT, log);
	CHECK_EQ(log[0], 0);
	CHECK_EQ(write_at(fd, GPA + 3 * 4096, 8, data), 0);
	CHECK_EQ(write_at(fd, GPA + 9 * 4096 + 4095, 1, data), 0);
	kvm_vm_get_dirty_log(vm, SLOT, log);
	CHECK_EQ(log[0], 1 << 3 | 1 << 9);
	kvm_vm_get_dirty_log(vm, SLOT, log);
	CHECK_EQ(log[0], 0);
	/* A refused write logs nothing either. */
	CHECK_EQ(write_at(fd, GPA + 5 * 4096 + 4095, 2, data), -KVMI_EINVAL);
	kvm_vm_get_dirty_log(vm, SLOT, log);
	CHECK_EQ(log[0], 0);
	for (i = 0; i < PAGES; i++)
		CHECK_EQ(write_at(fd, GPA + i * 4096, 8, data), 0);
	kvm_vm_get_dirty_log(vm, SLOT, log);
	CHECK_EQ(log[0], (1 << PAGES) - 1);
}

/* The same with manual clearing, and logging switched on later. */
static void dirty_log_later(void)
{
	uint64_t log[1] = { 0 };
	uint8_t data[8] = { 1 }, *mem;
	struct kvm_vm *vm = create(0, &mem);
	int fd = session_all(vm);

	CHECK_EQ(write_at(fd, GPA + 4096, 8, data), 0);
	vm_mem_region_set_flags(vm, SLOT, KVM_MEM_LOG_DIRTY_PAGES);
	CHECK_EQ(write_at(fd, GPA + 2 * 4096, 8, data), 0);
	kvm_vm_get_dirty_log(vm, SLOT, log);
	CHECK_EQ(log[0], 1 << 2);
	vm_mem_region_set_flags(vm, SLOT, 0);
	CHECK_EQ(write_at(fd, GPA + 3 * 4096, 8, data), 0);
}

/* A message that is shorter than what it says it writes. */
static void write_too_short(void)
{
	static const struct { uint16_t size, have; } bad[] = {
		{ 1, 16 }, { 8, 23 }, { 4096, 4111 }, { 4097, 4112 },
		{ 0xffff, 8184 }, { 8, 10 },
	};
	struct write_msg req;
	uint8_t big[8184] = { 0 }, *mem;
	struct kvm_vm *vm = create(0, &mem);
	int fd, i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		fd = session_all(vm);
		memset(&req, 0, sizeof(req));
		req.hdr.gpa = GPA;
		req.hdr.size = bad[i].size;
		memcpy(big, &req, 16);
		CHECK_EQ(send_msg(fd, KVMI_VM_WRITE_PHYSICAL, i, big,
				  bad[i].have), 0);
		CHECK(closed_silently(fd), "size %u of %u", bad[i].size,
		      bad[i].have);
		CHECK_EQ(unhook(vm), 0);
		close(fd);
	}
}

/* Slots are looked up at each command. */
static void slot_changes(void)
{
	uint8_t data[8], *mem;
	struct kvm_vm *vm = create(0, &mem);
	int fd = session_all(vm);

	CHECK_EQ(read_at(fd, GPA, 8, data), 0);
	vm_mem_region_move(vm, SLOT, GPA + 0x10000000);
	CHECK_EQ(read_at(fd, GPA, 8, data), -KVMI_ENOENT);
	CHECK_EQ(read_at(fd, GPA + 0x10000000, 8, data), 0);
	CHECK(!memcmp(data, mem, 8), "data");
	vm_mem_region_delete(vm, SLOT);
	CHECK_EQ(read_at(fd, GPA + 0x10000000, 8, data), -KVMI_ENOENT);
	CHECK_EQ(write_at(fd, GPA + 0x10000000, 8, data), -KVMI_ENOENT);
}

/* Pages that were never touched, given back, protected or unmapped. */
static void unbacked(void)
{
	uint8_t data[4096], nothing[4096] = { 0 }, *mem;
	struct kvm_vm *vm = create(0, &mem);
	int fd = session_all(vm);

	CHECK(!madvise(mem, PAGES * 4096, MADV_DONTNEED), "madvise");
	CHECK_EQ(read_at(fd, GPA + 4096, 4096, data), 0);
	CHECK(!memcmp(data, nothing, 4096), "not zero");
	memset(data, 0x77, sizeof(data));
	CHECK_EQ(write_at(fd, GPA + 8192, 4096, data), 0);
	CHECK(!memcmp(mem + 8192, data, 4096), "not written");
	CHECK(!mprotect(mem + 3 * 4096, 4096, PROT_NONE), "mprotect");
	CHECK_EQ(read_at(fd, GPA + 3 * 4096, 8, data), -KVMI_ENOENT);
	CHECK_EQ(write_at(fd, GPA + 3 * 4096, 8, data), -KVMI_ENOENT);
	CHECK(!mprotect(mem + 4 * 4096, 4096, PROT_READ), "mprotect");
	CHECK_EQ(read_at(fd, GPA + 4 * 4096, 8, data), 0);
	CHECK_EQ(write_at(fd, GPA + 4 * 4096, 8, data), -KVMI_ENOENT);
	CHECK(!munmap(mem + 5 * 4096, 4096), "munmap");
	CHECK_EQ(read_at(fd, GPA + 5 * 4096, 8, data), -KVMI_ENOENT);
	CHECK_EQ(write_at(fd, GPA + 5 * 4096, 8, data), -KVMI_ENOENT);
	CHECK_EQ(read_at(fd, GPA + 6 * 4096, 8, data), 0);
}

/* Shared memory of the VMM, as most VMMs use it; and private copies of it. */
static void shared_memory(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	uint8_t data[8] = "kvmi-dk", back[8], *alias;
	int fd;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_SHMEM, GPA, SLOT, PAGES, 0);
	fd = session_all(vm);
	alias = addr_gpa2alias(vm, GPA + 4096);
	CHECK(alias, "no alias");
	CHECK_EQ(write_at(fd, GPA + 4096, 8, data), 0);
	CHECK(!memcmp(alias, data, 8), "not in the shared memory");
	memcpy(alias, "changed", 8);
	CHECK_EQ(read_at(fd, GPA + 4096, 8, back), 0);
	CHECK(!memcmp(back, "changed", 8), "old data");
}

static bool have_ring(void)
{
	return kvm_has_cap(KVM_CAP_DIRTY_LOG_RING) ||
	       kvm_has_cap(KVM_CAP_DIRTY_LOG_RING_ACQ_REL);
}

/* A dirty ring belongs to vCPUs; a write by the tool cannot be logged there. */
static void dirty_ring(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	uint8_t data[8] = { 1 };
	int fd;

	vm_enable_dirty_ring(vm, 65536);
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, GPA, SLOT, PAGES,
				    KVM_MEM_LOG_DIRTY_PAGES);
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, 2 * GPA,
				    SLOT + 1, PAGES, 0);
	fd = session_all(vm);
	CHECK_EQ(read_at(fd, GPA, 8, data), 0);
	CHECK_EQ(write_at(fd, GPA, 8, data), -KVMI_EOPNOTSUPP);
	CHECK_EQ(write_at(fd, 2 * GPA, 8, data), 0);
	check_alive(fd);
}

static const struct kvmi_case cases[] = {
	{ "argument errors", arguments },
	{ "no memory slot is ENOENT", no_slot },
	{ "reading at page borders", read_borders },
	{ "writing at page borders", write_borders },
	{ "contents are those of the guest", with_guest },
	{ "a read-only slot can only be read", read_only },
	{ "written pages are in the dirty log", dirty_log },
	{ "logging that starts later", dirty_log_later },
	{ "a write longer than its message closes", write_too_short },
	{ "slots that move and go", slot_changes },
	{ "pages that are not there", unbacked },
	{ "shared memory", shared_memory },
	{ "a slot logged in a dirty ring is not written", dirty_ring,
	  have_ring },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
