// SPDX-License-Identifier: LGPL-2.1-only
/* Virtual machines of the host, found by their file descriptors in /proc. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

#define MAX_CMDLINE (1u << 20)
#define KCMP_FILE 0
/* More vCPUs than KVM has. */
#define MAX_VCPUS 65536u

/* What the scan of one process finds. */
struct scan {
	int *vm_fds;
	size_t num_vms;
	uint8_t *vcpu_seen;	/* bitmap of vCPU ids */
	int vcpus;
};

static bool is_number(const char *s)
{
	return *s && strspn(s, "0123456789") == strlen(s) && strlen(s) < 10;
}

/* Does a VM that is listed already stand behind this file descriptor? */
static bool same_file(const char *root, pid_t pid1, int fd1, pid_t pid2,
		      int fd2)
{
	/* Process ids below a root of somebody else mean nothing here. */
	if (root && *root)
		return false;
	return !syscall(SYS_kcmp, pid1, pid2, KCMP_FILE, (unsigned long)fd1,
			(unsigned long)fd2);
}

static int add_vcpu(struct scan *scan, const char *id_text)
{
	unsigned long id = strtoul(id_text, NULL, 10);

	if (!is_number(id_text) || id >= MAX_VCPUS)
		return 0;
	if (!scan->vcpu_seen)
		scan->vcpu_seen = calloc(MAX_VCPUS / 8, 1);
	if (!scan->vcpu_seen)
		return -1;
	if (!(scan->vcpu_seen[id / 8] >> id % 8 & 1))
		scan->vcpus++;
	scan->vcpu_seen[id / 8] |= 1u << id % 8;
	return 0;
}

static int add_vm_fd(struct scan *scan, int fd)
{
	int *tmp;

	tmp = realloc(scan->vm_fds, (scan->num_vms + 1) * sizeof(*tmp));
	if (!tmp)
		return -1;
	scan->vm_fds = tmp;
	tmp[scan->num_vms++] = fd;
	return 0;
}

