// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MSRs of GET_REGISTERS and of events: values against KVM's own ioctl and
 * against what the guest has written, in every state of the vCPU; how many.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

#include "kvmi_vcpu.h"

static struct kvm_vcpu *vcpus[1];
static struct runner runner;

/* MSRs that live in the guest's state while it runs, as the guest sets them. */
static const struct { uint32_t index; uint64_t value; } written[] = {
	/* 5.10 cannot read those two on AMD. */
	{ MSR_FS_BASE, 0x7f1234567000 }, { MSR_GS_BASE, 0xffff888000456000 },
	{ MSR_STAR, 0x0023001000000000 }, { MSR_LSTAR, 0xffffffff81001000 },
	{ MSR_CSTAR, 0xffffffff81002000 }, { MSR_SYSCALL_MASK, 0x47700 },
	{ MSR_KERNEL_GS_BASE, 0xffff888000123000 },
	/* AMD's SYSENTER has 32 bits. */
	{ MSR_IA32_SYSENTER_CS, 0x10 }, { MSR_IA32_SYSENTER_ESP, 0x7e003000 },
	{ MSR_IA32_SYSENTER_EIP, 0x71003000 },
};

static void guest_msrs(struct guest_area *area)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(written); i++)
		wrmsr(written[i].index, written[i].value);
	asm volatile("sti");
	for (;;)
		area->count++;
}

static bool readable(struct kvm_vcpu *vcpu, uint32_t index)
{
	struct {
		struct kvm_msrs header;
		struct kvm_msr_entry entry;
	} one = { .header = { .nmsrs = 1 }, .entry = { .index = index } };

	return ioctl_errno(vcpu->fd, KVM_GET_MSRS, &one) == 1;
}

/* Those of @written that KVM can read, from @first on. */
static int first_readable(struct kvm_vcpu *vcpu, uint32_t *list, int *first)
{
	int i, nr = 0;

	for (*first = 0; !readable(vcpu, written[*first].index); ++*first)
		CHECK(*first < 2, "MSR %#x", written[*first].index);
	for (i = *first; i < ARRAY_SIZE(written); i++)
		list[nr++] = written[i].index;
	return nr;
}

static void check_event_msrs(const struct event *ev, struct kvm_vcpu *vcpu)
{
	const struct kvmi_vcpu_event_msrs *m = &ev->common.arch.msrs;

	CHECK_EQ(m->star, written[2].value);
	CHECK_EQ(m->lstar, written[3].value);
	CHECK_EQ(m->cstar, written[4].value);
	CHECK_EQ(m->shadow_gs, written[6].value);
	CHECK_EQ(m->sysenter_cs, written[7].value);
	CHECK_EQ(m->sysenter_esp, written[8].value);
	CHECK_EQ(m->sysenter_eip, written[9].value);
	CHECK_EQ(m->efer, vcpu_get_msr(vcpu, MSR_EFER));
	CHECK_EQ(m->pat, vcpu_get_msr(vcpu, MSR_IA32_CR_PAT));
}

static void msr_values(void)
{
	struct kvm_vm *vm = guest_create(1, guest_msrs, vcpus);
	uint32_t list[ARRAY_SIZE(written)];
	int fd = session_all(vm), i, n, nr, first;
	struct registers regs;
	struct event ev;

	nr = first_readable(vcpus[0], list, &first);
	runner_start(&runner, vcpus[0]);
	CHECK(guest_moves(&guest_of(vm, 0)->count), "no guest");
	for (i = 0; i < kvmi_count(10, 500); i++) {
		CHECK_EQ(get_registers(fd, 0, nr, list, &regs), 0);
		for (n = 0; n < nr; n++)
			CHECK(regs.msrs[n].data == written[first + n].value,
			      "MSR %#x is %#llx", list[n],
			      (unsigned long long)regs.msrs[n].data);
	}
	pause_now(fd, 0, &ev);
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	runner_park(&runner, RUNNER_BLOCKED);
	check_event_msrs(&ev, vcpus[0]);
}

/* Beside those that KVM lists: some that it has, and some that nobody has. */
static const uint32_t more_msrs[] = {
	0xdeadbeef, 0x4000, 0, 0x40000000, 0x4b564d00, 0xc0010015,
	0xc0000080, 0x1b, 0xfe, 0x1a0, 0x2ff, 0x200, 0x250, 0x570,
	0xc001029b, 0x9e, 0x10,
};

/**
 * struct msr_answer - what GET_REGISTERS said of an MSR
 * @index: which one
 * @err: the error of the reply
 * @value: otherwise
 */
struct msr_answer {
	uint32_t index;
	int err;
	uint64_t value;
};

static struct msr_answer answers[512];

