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
 * only. Nothing that user space can hold up happens under vms_lock, as it is
 * every VM's. The table is read under RCU.
 */
#include <linux/hashtable.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "../compat/kvm.h"
#include "../compat/memcg.h"
#include "kvm/backend.h"
#include "kvm/vcpu.h"
#include "trace.h"
#include "vcpu.h"
#include "vm.h"

static DEFINE_HASHTABLE(vms, 6);
static DEFINE_MUTEX(vms_lock);	/* protects changes of the table */
static struct kmem_cache *msg_cache;
static struct workqueue_struct *detach_queue;

/* For the core. Charged to the VMM, or to who has attached to it. */
struct kvmi_msg *kvmi_msg_alloc(void)
{
	return kmem_cache_alloc(msg_cache, GFP_KERNEL_ACCOUNT);
}

void kvmi_msg_free(struct kvmi_msg *msg)
{
	if (msg)
		kmem_cache_free(msg_cache, msg);
}

/* Lockless: the caller is in an RCU read-side section or holds vms_lock. */
static notrace struct kvmi_vm *find_vm(const struct kvm *kvm)
{
	struct kvmi_vm *vm;

	hash_for_each_possible_rcu_notrace(vms, vm, node, (unsigned long)kvm)
		if (vm->kvm == kvm)
			return vm;
	return NULL;
}

/* Our ftrace callback runs with preemption disabled, which RCU waits for. */
notrace bool kvmi_vm_is_hooked(struct kvm *kvm)
{
	return find_vm(kvm);
}

