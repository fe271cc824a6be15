// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds a function the way a livepatch does, but leaves it as it is: an
 * IPMODIFY ftrace hook. kvmi must refuse to load beside it, and it must not
 * load when kvmi was first.
 *
 *   insmod kvmi_test_ipmodify.ko symbol=kvm_vm_ioctl
 */
#include <linux/ftrace.h>
#include <linux/module.h>

static char *symbol = "kvm_vm_ioctl";
module_param(symbol, charp, 0444);
MODULE_PARM_DESC(symbol, "function to hold");

/*
 * The last argument is struct pt_regs or struct ftrace_regs, which depends on
 * the kernel; it is not looked at, so the register allocation is the same.
 */
static void notrace hold(unsigned long ip, unsigned long parent_ip,
			 struct ftrace_ops *ops, void *regs)
{
}

static struct ftrace_ops ops = {
	.func = (void *)hold,
	.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY,
};

static int __init kvmi_test_ipmodify_init(void)
{
	int err = ftrace_set_filter(&ops, symbol, strlen(symbol), 1);

	if (!err)
		err = register_ftrace_function(&ops);
	if (err)
		ftrace_set_filter(&ops, NULL, 0, 1);
	pr_info("%s: %s: %d\n", KBUILD_MODNAME, symbol, err);
	return err;
}

static void __exit kvmi_test_ipmodify_exit(void)
{
	int err = unregister_ftrace_function(&ops);

	WARN_ON(err);
	ftrace_set_filter(&ops, NULL, 0, 1);
}

module_init(kvmi_test_ipmodify_init);
module_exit(kvmi_test_ipmodify_exit);
MODULE_DESCRIPTION("kvmi selftest: holder of a function");
MODULE_LICENSE("GPL");
