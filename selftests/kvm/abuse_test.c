// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VMM or a tool that abuses its socket: it may end its own session with that,
 * but neither make it immortal, nor burn the host's CPU time, nor confuse it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "kvm_util.h"
#include "kvmi_test.h"

/* Emulated machines are slow, and what should go away may do so late. */
#define GONE_SECONDS 60

/* More commands than there is room for replies in a socket made small(). */
#define MANY_COMMANDS 40

static void small(int sock)
{
	int size = 1;

	CHECK(!setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)),
	      "%s", strerror(errno));
}

static void send_many(int sock)
{
	int i;

	for (i = 0; i < MANY_COMMANDS; i++)
		CHECK_EQ(send_msg(sock, KVMI_GET_VERSION, i, NULL, 0), 0);
}

/* ---------------------------------------- descriptors in flight -- */

/**
 * struct knot - a VM that is kept alive by the queue of its session's socket
 * @both_ends: the socket is in its own queue as well, and the receiver stays
 *	       blocked, since nobody reads its replies
 * @killed: who ties it dies of SIGKILL, not by himself
 * @vmm_first: external: the VMM dies before the tool
 * @vmm, @vm_fd: external: process of the VMM, and the VM in there
 * @ctl: external: the VMM and the tool report to [1], the case reads [0]
 */
struct knot {
	bool both_ends;
	bool killed;
	bool vmm_first;
	pid_t vmm;
	int vm_fd;
	int ctl[2];
};

static void pass_fds(int sock, const int *fds, int nr)
{
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(3 * sizeof(int))];
	} control = { };
	struct iovec iov = { "x", 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(nr * sizeof(int)),
	};

	control.hdr.cmsg_level = SOL_SOCKET;
	control.hdr.cmsg_type = SCM_RIGHTS;
	control.hdr.cmsg_len = CMSG_LEN(nr * sizeof(int));
	memcpy(CMSG_DATA(&control.hdr), fds, nr * sizeof(int));
	CHECK_EQ(sendmsg(sock, &msg, MSG_NOSIGNAL), 1);
}

/*
 * The receiver is held up by replies that nobody reads, or it would be gone
 * before the descriptors are queued behind the header that ends it.
 */
static void tie(int vm_fd, bool both_ends)
{
	struct kvmi_msg_hdr bad = { .size = 0xffff };
	struct message msg;
	int sv[2];

	socket_pair(sv);
	small(sv[1]);
	CHECK_EQ(hook_raw(vm_fd, sv[1], 0), 0);
	send_many(sv[0]);
	CHECK_EQ(send_all(sv[0], &bad, sizeof(bad)), 0);
	pass_fds(sv[0], (int[]){ vm_fd, sv[0], sv[1] }, both_ends ? 3 : 1);
	close(sv[1]);
	if (both_ends)
		kvmi_sleep_ms(300);
	while (!both_ends && recv_msg(sv[0], &msg) >= 0)
		;
}

/* AF_UNIX looks for cycles when some socket of that kind is closed. */
static bool all_gone(const struct kvmi_counts *before)
{
	int sv[2];

	socket_pair(sv);
	close(sv[0]);
	close(sv[1]);
	return vms_of(0) == before->vms;
}

static void check_gone(const struct kvmi_counts *before)
{
	CHECK(WAIT_FOR(all_gone(before), GONE_SECONDS),
	      "the session outlives its processes");
	counts_check(before);
}

static int tying_vmm(void *arg)
{
	const struct knot *knot = arg;
	struct kvm_vm *vm = vm_create_barebones();

	/* A vCPU's mapping makes the process's memory hold the VM too. */
	__vm_vcpu_add(vm, 0);
	tie(vm->fd, knot->both_ends);
	return knot->killed ? kill(getpid(), SIGKILL) : 0;
}

static void own_vm(bool both_ends)
{
	struct knot knot = { .both_ends = both_ends };
	struct kvmi_counts before;
	int i;

	counts_read(&before);
	for (i = 0; i < kvmi_count(4, 40); i++) {
		knot.killed = i & 1;
		CHECK_EQ(in_child(tying_vmm, &knot), i & 1 ? -SIGKILL : 0);
		check_gone(&before);
	}
}

