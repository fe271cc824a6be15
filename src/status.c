// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operator's view. Readable by root only, as debugfs is; mode 0444 because
 * a locked-down kernel hides debugfs files that could be written.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "hooks/hooks.h"
#include "status.h"
#include "vm.h"

static struct dentry *dir;

static int hooks_show(struct seq_file *seq, void *unused)
{
	kvmi_hooks_show(seq);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(hooks);

static int vms_show(struct seq_file *seq, void *unused)
{
	kvmi_vms_show(seq);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vms);

/* The module works without debugfs, so errors do not matter. */
void kvmi_status_init(void)
{
	dir = debugfs_create_dir("kvmi", NULL);
	debugfs_create_file("hooks", 0444, dir, NULL, &hooks_fops);
	debugfs_create_file("vms", 0444, dir, NULL, &vms_fops);
}

void kvmi_status_exit(void)
{
	debugfs_remove_recursive(dir);
}
