// SPDX-License-Identifier: GPL-2.0-only
/* probe: KVM_MEM_IS_PRIVATE
 * since: v6.8 ("KVM: Introduce per-page memory attributes"; id not verified)
 * group: mem_is_private
 * used-by: compat/kvm.h
 * flip-yes: include/linux/kvm_host.h s/\bkvm_mem_is_private(/kvm_gfn_is_private(/
 * flip-no: include/linux/kvm_host.h $s|.*|static inline bool kvm_mem_is_private(struct kvm *k, gfn_t g) { return true; }\n&|
 */
#include <linux/kvm_host.h>

/* Accepted only if the header defines it inline: nothing is left to link. */
static bool kvm_mem_is_private(struct kvm *kvm, gfn_t gfn);
static bool (*probe)(struct kvm *kvm, gfn_t gfn) __maybe_unused = kvm_mem_is_private;
