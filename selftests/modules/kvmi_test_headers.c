// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tells the tests in user space what this kernel's headers say, by modinfo.
 * It need not be loaded, and does nothing when it is.
 */
#include <linux/kvm.h>
#include <linux/module.h>

/* Linux 5.16 gave 206 to this capability; backports may have it earlier. */
#ifdef KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM
MODULE_INFO(cap_206, "taken");
#else
MODULE_INFO(cap_206, "free");
#endif

MODULE_DESCRIPTION("kvmi selftest: facts of the kernel headers");
MODULE_LICENSE("GPL");
