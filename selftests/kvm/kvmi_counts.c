// SPDX-License-Identifier: GPL-2.0-only
/*
 * What must be the same before and after: what the module tells of itself, and what
 * the kernel tells of memory.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "kvmi_test.h"

long read_number(const char *path)
{
	char text[64] = "";
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return -1;
	if (read(fd, text, sizeof(text) - 1) <= 0)
		text[0] = '\0';
	close(fd);
	return isdigit(text[0]) ? atol(text) : -1;
}

/* What is in per-CPU slabs counts as in use: they are given back before. */
static void shrink(const char *cache)
{
	char path[160];
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", cache);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1)
		kvmi_note("cannot shrink %s", cache);
	close(fd);
}

/* Objects in use, of all caches whose name begins so; -1 when there is none. */
static long count_objects(const char *prefix)
{
	char line[512], name[64];
	long active = -1, n;
	FILE *f;

	f = fopen("/proc/slabinfo", "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %ld", name, &n) != 2 ||
		    strncmp(name, prefix, strlen(prefix)))
			continue;
		active = (active < 0 ? 0 : active) + n;
	}
	if (f)
		fclose(f);
	return active;
}

static long count_messages(void)
{
	shrink("kvmi_msg");
	return count_objects("kvmi_msg");
}

/* Threads kvmi-recv; @one becomes the id of one of them. */
static long count_threads(pid_t *one)
{
	struct dirent *entry;
	char path[300], comm[32];
	long count = 0;
	DIR *proc = opendir("/proc");
	FILE *f;

	while (proc && (entry = readdir(proc))) {
		if (!isdigit(entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		f = fopen(path, "re");
		if (f && fgets(comm, sizeof(comm), f) &&
		    !strncmp(comm, "kvmi-recv", 9)) {
			*one = atoi(entry->d_name);
			count++;
		}
		if (f)
			fclose(f);
	}
	if (proc)
		closedir(proc);
	return count;
}

pid_t receiver_pid(void)
{
	pid_t pid = 0;

	CHECK_EQ(count_threads(&pid), 1);
	return pid;
}

void counts_read(struct kvmi_counts *counts)
{
	pid_t one;

	counts->messages = count_messages();
	counts->threads = count_threads(&one);
	counts->refs = read_number("/sys/module/kvmi/refcnt");
	counts->vms = vms_of(0);
	CHECK(counts->messages >= 0, "no slab cache kvmi_msg");
	CHECK(counts->refs >= 0, "no /sys/module/kvmi/refcnt");
	CHECK(counts->vms >= 0, "no " KVMI_VMS_FILE);
}

static bool counts_same(const struct kvmi_counts *before,
			struct kvmi_counts *now)
{
	counts_read(now);
	return !memcmp(before, now, sizeof(*now));
}

void counts_check(const struct kvmi_counts *before)
{
	struct kvmi_counts now;

	if (WAIT_FOR(counts_same(before, &now), 20))
		return;
	kvmi_fail(__FILE__, __LINE__,
		  "left over: messages %ld -> %ld, threads %ld -> %ld, references %ld -> %ld, VMs %ld -> %ld",
		  before->messages, now.messages, before->threads, now.threads,
		  before->refs, now.refs, before->vms, now.vms);
}

/* Start of column @col of a tab-separated line, or NULL; ends it with NUL. */
static char *column(char *line, int col)
{
	char *cell = NULL;

	line[strcspn(line, "\n")] = '\0';
	while (line && col-- >= 0)
		cell = strsep(&line, "\t");
	return col < 0 ? cell : NULL;
}

static int column_number(const char *header, const char *name)
{
	char copy[1024], *cell;
	int col;

	for (col = 0; ; col++) {
		snprintf(copy, sizeof(copy), "%s", header);
		cell = column(copy, col);
		if (!cell)
			return -1;
		cell += strspn(cell, "# ");
		if (!strcmp(cell, name))
			return col;
	}
}

int vms_of(pid_t pid)
{
	FILE *f = fopen(KVMI_VMS_FILE, "re");
	char line[1024];
	int count = 0;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		count += line[0] != '#' && (!pid || atoi(line) == pid);
	fclose(f);
	return count;
}

bool vms_field(pid_t pid, const char *name, char *out, size_t size)
{
	FILE *f = fopen(KVMI_VMS_FILE, "re");
	char header[1024] = "", line[1024], *cell;
	bool found = false;

	CHECK(f, "no " KVMI_VMS_FILE);
	while (!found && fgets(line, sizeof(line), f)) {
		if (line[0] == '#') {
			memcpy(header, line, sizeof(header));
			continue;
		}
		if (atoi(line) != pid)
			continue;
		cell = column(line, column_number(header, name));
		CHECK(cell, "no column %s", name);
		snprintf(out, size, "%s", cell);
		found = true;
	}
	fclose(f);
	return found;
}

/* What the module and those it calls may have taken from the kernel. */
static const char *const grown[] = {
	"kmalloc-", "filp", "task_struct", "sock_inode_cache", "pid",
};

#define NR_GROWN (sizeof(grown) / sizeof(grown[0]))

static long count_grown(void)
{
	DIR *slabs = opendir("/sys/kernel/slab");
	struct dirent *entry;
	long sum = 0, n;
	size_t i;

	while (slabs && (entry = readdir(slabs))) {
		for (i = 0; i < NR_GROWN; i++) {
			if (!strncmp(entry->d_name, grown[i], strlen(grown[i])))
				shrink(entry->d_name);
		}
	}
	if (slabs)
		closedir(slabs);
	for (i = 0; i < NR_GROWN; i++) {
		n = count_objects(grown[i]);
		sum += n < 0 ? 0 : n;
	}
	return sum;
}

/* Hundreds come and go on their own: fewer times tell nothing. */
#define FEW 2000

/* Those that are freed late are waited for. */
long objects_read(void)
{
	long least = count_grown(), now;
	int same = 0;

	CHECK(least > 0, "no /proc/slabinfo");
	while (same++ < 10) {
		kvmi_sleep_ms(50);
		now = count_grown();
		if (now >= least)
			continue;
		least = now;
		same = 0;
	}
	return least;
}

void objects_check(long before, int times)
{
	long now = count_grown();

	CHECK(times < FEW ||
	      WAIT_FOR((now = count_grown()) - before < times / 4 * 3, 30), "%ld objects, %ld after %d times", before, now,
	      times);
	kvmi_note("%ld objects, %ld after %d times", before, now, times);
}

/* The function that can came with this name for the one that was there before. */
int works_kept(void)
{
	static int kept = -1;
	char line[256];
	FILE *f;

	if (kept < 0) {
		kept = 1;
		f = fopen("/proc/kallsyms", "re");
		CHECK(f, "no /proc/kallsyms");
		while (kept && fgets(line, sizeof(line), f))
			kept = !strstr(line, " task_work_cancel_func\n");
		fclose(f);
	}
	return kept;
}
