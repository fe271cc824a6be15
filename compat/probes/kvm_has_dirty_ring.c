// SPDX-License-Identifier: GPL-2.0-only
/* probe: KVM_HAS_DIRTY_RING
 * since: v5.11 fb04a1eddb1a
 *        ("KVM: X86: Implement ring-based dirty memory tracking"; id not verified)
 * used-by: compat/kvm.h
 * flip-yes: include/linux/kvm_host.h s/\bdirty_ring_size\b/dirty_ring_bytes/g
 * flip-no: include/linux/kvm_host.h s/^\tstruct srcu_struct srcu;/&\n\tu32 dirty_ring_size;/
 */
#include <linux/kvm_host.h>

static u32 *probe(struct kvm *s) __maybe_unused;
static u32 *probe(struct kvm *s)
{
	return &s->dirty_ring_size;
}
