/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVMI_SHIM_TYPES_H
#define KVMI_SHIM_TYPES_H

/* The libc's copy has __u8 and so on; the kernel's own adds these. */
#include_next <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;

#endif /* KVMI_SHIM_TYPES_H */
