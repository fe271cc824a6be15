// SPDX-License-Identifier: GPL-2.0-only
/* probe: WORK_CANCEL_TAKES_WORK
 * since: v6.10 ("task_work: s/task_work_cancel()/task_work_cancel_func()/"; id not
 *        verified) and backports to all longterm kernels
 * used-by: compat/work.c
 * flip-yes: include/linux/task_work.h s/^bool task_work_cancel(/bool task_work_take(/
 * flip-no: include/linux/task_work.h s/^void task_work_run(void);/&\nbool task_work_cancel(struct task_struct *task, struct callback_head *cb);/
 */
#include <linux/task_work.h>

static bool probe(struct task_struct *task, struct callback_head *work)
	__maybe_unused;
static bool probe(struct task_struct *task, struct callback_head *work)
{
	return task_work_cancel(task, work);
}
