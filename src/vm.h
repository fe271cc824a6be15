/* SPDX-License-Identifier: GPL-2.0-only */
/* The hooked VMs. */
#ifndef KVMI_VM_H
#define KVMI_VM_H

#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "core/core.h"
#include "hooks/hooks.h"
#include "socket.h"

struct kvm;
struct mem_cgroup;

/**
 * struct kvmi_vm - a hooked VM
 * @node: in the table of hooked VMs
 * @rcu: defers freeing for lockless lookups
 * @refs: one of the table, one per user
 * @kvm: the VM; exists until @dead, and while a vCPU's work runs, see
 *	docs/design.md
 * @lock: serialises the end of the session
 * @dead: the session has ended
 * @connected: the receiving thread has not ended
 * @external: hooked by another process than the VMM
 * @session: the core's part
 * @socket: the connection to the tool
 * @receiver: the receiving thread; a reference is held
 * @memcg: pays for what the session allocates
 * @vcpus: struct kvmi_vcpu_thread by index; written by the receiving thread
 * @poll: jiffies after which to look for unfinished work of vCPUs, 0 when there
 *	is none; the receiving thread's
 * @poll_at: when, in jiffies, it is due
 * @may_return: a vCPU that waits to be started may leave KVM_RUN for its work, on
 *	kernels where that takes a hook; written by the receiving thread and by
 *	who ends the session
 * @hooks: bit n is set when hook group n is armed for this session; written by
 *	the receiving thread, and after its end by who ends the session
 * @hooks_refused: bit n is set when hook group n could not be armed
 * @detach: ends an external session that has lost its socket
 * @vendor: kvm_amd or kvm_intel, pinned; NULL when built in
 * @vmm_pid: process of the VM
 * @hook_pid: process that hooked it
 * @uuid: name given at HOOK
 */
struct kvmi_vm {
	struct hlist_node node;
	struct rcu_head rcu;
	refcount_t refs;
	struct kvm *kvm;
	struct mutex lock;
	bool dead;
	bool connected;
	bool external;
	struct kvmi_session session;
	struct kvmi_socket socket;
	struct task_struct *receiver;
	struct mem_cgroup *memcg;
	struct xarray vcpus;
	unsigned long poll;
	unsigned long poll_at;
	bool may_return;
	unsigned long hooks;
	unsigned long hooks_refused;
	struct work_struct detach;
	struct module *vendor;
	pid_t vmm_pid;
	pid_t hook_pid;
	u8 uuid[16];
};

/* vm.c */
int kvmi_vms_init(void);
void kvmi_vms_exit(void);
void kvmi_vms_show(struct seq_file *seq);

/* Start a session. Errors: see KVM_INTROSPECTION_HOOK. */
int kvmi_vm_hook(struct kvm *kvm, const struct kvm_introspection_hook *arg);

/*
 * End the session of @kvm, if there is one. When this returns, the VM can be
 * hooked again, and nothing of it is left but what kvmi_vcpu_threads_end() says.
 * @reason is for the log.
 */
void kvmi_vm_unhook(struct kvm *kvm, const char *reason);

/* The hooked VM with a reference, or NULL. */
struct kvmi_vm *kvmi_vm_get(struct kvm *kvm);
void kvmi_vm_put(struct kvmi_vm *vm);

/* Callable from an ftrace callback. */
bool kvmi_vm_is_hooked(struct kvm *kvm);
bool kvmi_vm_may_return(struct kvm *kvm);

/* Arm a group of hooks until the end of the session. Receiving thread. */
int kvmi_vm_need_hooks(struct kvmi_vm *vm, enum kvmi_hook_group which);

/* End an external session soon; takes over the caller's reference. */
void kvmi_vm_detach(struct kvmi_vm *vm);

/* receiver.c: create the receiving thread, not running yet. */
int kvmi_receiver_create(struct kvmi_vm *vm);

/*
 * Tell the receiving thread to end, whatever it is waiting for. Does not sleep
 * and does not wait for it.
 */
void kvmi_receiver_interrupt(struct kvmi_vm *vm);

/*
 * Drop the signal with which a page fault that took too long was ended. In the
 * receiving thread, after each page fault that it may have had.
 */
void kvmi_receiver_settle(struct kvmi_vm *vm);

extern const struct kvmi_vm_ops kvmi_receiver_vm_ops;

#endif /* KVMI_VM_H */
