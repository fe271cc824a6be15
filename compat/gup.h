/* SPDX-License-Identifier: GPL-2.0-only */
/* One spelling for pinning a page of another process. */
#ifndef KVMI_COMPAT_GUP_H
#define KVMI_COMPAT_GUP_H

#include <linux/mm.h>
#include "kvmi_autoconf.h"

/*
 * Pin the page of @mm at @addr. The caller holds mmap_lock for reading; with
 * @locked it may come back unlocked, and then *@locked is 0. Returns 1, or
 * anything else on failure.
 */
static inline long kvmi_pin_page(struct mm_struct *mm, unsigned long addr,
				 unsigned int flags, struct page **page,
				 int *locked)
{
#ifdef KVMI_HAVE_PIN_REMOTE_TAKES_VMAS
	return pin_user_pages_remote(mm, addr, 1, flags, page, NULL, locked);
#endif
#ifdef KVMI_HAVE_PIN_REMOTE_TAKES_LOCKED
	return pin_user_pages_remote(mm, addr, 1, flags, page, locked);
#endif
}

#endif /* KVMI_COMPAT_GUP_H */
