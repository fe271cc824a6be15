// SPDX-License-Identifier: GPL-2.0-only
/* probe: KVM_HAS_VM_DEAD
 * since: v5.16 ("KVM: generalize "bugged" VM to "dead" VM"; id not verified)
 * used-by: compat/kvm.h
 * flip-yes: include/linux/kvm_host.h s/\bvm_dead\b/vm_ended/g
 * flip-no: include/linux/kvm_host.h s/^\tstruct srcu_struct srcu;/&\n\tbool vm_dead;/
 */
#include <linux/kvm_host.h>

static bool *probe(struct kvm *s) __maybe_unused;
static bool *probe(struct kvm *s)
{
	return &s->vm_dead;
}
