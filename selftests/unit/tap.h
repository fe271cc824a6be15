/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tests that report in TAP. A test is a function; it goes on after a failed
 * check, so that one run shows everything that is wrong.
 */
#ifndef KVMI_UNIT_TAP_H
#define KVMI_UNIT_TAP_H

#include <stdbool.h>
#include <stddef.h>

struct tap_test {
	const char *name;
	void (*run)(void);
};

/* Runs suites, each ended by a test without name. Returns the exit status. */
int tap_run(const struct tap_test *const suites[], size_t count);

/* Names what is being checked; shown with each failure until changed. */
void tap_context(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

void tap_check(bool ok, const char *file, int line, const char *text);
void tap_check_equal(long long got, long long want, const char *file, int line,
		     const char *text);
void tap_check_bytes(const void *got, size_t got_size, const void *want,
		     size_t want_size, const char *file, int line);

#define CHECK(condition) \
	tap_check(condition, __FILE__, __LINE__, #condition)
#define CHECK_EQ(got, want) \
	tap_check_equal(got, want, __FILE__, __LINE__, #got)
#define CHECK_BYTES(got, got_size, want, want_size) \
	tap_check_bytes(got, got_size, want, want_size, __FILE__, __LINE__)

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#endif

#endif /* KVMI_UNIT_TAP_H */
