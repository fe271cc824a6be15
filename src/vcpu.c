// SPDX-License-Identifier: GPL-2.0-only
/*
 * Getting into the context of a vCPU. There are two ways, and which one fits
 * shows by trying:
 *
 * 1. Nobody has the vCPU (its VMM is busy elsewhere, or has not run it yet):
 *    the receiving thread takes its mutex and does the work itself.
 * 2. Somebody has it, nearly always KVM_RUN: a task work of that thread runs
 *    before the vCPU enters the guest (again), with the vCPU loaded, without
 *    kvm->srcu, and without KVM_RUN returning. A vCPU in the guest is made to
 *    exit by the interrupt that comes with the task work, one that halts is
 *    woken for it and halts again.
 *
 * If it was not KVM_RUN but a short ioctl, the work may wait for a thread that
 * sleeps elsewhere, so the receiving thread tries again until it is done.
 *
 * A vCPU whose event has no reply waits in the task work. A signal ends this
 * wait, and KVM_RUN then returns to the VMM as for any signal; the guard brings
 * the work back before the vCPU enters the guest the next time.
 */
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "../compat/vcpu.h"
#include "hooks/hooks.h"
#include "kvm/vcpu.h"
#include "vcpu.h"
#include "vm.h"

/* Between two tries: the first is soon, later ones are less so. */
#define POLL_MIN 1
#define POLL_MAX msecs_to_jiffies(50)

static struct kvmi_vcpu_thread *to_thread(struct kvmi_vcpu *vcpu)
{
	return container_of(vcpu, struct kvmi_vcpu_thread, core);
}

/* ------------------------------------------------- receiving thread ------ */

/* The VMM's memory is needed for the guest's, and for some state of a vCPU. */
static bool run_here(struct kvmi_vcpu_thread *thread)
{
	struct mm_struct *mm = thread->ctx.vcpu->kvm->mm;
	bool done = false;

	might_sleep();
	if (mutex_is_locked(&thread->ctx.vcpu->mutex))
		return false;
	if (!mmget_not_zero(mm))
		return false;
	kthread_use_mm(mm);
	if (kvmi_vcpu_trylock(thread->ctx.vcpu)) {
		kvmi_vcpu_run(&thread->core, false);
		kvmi_vcpu_thread_guard(thread);
		kvmi_vcpu_unlock(thread->ctx.vcpu);
		done = true;
	}
	kthread_unuse_mm(mm);
	mmput(mm);
	kvmi_receiver_settle(thread->vm);
	return done;
}

/* The thread that runs the vCPU has its work before it enters the guest again. */
static bool has_work(struct kvmi_vcpu_thread *thread)
{
	struct task_struct *task = kvmi_vcpu_task(thread->ctx.vcpu);
	bool has;

	if (!task)
		return false;
	spin_lock(&thread->lock);
	has = thread->works[KVMI_KICK_WORK].task == task;
	spin_unlock(&thread->lock);
	put_task_struct(task);
	return has;
}

/*
 * One that waits to be started goes on waiting, and has its work then. But if it is
 * to crash, KVM_RUN has to return, with EAGAIN as when that is over, and its work is
 * done before the next one.
 */
static bool may_wake(struct kvmi_vcpu_thread *thread)
{
	if (kvmi_vcpu_started(thread->ctx.vcpu))
		return true;
	if (!kvmi_vcpu_crash_due(&thread->core) || !has_work(thread))
		return false;
	WRITE_ONCE(thread->vm->may_return, true);
	return true;
}

void kvmi_vcpu_thread_interrupt(struct kvmi_vcpu_thread *thread)
{
	struct task_struct *task = kvmi_vcpu_task(thread->ctx.vcpu);

	wake_up(&thread->wait);
	if (!task)
		return;
	/* The vCPU may have another thread by now. */
	kvmi_vcpu_work_cancel(&thread->works[KVMI_KICK_WORK], task);
	kvmi_vcpu_work_queue(&thread->works[KVMI_KICK_WORK], task);
	if (may_wake(thread))
		kvmi_vcpu_wake(thread->ctx.vcpu);
	put_task_struct(task);
}

