// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a session, for its vCPUs: what the tool has answered last is left in
 * them, the rest is dropped, and no work runs for it any more.
 */
#include <linux/delay.h>

#include "vcpu.h"
#include "vm.h"

/* How long the end of a session waits for what runs in the vCPUs' threads. */
#define END_LIMIT HZ

/*
 * How often it tries for vCPUs that have an answer, a millisecond apart. One that
 * has to come out of KVM_RUN for it comes when its thread gets the CPU.
 */
#define ANSWER_TRIES 20
#define RETURN_TRIES 100

/* And for guards that it has to put back. */
#define GUARD_TRIES 3

void kvmi_vcpu_threads_close(struct kvmi_vm *vm)
{
	struct kvmi_vcpu_thread *thread;
	unsigned long index;

	xa_for_each(&vm->vcpus, index, thread) {
		kvmi_vcpu_close(&thread->core);
		wake_up(&thread->wait);
	}
}

static bool work_ended(struct kvmi_vcpu_thread *thread)
{
	bool ended;

	spin_lock(&thread->lock);
	ended = !thread->running;
	spin_unlock(&thread->lock);
	return ended;
}

/*
 * The tool has answered, and the VMM has not called KVM_RUN since, or has just
 * done so: the answer is left in the vCPU, with what was to change before it, as
 * the tool may be gone. False as long as somebody else has the vCPU, whose work
 * may find the answer first.
 */
static bool leave_answer(struct kvmi_vcpu_thread *thread)
{
	if (!kvmi_vcpu_answered(&thread->core))
		return true;
	if (!kvmi_vcpu_trylock(thread->ctx.vcpu))
		return false;
	kvmi_vcpu_run(&thread->core, true);
	kvmi_vcpu_unlock(thread->ctx.vcpu);
	return true;
}

/* One limit for all of them, as the VMM decides how many there are. */
static void try_all(struct kvmi_vm *vm,
		    bool (*try)(struct kvmi_vcpu_thread *thread), int tries)
{
	struct kvmi_vcpu_thread *thread;
	unsigned long index;
	bool left;

	might_sleep();
	while (tries--) {
		left = false;
		xa_for_each(&vm->vcpus, index, thread)
			left |= !try(thread);
		if (!left)
			return;
		usleep_range(1000, 2000);
	}
}

/* One that waits to be started comes out of KVM_RUN for CRASH. */
static bool fetch_crashes(struct kvmi_vm *vm)
{
	struct kvmi_vcpu_thread *thread;
	unsigned long index;
	bool fetched = false;

	xa_for_each(&vm->vcpus, index, thread) {
		if (kvmi_vcpu_started(thread->ctx.vcpu) ||
		    !kvmi_vcpu_crash_due(&thread->core))
			continue;
		kvmi_vcpu_thread_interrupt(thread);
		fetched = true;
	}
	return fetched;
}

/*
 * Of a vCPU that somebody has had all the time, nothing is left but CRASH, which
 * comes when it enters the guest, or wakes up if it halts.
 */
static void drop_answer(struct kvmi_vcpu_thread *thread)
{
	kvmi_vcpu_drop(&thread->core);
	if (kvmi_vcpu_take_crash(&thread->core))
		kvmi_vcpu_request_crash(thread->ctx.vcpu);
}

static bool end_guard(struct kvmi_vcpu_thread *thread)
{
	return kvmi_guard_end(thread->guard);
}

/*
 * Nobody comes to an answer any more, but a work that runs already. Later the guest
 * may have gone on, and changes would come too late.
 */
static void stop_works(struct kvmi_vcpu_thread *thread)
{
	bool running;
	int i;

	spin_lock(&thread->lock);
	thread->dead = true;
	running = thread->running;
	spin_unlock(&thread->lock);
	for (i = 0; i < KVMI_VCPU_WORKS; i++)
		kvmi_vcpu_work_cancel(&thread->works[i], NULL);
	if (!running)
		drop_answer(thread);
}

static bool wait_for_works(struct kvmi_vcpu_thread *thread, unsigned long end)
{
	long left = end - jiffies;

	return wait_event_timeout(thread->wait, work_ended(thread),
				  max(left, 1L));
}

bool kvmi_vcpu_threads_end(struct kvmi_vm *vm)
{
	struct kvmi_vcpu_thread *thread;
	unsigned long index, end;
	bool ended = true;

	lockdep_assert_held(&vm->lock);
	kvmi_vcpu_threads_close(vm);
	try_all(vm, leave_answer,
		fetch_crashes(vm) ? RETURN_TRIES : ANSWER_TRIES);
	xa_for_each(&vm->vcpus, index, thread)
		stop_works(thread);
	end = jiffies + END_LIMIT;
	xa_for_each(&vm->vcpus, index, thread)
		ended &= wait_for_works(thread, end);
	/* Of what a work that ran has left, only CRASH is not too late. */
	xa_for_each(&vm->vcpus, index, thread)
		kvmi_vcpu_drop(&thread->core);
	try_all(vm, leave_answer, ANSWER_TRIES);
	xa_for_each(&vm->vcpus, index, thread)
		drop_answer(thread);
	try_all(vm, end_guard, GUARD_TRIES);
	xa_for_each(&vm->vcpus, index, thread)
		kvmi_vcpu_thread_leave_guard(thread);
	return ended;
}

void kvmi_vcpu_threads_free(struct kvmi_vm *vm)
{
	struct kvmi_vcpu_thread *thread;
	unsigned long index;

	xa_for_each(&vm->vcpus, index, thread) {
		kvmi_vcpu_close(&thread->core);
		kvmi_vcpu_drop(&thread->core);
		kvmi_vcpu_thread_free(thread);
	}
	xa_destroy(&vm->vcpus);
}