notrace bool kvmi_vm_may_return(struct kvm *kvm)
{
	struct kvmi_vm *vm = find_vm(kvm);

	return vm && READ_ONCE(vm->may_return);
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

/* Also undoes a HOOK that failed half-way: what is not there is skipped. */
void kvmi_vm_put(struct kvmi_vm *vm)
{
	if (!refcount_dec_and_test(&vm->refs))
		return;
	kvmi_vcpu_threads_free(vm);
	if (vm->receiver)
		put_task_struct(vm->receiver);
	module_put(vm->vendor);
	kvmi_socket_close(&vm->socket);
	kvmi_msg_free(vm->session.tx);
	kvmi_msg_free(vm->session.rx);
	kvmi_memcg_put(vm->memcg);
	kfree_rcu(vm, rcu);
}

#define LOG_FORMAT "%s VM of pid %d, uuid %pUb, hooked by pid %d: %s\n"

/* A VMM may hook its own VM in a loop; a process that attaches is trusted. */
static void log_session(const struct kvmi_vm *vm, const char *what,
			const char *detail)
{
	if (vm->external)
		pr_info(LOG_FORMAT, what, vm->vmm_pid, vm->uuid, vm->hook_pid,
			detail);
	else
		pr_info_ratelimited(LOG_FORMAT, what, vm->vmm_pid, vm->uuid,
				    vm->hook_pid, detail);
}

int kvmi_vm_need_hooks(struct kvmi_vm *vm, enum kvmi_hook_group which)
{
	int err;

	if (vm->hooks & BIT(which))
		return 0;
	/* It is not tried again: that is slow, and the reason is logged. */
	if (vm->hooks_refused & BIT(which))
		return -EBUSY;
	err = kvmi_hooks_get(which);
	if (err)
		vm->hooks_refused |= BIT(which);
	else
		vm->hooks |= BIT(which);
	return err;
}

static void drop_hooks(struct kvmi_vm *vm)
{
	int which;

	for (which = 0; which < KVMI_HOOK_GROUPS; which++)
		if (vm->hooks & BIT(which))
			kvmi_hooks_put(which);
	vm->hooks = 0;
}

/* Not before the last work of a vCPU: it calls KVM. */
static void drop_vendor(struct kvmi_vm *vm)
{
	module_put(vm->vendor);
	vm->vendor = NULL;
}

/*
 * End the session: the thread goes first, which uses everything else, then
 * the vCPUs are let go and forgotten, then what keeps others out, and last the
 * table entry that says "hooked".
 */
static void end_session(struct kvmi_vm *vm, const char *reason)
{
	bool ended;

	lockdep_assert_held(&vm->lock);

	kvmi_receiver_interrupt(vm);
	kthread_stop(vm->receiver);
	ended = kvmi_vcpu_threads_end(vm);
	drop_hooks(vm);
	vm->dead = true;
	if (ended)
		drop_vendor(vm);
	log_session(vm, "unhook", reason);
	trace_kvmi_unhook(vm->vmm_pid, vm->uuid);

	mutex_lock(&vms_lock);
	hash_del_rcu(&vm->node);
	mutex_unlock(&vms_lock);
	kvmi_vm_put(vm);
}

/* Takes over the caller's reference, which is not the table's. */
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

	/* The session's reference; the running code is waited for at exit. */
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

void kvmi_vm_detach(struct kvmi_vm *vm)
{
	queue_work(detach_queue, &vm->detach);
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

/* What this kernel cannot do, whatever the VM. */
static u32 missing_commands(void)
{
	u32 missing = kvmi_vcpu_missing_commands();

	if (!kvmi_hooks_known(KVMI_HOOKS_HALT))
		missing |= KVMI_VCPU_COMMANDS;
	return missing;
}

static struct kvmi_vm *alloc_vm(struct kvm *kvm, const u8 *uuid)
{
	struct kvmi_vm *vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);

	if (!vm)
		return NULL;
	refcount_set(&vm->refs, 1);
	mutex_init(&vm->lock);
	INIT_WORK(&vm->detach, detach_work);
	xa_init(&vm->vcpus);
	vm->memcg = kvmi_memcg_get();
	vm->kvm = kvm;
	vm->connected = true;
	vm->external = kvm->mm != current->mm;
	vm->hook_pid = task_tgid_nr(current);
	vm->vmm_pid = vm->external ? owner_pid(kvm) : vm->hook_pid;
	memcpy(vm->uuid, uuid, sizeof(vm->uuid));

	kvmi_session_init(&vm->session);
	vm->session.vm = vm;
	vm->session.vm_ops = &kvmi_receiver_vm_ops;
	vm->session.stream = &vm->socket;
	vm->session.stream_ops = &kvmi_socket_ops;
	vm->session.tag = vm->vmm_pid;
	vm->session.missing_commands = missing_commands();
	vm->session.rx = kvmi_msg_alloc();
	vm->session.tx = kvmi_msg_alloc();
	if (!vm->session.rx || !vm->session.tx) {
		kvmi_vm_put(vm);
		return NULL;
	}
	return vm;
}

/* All that HOOK needs, found in the ABI's order of errors. */
static int prepare_session(struct kvmi_vm *vm, int fd)
{
	int err;

	err = kvmi_socket_open(&vm->socket, fd);
	if (err)
		return err;
	err = kvmi_backend_pin_vendor(&vm->vendor);
	if (err)
		return err;
	if (kvmi_backend_confidential(vm->kvm))
		return -EOPNOTSUPP;
	return kvmi_receiver_create(vm);
}

/* The table gets a reference. */
static int publish_session(struct kvmi_vm *vm)
{
	int err = -EEXIST;

	mutex_lock(&vms_lock);
	if (!find_vm(vm->kvm)) {
		refcount_inc(&vm->refs);
		hash_add_rcu(vms, &vm->node, (unsigned long)vm->kvm);
		err = 0;
	}
	mutex_unlock(&vms_lock);

	/* Lost against another HOOK: the thread has not run yet. */
	if (err)
		kthread_stop(vm->receiver);
	return err;
}

static int start_session(struct kvm *kvm,
			 const struct kvm_introspection_hook *arg)
{
	struct kvmi_vm *vm;
	int err;

	vm = kvmi_vm_get(kvm);
	if (vm) {
		kvmi_vm_put(vm);
		return -EEXIST;
	}

	vm = alloc_vm(kvm, arg->uuid);
	if (!vm)
		return -ENOMEM;
	err = prepare_session(vm, arg->fd);
	if (!err)
		err = publish_session(vm);
	if (!err) {
		log_session(vm, "hook", vm->external ? "external" : "VMM");
		trace_kvmi_hook(vm->vmm_pid, vm->uuid, vm->hook_pid);
		wake_up_process(vm->receiver);
	} else {
		kvmi_socket_release(&vm->socket);
	}
	kvmi_vm_put(vm);
	return err;
}

static int hook_live_vm(struct kvm *kvm,
			const struct kvm_introspection_hook *arg)
{
	int err;

	/* The session's; the caller has one of its own. */
	__module_get(THIS_MODULE);
	err = start_session(kvm, arg);
	if (err)
		module_put(THIS_MODULE);
	return err;
}

int kvmi_vm_hook(struct kvm *kvm, const struct kvm_introspection_hook *arg)
{
	int err;

	/*
	 * The end of the VMM's address space ends the connection of a session
	 * that is in the table by then: so it has to wait for us.
	 */
	if (!mmget_not_zero(kvm->mm))
		return -EIO;
	err = hook_live_vm(kvm, arg);
	mmput(kvm->mm);
	return err;
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
		   kvmi_backend_vcpu_count(vm->kvm),
		   READ_ONCE(session->allowed_commands),
		   READ_ONCE(session->allowed_events),
		   READ_ONCE(session->stats.commands),
		   (u64)atomic64_read(&session->stats.replies),
		   (u32)atomic_read(&session->events),
		   (u64)atomic64_read(&session->stats.errors));
}

/* A VM in the table is not destroyed before it has left it. */
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
	/* Each session has two, one per vCPU, and one per reply that is sent late. */
	msg_cache = kmem_cache_create("kvmi_msg", sizeof(struct kvmi_msg), 0,
				      SLAB_ACCOUNT, NULL);
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
