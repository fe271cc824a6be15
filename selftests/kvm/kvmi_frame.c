// SPDX-License-Identifier: GPL-2.0-only
/*
 * The frame: runs the cases of a program in children and prints TAP.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kvmi_test.h"

#define QUICK_SECONDS 300
#define FULL_SECONDS 5400

bool kvmi_full;

/* Shared with the children: why a case was skipped. */
static char *skip_reason;
#define SKIP_REASON_SIZE 256

uint64_t kvmi_now_ms(void)
{
	struct timespec now;

	/* Not by the vDSO: see compat32_test. */
	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ull + now.tv_nsec / 1000000;
}

void kvmi_sleep_ms(unsigned int ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000l };

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

void kvmi_note(const char *fmt, ...)
{
	char line[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	printf("# %s\n", line);
	fflush(stdout);
}

void kvmi_fail(const char *file, int line, const char *fmt, ...)
{
	const char *base = strrchr(file, '/');
	char text[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	kvmi_note("%s:%d: %s", base ? base + 1 : file, line, text);
	_exit(1);
}

void kvmi_skip(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(skip_reason, SKIP_REASON_SIZE, fmt, args);
	va_end(args);
	_exit(0);
}

/* Seconds a case may take; emulated machines differ by a factor of 30. */
static unsigned int case_seconds(void)
{
	const char *env = getenv("KVMI_CASE_SECONDS");

	if (env)
		return atoi(env);
	return kvmi_full ? FULL_SECONDS : QUICK_SECONDS;
}

/* Waits for a case; a task that survives SIGKILL is reported as such. */
static bool case_wait(pid_t pid, int *status)
{
	uint64_t end = kvmi_now_ms() + case_seconds() * 1000ull;
	bool killed = false;

	while (waitpid(pid, status, WNOHANG) == 0) {
		if (kvmi_now_ms() > end && killed) {
			kvmi_note("process %d cannot be killed", pid);
			return false;
		}
		if (kvmi_now_ms() > end) {
			kvmi_note("timeout after %u s", case_seconds());
			kill(-pid, SIGKILL);
			kill(pid, SIGKILL);
			killed = true;
			end = kvmi_now_ms() + 30000;
		}
		kvmi_sleep_ms(2);
	}
	kill(-pid, SIGKILL);
	return !killed && WIFEXITED(*status) && WEXITSTATUS(*status) == 0;
}

static bool case_run(const struct kvmi_case *c, unsigned int nr)
{
	uint64_t start = kvmi_now_ms();
	int status = 0;
	pid_t pid;
	bool ok;

	skip_reason[0] = '\0';
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(STDOUT_FILENO, STDERR_FILENO);
		c->fn();
		_exit(0);
	}
	setpgid(pid, pid);
	ok = pid > 0 && case_wait(pid, &status);
	if (pid > 0 && WIFSIGNALED(status))
		kvmi_note("killed by signal %d", WTERMSIG(status));
	if (kvmi_now_ms() - start > 3000)
		kvmi_note("%u s:", (unsigned int)((kvmi_now_ms() - start) / 1000));
	printf("%sok %u - %s%s%s\n", ok ? "" : "not ", nr, c->name,
	       ok && skip_reason[0] ? " # SKIP " : "", ok ? skip_reason : "");
	fflush(stdout);
	return ok;
}

static void usage(const char *name)
{
	printf("usage: %s [-q|-f] [-l] [CASE]\n"
	       "  -q    quick counts (default)\n"
	       "  -f    full counts\n"
	       "  -l    list the cases\n"
	       "  CASE  only cases whose name contains this\n", name);
}

static bool case_matches(const struct kvmi_case *c, const char *filter)
{
	return !filter || strstr(c->name, filter);
}

static bool case_wanted(const struct kvmi_case *c, const char *filter)
{
	return case_matches(c, filter) && (!c->planned || c->planned());
}

static unsigned int cases_plan(const struct kvmi_case *cases, size_t nr,
			       const char *filter, bool list)
{
	unsigned int wanted = 0;
	size_t i;

	for (i = 0; i < nr; i++) {
		if (!case_wanted(&cases[i], filter))
			continue;
		wanted++;
		if (list)
			printf("%s\n", cases[i].name);
	}
	if (!list)
		printf("TAP version 13\n1..%u\n", wanted);
	/* The lab has a list of what may be missing where. */
	for (i = 0; i < nr && !list; i++)
		if (case_matches(&cases[i], filter) &&
		    !case_wanted(&cases[i], filter))
			kvmi_note("not planned: %s", cases[i].name);
	fflush(stdout);
	return wanted;
}

int kvmi_main(int argc, char **argv, const struct kvmi_case *cases, size_t nr)
{
	unsigned int run = 0, failed = 0, wanted;
	const char *filter;
	bool list = false;
	size_t i;
	int opt;

	while ((opt = getopt(argc, argv, "qflh")) != -1) {
		if (opt == 'h' || opt == '?') {
			usage(argv[0]);
			return opt == 'h' ? 0 : 2;
		}
		list |= opt == 'l';
		kvmi_full |= opt == 'f';
	}
	filter = argv[optind];
	skip_reason = mmap(NULL, SKIP_REASON_SIZE, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (skip_reason == MAP_FAILED)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	wanted = cases_plan(cases, nr, filter, list);
	for (i = 0; i < nr && !list; i++) {
		if (case_wanted(&cases[i], filter))
			failed += !case_run(&cases[i], ++run);
	}
	return failed || (!wanted && !list) ? 1 : 0;
}

int reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

pid_t spawn(int (*fn)(void *arg), void *arg)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0, "fork: %s", strerror(errno));
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fn(arg));
	}
	return pid;
}

int in_child(int (*fn)(void *arg), void *arg)
{
	return reap(spawn(fn, arg));
}
