// SPDX-License-Identifier: GPL-2.0-only
/*
 * GET_REGISTERS, GET_CPUID, GET_XCR and GET_INFO in long mode: values against
 * KVM's own ioctls and against what the guest has stored, with the guest running
 * and stopped; arguments and limits.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

#include "kvmi_vcpu.h"

static struct kvm_vcpu *vcpus[MAX_VCPUS];
static struct runner runner;

/*
 * Marks every register, tells its control registers, and loops. RDI is the
 * area.
 */
void guest_marks(void);
extern const char guest_marks_loop[], guest_marks_end[];

asm(".text\n"
    ".globl guest_marks, guest_marks_loop, guest_marks_end\n"
    "guest_marks:\n"
    "	mov	%cr0, %rax\n"
    "	mov	%rax, 64(%rdi)\n"
    "	mov	%cr3, %rax\n"
    "	mov	%rax, 72(%rdi)\n"
    "	mov	%cr4, %rax\n"
    "	mov	%rax, 80(%rdi)\n"
    "	mov	%rsp, 88(%rdi)\n"
    "	sgdt	96(%rdi)\n"
    "	sidt	112(%rdi)\n"
    "	mov	$0xc0000080, %ecx\n"
    "	rdmsr\n"
    "	mov	%eax, 128(%rdi)\n"
    "	mov	%edx, 132(%rdi)\n"
    "	mov	%cs, 136(%rdi)\n"
    "	mov	%ds, 144(%rdi)\n"
    "	mov	%es, 152(%rdi)\n"
    "	str	160(%rdi)\n"
    "	movabs	$0xa0a1a2a3a4a5a6a7, %rax\n"
    "	movabs	$0xb0b1b2b3b4b5b6b7, %rbx\n"
    "	movabs	$0xc0c1c2c3c4c5c6c7, %rcx\n"
    "	movabs	$0xd0d1d2d3d4d5d6d7, %rdx\n"
    "	movabs	$0xe0e1e2e3e4e5e6e7, %rsi\n"
    "	movabs	$0xf0f1f2f3f4f5f6f7, %rbp\n"
    "	movabs	$0x0808080808080808, %r8\n"
    "	movabs	$0x0909090909090909, %r9\n"
    "	movabs	$0x1010101010101010, %r10\n"
    "	movabs	$0x1111111111111111, %r11\n"
    "	movabs	$0x1212121212121212, %r12\n"
    "	movabs	$0x1313131313131313, %r13\n"
    "	movabs	$0x1414141414141414, %r14\n"
    "	movabs	$0x1515151515151515, %r15\n"
    "	sti\n"
    "guest_marks_loop:\n"
    "	incq	(%rdi)\n"
    "	jmp	guest_marks_loop\n"
    "guest_marks_end:\n");

static const uint64_t marks[16] = {
	0xa0a1a2a3a4a5a6a7, 0xb0b1b2b3b4b5b6b7, 0xc0c1c2c3c4c5c6c7,
	0xd0d1d2d3d4d5d6d7, 0xe0e1e2e3e4e5e6e7, 0 /* rdi */, 0 /* rsp */,
	0xf0f1f2f3f4f5f6f7, 0x0808080808080808, 0x0909090909090909,
	0x1010101010101010, 0x1111111111111111, 0x1212121212121212,
	0x1313131313131313, 0x1414141414141414, 0x1515151515151515,
};

/* struct kvm_regs starts with the 16 registers, in the order above. */
static void check_regs(struct guest_area *area, const struct kvm_regs *regs)
{
	const uint64_t *reg = (const uint64_t *)regs;
	int i;

	for (i = 0; i < 16; i++) {
		if (i != 5 && i != 6)
			CHECK(reg[i] == marks[i], "register %d is %#llx", i,
			      (unsigned long long)reg[i]);
	}
	CHECK_EQ(regs->rdi, &guest_area[0]);
	CHECK_EQ(regs->rsp, area->out[3]);
	CHECK(regs->rip >= (uintptr_t)guest_marks_loop &&
	      regs->rip < (uintptr_t)guest_marks_end, "RIP is %#llx",
	      (unsigned long long)regs->rip);
	CHECK(regs->rflags & 0x200, "IF is clear");
	CHECK(regs->rflags & 2, "bit 1 is clear");
}

