/* SPDX-License-Identifier: GPL-2.0-only */
/* Task works: exported by some kernels only, hence found by name. */
#ifndef KVMI_COMPAT_WORK_H
#define KVMI_COMPAT_WORK_H

#include <linux/task_work.h>

/* Look them up; 0 or a negative errno, after having logged the reason. */
int kvmi_task_work_init(void);

/*
 * Queue @work to run in @task before it returns to user space, or enters a
 * guest. Does not sleep. Returns 0, or an error when the task is exiting.
 */
int kvmi_task_work_add(struct task_struct *task, struct callback_head *work);

/* Take it back; false when it was not queued (any more) or cannot be. */
bool kvmi_task_work_cancel(struct task_struct *task,
			   struct callback_head *work);

#endif /* KVMI_COMPAT_WORK_H */
