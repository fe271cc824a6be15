// SPDX-License-Identifier: GPL-2.0-only
/* probe: MEMSLOT_GMEM_ONLY
 * since: v6.18 ("KVM: guest_memfd: Track guest_memfd mmap support in memslot";
 *        id not verified)
 * group: gmem_only
 * used-by: compat/kvm.h
 * flip-yes: include/linux/kvm_host.h s/KVM_MEMSLOT_GMEM_ONLY/KVM_MEMSLOT_ONLY_GMEM/
 * flip-no: include/linux/kvm_host.h s/^struct kvm_memory_slot {/#define KVM_MEMSLOT_GMEM_ONLY (1UL << 17)\n&/
 */
#include <linux/kvm_host.h>

static bool probe(struct kvm_memory_slot *slot) __maybe_unused;
static bool probe(struct kvm_memory_slot *slot)
{
	return slot->flags & KVM_MEMSLOT_GMEM_ONLY;
}
