// SPDX-License-Identifier: GPL-2.0-only
#include "mock_vcpu.h"

#include <stdlib.h>

#define PAGE 4096
#define MAX_VCPUS 256

struct mock_vm {
	u32 vcpus;
	u64 fail_mask;
	int fail_err;
	unsigned int reads;
	unsigned int writes;
	unsigned int violations;
	u64 last_gpa;
	size_t last_size;
	u8 written[PAGE];
	struct kvmi_session *session;
	struct mock_vcpu *vcpu[MAX_VCPUS];
	int find_err;
};

struct mock_vm *mock_vm_new(void)
{
	struct mock_vm *vm = calloc(1, sizeof(*vm));

	if (!vm)
		abort();
	vm->vcpus = 1;
	return vm;
}

void mock_vm_free(struct mock_vm *vm)
{
	u32 i;

	for (i = 0; i < MAX_VCPUS; i++)
		if (vm->vcpu[i])
			mock_vcpu_free(vm->vcpu[i]);
	free(vm);
}

void mock_vm_set_session(struct mock_vm *vm, struct kvmi_session *session)
{
	vm->session = session;
}

void mock_vm_set_vcpus(struct mock_vm *vm, u32 count)
{
	vm->vcpus = count;
}

struct mock_vcpu *mock_vm_find_vcpu(struct mock_vm *vm, u16 index)
{
	return index < MAX_VCPUS ? vm->vcpu[index] : NULL;
}

struct mock_vcpu *mock_vm_vcpu(struct mock_vm *vm, u16 index)
{
	if (index >= MAX_VCPUS)
		abort();
	if (!vm->vcpu[index])
		vm->vcpu[index] = mock_vcpu_new(vm->session, index);
	return vm->vcpu[index];
}

void mock_vm_fail_vcpus(struct mock_vm *vm, int find_err)
{
	vm->find_err = find_err;
}

void mock_vm_fail_pages(struct mock_vm *vm, u64 mask, int err)
{
	vm->fail_mask = mask;
	vm->fail_err = err;
}

int mock_vm_page_error(const struct mock_vm *vm, u64 gpa)
{
	u64 page = gpa / PAGE;

	return (page & vm->fail_mask) == vm->fail_mask ? vm->fail_err : 0;
}

u8 mock_vm_byte(u64 gpa)
{
	return (gpa * 37 + gpa / PAGE * 11 + 5) ^ (gpa >> 56);
}

void mock_vm_bytes(u64 gpa, u8 *buf, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++)
		buf[i] = mock_vm_byte(gpa + i);
}

unsigned int mock_vm_reads(const struct mock_vm *vm)
{
	return vm->reads;
}

unsigned int mock_vm_writes(const struct mock_vm *vm)
{
	return vm->writes;
}

u64 mock_vm_last_gpa(const struct mock_vm *vm)
{
	return vm->last_gpa;
}

size_t mock_vm_last_size(const struct mock_vm *vm)
{
	return vm->last_size;
}

const u8 *mock_vm_last_written(const struct mock_vm *vm)
{
	return vm->written;
}

unsigned int mock_vm_violations(const struct mock_vm *vm)
{
	return vm->violations;
}

/* Returns whether the range is one that the core may pass. */
static bool record(struct mock_vm *vm, u64 gpa, size_t size)
{
	vm->last_gpa = gpa;
	vm->last_size = size;
	if (size >= 1 && size <= PAGE && gpa / PAGE == (gpa + size - 1) / PAGE)
		return true;
	vm->violations++;
	return false;
}

static u32 vcpu_count(void *data)
{
	struct mock_vm *vm = data;

	return vm->vcpus;
}

/* A failed read leaves traces in the buffer, which must not reach the tool. */
static int read_physical(void *data, u64 gpa, void *buf, size_t size)
{
	struct mock_vm *vm = data;
	int err;

	vm->reads++;
	if (!record(vm, gpa, size))
		return -KVMI_EINVAL;
	err = mock_vm_page_error(vm, gpa);
	if (err)
		memset(buf, 0xee, size);
	else
		mock_vm_bytes(gpa, buf, size);
	return err;
}

static int write_physical(void *data, u64 gpa, const void *buf, size_t size)
{
	struct mock_vm *vm = data;

	vm->writes++;
	if (!record(vm, gpa, size))
		return -KVMI_EINVAL;
	memcpy(vm->written, buf, size);
	return mock_vm_page_error(vm, gpa);
}

static int vcpu_find(void *data, u16 index, struct kvmi_vcpu **vcpu)
{
	struct mock_vm *vm = data;

	if (index >= vm->vcpus)
		vm->violations++;
	if (vm->find_err)
		return vm->find_err;
	*vcpu = &mock_vm_vcpu(vm, index)->core;
	return 0;
}

static struct mock_vcpu *to_mock(struct kvmi_vcpu *vcpu)
{
	return container_of(vcpu, struct mock_vcpu, core);
}

static bool vcpu_ready(struct kvmi_vcpu *vcpu)
{
	return to_mock(vcpu)->ready;
}

static void vcpu_kick(struct kvmi_vcpu *vcpu)
{
	__atomic_add_fetch(&to_mock(vcpu)->kicks, 1, __ATOMIC_RELAXED);
}

/* One that was not kicked would be waited for in vain. */
static void vcpu_wait_exit(struct kvmi_vcpu *vcpu)
{
	if (!to_mock(vcpu)->kicks)
		abort();
	to_mock(vcpu)->wait_exits++;
}

const struct kvmi_vm_ops mock_vm_ops = {
	.vcpu_count = vcpu_count,
	.read_physical = read_physical,
	.write_physical = write_physical,
	.vcpu_find = vcpu_find,
	.vcpu_ready = vcpu_ready,
	.vcpu_kick = vcpu_kick,
	.vcpu_wait_exit = vcpu_wait_exit,
};