static bool needs_work(struct kvmi_vcpu_thread *thread)
{
	return kvmi_vcpu_busy(&thread->core) ||
	       kvmi_vcpu_event_due(&thread->core) ||
	       READ_ONCE(thread->core.crash);
}

static void poll_in(struct kvmi_vm *vm, unsigned long delay)
{
	vm->poll = delay;
	vm->poll_at = jiffies + delay;
}

void kvmi_vcpu_thread_kick(struct kvmi_vcpu *vcpu)
{
	struct kvmi_vcpu_thread *thread = to_thread(vcpu);
	struct kvmi_vm *vm = thread->vm;

	if (!run_here(thread))
		kvmi_vcpu_thread_interrupt(thread);
	if (needs_work(thread) &&
	    (!vm->poll || time_after(vm->poll_at, jiffies + POLL_MIN)))
		poll_in(vm, POLL_MIN);
}

unsigned long kvmi_vcpu_threads_poll(struct kvmi_vm *vm)
{
	struct kvmi_vcpu_thread *thread;
	unsigned long index;
	bool pending = false;

	if (!vm->poll)
		return MAX_SCHEDULE_TIMEOUT;
	/* What was kicked just now is on its way. */
	if (time_before(jiffies, vm->poll_at))
		return max_t(long, vm->poll_at - jiffies, 1);
	xa_for_each(&vm->vcpus, index, thread) {
		if (!needs_work(thread))
			continue;
		if (!run_here(thread))
			kvmi_vcpu_thread_interrupt(thread);
		pending |= needs_work(thread);
	}
	poll_in(vm, pending ? min(2 * vm->poll, POLL_MAX) : 0);
	return pending ? vm->poll : MAX_SCHEDULE_TIMEOUT;
}

bool kvmi_vcpu_thread_ready(struct kvmi_vcpu *vcpu)
{
	return kvmi_vcpu_started(to_thread(vcpu)->ctx.vcpu);
}

/*
 * Not in the guest, and cannot enter it unseen: looked at in this order. What is
 * being injected has to enter it first.
 */
static bool is_out(struct kvmi_vcpu_thread *thread)
{
	struct kvmi_vcpu *vcpu = &thread->core;
	bool kept = !READ_ONCE(vcpu->trap_pending) && has_work(thread);

	smp_mb(); /* KVM tells that it enters the guest, and then looks for work */
	if (kvmi_vcpu_in_guest(thread->ctx.vcpu))
		return false;
	return kept || READ_ONCE(vcpu->event) || !kvmi_vcpu_attention(vcpu) ||
	       kvmi_guard_armed(thread->guard) ||
	       !kvmi_vcpu_started(thread->ctx.vcpu);
}

/*
 * Another ioctl may have had the vCPU, or another thread may have it by now:
 * hence the new tries, and their end for a VMM that does that all the time.
 */
void kvmi_vcpu_thread_wait_exit(struct kvmi_vcpu *vcpu)
{
	struct kvmi_vcpu_thread *thread = to_thread(vcpu);
	unsigned long end = jiffies + HZ;
	unsigned int us;

	for (us = 20; !is_out(thread) && !signal_pending(current) &&
		      time_before(jiffies, end); us = min(2 * us, 5000u)) {
		usleep_range(us, 2 * us);
		if (us > 1000 && !run_here(thread))
			kvmi_vcpu_thread_interrupt(thread);
	}
}

static struct kvmi_vcpu_thread *alloc_thread(struct kvmi_vm *vm, u16 index)
{
	struct kvmi_vcpu_thread *thread;

	thread = kzalloc(sizeof(*thread), GFP_KERNEL_ACCOUNT);
	if (!thread)
		return NULL;
	thread->ctx.vcpu = kvm_get_vcpu(vm->kvm, index);
	thread->guard = kvmi_guard_create(thread->ctx.vcpu);
	if (!thread->guard) {
		kfree(thread);
		return NULL;
	}
	kvmi_vcpu_init(&thread->core, &vm->session, index);
	thread->core.ops = &kvmi_vcpu_backend_ops;
	thread->core.ctx = &thread->ctx;
	thread->vm = vm;
	kvmi_vcpu_works_init(thread);
	spin_lock_init(&thread->lock);
	init_waitqueue_head(&thread->wait);
	return thread;
}

