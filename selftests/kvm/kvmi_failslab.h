/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes allocations of a thread fail. Stock kernels cannot; lab/debug-kernel.sh
 * builds one that can.
 */
#ifndef KVMI_FAILSLAB_H
#define KVMI_FAILSLAB_H

#include <stdbool.h>
#include <sys/types.h>

bool failslab_possible(void);

/* Around all that follows. */
void failslab_begin(void);
void failslab_end(void);

/* For a thread, or with 0 for the caller. */
int failslab_open(pid_t tid);

/*
 * Its @nth allocation from now on fails. Between this and failslab_failed(), which
 * ends it and tells whether it came to that, the caller must not allocate itself.
 */
void failslab_set(int fd, int nth);
bool failslab_failed(int fd);

#endif /* KVMI_FAILSLAB_H */
