// SPDX-License-Identifier: GPL-2.0-only
/* The memory of the core: counted, never zero, and failing on demand. */
#include "mock.h"

#include <stdlib.h>

static int live;
static int left = -1;	/* allocations until the one that fails */

void mock_alloc_fail(int good)
{
	__atomic_store_n(&left, good, __ATOMIC_RELAXED);
}

int mock_alloc_live(void)
{
	return __atomic_load_n(&live, __ATOMIC_RELAXED);
}

/* One fails; those before and behind it do not. */
static bool fails(void)
{
	if (__atomic_load_n(&left, __ATOMIC_RELAXED) < 0)
		return false;
	return __atomic_sub_fetch(&left, 1, __ATOMIC_RELAXED) == -1;
}

void *mock_alloc(size_t size)
{
	void *p;

	if (fails())
		return NULL;
	p = malloc(size);
	if (!p)
		abort();
	memset(p, 0xa5, size);
	__atomic_add_fetch(&live, 1, __ATOMIC_RELAXED);
	return p;
}

void mock_free(void *p)
{
	if (!p)
		return;
	if (__atomic_fetch_sub(&live, 1, __ATOMIC_RELAXED) <= 0)
		abort();
	free(p);
}

struct kvmi_msg *kvmi_msg_alloc(void)
{
	return mock_alloc(sizeof(struct kvmi_msg));
}

void kvmi_msg_free(struct kvmi_msg *msg)
{
	mock_free(msg);
}
