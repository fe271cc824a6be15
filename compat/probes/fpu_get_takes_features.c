// SPDX-License-Identifier: GPL-2.0-only
/* probe: FPU_GET_TAKES_FEATURES
 * since: v6.6 ("x86/fpu: Allow caller to constrain xfeatures when copying to uabi
 *        buffer"; id not verified) and backports to longterm kernels
 * used-by: compat/xsave.c
 * flip-yes: arch/x86/include/asm/fpu/api.h s/unsigned int size, u64 xfeatures, u32 pkru/unsigned int size, u32 pkru/
 * flip-no: arch/x86/include/asm/fpu/api.h s/^extern void switch_fpu_return(void);/&\nstruct fpu_guest; void fpu_copy_guest_fpstate_to_uabi(struct fpu_guest *, void *, unsigned int, u64, u32);/
 */
#include <linux/kvm_host.h>
#include <asm/fpu/api.h>

static void probe(struct fpu_guest *fpu, void *buf) __maybe_unused;
static void probe(struct fpu_guest *fpu, void *buf)
{
	void (*get)(struct fpu_guest *fpu, void *buf, unsigned int size,
		    u64 features, u32 pkru) = fpu_copy_guest_fpstate_to_uabi;

	get(fpu, buf, 4096, 0, 0);
}
