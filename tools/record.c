// SPDX-License-Identifier: GPL-2.0-only
/* Who holds which paused VM: one small file for each below /run/kvmictl. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pause.h"

#define RECORDS "/run/kvmictl"
#define FORMAT "holder %d\nholder_start %llu\nvmm_start %llu\n"

unsigned long long process_start(pid_t pid)
{
	unsigned long long start = 0;
	char path[64], *text, *p;
	char state = 'X';

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	text = read_text(path);
	/* Field 2 may hold blanks and parentheses. */
	p = text ? strrchr(text, ')') : NULL;
	if (p && sscanf(p + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
			&state, &start) != 2)
		start = 0;
	free(text);
	/* A zombie holds nothing any more. */
	return state == 'Z' || state == 'X' ? 0 : start;
}

static int no_records(const char *path, int e)
{
	complain("%s: %s", path, strerror(e));
	if (e != EACCES && e != EPERM)
		return EXIT_FAILED;
	complain("try: run as root");
	return EXIT_DENIED;
}

int open_records(bool make, int *dir)
{
	const char *root = fs_root();
	char path[PATH_MAX];
	struct stat st;

	*dir = -1;
	snprintf(path, sizeof(path), "%s" RECORDS, root ? root : "");
	if (make && mkdir(path, 0700) && errno != EEXIST)
		return no_records(path, errno);
	*dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*dir < 0)
		return errno == ENOENT && !make ? 0 : no_records(path, errno);
	/* What is in there names processes to be ended. */
	if (fstat(*dir, &st) || st.st_uid != geteuid() || st.st_mode & 077) {
		complain("%s belongs to another user, or is open to others",
			 path);
		complain("try: rm -r %s", path);
		close(*dir);
		*dir = -1;
		return EXIT_FAILED;
	}
	while (flock(*dir, LOCK_EX) && errno == EINTR)
		;
	return 0;
}

static void record_name(const struct kvmic_vm *vm, char name[32])
{
	snprintf(name, 32, "%d-%d", (int)vm->pid, vm->index);
}

static bool read_record(int dir, const char *name, struct record *rec)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char text[256];
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n < 0)
		return false;
	text[n] = '\0';
	return sscanf(text, FORMAT, &rec->holder, &rec->holder_start,
		      &rec->vmm_start) == 3 && rec->holder > 0 &&
	       rec->holder_start;
}

bool find_record(int dir, const struct kvmic_vm *vm, struct record *rec)
{
	char name[32];

	record_name(vm, name);
	if (read_record(dir, name, rec) && rec->vmm_start == vm->start_time &&
	    process_start(rec->holder) == rec->holder_start)
		return true;
	unlinkat(dir, name, 0);
	return false;
}

static bool write_file(int dir, const char *name, const char *text)
{
	int fd = openat(dir, ".new", O_WRONLY | O_CREAT | O_TRUNC |
			O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t n;

	if (fd < 0)
		return false;
	n = write(fd, text, strlen(text));
	if (close(fd) || n != (ssize_t)strlen(text))
		return false;
	return !renameat(dir, ".new", dir, name);
}

int write_record(const struct kvmic_vm *vm)
{
	char name[32], text[128];
	int dir, r = open_records(true, &dir);

	if (r)
		return r;
	record_name(vm, name);
	snprintf(text, sizeof(text), FORMAT, (int)getpid(),
		 process_start(getpid()), vm->start_time);
	if (!write_file(dir, name, text)) {
		complain("cannot write " RECORDS "/%s: %s", name,
			 strerror(errno));
		r = EXIT_FAILED;
	}
	close(dir);
	return r;
}

void remove_record(const struct kvmic_vm *vm)
{
	struct record rec;
	char name[32];
	int dir;

	if (open_records(false, &dir) || dir < 0)
		return;
	record_name(vm, name);
	if (read_record(dir, name, &rec) && rec.holder == getpid())
		unlinkat(dir, name, 0);
	close(dir);
}

pid_t paused_by(const struct kvmic_vm *vm)
{
	struct record rec;
	pid_t holder = 0;
	int dir;

	if (open_records(false, &dir) || dir < 0)
		return 0;
	if (find_record(dir, vm, &rec))
		holder = rec.holder;
	close(dir);
	return holder;
}