static void check_sregs(struct guest_area *area, const struct kvm_sregs *sregs)
{
	const uint8_t *gdtr = (const uint8_t *)&area->out[4];
	const uint8_t *idtr = (const uint8_t *)&area->out[6];

	CHECK_EQ(sregs->cr0, area->out[0]);
	CHECK_EQ(sregs->cr3, area->out[1]);
	/* On AMD the guest reads the host's CR4.MCE. */
	CHECK_EQ(sregs->cr4 | X86_CR4_MCE, area->out[2] | X86_CR4_MCE);
	CHECK_EQ(sregs->gdt.limit, *(uint16_t *)gdtr);
	CHECK_EQ(sregs->gdt.base, *(uint64_t *)(gdtr + 2));
	CHECK_EQ(sregs->idt.limit, *(uint16_t *)idtr);
	CHECK_EQ(sregs->idt.base, *(uint64_t *)(idtr + 2));
	CHECK_EQ(sregs->efer, area->out[8]);
	CHECK_EQ(sregs->cs.selector, area->out[9]);
	CHECK_EQ(sregs->ds.selector, area->out[10]);
	CHECK_EQ(sregs->es.selector, area->out[11]);
	CHECK_EQ(sregs->tr.selector, (uint16_t)area->out[12]);
	CHECK_EQ(sregs->cs.l, 1);
}

/* What KVM says about a stopped vCPU is what we say, to the last byte. */
static void check_ioctls(int fd, struct kvm_vcpu *vcpu)
{
	struct registers regs;
	struct kvm_sregs sregs;
	struct kvm_regs gprs;

	CHECK_EQ(get_registers(fd, 0, 0, NULL, &regs), 0);
	vcpu_regs_get(vcpu, &gprs);
	vcpu_sregs_get(vcpu, &sregs);
	CHECK(!memcmp(&gprs, &regs.hdr.regs, sizeof(gprs)), "registers");
	CHECK(!memcmp(&sregs, &regs.hdr.sregs, sizeof(sregs)), "sregs");
}

static void values(void)
{
	struct kvm_vm *vm = guest_create(1, guest_marks, vcpus);
	struct guest_area *area = guest_of(vm, 0);
	int fd = session_all(vm), i;
	struct registers regs;
	struct event ev;

	check_ioctls(fd, vcpus[0]);
	runner_start(&runner, vcpus[0]);
	for (i = 0; i < kvmi_count(10, 500); i++) {
		CHECK(guest_moves(&area->count), "no guest");
		CHECK_EQ(get_registers(fd, 0, 0, NULL, &regs), 0);
		CHECK_EQ(regs.hdr.mode, 8);
		check_regs(area, &regs.hdr.regs);
		check_sregs(area, &regs.hdr.sregs);
	}
	runner_park(&runner, RUNNER_BLOCKED);
	check_ioctls(fd, vcpus[0]);
	runner_go(&runner);
	pause_now(fd, 0, &ev);
	CHECK_EQ(ev.common.arch.mode, 8);
	check_regs(area, &ev.common.arch.regs);
	check_sregs(area, &ev.common.arch.sregs);
	CHECK_EQ(get_registers(fd, 0, 0, NULL, &regs), 0);
	CHECK(!memcmp(&ev.common.arch.regs, &regs.hdr.regs, 144), "registers");
	CHECK(!memcmp(&ev.common.arch.sregs, &regs.hdr.sregs, 312), "sregs");
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
}

/* What the VMM sets is what is read next, with nothing cached between. */
static void after_set(void)
{
	struct kvm_vm *vm = guest_create(1, guest_marks, vcpus);
	struct registers regs;
	struct kvm_regs gprs;
	int fd = session_all(vm), i;

	runner_start(&runner, vcpus[0]);
	CHECK(guest_moves(&guest_of(vm, 0)->count), "no guest");
	runner_park(&runner, RUNNER_BLOCKED);
	vcpu_regs_get(vcpus[0], &gprs);
	for (i = 0; i < 20; i++) {
		gprs.rax = i * 0x101010101ull;
		gprs.r15 = ~gprs.rax;
		vcpu_regs_set(vcpus[0], &gprs);
		CHECK_EQ(get_registers(fd, 0, 0, NULL, &regs), 0);
		CHECK_EQ(regs.hdr.regs.rax, gprs.rax);
		CHECK_EQ(regs.hdr.regs.r15, gprs.r15);
		check_ioctls(fd, vcpus[0]);
	}
}

