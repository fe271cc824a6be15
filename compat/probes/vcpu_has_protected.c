// SPDX-License-Identifier: GPL-2.0-only
/* probe: VCPU_HAS_PROTECTED
 * since: v5.11 ("KVM: SVM: Add support for SEV-ES capability in KVM"; id not
 *        verified)
 * used-by: compat/vcpu.h
 * flip-yes: arch/x86/include/asm/kvm_host.h s/bool guest_state_protected;/bool guest_state_secret;/
 * flip-no: arch/x86/include/asm/kvm_host.h s/^\tint cpuid_nent;/&\n\tbool guest_state_protected;/
 */
#include <linux/kvm_host.h>

static bool *probe(struct kvm_vcpu *s) __maybe_unused;
static bool *probe(struct kvm_vcpu *s)
{
	return &s->arch.guest_state_protected;
}
