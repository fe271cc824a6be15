// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds, arms and disarms the hooks of hooks.h.
 *
 * None of the functions that are hooked at load is on a vCPU entry or exit path,
 * so a VM without a session pays nothing while the guest runs. The others are
 * hooked when the first session needs them.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#include "../../compat/ftrace.h"
#include "../../compat/resolve.h"
#include "hooks.h"

/*
 * The ftrace call lies at the function's entry, or behind its ENDBR, which a
 * static function may not have. This offset is in the call either way.
 */
#define ENTRY_OFFSET (IS_ENABLED(CONFIG_X86_KERNEL_IBT) ? 4 : 0)
#define MAX_ENTRY_OFFSET 16
#define CALL_OPCODE 0xe8

static struct kvmi_hook *const hooks[] = {
	&kvmi_hook_vm_ioctl,
	&kvmi_hook_vm_compat_ioctl,
	&kvmi_hook_check_extension,
	&kvmi_hook_flush_shadow_all,
	&kvmi_hook_pre_destroy_vm,
	&kvmi_hook_vcpu_check_block,
};

static bool in_group(const struct kvmi_hook *hook, enum kvmi_hook_group which)
{
	return hook->group == which && !hook->unneeded;
}

/* Handlers that are running. */
static atomic_t users;

void kvmi_text_enter(void)
{
	atomic_inc(&users);
}

void kvmi_text_leave(void)
{
	atomic_dec(&users);
}

void kvmi_hook_enter(struct kvmi_hook *hook)
{
	kvmi_text_enter();
	atomic_long_inc(&hook->hits);
}

void kvmi_hook_leave(void)
{
	kvmi_text_leave();
}

static notrace struct kvmi_hook *find_hook(unsigned long ip)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		if (hooks[i]->addr && ip - hooks[i]->addr < MAX_ENTRY_OFFSET)
			return hooks[i];
	return NULL;
}

/* For one call: have it redirected, or not. */
static __always_inline void visit(struct kvmi_hook *hook, struct pt_regs *regs,
				  unsigned long ip)
{
	if (!hook->wants(regs))
		return;

	/* Every call stores the same value. */
	if (hook->stub_target)
		WRITE_ONCE(*hook->stub_target, ip + MCOUNT_INSN_SIZE);
	instruction_pointer_set(regs, (unsigned long)hook->handler);
}

/*
 * ftrace leaves preemption as it is. Hooks look up sessions, which are freed
 * after a grace period: for that it must be off.
 */
static void notrace callback(unsigned long ip, unsigned long parent_ip,
			     struct ftrace_ops *ops, kvmi_ftrace_regs_t *fregs)
{
	struct pt_regs *regs = kvmi_ftrace_pt_regs(fregs);
	struct kvmi_hook *hook = find_hook(ip);

	if (!regs || !hook)
		return;
	preempt_disable_notrace();
	visit(hook, regs, ip);
	preempt_enable_notrace();
}

/*
 * PERMANENT: sysctl kernel.ftrace_enabled=0 is refused instead of silently
 * removing the hooks. IPMODIFY: a livepatch of the same function and we
 * exclude each other, with an error for whoever comes second.
 */
#define REDIRECT (FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_PERMANENT | \
		  FTRACE_OPS_FL_IPMODIFY)

/*
 * @armed_for: users; under groups_lock
 * @stuck: ftrace could not disarm it; written under groups_lock
 */
static struct hook_group {
	struct ftrace_ops ops;
	unsigned int armed_for;
	bool stuck;
} groups[KVMI_HOOK_GROUPS] = {
	[KVMI_HOOKS_BASE].ops = { .func = callback, .flags = REDIRECT },
	[KVMI_HOOKS_HALT].ops = { .func = callback, .flags = REDIRECT },
};

static DEFINE_MUTEX(groups_lock);

static int resolve_hook(struct kvmi_hook *hook)
{
	const char *const *symbol;

	for (symbol = hook->symbols; *symbol; symbol++) {
		hook->addr = kvmi_resolve(hook->module, *symbol);
		if (!hook->addr)
			continue;
		hook->symbol = *symbol;
		return 0;
	}

	if (hook->required) {
		pr_err("%s: no such function in %s.ko; this kernel is not supported, please report it\n",
		       hook->symbols[0], hook->module);
		return -ENOENT;
	}
	pr_warn("%s: no such function in %s.ko: %s\n", hook->symbols[0],
		hook->module, hook->without);
	return 0;
}

/*
 * Name the call itself. Given the function's start, ftrace may find another
 * call that it takes for the function's: weak functions that were replaced
 * leave code without a symbol behind the function before them (6.12).
 */
static int set_filter(struct ftrace_ops *which, const struct kvmi_hook *hook,
		      int reset)
{
	return ftrace_set_filter_ip(which, hook->addr + ENTRY_OFFSET, 0, reset);
}

