// SPDX-License-Identifier: GPL-2.0-only
/* probe: EXCEPTION_HAS_VECTOR
 * since: v6.1 ("KVM: x86: Rename kvm_queued_exception.nr to .vector"; id not verified)
 * group: exception
 * used-by: compat/vcpu.h
 * flip-yes: arch/x86/include/asm/kvm_host.h /^struct kvm_queued_exception {/,/}/s/u8 vector;/u8 nr;/
 * flip-no: arch/x86/include/asm/kvm_host.h /^\tstruct kvm_queued_exception {/,/}/s/u8 nr;/u8 vector;/
 */
#include <linux/kvm_host.h>

static u8 *probe(struct kvm_vcpu *s) __maybe_unused;
static u8 *probe(struct kvm_vcpu *s)
{
	return &s->arch.exception.vector;
}
