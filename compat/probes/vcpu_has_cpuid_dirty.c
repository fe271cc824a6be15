// SPDX-License-Identifier: GPL-2.0-only
/* probe: VCPU_HAS_CPUID_DIRTY
 * since: v6.14 ("KVM: x86: Defer runtime updates of dynamic CPUID bits until CPUID
 *        emulation"; id not verified)
 * used-by: compat/vcpu.h
 * flip-yes: arch/x86/include/asm/kvm_host.h s/bool cpuid_dynamic_bits_dirty;/bool cpuid_bits_dirty;/
 * flip-no: arch/x86/include/asm/kvm_host.h s/^\tint cpuid_nent;/&\n\tbool cpuid_dynamic_bits_dirty;/
 */
#include <linux/kvm_host.h>

static bool *probe(struct kvm_vcpu *s) __maybe_unused;
static bool *probe(struct kvm_vcpu *s)
{
	return &s->arch.cpuid_dynamic_bits_dirty;
}
