// SPDX-License-Identifier: GPL-2.0-only
/* probe: VCPU_HAS_WANTS_TO_RUN
 * since: v6.11, and in 6.1-stable ("KVM: Introduce vcpu->wants_to_run"; id not
 *        verified)
 * used-by: compat/vcpu.h
 * flip-yes: include/linux/kvm_host.h s/bool wants_to_run;/bool likes_to_run;/
 * flip-no: include/linux/kvm_host.h s|^\tint vcpu_idx;.*|&\n\tbool wants_to_run;|
 */
#include <linux/kvm_host.h>

static bool *probe(struct kvm_vcpu *s) __maybe_unused;
static bool *probe(struct kvm_vcpu *s)
{
	return &s->wants_to_run;
}
