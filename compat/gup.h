/* SPDX-License-Identifier: GPL-2.0-only */
/* One spelling for getting at a page of another process. */
#ifndef KVMI_COMPAT_GUP_H
#define KVMI_COMPAT_GUP_H

#include <linux/mm.h>
#include "kvmi_autoconf.h"

/*
 * Get the page of @mm at @addr, pinned when it is to be written. The caller
 * holds mmap_lock for reading; with @locked it may come back unlocked, and then
 * *@locked is 0. Returns 1, or anything else on failure. A page that is only
 * read is not pinned, because pinning takes a merged page (KSM) apart.
 */
static inline long kvmi_get_page(struct mm_struct *mm, unsigned long addr,
				 unsigned int flags, struct page **page,
				 int *locked)
{
	if (flags & FOLL_WRITE) {
#ifdef KVMI_HAVE_PIN_REMOTE_TAKES_VMAS
		return pin_user_pages_remote(mm, addr, 1, flags, page, NULL,
					     locked);
#endif
#ifdef KVMI_HAVE_PIN_REMOTE_TAKES_LOCKED
		return pin_user_pages_remote(mm, addr, 1, flags, page, locked);
#endif
	}
#ifdef KVMI_HAVE_GET_REMOTE_TAKES_VMAS
	return get_user_pages_remote(mm, addr, 1, flags, page, NULL, locked);
#endif
#ifdef KVMI_HAVE_GET_REMOTE_TAKES_LOCKED
	return get_user_pages_remote(mm, addr, 1, flags, page, locked);
#endif
}

/* Give back a page that was got with the same @flags. */
static inline void kvmi_put_page(struct page *page, unsigned int flags)
{
	if (flags & FOLL_WRITE)
		unpin_user_pages_dirty_lock(&page, 1, true);
	else
		put_page(page);
}

#endif /* KVMI_COMPAT_GUP_H */
