// SPDX-License-Identifier: GPL-2.0-only
/*
 * The last reference to a VM is gone: end its session while struct kvm, its
 * vCPUs and memory slots are still there.
 *
 * Context of the handler: whoever dropped the last reference, often an exiting
 * VMM; may sleep; no lock held.
 */
#include "../../compat/call.h"
#include "../../compat/kvm.h"
#include "../vm.h"
#include "hooks.h"

KVMI_DECLARE_STUB(kvmi_orig_pre_destroy_vm, void, struct kvm *kvm);
KVMI_DEFINE_STUB(kvmi_orig_pre_destroy_vm);

static notrace bool wants_hooked_vm(const struct pt_regs *regs)
{
	return kvmi_vm_is_hooked((struct kvm *)regs->di);
}

static void handle_pre_destroy_vm(struct kvm *kvm)
{
	kvmi_hook_enter(&kvmi_hook_pre_destroy_vm);
	kvmi_vm_unhook(kvm, "VM destroyed");
	kvmi_orig_pre_destroy_vm(kvm);
	kvmi_hook_leave();
}

struct kvmi_hook kvmi_hook_pre_destroy_vm = {
	.symbols = { "kvm_arch_pre_destroy_vm" },
	.module = "kvm",
	.required = true,
	.carries = "end of a session with its VM",
	.without = "a session would outlive its VM",
	.wants = wants_hooked_vm,
	.handler = handle_pre_destroy_vm,
	.stub_target = &kvmi_orig_pre_destroy_vm_target,
};
