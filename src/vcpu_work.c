// SPDX-License-Identifier: GPL-2.0-only
/*
 * The task works of a vCPU: what runs in the vCPU's own thread.
 *
 * Contexts: the work itself in process context, without locks of ours, in
 * KVM_RUN or on the way to user space; queueing in process context as well.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>

#include "../compat/kvm.h"
#include "../compat/memcg.h"
#include "../compat/work.h"
#include "hooks/hooks.h"
#include "kvm/vcpu.h"
#include "vcpu.h"
#include "vm.h"

/* How often to try for a vCPU in user space's way, 0.1 ms apart. */
#define LOCK_TRIES 1000

static struct task_struct *take_task(struct kvmi_vcpu_work *work)
{
	struct task_struct *task = work->task;

	lockdep_assert_held(&work->thread->lock);
	work->task = NULL;
	return task;
}

/*
 * Outside of KVM_RUN nobody else may hold the VM, nor, on some kernels, the VM its
 * vendor module. False when it is being destroyed.
 */
static bool hold_vm(struct kvmi_vm *vm)
{
	if (!refcount_inc_not_zero(&vm->kvm->users_count))
		return false;
	__module_get(vm->vendor);
	return true;
}

/* The last one ends the VM: not where locks are held, or a work still counts. */
static void drop_vm(struct kvm *kvm, struct module *vendor)
{
	might_sleep();
	kvm_put_kvm(kvm);
	module_put(vendor);
}

/* Where a work finds itself. */
enum place {
	NOWHERE,	/* the session has ended, or the vCPU cannot be had here */
	IN_RUN,		/* in KVM_RUN of the vCPU, which holds the VM */
	ELSEWHERE,	/* on the way to user space, holding the VM */
};

/* As long as the thread is not dead, the VM exists. */
static enum place find_place(struct kvmi_vcpu_thread *thread)
{
	struct kvm_vcpu *vcpu = thread->ctx.vcpu;

	lockdep_assert_held(&thread->lock);
	if (thread->dead)
		return NOWHERE;
	if (kvmi_vcpu_loaded(vcpu))
		return IN_RUN;
	/* In KVM_RUN of another vCPU, that one cannot be unloaded here. */
	if (current->mm != vcpu->kvm->mm || kvmi_vcpu_any_loaded())
		return NOWHERE;
	return hold_vm(thread->vm) ? ELSEWHERE : NOWHERE;
}

static enum place begin_work(struct kvmi_vcpu_work *work)
{
	struct kvmi_vcpu_thread *thread = work->thread;
	struct task_struct *task;
	enum place place;

	spin_lock(&thread->lock);
	task = take_task(work);
	place = find_place(thread);
	if (place != NOWHERE)
		thread->running++;
	spin_unlock(&thread->lock);
	if (task)
		put_task_struct(task);
	return place;
}

static void end_work(struct kvmi_vcpu_thread *thread)
{
	bool last;

	spin_lock(&thread->lock);
	last = !--thread->running && thread->dead;
	spin_unlock(&thread->lock);
	if (last)
		wake_up_all(&thread->wait);
}

static bool has_news(struct kvmi_vcpu_thread *thread)
{
	return kvmi_vcpu_busy(&thread->core) ||
	       READ_ONCE(thread->core.closed);
}

/*
 * A signal makes KVM_RUN return, and what is left is for the next one. So must a
 * signal that is but another task work (TIF_NOTIFY_SIGNAL), after which KVM before
 * v5.18 would go on.
 */
static void leave_run(struct kvmi_vcpu_thread *thread)
{
	set_thread_flag(TIF_SIGPENDING);
	kvmi_vcpu_thread_guard(thread);
}

/* In KVM_RUN. */
static void work_in_run(struct kvmi_vcpu_thread *thread)
{
	thread->ctx.in_run = true;
	while (kvmi_vcpu_run(&thread->core, true) == KVMI_VCPU_HOLD) {
		if (!wait_event_interruptible(thread->wait, has_news(thread)))
			continue;
		leave_run(thread);
		/* If the session ends, nobody comes back for the answer. */
		if (!READ_ONCE(thread->core.closed))
			break;
	}
	if (READ_ONCE(thread->core.crash))
		leave_run(thread);
	thread->ctx.in_run = false;
}

