// SPDX-License-Identifier: GPL-2.0-only
/* See Documentation/fault-injection of the kernel. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>

#include "kvmi_failslab.h"
#include "kvmi_test.h"

#define DIRECTORY "/sys/kernel/debug/failslab/"

bool failslab_possible(void)
{
	return !access("/proc/thread-self/fail-nth", W_OK) &&
	       !access(DIRECTORY, X_OK);
}

static void set(const char *name, const char *value)
{
	char path[80];
	int fd;

	snprintf(path, sizeof(path), DIRECTORY "%s", name);
	fd = open(path, O_WRONLY);
	CHECK(fd >= 0 && write(fd, value, 1) == 1, "%s: %s", path,
	      strerror(errno));
	close(fd);
}

void failslab_begin(void)
{
	set("verbose", "0");
	set("ignore-gfp-wait", "N");
}

void failslab_end(void)
{
	set("ignore-gfp-wait", "Y");
}

int failslab_open(pid_t tid)
{
	char path[80] = "/proc/thread-self/fail-nth";
	int fd;

	if (tid)
		snprintf(path, sizeof(path), "/proc/%d/fail-nth", tid);
	fd = open(path, O_RDWR);
	CHECK(fd >= 0, "%s: %s", path, strerror(errno));
	return fd;
}

void failslab_set(int fd, int nth)
{
	char text[16];
	int size = snprintf(text, sizeof(text), "%d", nth);

	CHECK_EQ(pwrite(fd, text, size, 0), size);
}

bool failslab_failed(int fd)
{
	char text[16];

	CHECK(pread(fd, text, sizeof(text), 0) > 0, "%s", strerror(errno));
	CHECK_EQ(pwrite(fd, "0", 1, 0), 1);
	return text[0] == '0';
}
