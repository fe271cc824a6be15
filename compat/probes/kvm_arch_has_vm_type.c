// SPDX-License-Identifier: GPL-2.0-only
/* probe: KVM_ARCH_HAS_VM_TYPE
 * since: v6.8 ("KVM: x86: Add support for "protected VMs" that can utilize private
 *        memory"; id not verified)
 * group: vm_type
 * used-by: compat/kvm.h
 * flip-yes: arch/x86/include/asm/kvm_host.h s/\bvm_type\b/vm_kind/g
 * flip-no: arch/x86/include/asm/kvm_host.h s/^struct kvm_arch {/&\n\tu8 vm_type;/
 */
#include <linux/kvm_host.h>

/* Unsigned long before v6.10, u8 since. */
static bool probe(struct kvm *s) __maybe_unused;
static bool probe(struct kvm *s)
{
	return s->arch.vm_type;
}
