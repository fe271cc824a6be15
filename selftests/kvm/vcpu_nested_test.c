// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU whose guest runs a guest of its own (L1 and L2 below): what the tool is
 * told is of L2, and what ends the guest ends L1 as well.
 */
#include "kvmi_vcpu.h"
#include "svm_util.h"
#include "vmx.h"

extern const char nested_spin[], nested_spin_end[];

/* L2; the first instruction is for Bochs, as in kvmi_guest.c. */
asm(".text\n"
    ".globl nested_spin, nested_spin_end\n"
    "nested_spin:\n"
    "	sti\n"
    "1:	incq	guest_area+8(%rip)\n"
    "	jmp	1b\n"
    "nested_spin_end:\n");

static unsigned char l2_stack[4096];

static struct kvm_vcpu *vcpus[1];
static struct runner runner;
static struct guest_area *area;

/* L2 has ended, which it does not do by itself, or was never entered. */
static void l1_goes_on(struct guest_area *guest, uint64_t reason)
{
	guest->out[1] = reason;
	for (;;)
		guest->count++;
}

static void l1_svm(struct guest_area *guest)
{
	struct svm_test_data *svm = (void *)guest->out[0];

	generic_svm_setup(svm, (void *)nested_spin,
			  l2_stack + sizeof(l2_stack));
	svm->vmcb->control.intercept |= 1ull << INTERCEPT_SHUTDOWN;
	run_guest(svm->vmcb, svm->vmcb_gpa);
	l1_goes_on(guest, svm->vmcb->control.exit_code);
}

static void l1_vmx(struct guest_area *guest)
{
	struct vmx_pages *vmx = (void *)guest->out[0];

	if (!prepare_for_vmx_operation(vmx) || !load_vmcs(vmx))
		l1_goes_on(guest, -1);
	prepare_vmcs(vmx, (void *)nested_spin, l2_stack + sizeof(l2_stack));
	vmlaunch();
	l1_goes_on(guest, vmreadz(VM_EXIT_REASON));
}

static bool have_nested(void)
{
	return kvm_cpu_has(X86_FEATURE_SVM) || kvm_cpu_has(X86_FEATURE_VMX);
}

static struct kvm_vm *start(void)
{
	bool svm = kvm_cpu_has(X86_FEATURE_SVM);
	struct kvm_vm *vm;
	vm_vaddr_t pages;

	vm = guest_create(1, svm ? (void *)l1_svm : (void *)l1_vmx, vcpus);
	if (svm)
		vcpu_alloc_svm(vm, &pages);
	else
		vcpu_alloc_vmx(vm, &pages);
	area = guest_of(vm, 0);
	area->out[0] = pages;
	runner_start(&runner, vcpus[0]);
	CHECK(WAIT_FOR(area->other || area->count || runner.returns, 20),
	      "no guest");
	CHECK(area->other, "no nested guest: exit reason %#lx, %lu exits",
	      (unsigned long)area->out[1], runner.returns);
	return vm;
}

static void finish(struct kvm_vm *vm, int fd)
{
	/* A VM exit of L2, as its hypervisor sees it. */
	CHECK(!area->count, "L1 has got exit reason %#lx",
	      (unsigned long)area->out[1]);
	CHECK_EQ(unhook(vm), 0);
	tool_close(fd);
	runner_quit(&runner);
	kvm_vm_free(vm);
}

static void pause_nested(int fd, struct event *ev)
{
	uint64_t rip;

	pause_now(fd, 0, ev);
	rip = ev->common.arch.regs.rip;
	CHECK(rip >= (uintptr_t)nested_spin && rip < (uintptr_t)nested_spin_end,
	      "RIP is %#lx", (unsigned long)rip);
}

static void commands(void)
{
	struct kvmi_counts before;
	struct kvm_vm *vm;
	struct event ev;
	uint64_t gpa;
	int fd, i;

	counts_read(&before);
	vm = start();
	fd = session_all(vm);
	for (i = 0; i < kvmi_count(10, 200); i++) {
		pause_nested(fd, &ev);
		CHECK_EQ(ask_all(fd, vm, 0, 0), ev.common.arch.regs.rip);
		CHECK_EQ(translate_gva(fd, 0, (uintptr_t)nested_spin, &gpa), 0);
		CHECK_EQ(gpa, addr_gva2gpa(vm, (uintptr_t)nested_spin));
		CHECK(guest_still(&area->other), "it does not wait");
		CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
		CHECK(guest_moves(&area->other), "it does not go on");
	}
	CHECK_EQ(runner.returns, 0);
	finish(vm, fd);
	counts_check(&before);
}

/* As the ABI says, and not for the hypervisor in the guest to deal with. */
static void crash(void)
{
	struct kvmi_counts before;
	struct kvm_vm *vm;
	struct event ev;
	int fd, i;

	counts_read(&before);
	for (i = 0; i < kvmi_count(4, 50); i++) {
		vm = start();
		fd = session_all(vm);
		pause_nested(fd, &ev);
		if (i & 1)
			runner_park(&runner, RUNNER_BLOCKED);
		CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CRASH), 0);
		if (i & 1)
			runner_go(&runner);
		CHECK_EQ(runner_exit(&runner), KVM_EXIT_SHUTDOWN);
		finish(vm, fd);
		counts_check(&before);
	}
}

static const struct kvmi_case cases[] = {
	{ "commands while a nested guest runs", commands, have_nested },
	{ "CRASH while a nested guest runs", crash, have_nested },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
