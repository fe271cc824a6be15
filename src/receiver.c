// SPDX-License-Identifier: GPL-2.0-only
/*
 * The receiving thread of a session, and what the core's operations on the VM
 * come to in it.
 *
 * It may wait for the tool (in recv and send) and for guest memory (in a page
 * fault), both under somebody else's control. All these waits end with a fatal
 * signal, so a flag and a SIGKILL are the one way to end the thread.
 */
#include <linux/kthread.h>
#include <linux/sched/signal.h>

#include "../compat/kvm.h"
#include "../compat/memcg.h"
#include "kvm/backend.h"
#include "vcpu.h"
#include "vm.h"

void kvmi_receiver_interrupt(struct kvmi_vm *vm)
{
	kvmi_session_leave(&vm->session);
	/* Pairs with settle(): it may take our signal for its own. */
	smp_mb();
	send_sig(SIGKILL, vm->receiver, 1);
}

/*
 * A page fault that takes too long is ended with a signal as well, after which
 * the session goes on (memory.c). Drop that signal, but not our last one.
 */
void kvmi_receiver_settle(struct kvmi_vm *vm)
{
	if (!signal_pending(current))
		return;

	flush_signals(current);
	/* Pairs with kvmi_receiver_interrupt(). */
	smp_mb();
	if (kvmi_session_leaving(&vm->session))
		send_sig(SIGKILL, current, 1);
}

static u32 vcpu_count(void *opaque)
{
	struct kvmi_vm *vm = opaque;

	return kvmi_backend_vcpu_count(vm->kvm);
}

static int read_physical(void *opaque, u64 gpa, void *buf, size_t size)
{
	struct kvmi_vm *vm = opaque;
	int err = kvmi_backend_read(vm->kvm, gpa, buf, size);

	kvmi_receiver_settle(vm);
	return err;
}

/* No page fault is allowed with the signal that ends the session. */
static int write_physical(void *opaque, u64 gpa, const void *buf, size_t size)
{
	struct kvmi_vm *vm = opaque;
	int err = -KVMI_EAGAIN;

	if (!kvmi_session_leaving(&vm->session)) {
		err = kvmi_backend_write(vm->kvm, gpa, buf, size);
		kvmi_receiver_settle(vm);
	}
	if (err && kvmi_session_leaving(&vm->session))
		err = kvmi_backend_write_present(vm->kvm, gpa, buf, size);
	return err;
}

static int vcpu_find(void *opaque, u16 index, struct kvmi_vcpu **vcpu)
{
	return kvmi_vcpu_thread_find(opaque, index, vcpu);
}

const struct kvmi_vm_ops kvmi_receiver_vm_ops = {
	.vcpu_count = vcpu_count,
	.read_physical = read_physical,
	.write_physical = write_physical,
	.vcpu_find = vcpu_find,
	.vcpu_ready = kvmi_vcpu_thread_ready,
	.vcpu_kick = kvmi_vcpu_thread_kick,
	.vcpu_wait_exit = kvmi_vcpu_thread_wait_exit,
};

/* Between messages. */
static unsigned long chores(void *opaque)
{
	return kvmi_vcpu_threads_poll(opaque);
}

static void give_up(void *opaque)
{
	kvmi_receiver_interrupt(opaque);
}

/* What is read of a tool that may still be sending while its session ends. */
#define LAST_MESSAGES 4096

/*
 * What the tool had sent when the session was ended is still done, if it changes
 * the guest: the tool cannot know whether its answer to an event was read, and the
 * guest must not be the worse for that. Nothing waits any more, as a fatal signal
 * is pending.
 */
static void receive_all(struct kvmi_vm *vm)
{
	unsigned int left = LAST_MESSAGES;
	int err = 0;

	while (!kvmi_session_leaving(&vm->session) && !err)
		err = kvmi_session_step(&vm->session);
	if (err)
		return;
	kvmi_socket_leave(&vm->socket);
	while (!err && left--)
		err = kvmi_session_step(&vm->session);
}

/*
 * The thread cannot wait for itself, so an external session, which the VMM
 * knows nothing of and would never end, is ended by a work item.
 */
static int receive(void *data)
{
	struct kvmi_vm *vm = data;

	allow_kernel_signal(SIGKILL);
	kvmi_charge(vm->memcg);
	vm->socket.chores = chores;
	vm->socket.give_up = give_up;
	vm->socket.arg = vm;
	receive_all(vm);
	kvmi_socket_close(&vm->socket);
	kvmi_vcpu_threads_close(vm);
	WRITE_ONCE(vm->connected, false);
	kvmi_charge(NULL);
	if (vm->external) {
		refcount_inc(&vm->refs);
		kvmi_vm_detach(vm);
	}
	return 0;
}

int kvmi_receiver_create(struct kvmi_vm *vm)
{
	struct task_struct *task;

	task = kthread_create(receive, vm, "kvmi-recv");
	if (IS_ERR(task))
		return -ENOMEM;
	get_task_struct(task);
	vm->receiver = task;
	return 0;
}
