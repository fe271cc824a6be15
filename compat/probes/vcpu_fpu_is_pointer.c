// SPDX-License-Identifier: GPL-2.0-only
/* probe: VCPU_FPU_IS_POINTER
 * since: before v5.17 d69c1382e1b7 ("x86/kvm: Convert FPU handling to a single swap
 *        buffer"; id not verified)
 * group: vcpu_fpu
 * used-by: compat/xsave.c
 * flip-yes: arch/x86/include/asm/kvm_host.h s/struct fpu \*guest_fpu;/struct fpu_guest { int x; } guest_fpu;/
 * flip-no: arch/x86/include/asm/kvm_host.h s/struct fpu_guest guest_fpu;/struct fpu *guest_fpu;/
 */
#include <linux/kvm_host.h>

static struct fpu **probe(struct kvm_vcpu *s) __maybe_unused;
static struct fpu **probe(struct kvm_vcpu *s)
{
	return &s->arch.guest_fpu;
}
