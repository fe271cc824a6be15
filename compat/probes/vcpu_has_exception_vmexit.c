// SPDX-License-Identifier: GPL-2.0-only
/* probe: VCPU_HAS_EXCEPTION_VMEXIT
 * since: v6.1 ("KVM: x86: Morph pending exceptions to pending VM-Exits at queue time";
 *        id not verified)
 * used-by: compat/vcpu.h
 * flip-yes: arch/x86/include/asm/kvm_host.h s/struct kvm_queued_exception exception_vmexit;/struct kvm_queued_exception exception_exit;/
 * flip-no: arch/x86/include/asm/kvm_host.h s/^\tint cpuid_nent;/&\n\tstruct { bool pending; } exception_vmexit;/
 */
#include <linux/kvm_host.h>

static bool *probe(struct kvm_vcpu *s) __maybe_unused;
static bool *probe(struct kvm_vcpu *s)
{
	return &s->arch.exception_vmexit.pending;
}
