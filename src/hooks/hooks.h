/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hooks on functions of the stock KVM.
 *
 * A hook is an ftrace callback on a function's entry. It decides from the
 * arguments alone whether this call concerns us. If not, KVM's own code runs
 * as if nothing were there; if so, our handler runs in its place.
 */
#ifndef KVMI_HOOKS_H
#define KVMI_HOOKS_H

#include <linux/atomic.h>
#include <linux/ptrace.h>
#include <linux/seq_file.h>

/*
 * When hooks are armed. All of a group share one ftrace_ops: arming and
 * disarming costs a grace period or more, however many functions there are.
 */
enum kvmi_hook_group {
	KVMI_HOOKS_BASE,	/* from load to unload */
	KVMI_HOOKS_HALT,	/* while a session uses vCPU commands */
	KVMI_HOOK_GROUPS,
};

/**
 * struct kvmi_hook - one hooked function
 * @symbols: its names, newest kernel first, NULL-terminated
 * @module: the module it is in
 * @group: when it is armed
 * @required: refuse to load without it
 * @unneeded: this kernel does without
 * @carries: what it makes possible, for the status file
 * @without: what is lost when it is missing, for the status file
 * @wants: whether a call is ours; runs in the ftrace callback with preemption
 *	disabled, so must be notrace, not sleep and not call into KVM
 * @handler: replaces the function for calls that are ours; same prototype
 * @stub_target: where to store the address behind the ftrace call, for a
 *	handler that calls the original, or NULL
 * @symbol: the name that was found, or NULL
 * @addr: its address
 * @armed: the callback is in place
 * @hits: calls that were ours
 */
struct kvmi_hook {
	const char *symbols[3];
	const char *module;
	enum kvmi_hook_group group;
	bool required;
	bool unneeded;
	const char *carries;
	const char *without;
	bool (*wants)(const struct pt_regs *regs);
	void *handler;
	unsigned long *stub_target;
	const char *symbol;
	unsigned long addr;
	bool armed;
	atomic_long_t hits;
};

/* engine.c: all in process context, may sleep. The first two: init and exit. */
int kvmi_hooks_arm(void);
void kvmi_hooks_disarm(void);
void kvmi_hooks_show(struct seq_file *seq);

/*
 * Arm a group other than KVMI_HOOKS_BASE for one more user, or for one less.
 * Returns 0 or a negative errno, after having logged the reason.
 */
int kvmi_hooks_get(enum kvmi_hook_group which);
void kvmi_hooks_put(enum kvmi_hook_group which);

/* The kernel has all functions of the group that it needs. */
bool kvmi_hooks_known(enum kvmi_hook_group which);

/*
 * First and last statement of every handler: what runs between them is waited
 * for before the module's text goes away. The second pair is for other code
 * that KVM's threads run.
 */
void kvmi_hook_enter(struct kvmi_hook *hook);
void kvmi_hook_leave(void);
void kvmi_text_enter(void);
void kvmi_text_leave(void);

/* The hooks, each in the file of its subject. */
extern struct kvmi_hook kvmi_hook_vm_ioctl;
extern struct kvmi_hook kvmi_hook_vm_compat_ioctl;
extern struct kvmi_hook kvmi_hook_check_extension;
extern struct kvmi_hook kvmi_hook_flush_shadow_all;
extern struct kvmi_hook kvmi_hook_pre_destroy_vm;
extern struct kvmi_hook kvmi_hook_vcpu_check_block;

/* check_extension.c: call the hooked function; true when our hook answers. */
bool kvmi_check_extension_hooked(void);

#endif /* KVMI_HOOKS_H */
