// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of the VM file descriptor, native and 32-bit. A 32-bit VMM gets
 * here through kvm_vm_ioctl() too, but a 32-bit tool that attaches to another
 * process's VM would be turned away before that.
 *
 * Context of the handlers: the caller of ioctl(2); may sleep; no lock held.
 */
#include <linux/fs.h>
#include <linux/module.h>

#include "../ioctl.h"
#include "hooks.h"

static notrace bool wants_ioctl(const struct pt_regs *regs)
{
	return kvmi_ioctl_known((unsigned int)regs->si);
}

/*
 * Being loaded, which may still fail, or unloaded: as if nobody knew these
 * requests. Otherwise the caller can have us sleep for as long as it likes, in
 * memory that nobody supplies: unloading is refused meanwhile, where it would
 * have to wait.
 */
static long run_ioctl(struct kvmi_hook *hook, struct file *file,
		      unsigned int cmd, unsigned long arg)
{
	long ret = -ENOTTY;

	kvmi_hook_enter(hook);
	if (THIS_MODULE->state == MODULE_STATE_LIVE &&
	    try_module_get(THIS_MODULE)) {
		ret = kvmi_ioctl(file->private_data, cmd, (void __user *)arg);
		module_put(THIS_MODULE);
	}
	kvmi_hook_leave();
	return ret;
}

static long handle_vm_ioctl(struct file *file, unsigned int cmd,
			    unsigned long arg)
{
	return run_ioctl(&kvmi_hook_vm_ioctl, file, cmd, arg);
}

static long handle_vm_compat_ioctl(struct file *file, unsigned int cmd,
				   unsigned long arg)
{
	return run_ioctl(&kvmi_hook_vm_compat_ioctl, file, cmd, arg);
}

struct kvmi_hook kvmi_hook_vm_ioctl = {
	.symbols = { "kvm_vm_ioctl" },
	.module = "kvm",
	.required = true,
	.carries = "introspection ioctls",
	.without = "no VM can be introspected",
	.wants = wants_ioctl,
	.handler = handle_vm_ioctl,
};

struct kvmi_hook kvmi_hook_vm_compat_ioctl = {
	.symbols = { "kvm_vm_compat_ioctl" },
	.module = "kvm",
	.carries = "introspection ioctls of 32-bit processes",
	.without = "32-bit tools cannot attach to a running VM",
	.wants = wants_ioctl,
	.handler = handle_vm_compat_ioctl,
};
