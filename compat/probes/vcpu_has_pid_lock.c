// SPDX-License-Identifier: GPL-2.0-only
/* probe: VCPU_HAS_PID_LOCK
 * since: v6.13 ("KVM: Protect vCPU's "last run PID" with rwlock, not RCU"; id not
 *        verified)
 * used-by: compat/vcpu.h
 * flip-yes: include/linux/kvm_host.h s/rwlock_t pid_lock;/rwlock_t pid_rwlock;/
 * flip-no: include/linux/kvm_host.h s|^\tint vcpu_idx;.*|&\n\trwlock_t pid_lock;|
 */
#include <linux/kvm_host.h>

static rwlock_t *probe(struct kvm_vcpu *s) __maybe_unused;
static rwlock_t *probe(struct kvm_vcpu *s)
{
	return &s->pid_lock;
}
