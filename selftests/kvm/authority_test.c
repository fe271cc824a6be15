// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may make the requests: the owner of the VM, and any other process only
 * with CAP_SYS_ADMIN in the initial user namespace. What such a process hooked
 * ends with its connection; what the owner hooked stays until UNHOOK.
 *
 * A forked child has another mm than the VM and so is "another process".
 */
#define _GNU_SOURCE
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kvm_util.h"
#include "kvmi_test.h"

struct outsider {
	struct kvm_vm *vm;
	int (*become)(void);
	int sv[2];
};

static int become_nobody(void)
{
	return setgroups(0, NULL) || setgid(65534) || setuid(65534);
}

/* Still uid 0, but without the one capability that counts. */
static int drop_sys_admin(void)
{
	struct __user_cap_header_struct hdr = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &hdr, data))
		return -1;
	data[0].effective &= ~(1u << CAP_SYS_ADMIN);
	data[0].permitted &= ~(1u << CAP_SYS_ADMIN);
	return syscall(SYS_capset, &hdr, data);
}

/* Not raised, only permitted: not effective either. */
static int lower_sys_admin(void)
{
	struct __user_cap_header_struct hdr = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &hdr, data))
		return -1;
	data[0].effective &= ~(1u << CAP_SYS_ADMIN);
	return syscall(SYS_capset, &hdr, data);
}

/* Every capability, but in a user namespace of its own. */
static int own_userns(void)
{
	return unshare(CLONE_NEWUSER);
}

static int try_all(void *arg)
{
	struct outsider *o = arg;
	struct kvm_introspection_hook bad = { .fd = -1, .padding = 1 };

	CHECK(!o->become(), "%s", strerror(errno));
	CHECK_EQ(hook(o->vm, o->sv[1]), -EIO);
	CHECK_EQ(unhook(o->vm), -EIO);
	CHECK_EQ(set_command(o->vm, 1, -1), -EIO);
	CHECK_EQ(set_event(o->vm, 1, -1), -EIO);
	CHECK_EQ(preunhook(o->vm), -EIO);
	/* EIO comes before all other errors. */
	CHECK_EQ(ioctl_errno(o->vm->fd, KVM_INTROSPECTION_HOOK, NULL), -EIO);
	CHECK_EQ(ioctl_errno(o->vm->fd, KVM_INTROSPECTION_HOOK, &bad), -EIO);
	CHECK_EQ(set_command(o->vm, 7, -9), -EIO);
	return 0;
}

/* Refused while the VM is not hooked, and while it is, without effect. */
static void refused(int (*become)(void))
{
	struct outsider o = { .vm = vm_create_barebones(), .become = become };
	int fd;

	socket_pair(o.sv);
	CHECK_EQ(in_child(try_all, &o), 0);
	CHECK_EQ(set_command(o.vm, 1, -1), -EFAULT);
	fd = session(o.vm);
	CHECK_EQ(in_child(try_all, &o), 0);
	check_alive(fd);
	CHECK_EQ(command(fd, KVMI_VM_GET_INFO, NULL, 0, NULL, 16),
		 -KVMI_EPERM);
}

static void refused_nobody(void)
{
	refused(become_nobody);
}

static void refused_dropped(void)
{
	refused(drop_sys_admin);
}

static void refused_lowered(void)
{
	refused(lower_sys_admin);
}

static void refused_userns(void)
{
	refused(own_userns);
}

static int try_stock(void *arg)
{
	struct outsider *o = arg;
	struct kvm_clock_data clock;

	CHECK_EQ(ioctl_errno(o->vm->fd, KVM_GET_CLOCK, &clock), -EIO);
	CHECK_EQ(ioctl_errno(o->vm->fd, KVM_CHECK_EXTENSION, (void *)1), -EIO);
	CHECK_EQ(ioctl_errno(o->vm->fd, KVM_CHECK_EXTENSION,
			     (void *)KVM_CAP_KVMI), -EIO);
	CHECK_EQ(ioctl_errno(o->vm->fd, KVM_CREATE_VCPU, (void *)1), -EIO);
	return 0;
}

/* The privilege opens our requests only, never KVM's own. */
static void stock_stays_closed(void)
{
	struct outsider o = { .vm = vm_create_barebones() };

	CHECK_EQ(in_child(try_stock, &o), 0);
	session(o.vm);
	CHECK_EQ(in_child(try_stock, &o), 0);
}

static int external_life(void *arg)
{
	struct outsider *o = arg;
	struct kvmi_vm_get_info_reply info;
	int fd = session_all(o->vm);

	check_alive(fd);
	CHECK_EQ(command(fd, KVMI_VM_GET_INFO, NULL, 0, &info, sizeof(info)),
		 0);
	CHECK_EQ(info.vcpu_count, 2);
	CHECK_EQ(preunhook(o->vm), -ENOENT);
	CHECK_EQ(set_command(o->vm, 0, KVMI_GET_VERSION), -EPERM);
	CHECK_EQ(unhook(o->vm), 0);
	CHECK_EQ(set_command(o->vm, 1, -1), -EFAULT);
	return 0;
}

