/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The vCPUs of a hooked VM: how the core's work for one gets into that vCPU's
 * context, whatever the vCPU does.
 */
#ifndef KVMI_VCPU_H
#define KVMI_VCPU_H

#include <linux/spinlock.h>
#include <linux/task_work.h>
#include <linux/wait.h>

#include "core/vcpu.h"
#include "kvm/guard.h"
#include "kvm/vcpu.h"

struct kvm_vcpu;
struct kvmi_vm;
struct task_struct;

struct kvmi_vcpu_thread;

/**
 * struct kvmi_vcpu_work - a task work for a vCPU
 * @head: runs in the vCPU's thread
 * @thread: the vCPU
 * @queued: @head is queued or about to be; then it holds a reference on the
 *	hooked VM and on this module
 * @task: where it is queued, referenced; under @thread's lock
 */
struct kvmi_vcpu_work {
	struct callback_head head;
	struct kvmi_vcpu_thread *thread;
	atomic_t queued;
	struct task_struct *task;
};

/*
 * One work is for kicks, the others for KVM_RUN, which must not find its work
 * queued in another thread: a second one is for a VMM that runs the vCPU in a
 * new thread while the old one is still on its way out.
 */
#define KVMI_KICK_WORK 0
#define KVMI_RUN_WORKS 1
#define KVMI_VCPU_WORKS 3

/**
 * struct kvmi_vcpu_thread - a vCPU and the thread that runs it
 * @core: the core's part
 * @vm: the hooked VM
 * @ctx: the vCPU, for the core's operations; exists until @dead, and while a work
 *	runs
 * @guard: keeps it out of the guest between two KVM_RUN
 * @works: see above
 * @lock: protects tasks, @running and @dead
 * @running: works that are running
 * @dead: the session has ended: works do nothing any more
 * @wait: for news while an event has no reply, and for @running to be 0
 */
struct kvmi_vcpu_thread {
	struct kvmi_vcpu core;
	struct kvmi_vm *vm;
	struct kvmi_vcpu_ctx ctx;
	struct kvmi_guard *guard;
	struct kvmi_vcpu_work works[KVMI_VCPU_WORKS];
	spinlock_t lock;
	unsigned int running;
	bool dead;
	wait_queue_head_t wait;
};

/* vcpu_work.c */
void kvmi_vcpu_works_init(struct kvmi_vcpu_thread *thread);

/*
 * Queue the work in @task, once; false when it is queued already or the task is
 * exiting. Does not sleep.
 */
bool kvmi_vcpu_work_queue(struct kvmi_vcpu_work *work,
			  struct task_struct *task);

/*
 * Take it back, but leave it when it is in @except already. Nothing is done
 * when it is not queued, or is running.
 */
void kvmi_vcpu_work_cancel(struct kvmi_vcpu_work *work,
			   const struct task_struct *except);

/* Operations of struct kvmi_vm_ops; receiving thread. */
int kvmi_vcpu_thread_find(struct kvmi_vm *vm, u16 index,
			  struct kvmi_vcpu **vcpu);
bool kvmi_vcpu_thread_ready(struct kvmi_vcpu *vcpu);	/* any thread */
void kvmi_vcpu_thread_kick(struct kvmi_vcpu *vcpu);
void kvmi_vcpu_thread_wait_exit(struct kvmi_vcpu *vcpu);

/*
 * Try again where a kick found the vCPU taken, but not running. Returns for how
 * many jiffies there is nothing to do, when nobody kicks. Receiving thread.
 */
unsigned long kvmi_vcpu_threads_poll(struct kvmi_vm *vm);

/*
 * For the guard, in KVM_RUN of the current task, which goes on if @r is more than
 * 0 and returns @r otherwise. Returns what it shall do now.
 */
int kvmi_vcpu_thread_enters(struct kvm_vcpu *vcpu, int r);

/* The vCPU must not enter the guest: see kvmi_guard_arm(). */
void kvmi_vcpu_thread_guard(struct kvmi_vcpu_thread *thread);

/*
 * Have the vCPU do its work: on its way into the guest, out of it, or of a halt.
 * Does not wait.
 */
void kvmi_vcpu_thread_interrupt(struct kvmi_vcpu_thread *thread);

/* Put KVM's pointer back, or leave the guard behind. Does not wait. */
void kvmi_vcpu_thread_leave_guard(struct kvmi_vcpu_thread *thread);
void kvmi_vcpu_thread_free(struct kvmi_vcpu_thread *thread);

/* vcpu_end.c */
/* The connection has ended: let all vCPUs go. May sleep, does not wait. */
void kvmi_vcpu_threads_close(struct kvmi_vm *vm);

/*
 * The session has ended: afterwards no work begins. Sleeps. False when one still
 * runs, since its VMM does not supply the guest memory that it waits for. It uses
 * KVM, holds references on @vm and on this module, and does nothing for the tool.
 */
bool kvmi_vcpu_threads_end(struct kvmi_vm *vm);

/* The last reference on @vm is gone. */
void kvmi_vcpu_threads_free(struct kvmi_vm *vm);

#endif /* KVMI_VCPU_H */
