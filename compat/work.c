// SPDX-License-Identifier: GPL-2.0-only
#include <linux/errno.h>
#include <linux/kernel.h>

#include "call.h"
#include "kvmi_autoconf.h"
#include "resolve.h"
#include "work.h"

KVMI_DECLARE_STUB(kvmi_call_work_add, int, struct task_struct *task,
		  struct callback_head *work, enum task_work_notify_mode mode);
KVMI_DEFINE_STUB(kvmi_call_work_add);
KVMI_DECLARE_STUB(kvmi_call_work_cancel, bool, struct task_struct *task,
		  struct callback_head *work);
KVMI_DEFINE_STUB(kvmi_call_work_cancel);

int kvmi_task_work_init(void)
{
	kvmi_call_work_add_target = kvmi_resolve(NULL, "task_work_add");
	if (!kvmi_call_work_add_target) {
		pr_err("task_work_add: no such function in the kernel; this kernel is not supported, please report it\n");
		return -ENOENT;
	}
#ifdef KVMI_HAVE_WORK_CANCEL_TAKES_WORK
	kvmi_call_work_cancel_target = kvmi_resolve(NULL, "task_work_cancel");
#endif
	return 0;
}

int kvmi_task_work_add(struct task_struct *task, struct callback_head *work)
{
	return kvmi_call_work_add(task, work, TWA_RESUME);
}

bool kvmi_task_work_cancel(struct task_struct *task,
			   struct callback_head *work)
{
	if (!kvmi_call_work_cancel_target)
		return false;
	return kvmi_call_work_cancel(task, work);
}