static void say_dead(const char *symbol)
{
	pr_err("%s and all other functions: ftrace has shut itself down after an error; see the kernel log, and reboot\n",
	       symbol);
}

/* Who needs a group on demand needs all of it. */
static int filter_hook(struct kvmi_hook *hook)
{
	int err = set_filter(&groups[hook->group].ops, hook, 0);

	if (!err)
		return 0;

	hook->addr = 0;
	if (err == -ENODEV)
		say_dead(hook->symbol);
	else
		pr_err("%s: ftrace cannot trace it (%d); the kernel needs CONFIG_DYNAMIC_FTRACE_WITH_REGS=y\n",
		       hook->symbol, err);
	if (hook->required || hook->group != KVMI_HOOKS_BASE || err == -ENODEV)
		return err;
	return 0;
}

/*
 * Give back the filter of an ops that is not registered. There is a function
 * for it, but not for modules before v6.2 be3f1938d3e6 ("ftrace: Export
 * ftrace_free_filter() to modules").
 */
static void free_filter(struct ftrace_ops *unused)
{
	ftrace_set_filter(unused, NULL, 0, 1);
}

/* Sleeps without a hung-task report. */
static void __noreturn sleep_for_ever(void)
{
	for (;;) {
		set_current_state(TASK_IDLE);
		schedule();
	}
}

/*
 * ftrace could not take the callback out, so it may run at any time: the text
 * must stay. Who loads or unloads the module cannot be told so in another way
 * than by not returning, which is the least harm left; the host goes on and can
 * be rebooted at leisure. A session ends as ever, but holds the module.
 */
static void keep_text(enum kvmi_hook_group which, int err)
{
	pr_err("ftrace cannot remove the hooks (%d); the module stays until the next boot\n",
	       err);
	if (which == KVMI_HOOKS_BASE)
		sleep_for_ever();
	__module_get(THIS_MODULE);
	WRITE_ONCE(groups[which].stuck, true);
}

static void notrace do_nothing(unsigned long ip, unsigned long parent_ip,
			       struct ftrace_ops *ops, kvmi_ftrace_regs_t *fregs)
{
}

/* Try a hook alone; only the error matters, and no handler may run. */
static int try_hook(const struct kvmi_hook *hook, enum kvmi_hook_group which)
{
	static struct ftrace_ops trial = {
		.func = do_nothing,
		.flags = REDIRECT,
	};
	int err, undo = 0;

	err = set_filter(&trial, hook, 1);
	if (err)
		return err;
	err = register_ftrace_function(&trial);
	if (!err)
		undo = unregister_ftrace_function(&trial);
	if (undo)
		keep_text(which, undo);
	else
		free_filter(&trial);
	return err;
}

/* When the reason is gone: nothing tries again by itself. */
static const char *next_step(enum kvmi_hook_group which)
{
	return which == KVMI_HOOKS_BASE ? "load again" : "start a new session";
}

static const char *first_symbol(enum kvmi_hook_group which)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		if (in_group(hooks[i], which) && hooks[i]->addr)
			return hooks[i]->symbol;
	return "no function";
}

/* ftrace refused all hooks with one error: find out why, and say it. */
static void explain_refusal(enum kvmi_hook_group which, int err)
{
	const int *enabled = (int *)kvmi_resolve(NULL, "ftrace_enabled");
	static DEFINE_RATELIMIT_STATE(limit, 60 * HZ, 3);
	size_t i;

	/* A VMM can have it tried as often as it likes. */
	if (which != KVMI_HOOKS_BASE && !__ratelimit(&limit))
		return;
	/* Which switches it off as well. */
	if (err == -ENODEV) {
		say_dead(first_symbol(which));
		return;
	}
	if (enabled && !READ_ONCE(*enabled)) {
		pr_err("%s and all other functions: ftrace is switched off: sysctl kernel.ftrace_enabled=1, then %s\n",
		       first_symbol(which), next_step(which));
		return;
	}
	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		if (in_group(hooks[i], which) && hooks[i]->addr &&
		    try_hook(hooks[i], which) == -EBUSY) {
			pr_err("%s: already taken by a livepatch or another hook; disable that (see /sys/kernel/livepatch and /sys/kernel/tracing/enabled_functions), then %s\n",
			       hooks[i]->symbol, next_step(which));
			return;
		}
		if (READ_ONCE(groups[which].stuck))
			return;
	}
	pr_err("%s and all other functions: ftrace refuses the hooks (%d); please report it\n",
	       first_symbol(which), err);
}

/* Whether the function's entry calls ftrace now. */
static bool entry_calls(const struct kvmi_hook *hook)
{
	const u8 *entry = (const u8 *)hook->addr;

	return entry[0] == CALL_OPCODE || entry[ENTRY_OFFSET] == CALL_OPCODE;
}

