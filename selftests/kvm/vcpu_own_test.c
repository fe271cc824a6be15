// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a command says of one of four vCPUs is that vCPU's, and what it does is done
 * to that one.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

#include "kvmi_vcpu.h"

#define BRAND 0x80000002	/* a leaf that says nothing of features */
#define LSTAR 0xc0000082
#define MTRR_DEF_TYPE 0x2ff
#define MTRR_ENABLE 0x800
#define XMM0 160
#define XSTATE_BV 512
#define PML4_SHIFT 39
#define OWN_INDEX 100		/* of the first page table entry of a vCPU's own */

static const uint8_t types[MAX_VCPUS] = { 0, 1, 4, 6 };

static struct kvm_vcpu *vcpus[MAX_VCPUS];
static struct runner runners[MAX_VCPUS];

static uint64_t own_gva(int v)
{
	return (uint64_t)(OWN_INDEX + v) << PML4_SHIFT |
	       (uint64_t)&guest_area[v];
}

/* Tables that have the guest's memory once more, at an address of its own. */
static void set_tables(struct kvm_vm *vm, int v)
{
	uint64_t gpa = vm_phy_page_alloc(vm, 0x10000, 0), *own;
	struct kvm_sregs sregs;

	own = addr_gpa2hva(vm, gpa);
	memcpy(own, addr_gpa2hva(vm, vm->pgd), 4096);
	own[OWN_INDEX + v] = own[0];
	vcpu_sregs_get(vcpus[v], &sregs);
	sregs.cr3 = gpa;
	vcpu_sregs_set(vcpus[v], &sregs);
}

static void set_values(struct kvm_vm *vm, int v)
{
	struct kvm_xcrs xcrs = { .nr_xcrs = 1 };
	uint8_t *image;
	struct kvm_xsave xsave;

	vcpu_get_cpuid_entry(vcpus[v], BRAND)->eax = 0x41414141 + v;
	vcpu_set_cpuid(vcpus[v]);
	vcpu_set_msr(vcpus[v], LSTAR, 0x1000 * (v + 1));
	vcpu_set_msr(vcpus[v], MTRR_DEF_TYPE, MTRR_ENABLE | types[v]);
	xcrs.xcrs[0].value = v & 1 ? 3 : 1;
	vcpu_xcrs_set(vcpus[v], &xcrs);
	vcpu_xsave_get(vcpus[v], &xsave);
	image = (uint8_t *)xsave.region;
	image[XMM0] = 0x60 + v;
	image[XSTATE_BV] |= 3;
	vcpu_xsave_set(vcpus[v], &xsave);
	set_tables(vm, v);
}

static struct kvm_vm *create(void)
{
	struct kvm_vm *vm = guest_create(MAX_VCPUS, guest_spin, vcpus);
	int v;

	for (v = 0; v < MAX_VCPUS; v++)
		set_values(vm, v);
	return vm;
}

static void check_values(int fd, struct kvm_vm *vm, int v)
{
	static const uint32_t lstar = LSTAR;
	struct kvmi_vcpu_get_cpuid_reply leaf;
	struct kvmi_vcpu_xsave xsave;
	struct registers regs;
	uint64_t value;
	uint8_t type;
	int other;

	CHECK_EQ(get_registers(fd, v, 1, &lstar, &regs), 0);
	CHECK_EQ(regs.hdr.regs.rdi, (uint64_t)&guest_area[v]);
	CHECK_EQ(regs.hdr.sregs.gs.base, (uint64_t)&guest_area[v]);
	CHECK_EQ(regs.msrs[0].data, 0x1000 * (v + 1));
	CHECK_EQ(get_cpuid(fd, v, BRAND, 0, &leaf), 0);
	CHECK_EQ(leaf.eax, 0x41414141 + v);
	CHECK_EQ(get_xcr(fd, v, 0, &value), 0);
	CHECK_EQ(value, v & 1 ? 3 : 1);
	CHECK_EQ(get_mtrr_type(fd, v, 0x40000000, &type), 0);
	CHECK_EQ(type, types[v]);
	CHECK_EQ(get_xsave(fd, v, &xsave), 0);
	CHECK_EQ(((uint8_t *)xsave.region)[XMM0], 0x60 + v);
	for (other = 0; other < MAX_VCPUS; other++) {
		CHECK_EQ(translate_gva(fd, v, own_gva(other), &value), 0);
		CHECK_EQ(value, other != v ? ~0ull :
			 addr_gva2gpa(vm, (vm_vaddr_t)&guest_area[v]));
	}
}

