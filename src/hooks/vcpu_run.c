// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_RUN, while a session may have events: a vCPU with an event that has no
 * reply, or a pause that was not told of, must not enter the guest. The work
 * that sees to this is queued here, at the beginning, and runs before the
 * guest does.
 */
#include "../../compat/kvm.h"
#include "../vcpu.h"
#include "../vm.h"
#include "hooks.h"

/* Only looks on: KVM's function runs in any case. */
static notrace bool observe_vcpu_run(const struct pt_regs *regs)
{
	struct kvm_vcpu *vcpu = (struct kvm_vcpu *)regs->di;
	struct kvmi_vm *vm = kvmi_vm_peek(vcpu->kvm);

	return vm && kvmi_vcpu_thread_enters(vm, vcpu);
}

struct kvmi_hook kvmi_hook_vcpu_run = {
	.symbols = { "kvm_arch_vcpu_ioctl_run" },
	.module = "kvm",
	.group = KVMI_HOOKS_RUN,
	.carries = "pausing vCPUs, events",
	.without = "vCPUs cannot be paused: there are no vCPU events",
	.wants = observe_vcpu_run,
};
