// SPDX-License-Identifier: GPL-2.0-only
/*
 * kvmi_bench: costs in instructions. Prints TAP; the tables are comments, from
 * which lab/bench.sh takes them. Runs as root in a lab VM with one CPU, in a
 * QEMU with -icount shift=0; elsewhere the numbers would be time, and the first
 * test fails.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "kvmi_test.h"
#include "bench.h"

#define ROUNDS 401
#define WARM_UP 40

static unsigned int results, failed;

void bench_result(bool ok, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	printf("%sok %u - %s\n", ok ? "" : "not ", ++results, text);
	fflush(stdout);
	failed += !ok;
}

void bench_load(void)
{
	CHECK_EQ(system("modprobe kvmi"), 0);
}

void bench_unload(void)
{
	CHECK_EQ(system("rmmod kvmi"), 0);
}

/* ------------------------------------------------------------ measurement -- */

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

uint64_t bench_median(uint64_t *samples, size_t nr)
{
	qsort(samples, nr, sizeof(*samples), compare);
	return samples[nr / 2];
}

static unsigned long context_switches(void)
{
	unsigned long count = 0;
	char line[4096];
	FILE *f = fopen("/proc/stat", "re");

	CHECK(f, "/proc/stat");
	while (fgets(line, sizeof(line), f) &&
	       sscanf(line, "ctxt %lu", &count) != 1)
		;
	fclose(f);
	return count;
}

static uint64_t nothing(void *arg)
{
	return 0;
}

static void sample(bench_fn *fn, void *arg, uint64_t *samples)
{
	uint64_t start, not_counted;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		start = bench_clock();
		not_counted = fn(arg);
		samples[i] = bench_clock() - start - not_counted;
	}
}

/* What the clock and the call cost is taken off. */
struct bench_cost bench_measure(bench_fn *fn, void *arg)
{
	static uint64_t samples[ROUNDS];
	struct bench_cost cost;
	unsigned long before;
	uint64_t own;
	int i;

	sample(nothing, NULL, samples);
	own = bench_median(samples, ROUNDS);
	for (i = 0; i < WARM_UP; i++)
		fn(arg);
	before = context_switches();
	sample(fn, arg, samples);
	cost.switches = (context_switches() - before) * 100 / ROUNDS;
	cost.median = bench_median(samples, ROUNDS) - own;
	cost.low = samples[ROUNDS / 10] - own;
	cost.high = samples[ROUNDS - 1 - ROUNDS / 10] - own;
	return cost;
}

/* -------------------------------------------------------------- the clock -- */

/* 2 * @n instructions. */
static void loop(uint64_t n)
{
	asm volatile("1: dec %0; jnz 1b" : "+r"(n));
}

static uint64_t loop_round(void *arg)
{
	loop(*(uint64_t *)arg);
	return 0;
}

static uint64_t monotonic(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

/*
 * A loop with a known number of instructions. The kernel's clock is only told:
 * it is as good as the kernel's idea of the counter's frequency.
 */
static void check_clock(void)
{
	uint64_t few = 1000, many = 11000, tsc, ns, start;

	tsc = bench_measure(loop_round, &many).median -
	      bench_measure(loop_round, &few).median;
	start = monotonic();
	loop(50000000);
	ns = monotonic() - start;
	kvmi_note("20000 instructions are %llu of the time stamp counter; 100000000 are %llu ns of CLOCK_MONOTONIC",
		  (unsigned long long)tsc, (unsigned long long)ns);
	bench_result(tsc == 20000, "the time stamp counter counts instructions");
}

int main(void)
{
	printf("TAP version 13\n1..3\n");
	fflush(stdout);
	mlockall(MCL_CURRENT);
	check_clock();
	bench_exits();
	bench_load();
	bench_commands();
	bench_unload();
	return failed ? 1 : 0;
}