static void values(void)
{
	struct kvm_vm *vm = create();
	int fd = session_all(vm), i, v;

	for (v = 0; v < MAX_VCPUS; v++)
		check_values(fd, vm, v);
	for (v = 0; v < MAX_VCPUS; v++)
		runner_start(&runners[v], vcpus[v]);
	for (i = 0; i < kvmi_count(3, 100); i++) {
		for (v = 0; v < MAX_VCPUS; v++) {
			CHECK(guest_moves(&guest_of(vm, v)->count), "no guest");
			check_values(fd, vm, v);
		}
	}
	runner_park(&runners[1], RUNNER_BLOCKED);
	for (v = 0; v < MAX_VCPUS; v++)
		check_values(fd, vm, v);
}

/* The nth exception of this one, and none of another. */
static void inject_into(int fd, struct kvm_vm *vm, int v, int nth)
{
	struct event ev;
	int other;

	CHECK_EQ(inject(fd, v, 6, 0, 0), 0);
	event_expect(fd, &ev, KVMI_VCPU_EVENT_TRAP, v);
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	CHECK(WAIT_FOR(guest_of(vm, v)->traps == nth + 1, 20), "no exception");
	for (other = 0; other < MAX_VCPUS; other++)
		CHECK_EQ(guest_of(vm, other)->traps, nth + (other <= v));
}

/* A change of registers, of the FPU state and an exception. */
static void changes(void)
{
	struct kvm_vm *vm = create();
	struct kvmi_vcpu_xsave xsave;
	int fd = session_all(vm), i, v, other;
	struct kvm_regs regs;
	struct event ev;

	for (v = 0; v < MAX_VCPUS; v++)
		runner_start(&runners[v], vcpus[v]);
	for (i = 0; i < kvmi_count(2, 50); i++) {
		for (v = 0; v < MAX_VCPUS; v++)
			inject_into(fd, vm, v, i);
	}
	for (v = 0; v < MAX_VCPUS; v++) {
		CHECK_EQ(get_xsave(fd, v, &xsave), 0);
		((uint8_t *)xsave.region)[XMM0] = 0x70 + v;
		CHECK_EQ(set_xsave(fd, v, &xsave), 0);
		pause_now(fd, v, &ev);
		regs = ev.common.arch.regs;
		regs.rip = (uintptr_t)guest_other;
		CHECK_EQ(set_registers(fd, v, &regs), 0);
		CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
		CHECK(guest_moves(&guest_of(vm, v)->other), "RIP is the old one");
		for (other = v + 1; other < MAX_VCPUS; other++) {
			CHECK_EQ(guest_of(vm, other)->other, 0);
			CHECK_EQ(get_xsave(fd, other, &xsave), 0);
			CHECK_EQ(((uint8_t *)xsave.region)[XMM0], 0x60 + other);
		}
	}
	for (v = 0; v < MAX_VCPUS; v++) {
		CHECK_EQ(get_xsave(fd, v, &xsave), 0);
		CHECK_EQ(((uint8_t *)xsave.region)[XMM0], 0x70 + v);
		CHECK_EQ(runners[v].returns, 0);
	}
}

static const struct kvmi_case cases[] = {
	{ "values", values },
	{ "changes", changes },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
