// SPDX-License-Identifier: GPL-2.0-only
/* probe: NO_KVM_MEM_IS_PRIVATE
 * since: before v6.8 ("KVM: Introduce per-page memory attributes"; id not
 *        verified); keeps a changed kvm_mem_is_private() from being taken for a
 *        missing one: private memory would be handed out
 * group: mem_is_private
 * used-by: compat/kvm.h
 * flip-yes: include/linux/kvm_host.h $s|.*|static inline bool kvm_mem_is_private(struct kvm *k, gfn_t g) { return true; }\n&|
 * flip-no: include/linux/kvm_host.h s/\bkvm_mem_is_private(/kvm_gfn_is_private(/
 */
#include <linux/kvm_host.h>

/* Any function or macro of that name breaks this. */
static int kvm_mem_is_private __maybe_unused;
