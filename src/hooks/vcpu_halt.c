// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU that halts, on kernels without KVM_REQ_UNBLOCK (before v5.17
 * 0c5f81dad46c, "KVM: Add a request to unblock a vCPU"; id not verified): it
 * must leave the halt to do its thread's work, and halt again without the guest
 * having been woken.
 *
 * Context of the handler: the vCPU's thread in kvm_vcpu_block(), which may be
 * about to sleep; must not sleep.
 */
#include <linux/sched.h>

#include "../../compat/vcpu.h"
#include "../vm.h"
#include "hooks.h"

static notrace bool wants_to_leave(const struct pt_regs *regs)
{
	struct kvm_vcpu *vcpu = (struct kvm_vcpu *)regs->di;

	if (!test_thread_flag(TIF_NOTIFY_RESUME))
		return false;
	/* One that waits to be started would go to its VMM. */
	if (READ_ONCE(vcpu->arch.mp_state) == KVM_MP_STATE_UNINITIALIZED)
		return kvmi_vm_may_return(vcpu->kvm);
	return kvmi_vm_is_hooked(vcpu->kvm);
}

/* As KVM's function does for a signal. */
static int handle_check_block(struct kvm_vcpu *vcpu)
{
	kvmi_hook_enter(&kvmi_hook_vcpu_check_block);
	kvmi_hook_leave();
	return -EINTR;
}

struct kvmi_hook kvmi_hook_vcpu_check_block = {
	.symbols = { "kvm_vcpu_check_block" },
	.module = "kvm",
	.group = KVMI_HOOKS_HALT,
	.unneeded = KVMI_KVM_UNBLOCKS,
	.carries = "commands for halted vCPUs",
	.without = "there are no vCPU commands: a halted vCPU could not answer",
	.wants = wants_to_leave,
	.handler = handle_check_block,
};
