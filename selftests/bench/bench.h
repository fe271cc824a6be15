/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The benchmark: what is counted is instructions, with the time stamp counter
 * of a QEMU that runs with -icount shift=0.
 */
#ifndef KVMI_BENCH_H
#define KVMI_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --------------------------------------------------------------- bench.c -- */

/*
 * One round of something; returns how many instructions in it are not to be
 * counted.
 */
typedef uint64_t bench_fn(void *arg);

/**
 * struct bench_cost - what one round costs
 * @median: instructions
 * @low: first decile
 * @high: last decile
 * @switches: context switches of the whole machine in a round, times 100
 */
struct bench_cost {
	uint64_t median;
	uint64_t low;
	uint64_t high;
	unsigned int switches;
};

struct bench_cost bench_measure(bench_fn *fn, void *arg);

/* The median; sorts. */
uint64_t bench_median(uint64_t *samples, size_t nr);

static inline uint64_t bench_clock(void)
{
	uint32_t low, high;

	asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

/* Loads and unloads kvmi. */
void bench_load(void);
void bench_unload(void);

/* A line of TAP. */
void bench_result(bool ok, const char *fmt, ...);

/* ------------------------------------------------------- what is measured -- */

void bench_commands(void);	/* with the module loaded */
void bench_exits(void);		/* loads and unloads it */

#endif /* KVMI_BENCH_H */