static int ask_msrs(int fd)
{
	const struct kvm_msr_list *saved = kvm_get_msr_index_list();
	int i, nr = saved->nmsrs + ARRAY_SIZE(more_msrs);
	struct msr_answer *a = answers;
	struct registers regs;

	CHECK(nr <= ARRAY_SIZE(answers), "%d MSRs", nr);
	for (i = 0; i < nr; i++, a++) {
		a->index = i < saved->nmsrs ? saved->indices[i] :
					      more_msrs[i - saved->nmsrs];
		a->err = get_registers(fd, 0, 1, &a->index, &regs);
		a->value = a->err ? 0 : regs.msrs[0].data;
	}
	return nr;
}

/* Any MSR: what KVM can read we could read, and it is the same. */
static void check_msrs(struct kvm_vcpu *vcpu, int nr, const char *when)
{
	const struct msr_answer *a;
	int can, no = 0;

	for (a = answers; a < answers + nr; a++) {
		can = readable(vcpu, a->index);
		no += !can;
		CHECK(a->err == (can ? 0 : -KVMI_EINVAL),
		      "%s, MSR %#x, readable: %d, error %d", when, a->index,
		      can, a->err);
		/* Clocks depend on when, and on where the vCPU was loaded. */
		if (can && a->index != MSR_IA32_TSC &&
		    a->index != 0x40000010 && a->index != 0x40000020)
			CHECK(a->value == vcpu_get_msr(vcpu, a->index),
			      "%s, MSR %#x is %#llx", when, a->index,
			      (unsigned long long)a->value);
	}
	CHECK(no >= 2, "%s, all MSRs are readable", when);
}

/* KVM tells its VMM of none while the vCPU is in KVM_RUN: it is asked later. */
static void all_msrs(void)
{
	struct kvm_vm *vm = guest_create(1, guest_msrs, vcpus);
	int fd = session_all(vm), nr;
	struct event ev;

	nr = ask_msrs(fd);
	check_msrs(vcpus[0], nr, "never run");
	runner_start(&runner, vcpus[0]);
	CHECK(guest_moves(&guest_of(vm, 0)->count), "no guest");
	nr = ask_msrs(fd);
	CHECK_EQ(runner.returns, 0);
	runner_park(&runner, RUNNER_BLOCKED);
	check_msrs(vcpus[0], nr, "in the guest");
	nr = ask_msrs(fd);
	check_msrs(vcpus[0], nr, "outside of KVM_RUN");
	runner_go(&runner);
	pause_now(fd, 0, &ev);
	nr = ask_msrs(fd);
	runner_park(&runner, RUNNER_BLOCKED);
	check_msrs(vcpus[0], nr, "paused");
	nr = ask_msrs(fd);
	check_msrs(vcpus[0], nr, "paused, outside of KVM_RUN");
}

static void guest_tsc(struct guest_area *area)
{
	asm volatile("sti");
	for (;;) {
		area->out[0] = rdtsc();
		area->count++;
	}
}

/*
 * It runs on: what is read is not before what the guest has read last, and the
 * guest comes to it soon. (Not before what KVM says elsewhere: on a host whose TSC
 * is unstable, KVM takes a vCPU that changes the CPU back to its last exit.)
 */
static void check_tsc(int fd, struct guest_area *area)
{
	static const uint32_t index = MSR_IA32_TSC;
	uint64_t before = area->out[0];
	struct registers regs;

	CHECK_EQ(get_registers(fd, 0, 1, &index, &regs), 0);
	CHECK(before <= regs.msrs[0].data, "%#llx after %#llx",
	      (unsigned long long)regs.msrs[0].data,
	      (unsigned long long)before);
	if (runner.want != RUNNER_RUN)
		runner_go(&runner);
	CHECK(WAIT_FOR(area->out[0] > regs.msrs[0].data, 20),
	      "%#llx, and the guest's is %#llx",
	      (unsigned long long)regs.msrs[0].data,
	      (unsigned long long)area->out[0]);
}

static void tsc(void)
{
	struct kvm_vm *vm = guest_create(1, guest_tsc, vcpus);
	struct guest_area *area = guest_of(vm, 0);
	int fd = session_all(vm), i;

	runner_start(&runner, vcpus[0]);
	CHECK(guest_moves(&area->count), "no guest");
	for (i = 0; i < 5; i++) {
		check_tsc(fd, area);
		runner_park(&runner, RUNNER_BLOCKED);
		check_tsc(fd, area);
	}
}

static void all_msrs_halted(void)
{
	struct kvm_vm *vm = guest_create(1, guest_halt, vcpus);
	struct guest_area *area = guest_of(vm, 0);
	int fd = session_all(vm), nr;

	runner_start(&runner, vcpus[0]);
	guest_wait_halted(area, &runner, 1);
	nr = ask_msrs(fd);
	CHECK_EQ(runner.returns, 0);
	CHECK_EQ(area->count, 1);
	runner_park(&runner, RUNNER_BLOCKED);
	check_msrs(vcpus[0], nr, "halted");
}

/*
 * Part of the FPU state: KVM may be asked for them only when it is loaded. The
 * guest writes them without KVM's knowing.
 */
