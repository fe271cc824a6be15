// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of hooked VMs, and the beginning and end of their sessions.
 *
 * A VM is in the table exactly as long as it has a session. Three parties may
 * end one, at the same time: UNHOOK, the VM's destruction, and for an external
 * session the loss of its socket. Whoever takes vm->lock first does it; the
 * others wait for it and find it done.
 *
 * Locks, outer to inner: vm->lock, vms_lock. Both are taken in process context
 * only. The table is read under RCU.
 */
#include <linux/hashtable.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "../compat/kvm.h"
#include "kvm/backend.h"
#include "trace.h"
#include "vm.h"

static DEFINE_HASHTABLE(vms, 6);
static DEFINE_MUTEX(vms_lock);	/* protects changes of the table */
static struct kmem_cache *msg_cache;
static struct workqueue_struct *detach_queue;

/* Lockless: the caller is in an RCU read-side section or holds vms_lock. */
static notrace struct kvmi_vm *find_vm(const struct kvm *kvm)
{
	struct kvmi_vm *vm;

	hash_for_each_possible_rcu_notrace(vms, vm, node, (unsigned long)kvm)
		if (vm->kvm == kvm)
			return vm;
	return NULL;
}

/* ftrace callbacks run with preemption disabled, which RCU waits for. */
notrace bool kvmi_vm_is_hooked(struct kvm *kvm)
{
	return find_vm(kvm);
}

struct kvmi_vm *kvmi_vm_get(struct kvm *kvm)
{
	struct kvmi_vm *vm;

	rcu_read_lock();
	vm = find_vm(kvm);
	if (vm && !refcount_inc_not_zero(&vm->refs))
		vm = NULL;
	rcu_read_unlock();
	return vm;
}

void kvmi_vm_put(struct kvmi_vm *vm)
{
	if (!refcount_dec_and_test(&vm->refs))
		return;
	if (vm->socket.sock)
		kvmi_socket_close(&vm->socket);
	kfree_rcu(vm, rcu);
}

static void log_session(const struct kvmi_vm *vm, const char *what,
			const char *detail)
{
	pr_info_ratelimited("%s VM of pid %d, uuid %pUb, hooked by pid %d: %s\n",
			    what, vm->vmm_pid, vm->uuid, vm->hook_pid, detail);
}

/*
 * End the session. Each step makes the next one safe: no bytes can arrive, the
 * thread is gone, nobody finds the VM, and only then is memory given back.
 */
static void end_session(struct kvmi_vm *vm, const char *reason)
{
	lockdep_assert_held(&vm->lock);

	kvmi_socket_shutdown(&vm->socket);
	/* The thread may also sleep in a page fault of guest memory. */
	send_sig(SIGKILL, vm->receiver, 1);
	kthread_stop(vm->receiver);
	put_task_struct(vm->receiver);

	mutex_lock(&vms_lock);
	hash_del_rcu(&vm->node);
	mutex_unlock(&vms_lock);
	vm->dead = true;

	kmem_cache_free(msg_cache, vm->session.tx);
	kmem_cache_free(msg_cache, vm->session.rx);
	module_put(vm->vendor);
	log_session(vm, "unhook", reason);
	trace_kvmi_unhook(vm->vmm_pid, vm->uuid);
	kvmi_vm_put(vm);
}

/* Runs with a reference of its own, so @vm outlives the table's. */
static void end_session_once(struct kvmi_vm *vm, const char *reason)
{
	bool ended = false;

	mutex_lock(&vm->lock);
	if (!vm->dead) {
		end_session(vm, reason);
		ended = true;
	}
	mutex_unlock(&vm->lock);
	kvmi_vm_put(vm);

	/* The session's reference: the caller has none of its own to lose. */
	if (ended)
		module_put(THIS_MODULE);
}

void kvmi_vm_unhook(struct kvm *kvm, const char *reason)
{
	struct kvmi_vm *vm = kvmi_vm_get(kvm);

	if (vm)
		end_session_once(vm, reason);
}

static void detach_work(struct work_struct *work)
{
	struct kvmi_vm *vm = container_of(work, struct kvmi_vm, detach);

	end_session_once(vm, "tool gone");
}

/*
 * The receiving thread. Nobody else would end a session that the VMM knows
 * nothing of, and the thread cannot wait for itself.
 */
static int receive(void *data)
{
	struct kvmi_vm *vm = data;

	allow_kernel_signal(SIGKILL);
	while (!kthread_should_stop() && !kvmi_session_step(&vm->session))
		;

	kvmi_socket_shutdown(&vm->socket);
	WRITE_ONCE(vm->connected, false);
	if (vm->external && !kthread_should_stop()) {
		refcount_inc(&vm->refs);
		queue_work(detach_queue, &vm->detach);
	}
	return 0;
}

/* The VM's creator is known by thread; processes are what users know. */
static pid_t owner_pid(const struct kvm *kvm)
{
	struct task_struct *task;
	pid_t pid = kvm->userspace_pid;

	rcu_read_lock();
	task = pid_task(find_pid_ns(pid, &init_pid_ns), PIDTYPE_PID);
	if (task)
		pid = task_tgid_nr(task);
	rcu_read_unlock();
	return pid;
}

