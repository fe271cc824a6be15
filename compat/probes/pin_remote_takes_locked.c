// SPDX-License-Identifier: GPL-2.0-only
/* probe: PIN_REMOTE_TAKES_LOCKED
 * since: v6.5 0b295316b3a9
 *        ("mm/gup: remove unused vmas parameter from pin_user_pages_remote()"; id not verified)
 * group: pin_remote
 * used-by: compat/gup.h
 * flip-no: include/linux/mm.h /^long pin_user_pages_remote(/,/;/s/struct vm_area_struct \*\*vmas, //
 * flip-yes: include/linux/mm.h /^long pin_user_pages_remote(/,/;/s/int \*locked/struct vm_area_struct **vmas, int *locked/
 */
#include <linux/mm.h>

static long (*pin)(struct mm_struct *mm, unsigned long start,
		   unsigned long nr, unsigned int flags, struct page **pages,
		   int *locked) __maybe_unused =
	pin_user_pages_remote;
