/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVMI_SHIM_COMPILER_H
#define KVMI_SHIM_COMPILER_H

/* One access each, and one that TSan takes for intended. Integers only. */
#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, val) __atomic_store_n(&(x), (val), __ATOMIC_RELAXED)

#endif /* KVMI_SHIM_COMPILER_H */
