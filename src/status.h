/* SPDX-License-Identifier: GPL-2.0-only */
/* The status files in debugfs: kvmi/hooks and kvmi/vms; see kvmi(4). */
#ifndef KVMI_STATUS_H
#define KVMI_STATUS_H

void kvmi_status_init(void);
void kvmi_status_exit(void);

#endif /* KVMI_STATUS_H */
