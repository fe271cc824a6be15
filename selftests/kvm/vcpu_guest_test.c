// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guest itself reads: CPUID, XCR0, MSRs and memory are for the tool
 * what CPUID, XGETBV, RDMSR and a load are for the guest, in every state of the
 * vCPU.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

#include "kvmi_vcpu.h"

#define LEAVES 160
#define OSXSAVE (1u << 27)

struct leaf {
	uint32_t function, index;
	struct kvmi_vcpu_get_cpuid_reply regs;
};

/* Some have a value that only the VMM can have given them, 0 is as it is. */
static const struct { uint32_t index; uint64_t value; } msrs[] = {
	{ MSR_EFER, 0 }, { MSR_STAR, 0x0023001000001234 },
	{ MSR_LSTAR, 0xffffffff81001234 }, { MSR_CSTAR, 0xffffffff81005678 },
	{ MSR_SYSCALL_MASK, 0x47700 },
	{ MSR_KERNEL_GS_BASE, 0xffff888000123456 },
	{ MSR_IA32_SYSENTER_CS, 0x10 }, { MSR_IA32_SYSENTER_ESP, 0x7e003456 },
	{ MSR_IA32_SYSENTER_EIP, 0x71003456 },
	{ MSR_IA32_CR_PAT, 0x0007040600070406 }, { MSR_IA32_APICBASE, 0 },
	{ MSR_IA32_MISC_ENABLE, 0 }, { MSR_MTRRcap, 0 },
	{ MSR_MTRRdefType, 0xc06 }, { MSR_IA32_MCG_CAP, 0 },
};

/**
 * struct answers - what the guest, or the tool, has read
 * @leaf: leaves of CPUID
 * @msr: values of @msrs
 * @xcr0: XCR0
 * @word: of memory
 */
struct answers {
	struct leaf leaf[LEAVES];
	uint64_t msr[ARRAY_SIZE(msrs)];
	uint64_t xcr0;
	uint64_t word;
};

/* The guest's: before and after it has set CR4.OSXSAVE and XCR0. */
static struct answers early, late;
static volatile uint64_t word;

/* ------------------------------------------------------------- the guest -- */

static void guest_reads(struct answers *a)
{
	struct leaf *l;
	int i;

	for (l = a->leaf; l < a->leaf + LEAVES; l++)
		__cpuid(l->function, l->index, &l->regs.eax, &l->regs.ebx,
			&l->regs.ecx, &l->regs.edx);
	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		a->msr[i] = rdmsr(msrs[i].index);
	a->word = word;
}

static void guest_code(struct guest_area *area, uint64_t xcr0, uint64_t then)
{
	uint32_t eax, edx;

	guest_reads(&early);
	set_cr4(get_cr4() | X86_CR4_OSXSAVE);
	asm volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
	early.xcr0 = eax | (uint64_t)edx << 32;
	asm volatile("xsetbv" : : "a"((uint32_t)xcr0), "d"(0), "c"(0));
	asm volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
	late.xcr0 = eax | (uint64_t)edx << 32;
	guest_reads(&late);
	asm volatile("jmp *%0" : : "r"(then), "D"(area));
}

/* -------------------------------------------------------------- the tool -- */

static struct kvm_vcpu *vcpu;
static struct kvm_vm *vm;
static struct runner runner;
static int leaves;

static struct answers *host(struct answers *a)
{
	return addr_gva2hva(vm, (vm_vaddr_t)a);
}

static uint64_t xcr0(void)
{
	return kvm_cpu_has(KVM_X86_CPU_FEATURE(0x1, 0, ECX, 28)) ? 7 : 3;
}

/* A guest that ends in @then, asked for all leaves that KVM was given. */
static int start(void (*then)(void))
{
	const struct kvm_cpuid_entry2 *e;
	struct kvm_vcpu *vcpus[1];
	int i;

	vm = guest_create(1, guest_code, vcpus);
	vcpu = vcpus[0];
	vcpu_args_set(vcpu, 3, &guest_area[0], xcr0(), then);
	leaves = vcpu->cpuid->nent;
	CHECK(leaves <= LEAVES, "%d leaves", leaves);
	for (i = 0; i < leaves; i++) {
		e = &vcpu->cpuid->entries[i];
		host(&early)->leaf[i].function = e->function;
		host(&early)->leaf[i].index = e->index;
	}
	memcpy(host(&late), host(&early), sizeof(late));
	for (i = 0; i < ARRAY_SIZE(msrs); i++) {
		if (msrs[i].value)
			vcpu_set_msr(vcpu, msrs[i].index, msrs[i].value);
	}
	*(uint64_t *)addr_gva2hva(vm, (vm_vaddr_t)&word) = 0x123456789abcdef0;
	return session_all(vm);
}