static void own_vm_queued(void)
{
	own_vm(false);
}

static void own_vm_and_socket_queued(void)
{
	own_vm(true);
}

static int idle_vmm(void *arg)
{
	struct knot *knot = arg;
	struct kvm_vm *vm = vm_create_barebones();

	__vm_vcpu_add(vm, 0);
	CHECK_EQ(send_all(knot->ctl[1], &vm->fd, sizeof(vm->fd)), 0);
	pause();
	return 0;
}

static int tying_tool(void *arg)
{
	struct knot *knot = arg;
	int pidfd = syscall(SYS_pidfd_open, knot->vmm, 0);
	int vm_fd = syscall(SYS_pidfd_getfd, pidfd, knot->vm_fd, 0);

	CHECK(vm_fd >= 0, "pidfd_getfd: %s", strerror(errno));
	tie(vm_fd, knot->both_ends);
	close(vm_fd);
	CHECK_EQ(send_all(knot->ctl[1], "x", 1), 0);
	if (knot->vmm_first)
		pause();
	return knot->killed ? kill(getpid(), SIGKILL) : 0;
}

static void external(struct knot *knot)
{
	struct kvmi_counts before;
	pid_t tool;
	char byte;

	counts_read(&before);
	socket_pair(knot->ctl);
	knot->vmm = spawn(idle_vmm, knot);
	CHECK_EQ(recv(knot->ctl[0], &knot->vm_fd, sizeof(int), 0), sizeof(int));
	tool = spawn(tying_tool, knot);
	CHECK_EQ(recv(knot->ctl[0], &byte, 1, 0), 1);
	if (!knot->vmm_first)
		CHECK_EQ(reap(tool), knot->killed ? -SIGKILL : 0);

	/* An external session ends with its connection; this one has none. */
	if (!knot->both_ends)
		check_gone(&before);
	kill(knot->vmm, SIGKILL);
	CHECK_EQ(reap(knot->vmm), -SIGKILL);
	check_gone(&before);
	if (knot->vmm_first) {
		kill(tool, SIGKILL);
		CHECK_EQ(reap(tool), -SIGKILL);
	}
	close(knot->ctl[0]);
	close(knot->ctl[1]);
}

static void external_vm_queued(void)
{
	int i;

	for (i = 0; i < 8; i++)
		external(&(struct knot){ .both_ends = i & 1, .killed = i & 2,
					 .vmm_first = i & 4 });
}

/* ------------------------------------------------------- time-outs -- */

/* CPU time that all receivers have used, in ticks. */
static long receiver_ticks(void)
{
	unsigned long user, system;
	DIR *proc = opendir("/proc");
	char path[300], *stat;
	struct dirent *entry;
	long ticks = 0;
	FILE *f;

	CHECK(proc, "/proc: %s", strerror(errno));
	while ((entry = readdir(proc))) {
		snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
		f = fopen(path, "re");
		stat = f && fgets(path, sizeof(path), f) ?
			strstr(path, "(kvmi-recv) ") : NULL;
		if (stat && sscanf(stat, "%*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
				   &user, &system) == 2)
			ticks += user + system;
		if (f)
			fclose(f);
	}
	closedir(proc);
	return ticks;
}

/*
 * One second of which most is sleep. A thread that spins has none in any; one
 * that looks 100 times uses a quarter on an emulator whose host is busy.
 */
static void check_idle(const char *what)
{
	long second = sysconf(_SC_CLK_TCK), ticks = second;
	int i;

	for (i = 0; i < 3 && ticks >= second / 5; i++) {
		ticks = -receiver_ticks();
		kvmi_sleep_ms(1000);
		ticks += receiver_ticks();
	}
	CHECK(ticks < second / 2, "%s: %ld of %ld", what, ticks, second);
}

static void set_timeouts(int sock, const struct timeval *limit)
{
	CHECK(!setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, limit, sizeof(*limit)),
	      "%s", strerror(errno));
	CHECK(!setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, limit, sizeof(*limit)),
	      "%s", strerror(errno));
}

