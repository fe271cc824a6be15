// SPDX-License-Identifier: GPL-2.0-only
/* probe: GET_REMOTE_TAKES_LOCKED
 * since: v6.5 ca5e863233e8
 *        ("mm/gup: remove vmas parameter from get_user_pages_remote()"; id not verified)
 * group: get_remote
 * used-by: compat/gup.h
 * flip-no: include/linux/mm.h /^long get_user_pages_remote(/,/;/s/struct vm_area_struct \*\*vmas, //
 * flip-yes: include/linux/mm.h /^long get_user_pages_remote(/,/;/s/int \*locked/struct vm_area_struct **vmas, int *locked/;s/gup_flags, &page, NULL)/gup_flags, \&page, NULL, NULL)/
 */
#include <linux/mm.h>

static long (*get)(struct mm_struct *mm, unsigned long start,
		   unsigned long nr, unsigned int flags, struct page **pages,
		   int *locked) __maybe_unused =
	get_user_pages_remote;