/* Believe what is in the code, not what ftrace returned. */
static int check_armed(enum kvmi_hook_group which)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		if (!in_group(hooks[i], which))
			continue;
		hooks[i]->armed = hooks[i]->addr && entry_calls(hooks[i]);
		if (hooks[i]->armed || !hooks[i]->addr)
			continue;
		pr_err("%s: ftrace has not put the hook in place: %s; please report it\n",
		       hooks[i]->symbol, hooks[i]->without);
		hooks[i]->addr = 0;
		/* Who needs a group on demand needs all of it. */
		if (hooks[i]->required || which != KVMI_HOOKS_BASE)
			return -EIO;
	}
	return 0;
}

static int check_firing(void)
{
	if (!kvmi_hook_check_extension.armed || kvmi_check_extension_hooked())
		return 0;
	pr_err("%s: the hook is in place but does not fire: another tracer changes the same functions; remove it, then load again\n",
	       kvmi_hook_check_extension.symbol);
	return -EIO;
}

static void clear_armed(enum kvmi_hook_group which)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		if (in_group(hooks[i], which))
			hooks[i]->armed = false;
}

static int resolve_hooks(void)
{
	size_t i;
	int err;

	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		if (hooks[i]->unneeded)
			continue;
		err = resolve_hook(hooks[i]);
		if (err)
			return err;
	}
	return 0;
}

static void disarm_group(enum kvmi_hook_group which)
{
	int err = unregister_ftrace_function(&groups[which].ops);

	if (err) {
		keep_text(which, err);
		return;
	}
	clear_armed(which);
	free_filter(&groups[which].ops);
}

static int arm_group(enum kvmi_hook_group which)
{
	struct ftrace_ops *ops = &groups[which].ops;
	size_t i;
	int err = 0;

	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		if (in_group(hooks[i], which) && hooks[i]->addr)
			err = filter_hook(hooks[i]);
		if (err)
			goto err_filter;
	}
	err = register_ftrace_function(ops);
	if (err) {
		explain_refusal(which, err);
		goto err_filter;
	}
	err = check_armed(which);
	if (err)
		disarm_group(which);
	return err;

err_filter:
	free_filter(ops);
	return err;
}

bool kvmi_hooks_known(enum kvmi_hook_group which)
{
	size_t i;

	if (READ_ONCE(groups[which].stuck))
		return false;
	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		if (in_group(hooks[i], which) && !hooks[i]->addr)
			return false;
	return true;
}

static bool group_empty(enum kvmi_hook_group which)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		if (in_group(hooks[i], which))
			return false;
	return true;
}

int kvmi_hooks_get(enum kvmi_hook_group which)
{
	int err = 0;

	might_sleep();
	if (group_empty(which))
		return 0;
	mutex_lock(&groups_lock);
	if (!kvmi_hooks_known(which))
		err = -ENOENT;
	else if (!groups[which].armed_for)
		err = arm_group(which);
	if (!err)
		groups[which].armed_for++;
	mutex_unlock(&groups_lock);
	return err;
}

void kvmi_hooks_put(enum kvmi_hook_group which)
{
	might_sleep();
	if (group_empty(which))
		return;
	mutex_lock(&groups_lock);
	if (!--groups[which].armed_for)
		disarm_group(which);
	mutex_unlock(&groups_lock);
}

/* Without hooks: afterwards no handler runs, and none can start. */
static void drain_handlers(void)
{
	/* Calls that the callback has redirected but that have not counted. */
	synchronize_rcu_tasks();
	while (atomic_read(&users))
		schedule_timeout_uninterruptible(1);
	/* Handlers that have counted down but not returned. */
	synchronize_rcu_tasks();
}

int kvmi_hooks_arm(void)
{
	int err;

	err = resolve_hooks();
	if (err)
		return err;
	err = arm_group(KVMI_HOOKS_BASE);
	if (err) {
		/* Some may have been in place for a moment. */
		drain_handlers();
		return err;
	}
	err = check_firing();
	if (err)
		kvmi_hooks_disarm();
	return err;
}

void kvmi_hooks_disarm(void)
{
	disarm_group(KVMI_HOOKS_BASE);
	drain_handlers();
}

static const char *hook_state(const struct kvmi_hook *hook)
{
	if (hook->armed)
		return "armed";
	if (!hook->symbol)
		return "missing";
	return hook->addr ? "idle" : "failed";
}

void kvmi_hooks_show(struct seq_file *seq)
{
	size_t i;

	seq_puts(seq, "#symbol\tmodule\tstate\thits\tcarries\twithout_it\n");
	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		if (hooks[i]->unneeded)
			continue;
		seq_printf(seq, "%s\t%s\t%s\t%ld\t%s\t%s\n",
			   hooks[i]->symbol ?: hooks[i]->symbols[0],
			   hooks[i]->module, hook_state(hooks[i]),
			   atomic_long_read(&hooks[i]->hits),
			   hooks[i]->carries, hooks[i]->without);
	}
}
