// SPDX-License-Identifier: GPL-2.0-only
/*
 * The five ioctls: who may call them, their arguments, and the order in which
 * errors are found, which is part of the ABI (include/uapi/linux/kvmi.h).
 *
 * Context: the caller of ioctl(2), who holds a reference on the VM through its
 * file; may sleep.
 */
#include <linux/capability.h>
#include <linux/errno.h>
#include <linux/uaccess.h>

#include "../compat/kvm.h"
#include "core/core.h"
#include "ioctl.h"
#include "vm.h"

/*
 * Introspection gives power over the guest, which the VM's own process has
 * anyway. For everybody else the answer is stock KVM's, unless they may do
 * anything on this host.
 */
static bool may_introspect(const struct kvm *kvm)
{
	if (kvmi_kvm_dead(kvm))
		return false;
	return kvm->mm == current->mm || capable(CAP_SYS_ADMIN);
}

static long ioctl_hook(struct kvm *kvm, void __user *argp)
{
	struct kvm_introspection_hook hook;

	if (copy_from_user(&hook, argp, sizeof(hook)))
		return -EFAULT;
	if (hook.padding)
		return -EINVAL;
	return kvmi_vm_hook(kvm, &hook);
}

static long ioctl_feature(struct kvm *kvm, unsigned int cmd, void __user *argp)
{
	bool command = cmd == KVM_INTROSPECTION_COMMAND;
	struct kvm_introspection_feature feature;
	struct kvmi_vm *vm;
	long err;

	if (copy_from_user(&feature, argp, sizeof(feature)))
		return -EFAULT;
	err = kvmi_check_feature(feature.id, feature.allow,
				 command ? KVMI_NUM_COMMANDS : KVMI_NUM_EVENTS);
	if (err)
		return err;

	vm = kvmi_vm_get(kvm);
	if (!vm)
		return -EFAULT;
	if (command)
		err = kvmi_allow_command(&vm->session, feature.id,
					 feature.allow);
	else
		err = kvmi_allow_event(&vm->session, feature.id, feature.allow);
	kvmi_vm_put(vm);
	return err;
}

static long ioctl_preunhook(struct kvm *kvm)
{
	struct kvmi_vm *vm = kvmi_vm_get(kvm);
	long err;

	if (!vm)
		return -EFAULT;
	err = kvmi_session_send_unhook(&vm->session);
	kvmi_vm_put(vm);
	return err;
}

long kvmi_ioctl(struct kvm *kvm, unsigned int cmd, void __user *argp)
{
	if (!may_introspect(kvm))
		return -EIO;

	switch (cmd) {
	case KVM_INTROSPECTION_HOOK:
		return ioctl_hook(kvm, argp);
	case KVM_INTROSPECTION_UNHOOK:
		kvmi_vm_unhook(kvm, "UNHOOK");
		return 0;
	case KVM_INTROSPECTION_COMMAND:
	case KVM_INTROSPECTION_EVENT:
		return ioctl_feature(kvm, cmd, argp);
	case KVM_INTROSPECTION_PREUNHOOK:
		return ioctl_preunhook(kvm);
	default:
		return -ENOTTY;
	}
}
