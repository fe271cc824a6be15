// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM has a callback for what is left to do of an exit when its VMM has dealt
 * with it: the next KVM_RUN calls it once, before it does anything else with the
 * vCPU. We put ours in its place, which calls KVM's.
 *
 * It must never be there while the guest runs, as KVM takes that for an
 * instruction that is not finished.
 *
 * The pointer and @next are protected by vcpu->mutex. KVM clears the pointer
 * before the call, so the table says whether a guard is armed.
 */
#include <linux/hashtable.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../hooks/hooks.h"
#include "../vcpu.h"
#include "guard.h"

/**
 * struct kvmi_guard - a vCPU's guard
 * @node: in the table of those that are armed
 * @vcpu: the vCPU
 * @next: KVM's own callback, or NULL
 * @closed: its session has ended
 * @orphan: it belongs to nobody and holds the module
 */
struct kvmi_guard {
	struct hlist_node node;
	struct kvm_vcpu *vcpu;
	int (*next)(struct kvm_vcpu *vcpu);
	bool closed;
	bool orphan;
};

static DEFINE_HASHTABLE(guards, 6);
static DEFINE_SPINLOCK(guards_lock);	/* the table, @closed and @orphan */
static atomic_t armed;

static struct kvmi_guard *find_guard(const struct kvm_vcpu *vcpu)
{
	struct kvmi_guard *guard;

	lockdep_assert_held(&guards_lock);
	hash_for_each_possible(guards, guard, node, (unsigned long)vcpu)
		if (guard->vcpu == vcpu)
			return guard;
	return NULL;
}

static void take_out(struct kvmi_guard *guard)
{
	lockdep_assert_held(&guards_lock);
	hash_del(&guard->node);
	atomic_dec(&armed);
}

/*
 * Called by KVM_RUN: returns like KVM's own, more than 0 to enter the guest.
 * Whatever becomes of the session meanwhile, the module stays: KVM's function
 * may wait for guest memory.
 */
static int enter_guarded(struct kvm_vcpu *vcpu)
{
	int (*next)(struct kvm_vcpu *vcpu);
	struct kvmi_guard *guard, *orphan = NULL;
	int r = 1;

	kvmi_text_enter();
	spin_lock(&guards_lock);
	guard = find_guard(vcpu);
	next = guard->next;
	if (guard->orphan)
		orphan = guard;
	else
		__module_get(THIS_MODULE);
	take_out(guard);
	spin_unlock(&guards_lock);
	kfree(orphan);
	if (next)
		r = next(vcpu);
	r = kvmi_vcpu_thread_enters(vcpu, r);
	module_put(THIS_MODULE);
	kvmi_text_leave();
	return r;
}

struct kvmi_guard *kvmi_guard_create(struct kvm_vcpu *vcpu)
{
	struct kvmi_guard *guard = kzalloc(sizeof(*guard), GFP_KERNEL_ACCOUNT);
	struct kvmi_guard *orphan;

	if (!guard)
		return NULL;
	guard->vcpu = vcpu;

	/* What an earlier session had to leave is this one's now. */
	spin_lock(&guards_lock);
	orphan = find_guard(vcpu);
	if (orphan) {
		orphan->closed = false;
		orphan->orphan = false;
	}
	spin_unlock(&guards_lock);
	if (!orphan)
		return guard;
	kfree(guard);
	module_put(THIS_MODULE);
	return orphan;
}

void kvmi_guard_free(struct kvmi_guard *guard)
{
	kfree(guard);
}

bool kvmi_guard_armed(struct kvmi_guard *guard)
{
	bool is_armed;

	spin_lock(&guards_lock);
	is_armed = !hlist_unhashed(&guard->node);
	spin_unlock(&guards_lock);
	return is_armed;
}

void kvmi_guard_arm(struct kvmi_guard *guard)
{
	struct kvm_vcpu *vcpu = guard->vcpu;

	lockdep_assert_held(&vcpu->mutex);
	spin_lock(&guards_lock);
	if (!guard->closed && !find_guard(vcpu)) {
		guard->next = vcpu->arch.complete_userspace_io;
		vcpu->arch.complete_userspace_io = enter_guarded;
		hash_add(guards, &guard->node, (unsigned long)vcpu);
		atomic_inc(&armed);
	}
	spin_unlock(&guards_lock);
}

/* Nobody else has the vCPU. */
static void disarm(struct kvmi_guard *guard)
{
	lockdep_assert_held(&guards_lock);
	guard->vcpu->arch.complete_userspace_io = guard->next;
	take_out(guard);
}

bool kvmi_guard_end(struct kvmi_guard *guard)
{
	struct kvm_vcpu *vcpu = guard->vcpu;
	bool locked = mutex_trylock(&vcpu->mutex);
	bool done;

	spin_lock(&guards_lock);
	guard->closed = true;
	done = hlist_unhashed(&guard->node);
	if (!done && locked) {
		disarm(guard);
		done = true;
	}
	spin_unlock(&guards_lock);
	if (locked)
		mutex_unlock(&vcpu->mutex);
	return done;
}

bool kvmi_guard_leave(struct kvmi_guard *guard)
{
	bool orphan;

	spin_lock(&guards_lock);
	orphan = !hlist_unhashed(&guard->node);
	if (orphan) {
		guard->orphan = true;
		__module_get(THIS_MODULE);
	}
	spin_unlock(&guards_lock);
	return orphan;
}

void kvmi_guards_drop(struct kvm *kvm)
{
	struct kvmi_guard *guard;
	struct hlist_node *tmp;
	HLIST_HEAD(dropped);
	int bucket;

	spin_lock(&guards_lock);
	hash_for_each_safe(guards, bucket, tmp, guard, node) {
		if (guard->vcpu->kvm != kvm)
			continue;
		disarm(guard);
		hlist_add_head(&guard->node, &dropped);
	}
	spin_unlock(&guards_lock);
	hlist_for_each_entry_safe(guard, tmp, &dropped, node) {
		kfree(guard);
		module_put(THIS_MODULE);
	}
}

notrace bool kvmi_guards_armed(void)
{
	return atomic_read(&armed);
}