/* The request's own padding, and a number that its length does not have. */
static void arguments(void)
{
	struct kvm_vm *vm = guest_create(1, guest_halt, vcpus);
	static const struct { uint16_t nr, have; } bad[] = {
		{ 1, 0 }, { 1, 3 }, { 2, 7 }, { 481, 1920 }, { 482, 1928 },
		{ 2000, 8000 }, { 0xffff, 8168 }, { 0x4000, 0 },
	};
	struct kvmi_vcpu_get_registers req = { 0 };
	uint8_t data[8192] = { 0 };
	int fd = session_all(vm), i;

	for (i = 2; i < 8; i++) {
		data[i] = 1;
		CHECK_EQ(vcpu_command(fd, 0, KVMI_VCPU_GET_REGISTERS, data,
				      8, NULL, 0), -KVMI_EINVAL);
		data[i] = 0;
	}
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		req.nmsrs = bad[i].nr;
		memset(data, 0, sizeof(data));
		memcpy(data, &req, sizeof(req));
		CHECK_EQ(vcpu_command(fd, 0, KVMI_VCPU_GET_REGISTERS, data,
				      8 + bad[i].have, NULL, 0), -KVMI_EINVAL);
	}
	for (i = 1; i < 8; i++) {
		data[0] = 0;
		data[1] = 0;
		data[i] = 1;
		CHECK_EQ(vcpu_command(fd, 0, KVMI_VCPU_GET_XCR, data, 8, NULL,
				      0), -KVMI_EINVAL);
		data[i] = 0;
	}
}

static void check_leaf(int fd, const struct kvm_cpuid_entry2 *e)
{
	struct kvmi_vcpu_get_cpuid_reply leaf;

	CHECK_EQ(get_cpuid(fd, 0, e->function, e->index, &leaf), 0);
	CHECK(leaf.eax == e->eax && leaf.ebx == e->ebx && leaf.ecx == e->ecx &&
	      leaf.edx == e->edx,
	      "leaf %#x %#x: %#x %#x %#x %#x, KVM has %#x %#x %#x %#x",
	      e->function, e->index, leaf.eax, leaf.ebx, leaf.ecx, leaf.edx,
	      e->eax, e->ebx, e->ecx, e->edx);
}

static void check_cpuid(int fd, struct kvm_vcpu *vcpu)
{
	/* Some kernels do not tell how many entries they have filled. */
	struct kvm_cpuid2 *table = allocate_kvm_cpuid2(vcpu->cpuid->nent);
	struct kvmi_vcpu_get_cpuid_reply early, leaf;
	int i;

	/* First, since asking KVM makes it update what is out of date. */
	CHECK_EQ(get_cpuid(fd, 0, 1, 0, &early), 0);
	vcpu_ioctl(vcpu, KVM_GET_CPUID2, table);
	for (i = 0; i < table->nent; i++)
		check_leaf(fd, &table->entries[i]);
	CHECK_EQ(get_cpuid(fd, 0, 1, 0, &leaf), 0);
	CHECK(!memcmp(&early, &leaf, sizeof(leaf)),
	      "leaf 1 was out of date: ECX %#x, is %#x", early.ecx, leaf.ecx);
	free(table);
}

static void guest_osxsave(struct guest_area *area)
{
	uint32_t a, d;

	set_cr4(get_cr4() | X86_CR4_OSXSAVE);
	asm volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
	area->out[0] = a | (uint64_t)d << 32;
	asm volatile("xsetbv" : : "a"(3), "d"(0), "c"(0));
	asm volatile("sti");
	for (;;)
		area->count++;
}