static void external_works(void)
{
	struct outsider o = { .vm = vm_create_barebones() };
	struct kvmi_counts before;
	int i;

	__vm_vcpu_add(o.vm, 0);
	__vm_vcpu_add(o.vm, 1);
	counts_read(&before);
	for (i = 0; i < 10; i++)
		CHECK_EQ(in_child(external_life, &o), 0);
	counts_check(&before);
}

/* The session is over: a new HOOK succeeds without any UNHOOK. */
static void check_ended(struct kvm_vm *vm, const struct kvmi_counts *before)
{
	int fd, sv[2], ret;

	counts_check(before);
	CHECK_EQ(set_command(vm, 1, -1), -EFAULT);
	socket_pair(sv);
	ret = hook(vm, sv[1]);
	CHECK_EQ(ret, 0);
	CHECK_EQ(unhook(vm), 0);
	close(sv[0]);
	close(sv[1]);
	fd = session(vm);
	check_alive(fd);
	CHECK_EQ(unhook(vm), 0);
}

/* Hooks, says so, and then does as told: closes, shuts, exits or waits. */
static int external_hooks(void *arg)
{
	struct outsider *o = arg;
	int fd = session_all(o->vm);
	char byte = 0;

	check_alive(fd);
	CHECK_EQ(send_all(o->sv[1], "x", 1), 0);
	CHECK_EQ(recv(o->sv[1], &byte, 1, 0), 1);
	if (byte == 'c')
		close(fd);
	else if (byte == 's')
		shutdown(fd, SHUT_RDWR);
	if (byte != 'e')
		pause();
	return 0;
}

static pid_t external_start(struct outsider *o)
{
	char byte;
	pid_t pid;

	socket_pair(o->sv);
	pid = spawn(external_hooks, o);
	CHECK_EQ(recv(o->sv[0], &byte, 1, 0), 1);
	CHECK_EQ(vms_of(getpid()), 1);
	CHECK_EQ(hook(o->vm, o->sv[0]), -EEXIST);
	return pid;
}

static void external_ends(char how)
{
	struct outsider o = { .vm = vm_create_barebones() };
	struct kvmi_counts before;
	pid_t pid;
	int i;

	counts_read(&before);
	for (i = 0; i < 5; i++) {
		pid = external_start(&o);
		CHECK_EQ(send_all(o.sv[0], &how, 1), 0);
		check_ended(o.vm, &before);
		kill(pid, SIGKILL);
		reap(pid);
	}
}

static void external_closes(void)
{
	external_ends('c');
}

static void external_shuts(void)
{
	external_ends('s');
}

static void external_exits(void)
{
	external_ends('e');
}

static void external_killed(void)
{
	struct outsider o = { .vm = vm_create_barebones() };
	struct kvmi_counts before;
	pid_t pid;
	int i;

	counts_read(&before);
	for (i = 0; i < 5; i++) {
		pid = external_start(&o);
		kill(pid, SIGKILL);
		CHECK_EQ(reap(pid), -SIGKILL);
		check_ended(o.vm, &before);
	}
}

/* The owner may end what another process began. */
static void owner_unhooks(void)
{
	struct outsider o = { .vm = vm_create_barebones() };
	struct kvmi_counts before;
	char owner[64] = "", want[64];
	pid_t pid;

	counts_read(&before);
	pid = external_start(&o);
	CHECK(vms_field(getpid(), "owner", owner, sizeof(owner)), "no line");
	snprintf(want, sizeof(want), "tool:%d", pid);
	CHECK(!strcmp(owner, want), "owner is '%s', not '%s'", owner, want);
	CHECK_EQ(unhook(o.vm), 0);
	check_ended(o.vm, &before);
	kill(pid, SIGKILL);
	reap(pid);
}

/* Hooked by the owner: the record survives the loss of the connection. */
static void owner_keeps_record(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	char owner[64] = "", state[64] = "";
	int fd = session(vm), sv[2];

	close(fd);
	CHECK(WAIT_FOR(vms_field(getpid(), "state", state, sizeof(state)) &&
		       !strcmp(state, "disconnected"), 20), "%s", state);
	CHECK(vms_field(getpid(), "owner", owner, sizeof(owner)), "no line");
	CHECK(!strcmp(owner, "vmm"), "%s", owner);
	socket_pair(sv);
	CHECK_EQ(hook(vm, sv[1]), -EEXIST);
	kvmi_sleep_ms(300);
	CHECK_EQ(hook(vm, sv[1]), -EEXIST);
	CHECK_EQ(preunhook(vm), -ENOENT);
	CHECK_EQ(unhook(vm), 0);
	CHECK_EQ(vms_of(getpid()), 0);
	CHECK_EQ(hook(vm, sv[1]), 0);
	check_alive(sv[0]);
}