/* It may be armed: by this session, or by an earlier one from which it is. */
void kvmi_vcpu_thread_leave_guard(struct kvmi_vcpu_thread *thread)
{
	if (!kvmi_guard_end(thread->guard) && kvmi_guard_leave(thread->guard))
		thread->guard = NULL;
}

void kvmi_vcpu_thread_free(struct kvmi_vcpu_thread *thread)
{
	kvmi_guard_free(thread->guard);
	kfree(thread);
}

/* Only the receiving thread adds records. */
int kvmi_vcpu_thread_find(struct kvmi_vm *vm, u16 index,
			  struct kvmi_vcpu **vcpu)
{
	struct kvmi_vcpu_thread *thread = xa_load(&vm->vcpus, index);

	if (!thread) {
		if (kvmi_vm_need_hooks(vm, KVMI_HOOKS_HALT))
			return -KVMI_EOPNOTSUPP;
		thread = alloc_thread(vm, index);
		if (!thread)
			return -KVMI_ENOMEM;
		if (xa_err(xa_store(&vm->vcpus, index, thread,
				    GFP_KERNEL_ACCOUNT))) {
			kvmi_vcpu_thread_leave_guard(thread);
			kvmi_vcpu_thread_free(thread);
			return -KVMI_ENOMEM;
		}
	}
	if (kvmi_vcpu_protected(thread->ctx.vcpu))
		return -KVMI_EOPNOTSUPP;
	*vcpu = &thread->core;
	return 0;
}

/* ------------------------------------------------------ the guard -------- */

static bool is_dead(struct kvmi_vcpu_thread *thread)
{
	bool dead;

	spin_lock(&thread->lock);
	dead = thread->dead;
	spin_unlock(&thread->lock);
	return dead;
}

/* Under the lock: who ends the session may give the guard away afterwards. */
void kvmi_vcpu_thread_guard(struct kvmi_vcpu_thread *thread)
{
	bool dead;

	if (!kvmi_vcpu_attention(&thread->core))
		return;
	spin_lock(&thread->lock);
	dead = thread->dead;
	if (!dead)
		kvmi_guard_arm(thread->guard);
	spin_unlock(&thread->lock);
	/* Nobody comes back for it. */
	if (dead && kvmi_vcpu_take_crash(&thread->core))
		thread->core.ops->crash(thread->core.ctx);
}

static bool queue_for_run(struct kvmi_vcpu_thread *thread)
{
	int i;

	for (i = KVMI_RUN_WORKS; i < KVMI_VCPU_WORKS; i++)
		if (kvmi_vcpu_work_queue(&thread->works[i], current))
			return true;
	return false;
}

/*
 * The work runs before the guest does; if the vCPU halts it must be made to look.
 * A KVM_RUN that would return before it looks for work leaves the guard for the
 * next one, and so does one that can have no work: -EINTR is KVM's own answer.
 */
static int keep_out(struct kvmi_vcpu_thread *thread, int r)
{
	struct kvm_vcpu *vcpu = thread->ctx.vcpu;

	if (r > 0 && !kvmi_kvm_returns_at_once(vcpu)) {
		if (!signal_pending(current) && queue_for_run(thread)) {
			kvmi_vcpu_wake(vcpu);
			return r;
		}
		vcpu->run->exit_reason = KVM_EXIT_INTR;
	}
	kvmi_vcpu_thread_guard(thread);
	return r > 0 ? -EINTR : r;
}

int kvmi_vcpu_thread_enters(struct kvm_vcpu *vcpu, int r)
{
	struct kvmi_vm *vm = kvmi_vm_get(vcpu->kvm);
	struct kvmi_vcpu_thread *thread;

	if (!vm)
		return r;
	thread = xa_load(&vm->vcpus, vcpu->vcpu_idx);
	if (thread && !is_dead(thread) && kvmi_vcpu_attention(&thread->core))
		r = keep_out(thread, r);
	kvmi_vm_put(vm);
	return r;
}
