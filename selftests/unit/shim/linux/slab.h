/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVMI_SHIM_SLAB_H
#define KVMI_SHIM_SLAB_H

#include <stddef.h>

#define GFP_KERNEL_ACCOUNT 0x400cc0

/* mock_alloc.c: counted, not zero, and failing on demand. */
void *mock_alloc(size_t size);
void mock_free(void *p);

static inline void *kmalloc(size_t size, unsigned int flags)
{
	return mock_alloc(size);
}

static inline void kfree(void *p)
{
	mock_free(p);
}

#endif /* KVMI_SHIM_SLAB_H */
