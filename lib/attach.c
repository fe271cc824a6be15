// SPDX-License-Identifier: LGPL-2.1-only
/* Sessions with VMs of other processes, without help from these. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif
#define CAP_SYS_ADMIN_BIT 21
#define DETACH_WAIT_MS 2000

void kvmic_attach_init(struct kvmic_attach *attach, pid_t pid)
{
	memset(attach, 0, sizeof(*attach));
	attach->pid = pid;
	attach->vm = -1;
	attach->timeout_ms = KVMIC_TIMEOUT_MS;
	attach->commands = KVMIC_ALLOW_ALL;
	attach->events = KVMIC_ALLOW_ALL;
}

/* ------------------------------------------------------------ permissions */

static int allow(int vm_fd, unsigned long request, uint32_t mask,
		 unsigned int count)
{
	struct kvm_introspection_feature ft = { .allow = 1, .id = -1 };
	unsigned int id;

	if (mask == KVMIC_ALLOW_ALL)
		return ioctl(vm_fd, request, &ft);
	for (id = 0; id < count; id++) {
		ft.id = id;
		if (mask >> id & 1 && ioctl(vm_fd, request, &ft))
			return -1;
	}
	return 0;
}

static bool bad_mask(uint32_t mask, unsigned int count)
{
	return mask != KVMIC_ALLOW_ALL && mask >> count;
}

/* ------------------------------------------------------------------- hook */

static int hook_not_known(const char *root, int e, struct kvmic_err *err)
{
	if (!kvmic_module_loaded(root, NULL, 0))
		return kvmic__fail(err, -KVMIC_ERR_NO_MODULE, e,
				   "modprobe kvmi (kvmictl check tells if this host can run it)",
				   "kvmi.ko is not loaded");
	return kvmic__fail(err, -KVMIC_ERR_NO_MODULE, e,
			   "kvmictl status shows the hooks; dmesg | grep kvmi",
			   "kvmi.ko is loaded but does not serve this VM: %s",
			   strerror(e));
}

static int hook_failed(const char *root, int e, struct kvmic_err *err)
{
	bool loaded = kvmic_module_loaded(root, NULL, 0);

	/* Without the module, kvm answers EIO to all who do not own the VM. */
	if (!loaded || e == ENOTTY)
		return hook_not_known(root, e, err);
	switch (e) {
	case EIO:
		if (!kvmic__has_capability(root, CAP_SYS_ADMIN_BIT))
			return kvmic__fail(err, -KVMIC_ERR_PERMISSION, e,
					   "run as root, with CAP_SYS_ADMIN",
					   "introspection of another process's VM is not permitted");
		return kvmic__fail(err, -KVMIC_ERR_PERMISSION, e,
				   "if this is a container, use the host's user namespace",
				   "the kernel refuses: not the host's root, or KVM has declared the VM dead");
	case EPERM:
	case EACCES:
		return kvmic__fail(err, -KVMIC_ERR_PERMISSION, e, "run as root",
				   "starting the session is not permitted: %s",
				   strerror(e));
	case EEXIST:
		return kvmic__fail(err, -KVMIC_ERR_HOOKED, e,
				   "kvmictl status shows the owner; end that session first",
				   "the VM is introspected already, by another tool or its VMM");
	case EOPNOTSUPP:
		return kvmic__fail(err, -KVMIC_ERR_CONFIDENTIAL, e,
				   "if it is none, the kernel log tells why: dmesg | grep kvmi",
				   "a confidential VM (SEV-ES, SNP, TDX) cannot be introspected");
	case ENOMEM:
		return kvmic__fail(err, -KVMIC_ERR_NOMEM, e, NULL,
				   "the kernel is out of memory");
	default:
		return kvmic__fail(err, -KVMIC_ERR_SYSTEM, e,
				   "see the kernel log: dmesg | grep kvmi",
				   "KVM_INTROSPECTION_HOOK: %s", strerror(e));
	}
}

/* Start the session on @kernel_end and give the permissions. */
static int start_session(int vm_fd, int kernel_end,
			 const struct kvmic_attach *at, struct kvmic_err *err)
{
	struct kvm_introspection_hook hook = { .fd = kernel_end };

	if (at->has_uuid)
		memcpy(hook.uuid, at->uuid, sizeof(hook.uuid));
	if (ioctl(vm_fd, KVM_INTROSPECTION_HOOK, &hook))
		return hook_failed(at->root, errno, err);
	if (!allow(vm_fd, KVM_INTROSPECTION_COMMAND, at->commands,
		   KVMI_NUM_COMMANDS) &&
	    !allow(vm_fd, KVM_INTROSPECTION_EVENT, at->events, KVMI_NUM_EVENTS))
		return 0;
	/* The caller closes the socket, which ends the session. */
	return kvmic__fail(err, -KVMIC_ERR_SYSTEM, errno,
			   "see the kernel log: dmesg | grep kvmi",
			   "cannot set the permissions of the session: %s",
			   strerror(errno));
}

