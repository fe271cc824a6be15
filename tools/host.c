// SPDX-License-Identifier: GPL-2.0-only
/* Files of the host below the root, and output of other programs. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kvmictl.h"

#define MAX_TEXT (16u << 20)

static bool full_path(char *buf, size_t size, const char *path)
{
	const char *root = fs_root();
	int n = snprintf(buf, size, "%s%s", root ? root : "", path);

	return n >= 0 && (size_t)n < size;
}

/* Until the end of the file; NULL when it fails or has no end. */
static char *read_all(int fd)
{
	size_t have = 0, room = 0;
	char *buf = NULL, *tmp;
	ssize_t n;

	for (;;) {
		if (room - have < 2) {
			room = room ? room * 2 : 4096;
			tmp = room > MAX_TEXT ? NULL : realloc(buf, room);
			if (!tmp)
				break;
			buf = tmp;
		}
		n = read(fd, buf + have, room - have - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		if (!n) {
			buf[have] = '\0';
			return buf;
		}
		have += n;
	}
	free(buf);
	return NULL;
}

char *read_text(const char *path)
{
	char full[PATH_MAX];
	char *text;
	int fd;

	if (!full_path(full, sizeof(full), path))
		return NULL;
	fd = open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return NULL;
	text = read_all(fd);
	close(fd);
	return text;
}

bool path_exists(const char *path)
{
	char full[PATH_MAX];

	return full_path(full, sizeof(full), path) && !access(full, F_OK);
}

static void run_child(const char *program, char *const argv[], int in, int out)
{
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	static char lang[] = "LC_ALL=C";
	char *const env[] = { path, lang, NULL };
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(in < 0 ? null : in, 0) < 0 || dup2(out, 1) < 0 ||
	    dup2(null, 2) < 0)
		_exit(127);
	execve(program, argv, env);
	_exit(127);
}

char *run_program(const char *program, char *const argv[], int stdin_fd)
{
	int fds[2], status = -1;
	char *text;
	pid_t pid;

	if (access(program, X_OK) || pipe2(fds, O_CLOEXEC))
		return NULL;
	pid = fork();
	if (!pid)
		run_child(program, argv, stdin_fd, fds[1]);
	close(fds[1]);
	text = pid > 0 ? read_all(fds[0]) : NULL;
	close(fds[0]);
	if (pid > 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	if (text && status) {
		free(text);
		return NULL;
	}
	return text;
}
