/* SPDX-License-Identifier: GPL-2.0-only */
/* What the guest of lab/disk.sh prints. */
#ifndef REAL_GUEST_H
#define REAL_GUEST_H

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
 * of the kernel are wrong.
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

#endif /* REAL_GUEST_H */