int kvmic_hook(int vm_fd, const struct kvmic_attach *at,
	       struct kvmic_conn **conn, struct kvmic_err *err)
{
	int sv[2], r;

	*conn = NULL;
	if (bad_mask(at->commands, KVMI_NUM_COMMANDS) ||
	    bad_mask(at->events, KVMI_NUM_EVENTS) || at->timeout_ms < -1)
		return kvmic__fail(err, -KVMIC_ERR_ARG, 0, NULL,
				   "command or event without meaning, or bad time-out");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		return kvmic__fail(err, -KVMIC_ERR_SYSTEM, errno, NULL,
				   "socketpair: %s", strerror(errno));
	r = start_session(vm_fd, sv[1], at, err);
	close(sv[1]);
	if (!r)
		r = kvmic_open(sv[0], conn, err);
	if (r) {
		close(sv[0]);
		return r;
	}
	(*conn)->timeout_ms = at->timeout_ms;
	return 0;
}

/* ----------------------------------------------------------------- attach */

static int open_process(pid_t pid, struct kvmic_err *err)
{
	int fd = syscall(SYS_pidfd_open, pid, 0);

	if (fd >= 0)
		return fd;
	if (errno == ESRCH)
		return kvmic__fail(err, -KVMIC_ERR_NO_PROCESS, errno,
				   "kvmictl list shows the VMs of this host",
				   "no process %d", (int)pid);
	if (errno == ENOSYS)
		return kvmic__fail(err, -KVMIC_ERR_KERNEL, errno,
				   "Linux 5.10 or later is needed",
				   "this kernel has no pidfd_open(2)");
	return kvmic__fail(err, -KVMIC_ERR_SYSTEM, errno, pid > 0 && errno ==
			   EINVAL ? "give the process id, not that of a thread"
			   : NULL, "process %d: %s", (int)pid,
			   strerror(errno));
}

/* The VM that is meant, among those of the process. */
static int choose_vm(const struct kvmic_attach *at, struct kvmic_vm *vm,
		     struct kvmic_err *err)
{
	struct kvmic_vm_list list;
	int r, index = at->vm;

	memset(vm, 0, sizeof(*vm));
	/* Not below at->root: the VM is one of this host. */
	r = kvmic_list(NULL, at->pid, &list, err);
	if (r)
		return r;
	if (!list.count)
		r = kvmic__fail(err, -KVMIC_ERR_NO_VM, 0,
				"kvmictl list shows the VMs of this host",
				"process %d has no VM", (int)at->pid);
	else if (index < 0 && list.count > 1)
		r = kvmic__fail(err, -KVMIC_ERR_AMBIGUOUS, 0,
				"choose one by its index",
				"process %d has %zu VMs", (int)at->pid,
				list.count);
	else if (index >= 0 && (size_t)index >= list.count)
		r = kvmic__fail(err, -KVMIC_ERR_NO_VM, 0, NULL,
				"process %d has %zu VMs, there is no index %d",
				(int)at->pid, list.count, index);
	else
		*vm = list.vm[index < 0 ? 0 : index];
	kvmic_list_free(&list);
	if (!r && at->start_time && vm->start_time != at->start_time)
		r = kvmic__fail(err, -KVMIC_ERR_NO_PROCESS, ESRCH, NULL,
				"process %d is not the one it was",
				(int)at->pid);
	return r;
}

/* Between the look at /proc and the copy, the VMM may have closed the file. */
static bool is_vm_fd(int fd)
{
	char path[64], link[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, link, sizeof(link));
	return n == (ssize_t)strlen(KVMIC_VM_LINK) &&
	       !memcmp(link, KVMIC_VM_LINK, n);
}

static int copy_vm_fd(int pidfd, const struct kvmic_vm *vm,
		      struct kvmic_err *err)
{
	int fd = syscall(SYS_pidfd_getfd, pidfd, vm->fd, 0);

