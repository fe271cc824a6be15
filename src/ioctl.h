/* SPDX-License-Identifier: GPL-2.0-only */
/* The five ioctls of the VM file descriptor. */
#ifndef KVMI_IOCTL_H
#define KVMI_IOCTL_H

#include <linux/compiler.h>
#include <linux/kvmi.h>
#include <linux/types.h>

struct kvm;

/* Runs in an ftrace callback, hence inline and free of calls. */
static __always_inline bool kvmi_ioctl_known(unsigned int cmd)
{
	switch (cmd) {
	case KVM_INTROSPECTION_HOOK:
	case KVM_INTROSPECTION_UNHOOK:
	case KVM_INTROSPECTION_COMMAND:
	case KVM_INTROSPECTION_EVENT:
	case KVM_INTROSPECTION_PREUNHOOK:
		return true;
	default:
		return false;
	}
}

/* Execute the known request @cmd for the current process; may sleep. */
long kvmi_ioctl(struct kvm *kvm, unsigned int cmd, void __user *argp);

#endif /* KVMI_IOCTL_H */
