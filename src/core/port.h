/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The few kernel facilities that the core needs, and nothing of KVM. The same
 * names come from selftests/unit/shim when the core is built in user space.
 */
#ifndef KVMI_CORE_PORT_H
#define KVMI_CORE_PORT_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/types.h>

#endif /* KVMI_CORE_PORT_H */
