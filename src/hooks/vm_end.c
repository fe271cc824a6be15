// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a VM, in two steps that may be far apart: its process dies, and
 * the last reference goes.
 */
#include "../../compat/call.h"
#include "../../compat/kvm.h"
#include "../kvm/guard.h"
#include "../vm.h"
#include "hooks.h"

static notrace bool wants_hooked_vm(const struct pt_regs *regs)
{
	return kvmi_vm_is_hooked((struct kvm *)regs->di);
}

KVMI_DECLARE_STUB(kvmi_orig_flush_shadow_all, void, struct kvm *kvm);
KVMI_DEFINE_STUB(kvmi_orig_flush_shadow_all);

/*
 * The VMM's address space is being torn down. Its socket may hold the last
 * reference on the VM, as a file descriptor in its queue: without this the
 * session and the VM could keep each other alive.
 *
 * Context: whoever dropped the last reference on the mm; in an SRCU read-side
 * section of the MMU notifiers; must not wait for the session.
 */
static void handle_flush_shadow_all(struct kvm *kvm)
{
	struct kvmi_vm *vm;

	kvmi_hook_enter(&kvmi_hook_flush_shadow_all);
	vm = kvmi_vm_get(kvm);
	if (vm) {
		kvmi_receiver_interrupt(vm);
		kvmi_vm_put(vm);
	}
	kvmi_orig_flush_shadow_all(kvm);
	kvmi_hook_leave();
}

struct kvmi_hook kvmi_hook_flush_shadow_all = {
	.symbols = { "kvm_arch_flush_shadow_all" },
	.module = "kvm",
	.required = true,
	.carries = "end of a connection with the VMM's process",
	.without = "a session could keep a dead VMM's VM alive",
	.wants = wants_hooked_vm,
	.handler = handle_flush_shadow_all,
	.stub_target = &kvmi_orig_flush_shadow_all_target,
};

static notrace bool wants_dying_vm(const struct pt_regs *regs)
{
	return wants_hooked_vm(regs) || kvmi_guards_armed();
}

KVMI_DECLARE_STUB(kvmi_orig_pre_destroy_vm, void, struct kvm *kvm);
KVMI_DEFINE_STUB(kvmi_orig_pre_destroy_vm);

/*
 * The last reference to the VM is gone: end its session while struct kvm, its
 * vCPUs and memory slots are still there.
 *
 * Context: whoever dropped the reference, often an exiting VMM, or a vCPU's work
 * on the way to user space; may sleep; no lock held.
 */
static void handle_pre_destroy_vm(struct kvm *kvm)
{
	kvmi_hook_enter(&kvmi_hook_pre_destroy_vm);
	kvmi_vm_unhook(kvm, "VM destroyed");
	kvmi_guards_drop(kvm);
	kvmi_orig_pre_destroy_vm(kvm);
	kvmi_hook_leave();
}

struct kvmi_hook kvmi_hook_pre_destroy_vm = {
	.symbols = { "kvm_arch_pre_destroy_vm" },
	.module = "kvm",
	.required = true,
	.carries = "end of a session with its VM",
	.without = "a session would outlive its VM",
	.wants = wants_dying_vm,
	.handler = handle_pre_destroy_vm,
	.stub_target = &kvmi_orig_pre_destroy_vm_target,
};
