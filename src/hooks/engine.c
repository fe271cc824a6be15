// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds, arms and disarms the hooks of hooks.h.
 *
 * All of them share one ftrace_ops: registering and unregistering costs one
 * grace period each, however many functions there are. None of the functions
 * is on a vCPU entry or exit path, so a VM without a session pays nothing
 * while the guest runs.
 */
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
};

/* Handlers that are running. */
static atomic_t users;

void kvmi_hook_enter(struct kvmi_hook *hook)
{
	atomic_inc(&users);
	atomic_long_inc(&hook->hits);
}

void kvmi_hook_leave(void)
{
	atomic_dec(&users);
}

static notrace struct kvmi_hook *find_hook(unsigned long ip)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		if (hooks[i]->addr && ip - hooks[i]->addr < MAX_ENTRY_OFFSET)
			return hooks[i];
	return NULL;
}

static void notrace callback(unsigned long ip, unsigned long parent_ip,
			     struct ftrace_ops *ops, kvmi_ftrace_regs_t *fregs)
{
	struct pt_regs *regs = kvmi_ftrace_pt_regs(fregs);
	struct kvmi_hook *hook = find_hook(ip);

	if (!regs || !hook || !hook->wants(regs))
		return;

	/* Every call stores the same value. */
	if (hook->stub_target)
		WRITE_ONCE(*hook->stub_target, ip + MCOUNT_INSN_SIZE);
	instruction_pointer_set(regs, (unsigned long)hook->handler);
}

/*
 * PERMANENT: sysctl kernel.ftrace_enabled=0 is refused instead of silently
 * removing the hooks. IPMODIFY: a livepatch of the same function and we
 * exclude each other, with an error for whoever comes second.
 */
#define OPS_FLAGS (FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY | \
		   FTRACE_OPS_FL_PERMANENT)

static struct ftrace_ops ops = {
	.func = callback,
	.flags = OPS_FLAGS,
};

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

static int filter_hook(struct kvmi_hook *hook)
{
	int err = set_filter(&ops, hook, 0);

	if (!err)
		return 0;

	hook->addr = 0;
	pr_err("%s: ftrace cannot trace it (%d)\n", hook->symbol, err);
	return hook->required ? err : 0;
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

static void notrace do_nothing(unsigned long ip, unsigned long parent_ip,
			       struct ftrace_ops *ops, kvmi_ftrace_regs_t *fregs)
{
}

/* Try a hook alone; only the error matters, and no handler may run. */
static int try_hook(const struct kvmi_hook *hook)
{
	static struct ftrace_ops trial = {
		.func = do_nothing,
		.flags = OPS_FLAGS,
	};
	int err;

	err = set_filter(&trial, hook, 1);
	if (err)
		return err;
	err = register_ftrace_function(&trial);
	if (!err)
		err = unregister_ftrace_function(&trial);
	free_filter(&trial);
	return err;
}

/* ftrace refused all hooks with one error: find out why, and say it. */
static void explain_refusal(int err)
{
	const int *enabled = (int *)kvmi_resolve(NULL, "ftrace_enabled");
	size_t i;

	if (enabled && !READ_ONCE(*enabled)) {
		pr_err("ftrace is switched off: sysctl kernel.ftrace_enabled=1, then load again\n");
		return;
	}
	if (err == -ENODEV) {
		pr_err("ftrace has shut itself down after an error; see the kernel log, and reboot\n");
		return;
	}
	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		if (hooks[i]->addr && try_hook(hooks[i]) == -EBUSY) {
			pr_err("%s: already taken by a livepatch or another hook; disable that (see /sys/kernel/livepatch and /sys/kernel/tracing/enabled_functions), then load again\n",
			       hooks[i]->symbol);
			return;
		}
	}
	pr_err("ftrace refuses the hooks (%d)\n", err);
}

/* Whether the function's entry calls ftrace now. */
static bool entry_calls(const struct kvmi_hook *hook)
{
	const u8 *entry = (const u8 *)hook->addr;

	return entry[0] == CALL_OPCODE || entry[ENTRY_OFFSET] == CALL_OPCODE;
}

/* Believe what is in the code, not what ftrace returned. */
static int check_armed(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		hooks[i]->armed = hooks[i]->addr && entry_calls(hooks[i]);
		if (hooks[i]->armed || !hooks[i]->addr)
			continue;
		pr_err("%s: ftrace has not put the hook in place: %s; please report it\n",
		       hooks[i]->symbol, hooks[i]->without);
		hooks[i]->addr = 0;
		if (hooks[i]->required)
			return -EIO;
	}

	if (kvmi_hook_check_extension.armed && !kvmi_check_extension_hooked()) {
		pr_err("the hooks are in place but do not fire: another tracer changes the same functions; remove it, then load again\n");
		return -EIO;
	}
	return 0;
}

static void clear_armed(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		hooks[i]->armed = false;
}

int kvmi_hooks_arm(void)
{
	size_t i;
	int err;

	for (i = 0; i < ARRAY_SIZE(hooks); i++) {
		err = resolve_hook(hooks[i]);
		if (!err && hooks[i]->addr)
			err = filter_hook(hooks[i]);
		if (err)
			goto err_filter;
	}

	err = register_ftrace_function(&ops);
	if (err) {
		explain_refusal(err);
		goto err_filter;
	}

	err = check_armed();
	if (err)
		kvmi_hooks_disarm();
	return err;

err_filter:
	free_filter(&ops);
	return err;
}

/*
 * ftrace could not take the callback out, so it may run at any time: the text
 * must stay. Sleeping here for ever, without a hung-task report, is the least
 * harm left; the host goes on and can be rebooted at leisure.
 */
static void __noreturn keep_text(int err)
{
	pr_err("ftrace cannot remove the hooks (%d); the module stays until the next boot\n",
	       err);
	for (;;) {
		set_current_state(TASK_IDLE);
		schedule();
	}
}

/* Afterwards no handler runs, and none can start. */
void kvmi_hooks_disarm(void)
{
	int err = unregister_ftrace_function(&ops);

	if (err)
		keep_text(err);
	clear_armed();

	/* Calls that the callback has redirected but that have not counted. */
	synchronize_rcu_tasks();
	while (atomic_read(&users))
		schedule_timeout_uninterruptible(1);
	/* Handlers that have counted down but not returned. */
	synchronize_rcu_tasks();
	free_filter(&ops);
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
	for (i = 0; i < ARRAY_SIZE(hooks); i++)
		seq_printf(seq, "%s\t%s\t%s\t%ld\t%s\t%s\n",
			   hooks[i]->symbol ?: hooks[i]->symbols[0],
			   hooks[i]->module, hook_state(hooks[i]),
			   atomic_long_read(&hooks[i]->hits),
			   hooks[i]->carries, hooks[i]->without);
}