static const struct { uint32_t index; uint64_t vmm, guest; } shadow[] = {
	{ 0x6a0, 3, 1 }, { 0x6a4, 0x1000, 0x11000 }, { 0x6a5, 0x2000, 0x12000 },
	{ 0x6a6, 0x3000, 0x13000 }, { 0x6a7, 0x4000, 0x14000 },
};

/* With out[0] it halts then. */
static void guest_shadow(struct guest_area *area)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(shadow); i++)
		wrmsr(shadow[i].index, shadow[i].guest);
	area->count++;
	while (area->out[0])
		asm volatile("sti; hlt");
	asm volatile("sti");
	for (;;)
		area->count++;
}

static bool have_shadow(void)
{
	const struct kvm_msr_list *list = kvm_get_msr_index_list();
	int i;

	for (i = 0; i < list->nmsrs; i++)
		if (list->indices[i] == shadow[0].index)
			return true;
	return false;
}

static void check_shadow(int fd, bool guest, const char *when)
{
	uint32_t list[ARRAY_SIZE(shadow)];
	struct registers regs;
	int i;

	for (i = 0; i < ARRAY_SIZE(shadow); i++)
		list[i] = shadow[i].index;
	CHECK_EQ(get_registers(fd, 0, i, list, &regs), 0);
	for (i = 0; i < ARRAY_SIZE(shadow); i++)
		CHECK(regs.msrs[i].data ==
		      (guest ? shadow[i].guest : shadow[i].vmm),
		      "%s, MSR %#x is %#llx", when, list[i],
		      (unsigned long long)regs.msrs[i].data);
}

static void shadow_stacks(void)
{
	struct kvm_vm *vm = guest_create(1, guest_shadow, vcpus);
	int fd = session_all(vm), i;
	struct event ev;

	for (i = 0; i < ARRAY_SIZE(shadow); i++)
		vcpu_set_msr(vcpus[0], shadow[i].index, shadow[i].vmm);
	check_shadow(fd, false, "never run");
	runner_start(&runner, vcpus[0]);
	CHECK(guest_moves(&guest_of(vm, 0)->count), "no guest");
	check_shadow(fd, true, "in the guest");
	pause_now(fd, 0, &ev);
	check_shadow(fd, true, "paused");
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	runner_park(&runner, RUNNER_BLOCKED);
	check_shadow(fd, true, "outside of KVM_RUN");
	for (i = 0; i < ARRAY_SIZE(shadow); i++)
		CHECK_EQ(vcpu_get_msr(vcpus[0], shadow[i].index),
			 shadow[i].guest);
	CHECK_EQ(guest_of(vm, 0)->traps, 0);
}

static void shadow_stacks_halted(void)
{
	struct kvm_vm *vm = guest_create(1, guest_shadow, vcpus);
	struct guest_area *area = guest_of(vm, 0);
	int fd = session_all(vm);

	area->out[0] = 1;
	runner_start(&runner, vcpus[0]);
	guest_wait_halted(area, &runner, 1);
	check_shadow(fd, true, "halted");
	CHECK_EQ(area->traps, 0);
	CHECK_EQ(runner.returns, 0);
}

/* One that does not exist makes an error of all, wherever it stands. */
static void msr_errors(void)
{
	struct kvm_vm *vm = guest_create(1, guest_halt, vcpus);
	uint32_t list[KVMI_MAX_MSRS + 1], good[ARRAY_SIZE(written)];
	int fd = session_all(vm), i, nr, first;
	struct registers regs;

	nr = first_readable(vcpus[0], good, &first);
	for (i = 0; i < nr; i++) {
		memcpy(list, good, sizeof(good));
		CHECK_EQ(get_registers(fd, 0, nr, list, &regs), 0);
		list[i] = 0xdeadbeef;
		CHECK_EQ(get_registers(fd, 0, nr, list, &regs), -KVMI_EINVAL);
	}
	for (i = 0; i < KVMI_MAX_MSRS + 1; i++)
		list[i] = good[i % nr];
	CHECK_EQ(get_registers(fd, 0, KVMI_MAX_MSRS, list, &regs), 0);
	for (i = 0; i < KVMI_MAX_MSRS; i++)
		CHECK_EQ(regs.msrs[i].data,
			 vcpu_get_msr(vcpus[0], good[i % nr]));
	CHECK_EQ(get_registers(fd, 0, KVMI_MAX_MSRS + 1, list, &regs),
		 -KVMI_EINVAL);
}

static const struct kvmi_case cases[] = {
	{ "MSRs are the guest's", msr_values },
	{ "MSRs are KVM's", all_msrs },
	{ "MSRs are KVM's, halted", all_msrs_halted },
	{ "the time stamp counter", tsc },
	{ "MSRs of shadow stacks", shadow_stacks, have_shadow },
	{ "MSRs of shadow stacks, halted", shadow_stacks_halted, have_shadow },
	{ "MSRs that cannot be read, and how many", msr_errors },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
