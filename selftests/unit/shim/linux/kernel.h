/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVMI_SHIM_KERNEL_H
#define KVMI_SHIM_KERNEL_H

/* Nothing of it is needed so far. */

#endif /* KVMI_SHIM_KERNEL_H */