static struct kvmi_vm *alloc_vm(struct kvm *kvm, const u8 *uuid)
{
	struct kvmi_vm *vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);

	if (!vm)
		return NULL;
	vm->session.rx = kmem_cache_alloc(msg_cache, GFP_KERNEL_ACCOUNT);
	vm->session.tx = kmem_cache_alloc(msg_cache, GFP_KERNEL_ACCOUNT);
	if (!vm->session.rx || !vm->session.tx) {
		if (vm->session.rx)
			kmem_cache_free(msg_cache, vm->session.rx);
		kfree(vm);
		return NULL;
	}

	refcount_set(&vm->refs, 1);
	mutex_init(&vm->lock);
	INIT_WORK(&vm->detach, detach_work);
	vm->kvm = kvm;
	vm->connected = true;
	vm->external = kvm->mm != current->mm;
	vm->hook_pid = task_tgid_nr(current);
	vm->vmm_pid = vm->external ? owner_pid(kvm) : vm->hook_pid;
	memcpy(vm->uuid, uuid, sizeof(vm->uuid));

	vm->session.vm = kvm;
	vm->session.vm_ops = &kvmi_backend_ops;
	vm->session.stream = &vm->socket;
	vm->session.stream_ops = &kvmi_socket_ops;
	vm->session.tag = vm->vmm_pid;
	kvmi_session_init(&vm->session);
	return vm;
}

static void free_vm(struct kvmi_vm *vm)
{
	kmem_cache_free(msg_cache, vm->session.tx);
	kmem_cache_free(msg_cache, vm->session.rx);
	kfree(vm);
}

static int start_receiver(struct kvmi_vm *vm)
{
	struct task_struct *task;

	task = kthread_create(receive, vm, "kvmi-recv");
	if (IS_ERR(task))
		return -ENOMEM;
	get_task_struct(task);
	vm->receiver = task;
	return 0;
}

/* Everything of HOOK that can fail, in the ABI's order. */
static struct kvmi_vm *new_session(struct kvm *kvm,
				   const struct kvm_introspection_hook *arg)
{
	struct kvmi_vm *vm;
	int err;

	lockdep_assert_held(&vms_lock);

	if (find_vm(kvm))
		return ERR_PTR(-EEXIST);
	vm = alloc_vm(kvm, arg->uuid);
	if (!vm)
		return ERR_PTR(-ENOMEM);

	err = kvmi_socket_open(&vm->socket, arg->fd);
	if (err)
		goto err_vm;
	err = kvmi_backend_pin_vendor(&vm->vendor);
	if (err)
		goto err_socket;
	err = start_receiver(vm);
	if (err)
		goto err_vendor;

	hash_add_rcu(vms, &vm->node, (unsigned long)kvm);
	return vm;

err_vendor:
	module_put(vm->vendor);
err_socket:
	kvmi_socket_close(&vm->socket);
err_vm:
	free_vm(vm);
	return ERR_PTR(err);
}

int kvmi_vm_hook(struct kvm *kvm, const struct kvm_introspection_hook *arg)
{
	struct kvmi_vm *vm;

	/* Being unloaded: answer as if we were not there any more. */
	if (!try_module_get(THIS_MODULE))
		return -ENOTTY;

	mutex_lock(&vms_lock);
	vm = kvmi_backend_confidential(kvm) ? ERR_PTR(-EOPNOTSUPP) :
					      new_session(kvm, arg);
	if (!IS_ERR(vm)) {
		log_session(vm, "hook", vm->external ? "external" : "VMM");
		trace_kvmi_hook(vm->vmm_pid, vm->uuid, vm->hook_pid);
		wake_up_process(vm->receiver);
	}
	mutex_unlock(&vms_lock);

	if (IS_ERR(vm)) {
		module_put(THIS_MODULE);
		return PTR_ERR(vm);
	}
	return 0;
}

static void show_vm(struct seq_file *seq, const struct kvmi_vm *vm)
{
	const struct kvmi_session *session = &vm->session;
	char owner[24];

	if (vm->external)
		snprintf(owner, sizeof(owner), "tool:%d", vm->hook_pid);
	else
		strscpy(owner, "vmm", sizeof(owner));

	seq_printf(seq, "%d\t%pUb\t%s\t%s\t%u\t%08x\t%08x\t%llu\t%llu\t%u\t%llu\n",
		   vm->vmm_pid, vm->uuid, owner,
		   READ_ONCE(vm->connected) ? "connected" : "disconnected",
		   kvmi_backend_ops.vcpu_count(vm->kvm),
		   READ_ONCE(session->allowed_commands),
		   READ_ONCE(session->allowed_events),
		   READ_ONCE(session->stats.commands),
		   READ_ONCE(session->stats.replies),
		   (u32)atomic_read(&session->events),
		   READ_ONCE(session->stats.errors));
}

void kvmi_vms_show(struct seq_file *seq)
{
	struct kvmi_vm *vm;
	int bucket;

	seq_puts(seq, "#pid\tuuid\towner\tstate\tvcpus\tallowed_commands\tallowed_events\tcommands\treplies\tevents\terrors\n");
	mutex_lock(&vms_lock);
	hash_for_each(vms, bucket, vm, node)
		show_vm(seq, vm);
	mutex_unlock(&vms_lock);
}

int kvmi_vms_init(void)
{
	/* The payload is copied to and from guest memory as user memory. */
	msg_cache = kmem_cache_create_usercopy("kvmi_msg",
					       sizeof(struct kvmi_msg), 0,
					       SLAB_ACCOUNT, 0,
					       sizeof(struct kvmi_msg), NULL);
	if (!msg_cache)
		return -ENOMEM;

	detach_queue = alloc_workqueue("kvmi", WQ_UNBOUND, 0);
	if (!detach_queue) {
		kmem_cache_destroy(msg_cache);
		return -ENOMEM;
	}
	return 0;
}

/* No session is left: each holds a reference on the module. */
void kvmi_vms_exit(void)
{
	destroy_workqueue(detach_queue);
	kmem_cache_destroy(msg_cache);
}