static int compare_int(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* Returns 0, or -1 with errno. Does not tell VMs from copies yet. */
static int scan_fds(const char *root, pid_t pid, struct scan *scan)
{
	char path[PATH_MAX], link[64];
	struct dirent *de;
	ssize_t n;
	int r = 0;
	DIR *dir;

	if (kvmic__path(path, sizeof(path), root, "/proc/%d/fd", (int)pid))
		return -1;
	dir = opendir(path);
	if (!dir)
		return -1;
	while (!r && (errno = 0, de = readdir(dir))) {
		if (!is_number(de->d_name))
			continue;
		n = readlinkat(dirfd(dir), de->d_name, link, sizeof(link) - 1);
		if (n < 0)
			continue;	/* closed meanwhile */
		link[n] = '\0';
		if (!strcmp(link, KVMIC_VM_LINK))
			r = add_vm_fd(scan, atoi(de->d_name));
		else if (!strncmp(link, KVMIC_VCPU_LINK,
				  strlen(KVMIC_VCPU_LINK)))
			r = add_vcpu(scan, link + strlen(KVMIC_VCPU_LINK));
	}
	if (!r && errno)
		r = -1;
	closedir(dir);
	if (scan->num_vms)
		qsort(scan->vm_fds, scan->num_vms, sizeof(int), compare_int);
	return r;
}

/* Field 22 of /proc/PID/stat; field 2 may hold blanks and parentheses. */
static unsigned long long read_start_time(const char *root, pid_t pid)
{
	unsigned long long start = 0;
	char path[PATH_MAX], *text, *p;
	size_t len;
	int field;

	if (kvmic__path(path, sizeof(path), root, "/proc/%d/stat", (int)pid))
		return 0;
	text = kvmic__read_file(path, 65536, &len);
	if (!text)
		return 0;
	p = strrchr(text, ')');
	for (field = 2; p && field < 22; field++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	if (p)
		start = strtoull(p, NULL, 10);
	free(text);
	return start;
}

static void describe(const char *root, pid_t pid, struct kvmic_vm *vm)
{
	char path[PATH_MAX], *text;
	struct vm_config config;
	size_t len;

	memset(vm, 0, sizeof(*vm));
	vm->pid = pid;
	vm->start_time = read_start_time(root, pid);
	if (!kvmic__path(path, sizeof(path), root, "/proc/%d/comm", (int)pid)) {
		text = kvmic__read_file(path, 4096, &len);
		if (text) {
			/* It may hold line breaks; the last one is the kernel's. */
			if (len && text[len - 1] == '\n')
				text[len - 1] = '\0';
			snprintf(vm->vmm, sizeof(vm->vmm), "%s", text);
			free(text);
		}
	}
	if (kvmic__path(path, sizeof(path), root, "/proc/%d/cmdline", (int)pid))
		return;
	text = kvmic__read_file(path, MAX_CMDLINE, &len);
	if (!text)
		return;
	kvmic__parse_cmdline(vm->vmm, text, len, &config);
	free(text);
	memcpy(vm->name, config.name, sizeof(vm->name));
	memcpy(vm->uuid, config.uuid, sizeof(vm->uuid));
	vm->has_uuid = config.has_uuid;
	vm->memory = config.memory;
}

/* vCPUs of the VM that @pid created as file descriptor @fd, from debugfs. */
static int debugfs_vcpus(const char *root, pid_t pid, int fd)
{
	char path[PATH_MAX];
	struct dirent *de;
	int count = 0;
	DIR *dir;

	if (kvmic__path(path, sizeof(path), root, "/sys/kernel/debug/kvm/%d-%d",
			(int)pid, fd))
		return -1;
	dir = opendir(path);
	if (!dir)
		return -1;
	while ((de = readdir(dir)))
		count += !strncmp(de->d_name, "vcpu", 4) &&
			 is_number(de->d_name + 4);
	closedir(dir);
	return count;
}

static bool known(const char *root, const struct kvmic_vm_list *list, pid_t pid,
		  int fd)
{
	size_t i;

	for (i = 0; i < list->count; i++)
		if (same_file(root, list->vm[i].pid, list->vm[i].fd, pid, fd))
			return true;
	return false;
}

static int add_process(const char *root, pid_t pid, struct kvmic_vm_list *list)
{
	struct scan scan = { 0 };
	size_t i, first = list->count;
	struct kvmic_vm *tmp, base;
	int r, saved;

	r = scan_fds(root, pid, &scan);
	if (!r && scan.num_vms)
		describe(root, pid, &base);
	for (i = 0; !r && i < scan.num_vms; i++) {
		if (known(root, list, pid, scan.vm_fds[i]))
			continue;
		tmp = realloc(list->vm, (list->count + 1) * sizeof(*tmp));
		if (!tmp) {
			r = -1;
			break;
		}
		list->vm = tmp;
		base.fd = scan.vm_fds[i];
		base.index = list->count - first;
		list->vm[list->count++] = base;
	}
	/* vCPU files do not tell their VM: with several, ask debugfs. */
	for (i = first; i < list->count; i++)
		list->vm[i].vcpus = list->count - first == 1 ? scan.vcpus :
			debugfs_vcpus(root, pid, list->vm[i].fd);
	saved = errno;
	free(scan.vm_fds);
	free(scan.vcpu_seen);
	errno = saved;
	return r;
}

/* One row of the status file belongs to one VM, named by pid and perhaps uuid. */
static void mark_process(const struct kvmic_table *t, struct kvmic_vm *vm,
			 size_t count)
{
	const char *pid, *owner = NULL;
	size_t row, rows = 0, i;

	for (row = 0; row < kvmic_table_rows(t); row++) {
		pid = kvmic_table_get(t, row, "pid");
		if (!pid || !is_number(pid) || atoi(pid) != vm->pid)
			continue;
		rows++;
		owner = kvmic_table_get(t, row, "owner");
	}
	for (i = 0; i < count; i++) {
		if (!rows)
			vm[i].hooked = KVMIC_HOOKED_NO;
		else if (rows >= count)
			vm[i].hooked = KVMIC_HOOKED_YES;
		if (rows == 1 && count == 1 && owner)
			snprintf(vm[i].owner, sizeof(vm[i].owner), "%s", owner);
	}
}

static void mark_hooked(const char *root, struct kvmic_vm_list *list)
{
	struct kvmic_table *t = NULL;
	bool loaded = kvmic_module_loaded(root, NULL, 0);
	size_t i, n;

	for (i = 0; i < list->count; i++)
		list->vm[i].hooked = loaded ? KVMIC_HOOKED_UNKNOWN :
					      KVMIC_HOOKED_NO;
	if (!loaded || kvmic_table_load(root, "vms", &t, NULL))
		return;
	for (i = 0; i < list->count; i += n) {
		for (n = 1; i + n < list->count; n++)
			if (list->vm[i + n].pid != list->vm[i].pid)
				break;
		mark_process(t, &list->vm[i], n);
	}
	kvmic_table_free(t);
}

static int list_pids(const char *root, int **pids, size_t *count)
{
	char path[PATH_MAX];
	struct dirent *de;
	int *tmp;
	DIR *dir;

	*pids = NULL;
	*count = 0;
	if (kvmic__path(path, sizeof(path), root, "/proc"))
		return -1;
	dir = opendir(path);
	if (!dir)
		return -1;
	while ((de = readdir(dir))) {
		if (!is_number(de->d_name))
			continue;
		if (!(*count & (*count - 1))) {
			tmp = realloc(*pids, (*count ? 2 * *count : 1) *
				      sizeof(*tmp));
			if (!tmp)
				break;
			*pids = tmp;
		}
		(*pids)[(*count)++] = atoi(de->d_name);
	}
	closedir(dir);
	if (de) {
		free(*pids);
		errno = ENOMEM;
		return -1;
	}
	if (*count)
		qsort(*pids, *count, sizeof(int), compare_int);
	return 0;
}

static int list_one(const char *root, pid_t pid, struct kvmic_vm_list *list,
		    struct kvmic_err *err)
{
	if (!add_process(root, pid, list))
		return 0;
	if (errno == ENOENT || errno == ESRCH)
		return kvmic__fail(err, -KVMIC_ERR_NO_PROCESS, errno,
				   "kvmictl list shows the VMs of this host",
				   "no process %d", (int)pid);
	if (errno == EACCES || errno == EPERM)
		return kvmic__fail(err, -KVMIC_ERR_PERMISSION, errno,
				   "run as root",
				   "process %d does not show its files: %s",
				   (int)pid, strerror(errno));
	return kvmic__fail(err, errno == ENOMEM ? -KVMIC_ERR_NOMEM :
			   -KVMIC_ERR_SYSTEM, errno, NULL, "process %d: %s",
			   (int)pid, strerror(errno));
}

static int list_all(const char *root, struct kvmic_vm_list *list,
		    struct kvmic_err *err)
{
	size_t i, count;
	int *pids, r = 0;

	if (list_pids(root, &pids, &count))
		return kvmic__fail(err, -KVMIC_ERR_SYSTEM, errno,
				   "mount -t proc proc /proc",
				   "cannot list processes: %s",
				   strerror(errno));
	for (i = 0; !r && i < count; i++) {
		if (!add_process(root, pids[i], list))
			continue;
		if (errno == EACCES || errno == EPERM)
			list->unreadable++;
		else if (errno == ENOMEM)
			r = kvmic__fail(err, -KVMIC_ERR_NOMEM, ENOMEM, NULL,
					"out of memory");
		/* Others: the process has ended. */
	}
	free(pids);
	return r;
}

int kvmic_list(const char *root, pid_t pid, struct kvmic_vm_list *list,
	       struct kvmic_err *err)
{
	int r;

	memset(list, 0, sizeof(*list));
	if (pid < 0)
		return kvmic__fail(err, -KVMIC_ERR_ARG, 0, NULL,
				   "process id %d is negative", (int)pid);
	r = pid ? list_one(root, pid, list, err) : list_all(root, list, err);
	if (r)
		kvmic_list_free(list);
	else
		mark_hooked(root, list);
	return r;
}

void kvmic_list_free(struct kvmic_vm_list *list)
{
	free(list->vm);
	memset(list, 0, sizeof(*list));
}
