// SPDX-License-Identifier: GPL-2.0-only
/* probe: KVM_HAS_VM_BUGGED
 * since: v5.15 0b8f11737cff
 *        ("KVM: Add infrastructure and macro to mark VM as bugged"; id not verified),
 *        and 5.10 stable: Debian 5.10.262 has it
 * used-by: compat/kvm.h
 * flip-yes: include/linux/kvm_host.h s/\bvm_bugged\b/vm_broken/g
 * flip-no: include/linux/kvm_host.h s/^\tstruct srcu_struct srcu;/&\n\tbool vm_bugged;/
 */
#include <linux/kvm_host.h>

static bool *probe(struct kvm *s) __maybe_unused;
static bool *probe(struct kvm *s)
{
	return &s->vm_bugged;
}
