// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes functions of the kernel answer what the test wants, for calls from kvmi
 * and nobody else. So kvmi is seen to refuse what no emulator or healthy kernel
 * gives it a reason to.
 *
 *   insmod kvmi_test_override.ko symbol=register_ftrace_function value=-19
 */
#include <linux/delay.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/string.h>

#define MAX_SYMBOLS 2

static char *symbol[MAX_SYMBOLS];
static int symbols;
module_param_array(symbol, charp, &symbols, 0444);
MODULE_PARM_DESC(symbol, "functions to override");

static long value;
module_param(value, long, 0444);
MODULE_PARM_DESC(value, "what they return");

static char *string;
module_param(string, charp, 0444);
MODULE_PARM_DESC(string, "only when the first argument is this string");

static char *module;
module_param(module, charp, 0444);
MODULE_PARM_DESC(module, "only when the first argument is this module");

static int after;
module_param(after, int, 0444);
MODULE_PARM_DESC(after, "so many calls are the first, and left alone");

static bool wait;
module_param(wait, bool, 0644);
MODULE_PARM_DESC(wait, "they do not return before this is 0; for functions that may sleep");

static bool exclusive = true;
module_param(exclusive, bool, 0444);
MODULE_PARM_DESC(exclusive, "let ftrace know that calls are redirected");

static int hits;
module_param(hits, int, 0444);
MODULE_PARM_DESC(hits, "calls that were overridden");

static bool from_kvmi(const struct pt_regs *regs)
{
	const unsigned long *return_address = (void *)regs->sp;
	char caller[KSYM_SYMBOL_LEN];

	snprintf(caller, sizeof(caller), "%ps", (void *)*return_address);
	return strstr(caller, " [kvmi]");
}

static bool is_wanted(const struct pt_regs *regs)
{
	const struct module *mod = (void *)regs->di;

	if (string && strcmp((const char *)regs->di, string))
		return false;
	if (module && (!mod || strcmp(mod->name, module)))
		return false;
	return from_kvmi(regs);
}

/*
 * Runs in the function's place. The module must not be removed meanwhile: the
 * test does so when what called it has ended.
 */
static unsigned long replacement(void)
{
	while (READ_ONCE(wait))
		msleep(20);
	return value;
}

/* The stack pointer cannot be changed when ftrace has brought us here. */
static int redirect(struct kprobe *probe, struct pt_regs *regs)
{
	if (!is_wanted(regs) || after-- > 0)
		return 0;
	WRITE_ONCE(hits, hits + 1);
	instruction_pointer_set(regs, (unsigned long)replacement);
	return 1;
}

/*
 * That there is one keeps the kernel from optimizing the probe to a jump, after
 * which redirecting has no effect, and claims the function (IPMODIFY) where
 * ftrace is used.
 */
static void do_nothing(struct kprobe *probe, struct pt_regs *regs,
		       unsigned long flags)
{
}

static struct kprobe probes[MAX_SYMBOLS];
static struct kprobe *probe_list[MAX_SYMBOLS];

static int __init kvmi_test_override_init(void)
{
	int i;

	if (!symbols)
		return -EINVAL;
	for (i = 0; i < symbols; i++) {
		probes[i].symbol_name = symbol[i];
		probes[i].pre_handler = redirect;
		if (exclusive)
			probes[i].post_handler = do_nothing;
		probe_list[i] = &probes[i];
	}
	return register_kprobes(probe_list, symbols);
}

static void __exit kvmi_test_override_exit(void)
{
	unregister_kprobes(probe_list, symbols);
}

module_init(kvmi_test_override_init);
module_exit(kvmi_test_override_exit);
MODULE_DESCRIPTION("kvmi selftest: functions that answer what the test wants");
MODULE_LICENSE("GPL");
