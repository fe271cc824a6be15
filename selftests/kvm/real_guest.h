/* SPDX-License-Identifier: GPL-2.0-only */
/* A guest in an unmodified QEMU: the guest's output, and QEMU's control. */
#ifndef REAL_GUEST_H
#define REAL_GUEST_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct output - all that the guest has printed so far
 * @sums: checksums
 * @ticks: seconds
 * @sum_time: the guest's clock at the last checksum
 * @tick_time: and at the last tick; by another process of the guest, which may
 *             print before the other one although it has looked later
 * @error: the first thing that is wrong, or empty
 *
 * A line that is missing or comes twice, a clock that goes back and a message
 * of the kernel are wrong, from when the guest was ready.
 */
struct output {
	unsigned long sums;
	unsigned long ticks;
	double sum_time;
	double tick_time;
	char error[256];
};

/* With @sums every checksum is computed again, which takes its time. */
void output_read(struct output *out, const char *path, bool sums);

/* The control socket of QEMU at @path. */
int vmm_open(const char *path);
void vmm_stop(int qmp);
void vmm_cont(int qmp);

/* system_reset: the guest starts again. */
void vmm_reset(int qmp);

/* All of the VM's state goes to nowhere; the VM is stopped then. */
void vmm_migrate(int qmp);

/*
 * savevm: all of the VM's state goes to a file at @path with .save behind it.
 * The VM is stopped meanwhile, and runs on.
 */
void vmm_save_open(int qmp, const char *path);
void vmm_save(int qmp);
void vmm_save_close(int qmp, const char *path);

/*
 * A debugger comes, which stops the VM, reads the first vCPU's general registers
 * and RIP in gdb's order, and goes, after which the VM runs.
 */
void vmm_debug(int qmp, const char *path, uint64_t regs[17]);

#endif /* REAL_GUEST_H */
