// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_CHECK_EXTENSION, on /dev/kvm as well as on a VM file descriptor.
 *
 * Context of the handler: the caller of ioctl(2); may sleep; no lock held.
 */
#include <linux/kvmi.h>

#include "../../compat/call.h"
#include "../../compat/kvm.h"
#include "../params.h"
#include "hooks.h"

KVMI_DECLARE_STUB(kvmi_call_check_extension, int, struct kvm *kvm, long arg);
KVMI_DEFINE_STUB(kvmi_call_check_extension);

static notrace bool wants_capability(const struct pt_regs *regs)
{
	switch ((long)regs->si) {
	case KVM_CAP_KVMI:
		return true;
	case KVM_CAP_INTROSPECTION:
		return kvmi_legacy_cap_free() || kvmi_param_legacy_cap;
	default:
		return false;
	}
}

static long handle_check_extension(struct kvm *kvm, long arg)
{
	kvmi_hook_enter(&kvmi_hook_check_extension);
	kvmi_hook_leave();
	return KVMI_VERSION;
}

/* Stock KVM knows nothing of our capability and answers 0. */
bool kvmi_check_extension_hooked(void)
{
	kvmi_call_check_extension_target = kvmi_hook_check_extension.addr;
	return kvmi_call_check_extension(NULL, KVM_CAP_KVMI) == KVMI_VERSION;
}

struct kvmi_hook kvmi_hook_check_extension = {
	.symbols = { "kvm_vm_ioctl_check_extension_generic" },
	.module = "kvm",
	.carries = "KVM_CHECK_EXTENSION",
	.without = "a VMM cannot find out that introspection is available",
	.wants = wants_capability,
	.handler = handle_check_extension,
};
