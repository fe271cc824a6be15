// SPDX-License-Identifier: GPL-2.0-only
#include "tap.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_SHOWN 5

static unsigned int failures;	/* of the test that is running */
static char context[128];

void tap_context(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(context, sizeof(context), format, args);
	va_end(args);
}

/* Count a failure. Returns whether it is to be shown. */
static bool fail(const char *file, int line)
{
	if (++failures > MAX_SHOWN)
		return false;
	printf("# %s:%d: %s%s", file, line, context, *context ? ": " : "");
	return true;
}

void tap_check(bool ok, const char *file, int line, const char *text)
{
	if (!ok && fail(file, line))
		printf("not true: %s\n", text);
}

void tap_check_equal(long long got, long long want, const char *file, int line,
		     const char *text)
{
	if (got != want && fail(file, line))
		printf("%s is %lld, expected %lld\n", text, got, want);
}

void tap_check_bytes(const void *got, size_t got_size, const void *want,
		     size_t want_size, const char *file, int line)
{
	const unsigned char *a = got, *b = want;
	size_t i;

	if (got_size != want_size) {
		if (fail(file, line))
			printf("%zu bytes, expected %zu\n", got_size,
			       want_size);
		return;
	}
	for (i = 0; i < want_size && a[i] == b[i]; i++)
		;
	if (i < want_size && fail(file, line))
		printf("byte %zu is %#x, expected %#x\n", i, a[i], b[i]);
}

static bool run_one(const struct tap_test *test, unsigned int number)
{
	failures = 0;
	tap_context("%s", "");
	test->run();
	if (failures > MAX_SHOWN)
		printf("# %u more failures\n", failures - MAX_SHOWN);
	printf("%sok %u - %s\n", failures ? "not " : "", number, test->name);
	fflush(stdout);
	return !failures;
}

int tap_run(const struct tap_test *const suites[], size_t count)
{
	const struct tap_test *test;
	unsigned int number = 0;
	bool ok = true;
	size_t i;

	for (i = 0; i < count; i++)
		for (test = suites[i]; test->name; test++)
			number++;
	printf("1..%u\n", number);

	number = 0;
	for (i = 0; i < count; i++)
		for (test = suites[i]; test->name; test++)
			ok &= run_one(test, ++number);
	return ok ? 0 : 1;
}