/* Byte by byte, so that time runs out inside the header as well. */
static void check_alive_slowly(int fd)
{
	struct kvmi_msg_hdr hdr = { .id = KVMI_GET_VERSION, .seq = 77 };
	size_t i;

	for (i = 0; i < sizeof(hdr); i++) {
		CHECK_EQ(send_all(fd, (char *)&hdr + i, 1), 0);
		kvmi_sleep_ms(20);
	}
	CHECK_EQ(recv_error(fd, hdr.id, hdr.seq), 0);
	check_alive(fd);
}

/* A negative time is stored as no time at all, zero as no limit. */
static void timeouts(void)
{
	static const struct timeval limits[] = {
		{ -1, 0 }, { LONG_MIN, 0 }, { -1, 999999 }, { 0, 0 }, { 0, 1 },
	};
	struct kvm_vm *vm = vm_create_barebones();
	struct kvmi_counts before;
	int sv[2], i, n;

	counts_read(&before);
	for (i = 0; i < ARRAY_SIZE(limits); i++) {
		socket_pair(sv);
		small(sv[1]);
		set_timeouts(sv[1], &limits[i]);
		CHECK_EQ(hook(vm, sv[1]), 0);
		check_idle("waiting for a command");
		check_alive_slowly(sv[0]);
		send_many(sv[0]);
		check_idle("waiting for room");
		for (n = 0; n < MANY_COMMANDS; n++)
			CHECK_EQ(recv_error(sv[0], KVMI_GET_VERSION, n), 0);
		check_alive_slowly(sv[0]);
		/* Now while it waits; the next command makes it look. */
		set_timeouts(sv[1], &limits[0]);
		check_alive(sv[0]);
		check_idle("waiting for another command");
		CHECK_EQ(unhook(vm), 0);
		close(sv[0]);
		close(sv[1]);
	}
	counts_check(&before);
}

/* --------------------------------------------- HOOK against UNHOOK -- */

static struct kvm_vm *contested;
static volatile bool stop;
static volatile int hooks;

static void *hook_loop(void *arg)
{
	int sv[2], ret;

	while (!stop) {
		socket_pair(sv);
		ret = hook(contested, sv[1]);
		CHECK(ret == 0 || ret == -EEXIST, "%d", ret);
		__sync_fetch_and_add(&hooks, !ret);
		close(sv[1]);
		close(sv[0]);
	}
	return NULL;
}

static void *unhook_loop(void *arg)
{
	/* One that does nothing is quick: leave a lone CPU to the others. */
	for (; !stop; sched_yield())
		CHECK_EQ(unhook(contested), 0);
	return NULL;
}

/* Sessions that end themselves at once: the tool has closed already. */
static int external_hook_loop(void *arg)
{
	return hook_loop(NULL) != NULL;
}

static void hook_against_unhook(void)
{
	struct kvmi_counts before;
	pthread_t threads[4];
	pid_t tool;
	int i, fd;

	contested = vm_create_barebones();
	counts_read(&before);
	tool = spawn(external_hook_loop, NULL);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_create(&threads[i], NULL,
			       i & 1 ? unhook_loop : hook_loop, NULL);
	CHECK(WAIT_FOR(hooks >= kvmi_count(20, 2000), 200), "only %d", hooks);
	kill(tool, SIGKILL);
	CHECK_EQ(reap(tool), -SIGKILL);
	stop = true;
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		pthread_join(threads[i], NULL);
	unhook(contested);
	fd = session(contested);
	check_alive(fd);
	unhook(contested);
	close(fd);
	counts_check(&before);
}

static const struct kvmi_case cases[] = {
	{ "a VM in the queue of its own session", own_vm_queued },
	{ "the same with the socket, while a reply waits for room",
	  own_vm_and_socket_queued },
	{ "a VM in the queue of an external session", external_vm_queued },
	{ "time-outs on the session's socket", timeouts },
	{ "HOOK against UNHOOK", hook_against_unhook },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
