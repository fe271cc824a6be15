/* SPDX-License-Identifier: GPL-2.0-only */
/* Test Anything Protocol. Each test is a function that checks with CHECK(). */
#ifndef TAP_H
#define TAP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tap_test {
	const char *name;
	void (*run)(void);
};

static int tap_failures;

#define CHECK(cond) do { \
	if (!(cond)) { \
		printf("# %s:%d: %s\n", __FILE__, __LINE__, #cond); \
		tap_failures++; \
	} \
} while (0)

#define CHECK_INT(expr, want) do { \
	long long have_ = (long long)(expr), want_ = (long long)(want); \
	if (have_ != want_) { \
		printf("# %s:%d: %s is %lld, not %lld\n", __FILE__, __LINE__, \
		       #expr, have_, want_); \
		tap_failures++; \
	} \
} while (0)

#define CHECK_STR(expr, want) do { \
	const char *s_ = (expr); \
	if (!s_ || strcmp(s_, (want))) { \
		printf("# %s:%d: %s is '%s', not '%s'\n", __FILE__, __LINE__, \
		       #expr, s_ ? s_ : "(null)", (want)); \
		tap_failures++; \
	} \
} while (0)

#define TEST(fn) { #fn, fn }

static inline int tap_run(const struct tap_test *tests, size_t count)
{
	size_t i;
	int failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..%zu\n", count);
	for (i = 0; i < count; i++) {
		tap_failures = 0;
		tests[i].run();
		printf("%sok %zu - %s\n", tap_failures ? "not " : "", i + 1,
		       tests[i].name);
		failed += !!tap_failures;
	}
	return failed ? 1 : 0;
}

#endif /* TAP_H */