/*
 * Another thread's ioctl may have it for a moment. With an event outstanding it
 * is worth a wait: nobody else would arm the guard before the next KVM_RUN.
 */
static bool lock_elsewhere(struct kvmi_vcpu_thread *thread)
{
	int tries;

	for (tries = 0; tries < LOCK_TRIES; tries++) {
		if (kvmi_vcpu_trylock(thread->ctx.vcpu))
			return true;
		if (!kvmi_vcpu_attention(&thread->core) ||
		    READ_ONCE(thread->dead) || fatal_signal_pending(current))
			return false;
		usleep_range(100, 200);
	}
	return false;
}

/*
 * On the way to user space, perhaps out of KVM_RUN. What is left is tried again by
 * the receiving thread.
 */
static void work_elsewhere(struct kvmi_vcpu_thread *thread)
{
	if (!lock_elsewhere(thread))
		return;
	kvmi_vcpu_run(&thread->core, false);
	kvmi_vcpu_thread_guard(thread);
	kvmi_vcpu_unlock(thread->ctx.vcpu);
}

static void vcpu_work(struct callback_head *head)
{
	struct kvmi_vcpu_work *work =
		container_of(head, struct kvmi_vcpu_work, head);
	struct kvmi_vcpu_thread *thread = work->thread;
	struct kvmi_vm *vm = thread->vm;
	struct module *vendor;
	struct mem_cgroup *old;
	enum place place;

	kvmi_text_enter();
	old = kvmi_charge(vm->memcg);
	place = begin_work(work);
	vendor = READ_ONCE(vm->vendor);
	/*
	 * Who kicks from here on queues the work again; what was asked for before
	 * is seen below.
	 */
	atomic_set(&work->queued, 0);
	smp_mb(); /* pairs with the cmpxchg in kvmi_vcpu_work_queue() */
	if (place == IN_RUN)
		work_in_run(thread);
	else if (place == ELSEWHERE)
		work_elsewhere(thread);
	if (place != NOWHERE)
		end_work(thread);
	kvmi_charge(old);
	if (place == ELSEWHERE)
		drop_vm(vm->kvm, vendor);
	kvmi_vm_put(vm);
	module_put(THIS_MODULE);
	kvmi_text_leave();
}

/* Holds the module as well: a thread may take long to get to its work. */
bool kvmi_vcpu_work_queue(struct kvmi_vcpu_work *work,
			  struct task_struct *task)
{
	struct kvmi_vcpu_thread *thread = work->thread;

	if (atomic_cmpxchg(&work->queued, 0, 1))
		return false;
	if (!refcount_inc_not_zero(&thread->vm->refs))
		goto err_queued;
	__module_get(THIS_MODULE);
	get_task_struct(task);
	spin_lock(&thread->lock);
	work->task = task;
	spin_unlock(&thread->lock);
	if (!kvmi_task_work_add(task, &work->head))
		return true;

	/* The task is exiting. The caller has references of its own. */
	spin_lock(&thread->lock);
	take_task(work);
	spin_unlock(&thread->lock);
	put_task_struct(task);
	module_put(THIS_MODULE);
	refcount_dec(&thread->vm->refs);
err_queued:
	atomic_set(&work->queued, 0);
	return false;
}

void kvmi_vcpu_work_cancel(struct kvmi_vcpu_work *work,
			   const struct task_struct *except)
{
	struct kvmi_vcpu_thread *thread = work->thread;
	struct task_struct *task;

	spin_lock(&thread->lock);
	task = work->task;
	if (task == except)
		task = NULL;
	if (task)
		get_task_struct(task);
	spin_unlock(&thread->lock);
	if (!task)
		return;

	if (kvmi_task_work_cancel(task, &work->head)) {
		spin_lock(&thread->lock);
		take_task(work);
		spin_unlock(&thread->lock);
		put_task_struct(task);
		atomic_set(&work->queued, 0);
		kvmi_vm_put(thread->vm);
		module_put(THIS_MODULE);
	}
	put_task_struct(task);
}

void kvmi_vcpu_works_init(struct kvmi_vcpu_thread *thread)
{
	int i;

	for (i = 0; i < KVMI_VCPU_WORKS; i++) {
		init_task_work(&thread->works[i].head, vcpu_work);
		thread->works[i].thread = thread;
	}
}
