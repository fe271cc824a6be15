/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVMI_SHIM_STRING_H
#define KVMI_SHIM_STRING_H

#include <stddef.h>
#include <string.h>

/* The first byte that is not @c, or NULL. */
static inline void *memchr_inv(const void *start, int c, size_t bytes)
{
	const unsigned char *p = start;

	for (; bytes; bytes--, p++)
		if (*p != (unsigned char)c)
			return (void *)p;
	return NULL;
}

#endif /* KVMI_SHIM_STRING_H */