	if (fd >= 0 && is_vm_fd(fd))
		return fd;
	if (fd >= 0) {
		close(fd);
		errno = EBADF;
	}
	switch (errno) {
	case EPERM:
	case EACCES:
		return kvmic__fail(err, -KVMIC_ERR_PERMISSION, errno,
				   "run as root; look at /proc/sys/kernel/yama/ptrace_scope (3 forbids it to everyone)",
				   "no ptrace access to process %d",
				   (int)vm->pid);
	case ENOSYS:
		return kvmic__fail(err, -KVMIC_ERR_KERNEL, errno,
				   "Linux 5.10 or later is needed",
				   "this kernel has no pidfd_getfd(2)");
	case ESRCH:
		return kvmic__fail(err, -KVMIC_ERR_NO_PROCESS, errno, NULL,
				   "process %d has ended", (int)vm->pid);
	case EBADF:
		return kvmic__fail(err, -KVMIC_ERR_NO_VM, errno, "try again",
				   "process %d closed its VM meanwhile",
				   (int)vm->pid);
	default:
		return kvmic__fail(err, -KVMIC_ERR_SYSTEM, errno, NULL,
				   "pidfd_getfd: %s", strerror(errno));
	}
}

static int hook_process(const struct kvmic_attach *attach, int pidfd,
			struct kvmic_conn **conn, struct kvmic_err *err)
{
	struct kvmic_attach at = *attach;
	struct kvmic_vm vm;
	int vm_fd, r;

	r = choose_vm(&at, &vm, err);
	if (r)
		return r;
	vm_fd = copy_vm_fd(pidfd, &vm, err);
	if (vm_fd < 0)
		return vm_fd;
	if (!at.has_uuid && vm.has_uuid) {
		at.has_uuid = 1;
		memcpy(at.uuid, vm.uuid, sizeof(at.uuid));
	}
	r = kvmic_hook(vm_fd, &at, conn, err);
	/* While this is open the VM would outlive its VMM. */
	close(vm_fd);
	if (r)
		return r;
	(*conn)->vmm = at.pid;
	if (at.has_uuid)
		memcpy((*conn)->uuid, at.uuid, sizeof(at.uuid));
	(*conn)->root = strdup(at.root ? at.root : "");
	return 0;
}

int kvmic_attach(const struct kvmic_attach *at, struct kvmic_conn **conn,
		 struct kvmic_err *err)
{
	int pidfd, r;

	*conn = NULL;
	if (at->pid <= 0 || at->vm < -1)
		return kvmic__fail(err, -KVMIC_ERR_ARG, 0, NULL,
				   "process id or VM index out of range");
	/* First of all: from here on the id cannot come to mean another. */
	pidfd = open_process(at->pid, err);
	if (pidfd < 0)
		return pidfd;
	r = hook_process(at, pidfd, conn, err);
	close(pidfd);
	return r;
}

/* ----------------------------------------------------------------- detach */

/* Sessions of this process with that VM in the status file; -1 unknown. */
static int count_sessions(const char *root, pid_t vmm, const char *uuid)
{
	const char *pid, *owner, *row_uuid;
	struct kvmic_table *t;
	char me[32];
	int count = 0;
	size_t i;

	if (kvmic_table_load(root, "vms", &t, NULL))
		return -1;
	snprintf(me, sizeof(me), "tool:%d", (int)getpid());
	for (i = 0; i < kvmic_table_rows(t); i++) {
		pid = kvmic_table_get(t, i, "pid");
		owner = kvmic_table_get(t, i, "owner");
		row_uuid = kvmic_table_get(t, i, "uuid");
		count += pid && owner && row_uuid && atoi(pid) == vmm &&
			 !strcmp(owner, me) && !strcasecmp(row_uuid, uuid);
	}
	kvmic_table_free(t);
	return count;
}

int kvmic_detach(struct kvmic_conn *conn)
{
	const struct timespec tick = { .tv_nsec = 5000000 };
	int64_t deadline = kvmic__deadline(DETACH_WAIT_MS);
	char uuid[37], *root = conn->root;
	pid_t vmm = conn->vmm;
	int before = -1, now, r = 1;

	kvmic__format_uuid(conn->uuid, uuid);
	if (vmm && root)
		before = count_sessions(root, vmm, uuid);
	conn->root = NULL;
	kvmic_close(conn);
	/* Not listed although it was just there: another pid namespace. */
	while (before > 0) {
		now = count_sessions(root, vmm, uuid);
		if (now < before) {
			r = now < 0 ? 1 : 0;
			break;
		}
		if (kvmic__now() >= deadline) {
			r = -KVMIC_ERR_TIMEOUT;
			break;
		}
		nanosleep(&tick, NULL);
	}
	free(root);
	return r;
}