/* Privilege is looked at when the request is made, not when the VM began. */
static int hook_then_lose(void *arg)
{
	struct outsider *o = arg;
	int fd = session(o->vm);

	CHECK(!drop_sys_admin(), "capset");
	CHECK_EQ(set_command(o->vm, 1, -1), -EIO);
	CHECK_EQ(unhook(o->vm), -EIO);
	check_alive(fd);
	return 0;
}

static void privilege_per_request(void)
{
	struct outsider o = { .vm = vm_create_barebones() };
	struct kvmi_counts before;

	counts_read(&before);
	CHECK_EQ(in_child(hook_then_lose, &o), 0);
	check_ended(o.vm, &before);
}

static int vmm_main(void *arg)
{
	struct kvm_vm *vm = vm_create_barebones();

	CHECK_EQ(send_all(*(int *)arg, &vm->fd, sizeof(vm->fd)), 0);
	pause();
	return 0;
}

/* A copy of the VM's descriptor, which may outlive its process. */
static int vm_of_other(pid_t *pid)
{
	int ctl[2], fd, pidfd;

	socket_pair(ctl);
	*pid = spawn(vmm_main, &ctl[1]);
	CHECK_EQ(recv(ctl[0], &fd, sizeof(fd), MSG_WAITALL), sizeof(fd));
	pidfd = syscall(SYS_pidfd_open, *pid, 0);
	fd = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	CHECK(fd >= 0, "pidfd_getfd: %s", strerror(errno));
	close(pidfd);
	close(ctl[0]);
	close(ctl[1]);
	return fd;
}

static void check_untouched(int sv[2])
{
	char byte;

	CHECK_EQ(send_all(sv[0], "x", 1), 0);
	CHECK_EQ(recv(sv[1], &byte, 1, 0), 1);
	CHECK_EQ(send_all(sv[1], "x", 1), 0);
	CHECK_EQ(recv(sv[0], &byte, 1, 0), 1);
}

/* Nobody would end such a session. */
static void dead_vmm(void)
{
	struct kvm_introspection_hook bad = { .fd = -1, .padding = 1 };
	int fd, sv[2];
	pid_t pid;

	fd = vm_of_other(&pid);
	socket_pair(sv);
	CHECK_EQ(hook_raw(fd, sv[1], 0), 0);
	kill(pid, SIGKILL);
	CHECK_EQ(reap(pid), -SIGKILL);
	CHECK(WAIT_FOR(!vms_of(pid), 20), "still listed");
	socket_pair(sv);
	CHECK_EQ(hook_raw(fd, sv[1], 0), -EIO);
	CHECK_EQ(hook_raw(fd, -1, 0), -EIO);
	CHECK_EQ(ioctl_errno(fd, KVM_INTROSPECTION_HOOK, &bad), -EINVAL);
	CHECK_EQ(vms_of(pid), 0);
	check_untouched(sv);
}

/* HOOK begins a session that ends with the VMM, or it does nothing. */
static void dying_vmm(void)
{
	struct kvmi_counts before;
	int err, fd, i, sv[2];
	pid_t pid;

	counts_read(&before);
	for (i = 0; i < kvmi_count(30, 1000); i++) {
		fd = vm_of_other(&pid);
		socket_pair(sv);
		kill(pid, SIGKILL);
		if (i % 2)
			sched_yield();
		err = hook_raw(fd, sv[1], 0);
		if (err) {
			CHECK_EQ(err, -EIO);
			check_untouched(sv);
		} else {
			CHECK(closed_silently(sv[0]), "the connection is open");
		}
		CHECK_EQ(reap(pid), -SIGKILL);
		close(fd);
		close(sv[0]);
		close(sv[1]);
	}
	counts_check(&before);
}

static const struct kvmi_case cases[] = {
	{ "EIO for another user", refused_nobody },
	{ "EIO for root without CAP_SYS_ADMIN", refused_dropped },
	{ "EIO for root whose CAP_SYS_ADMIN is not effective",
	  refused_lowered },
	{ "EIO for root of a child user namespace", refused_userns },
	{ "KVM's own requests stay closed to others", stock_stays_closed },
	{ "another privileged process makes all five", external_works },
	{ "its session ends when it closes the socket", external_closes },
	{ "its session ends when it shuts the socket down", external_shuts },
	{ "its session ends when it exits", external_exits },
	{ "its session ends when it is killed", external_killed },
	{ "the owner unhooks the session of another", owner_unhooks },
	{ "the owner's record stays without connection", owner_keeps_record },
	{ "the privilege is asked at each request", privilege_per_request },
	{ "EIO when the VM's process has ended", dead_vmm },
	{ "HOOK while the VM's process ends", dying_vmm },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