static void cpuid_table(void)
{
	static const uint32_t none[][2] = {
		{ 0x12345678, 0 }, { 0x7fffffff, 1 }, { 0xd, 77 },
		{ 7, 0x4000 }, { 0xffffffff, 0xffffffff },
	};
	struct kvm_vm *vm = guest_create(1, guest_osxsave, vcpus);
	struct kvmi_vcpu_get_cpuid_reply leaf, other;
	int fd = session_all(vm), i;

	check_cpuid(fd, vcpus[0]);
	for (i = 0; i < ARRAY_SIZE(none); i++)
		CHECK_EQ(get_cpuid(fd, 0, none[i][0], none[i][1], &leaf),
			 -KVMI_ENOENT);
	/* A leaf without subleaves has them all. */
	CHECK_EQ(get_cpuid(fd, 0, 0, 0, &leaf), 0);
	CHECK_EQ(get_cpuid(fd, 0, 0, 99, &other), 0);
	CHECK(!memcmp(&leaf, &other, sizeof(leaf)), "leaf 0 differs");
	/* The guest changes CR4, and so OSXSAVE. */
	runner_start(&runner, vcpus[0]);
	CHECK(guest_moves(&guest_of(vm, 0)->count), "no guest");
	CHECK_EQ(get_cpuid(fd, 0, 1, 0, &leaf), 0);
	CHECK(leaf.ecx & 1 << 27, "no OSXSAVE: %#x", leaf.ecx);
	runner_park(&runner, RUNNER_BLOCKED);
	check_cpuid(fd, vcpus[0]);
}

static void xcr(void)
{
	struct kvm_vm *vm = guest_create(1, guest_osxsave, vcpus);
	int fd = session_all(vm), i;
	struct kvm_xcrs xcrs;
	uint64_t value;

	CHECK_EQ(get_xcr(fd, 0, 0, &value), 0);
	CHECK_EQ(value, 1);
	for (i = 1; i < 256; i++)
		CHECK_EQ(get_xcr(fd, 0, i, &value), -KVMI_EINVAL);
	runner_start(&runner, vcpus[0]);
	CHECK(guest_moves(&guest_of(vm, 0)->count), "no guest");
	CHECK_EQ(guest_of(vm, 0)->out[0], 1);
	CHECK_EQ(get_xcr(fd, 0, 0, &value), 0);
	CHECK_EQ(value, 3);
	runner_park(&runner, RUNNER_BLOCKED);
	CHECK_EQ(get_xcr(fd, 0, 0, &value), 0);
	vcpu_xcrs_get(vcpus[0], &xcrs);
	CHECK_EQ(value, xcrs.xcrs[0].value);
}

/* The TSC's frequency where the host can change it, and 0 elsewhere. */
static void info(void)
{
	struct kvm_vm *vm = guest_create(1, guest_spin, vcpus);
	int fd = session_all(vm), scales;
	uint64_t khz, hz;

	scales = kvm_check_cap(KVM_CAP_TSC_CONTROL);
	kvmi_note("the processor %s", scales ? "scales the TSC" :
		  "does not scale the TSC");
	khz = __vcpu_ioctl(vcpus[0], KVM_GET_TSC_KHZ, NULL);
	CHECK_EQ(get_info(fd, 0, &hz), 0);
	CHECK_EQ(hz, scales ? khz * 1000 : 0);
	if (scales) {
		CHECK(!__vcpu_ioctl(vcpus[0], KVM_SET_TSC_KHZ,
				    (void *)(khz / 2)), "KVM_SET_TSC_KHZ");
		khz = __vcpu_ioctl(vcpus[0], KVM_GET_TSC_KHZ, NULL);
		CHECK_EQ(get_info(fd, 0, &hz), 0);
		CHECK_EQ(hz, khz * 1000);
	}
	runner_start(&runner, vcpus[0]);
	CHECK(guest_moves(&guest_of(vm, 0)->count), "no guest");
	CHECK_EQ(get_info(fd, 0, &hz), 0);
	CHECK_EQ(hz, scales ? khz * 1000 : 0);
}

static const struct kvmi_case cases[] = {
	{ "registers are the guest's and KVM's", values },
	{ "registers that the VMM has set", after_set },
	{ "argument errors", arguments },
	{ "the CPUID table", cpuid_table },
	{ "XCR0", xcr },
	{ "the frequency of the TSC", info },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