static uint64_t read_word(int fd)
{
	struct kvmi_vm_read_physical req = { .size = sizeof(uint64_t) };
	uint64_t gpa, value;

	CHECK_EQ(translate_gva(fd, 0, (uint64_t)&word, &gpa), 0);
	req.gpa = gpa;
	CHECK_EQ(tool_command(fd, KVMI_VM_READ_PHYSICAL, &req, sizeof(req),
			      &value, sizeof(value)), 0);
	return value;
}

static void tool_reads(int fd, struct answers *a)
{
	uint32_t list[ARRAY_SIZE(msrs)];
	struct registers regs;
	struct leaf *l;
	int i;

	memset(a, 0, sizeof(*a));
	for (i = 0; i < leaves; i++) {
		l = &a->leaf[i];
		l->function = host(&early)->leaf[i].function;
		l->index = host(&early)->leaf[i].index;
		CHECK_EQ(get_cpuid(fd, 0, l->function, l->index, &l->regs), 0);
	}
	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		list[i] = msrs[i].index;
	CHECK_EQ(get_registers(fd, 0, ARRAY_SIZE(msrs), list, &regs), 0);
	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		a->msr[i] = regs.msrs[i].data;
	CHECK_EQ(get_xcr(fd, 0, 0, &a->xcr0), 0);
	a->word = read_word(fd);
}

static void compare(const struct answers *tool, struct answers *guest)
{
	const struct leaf *t, *g;
	int i;

	for (i = 0; i < leaves; i++) {
		t = &tool->leaf[i];
		g = &host(guest)->leaf[i];
		CHECK(!memcmp(&t->regs, &g->regs, sizeof(t->regs)),
		      "leaf %#x %#x: %#x %#x %#x %#x, the guest reads %#x %#x %#x %#x",
		      g->function, g->index, t->regs.eax, t->regs.ebx,
		      t->regs.ecx, t->regs.edx, g->regs.eax, g->regs.ebx,
		      g->regs.ecx, g->regs.edx);
	}
	for (i = 0; i < ARRAY_SIZE(msrs); i++)
		CHECK(tool->msr[i] == host(guest)->msr[i],
		      "MSR %#x: %#llx, the guest reads %#llx", msrs[i].index,
		      (unsigned long long)tool->msr[i],
		      (unsigned long long)host(guest)->msr[i]);
	CHECK_EQ(tool->xcr0, host(guest)->xcr0);
	CHECK_EQ(tool->word, host(guest)->word);
}

static void read_and_compare(int fd)
{
	struct answers tool;

	tool_reads(fd, &tool);
	compare(&tool, &late);
}

/*
 * Of all leaves the guest's own doing changes these: OSXSAVE follows CR4, and
 * the size of the XSAVE area, plain and compacted, follows XCR0.
 */
static void check_changes(void)
{
	const struct leaf *e, *l;
	struct leaf want;
	int i;

	for (i = 0; i < leaves; i++) {
		e = &host(&early)->leaf[i];
		l = &host(&late)->leaf[i];
		want = *e;
		if (e->function == 1)
			want.regs.ecx |= OSXSAVE;
		if (e->function == 0xd && e->index < 2)
			want.regs.ebx = l->regs.ebx;
		CHECK(!memcmp(&want, l, sizeof(want)), "leaf %#x %#x changes",
		      e->function, e->index);
		if (e->function == 1)
			CHECK(!(e->regs.ecx & OSXSAVE), "OSXSAVE from the start");
		if (e->function == 0xd && !e->index)
			CHECK_EQ(l->regs.ebx, xcr0() == 7 ? 832 : 576);
	}
}

/* Never run, in KVM_RUN, waiting for a reply, stopped, and in KVM_RUN again. */
static void states(int fd)
{
	struct answers never;
	struct event ev;

	tool_reads(fd, &never);
	runner_start(&runner, vcpu);
	CHECK(WAIT_FOR(guest_of(vm, 0)->count, 20), "no guest");
	compare(&never, &early);
	check_changes();
	read_and_compare(fd);
	pause_now(fd, 0, &ev);
	read_and_compare(fd);
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	CHECK_EQ(runner.returns, 0);
	runner_park(&runner, RUNNER_BLOCKED);
	read_and_compare(fd);
	runner_go(&runner);
	read_and_compare(fd);
}

static void spinning(void)
{
	states(start(guest_spin));
	CHECK(guest_moves(&guest_of(vm, 0)->count), "the guest hangs");
}

static void halted(void)
{
	states(start(guest_halt));
	guest_wait_halted(guest_of(vm, 0), &runner, 1);
}

static const struct kvmi_case cases[] = {
	{ "a guest that spins", spinning },
	{ "a guest that halts", halted },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
