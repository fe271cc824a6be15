// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tool's last word: it answers an event and is gone, before the vCPU has
 * seen the answer. And in whose name its messages are sent.
 */
#define _GNU_SOURCE
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kvmi_vcpu.h"

static struct kvm_vcpu *vcpus[1];
static struct runner runner;
static struct guest_area *area;

static struct kvm_vm *start(void)
{
	struct kvm_vm *vm = guest_create(1, guest_spin, vcpus);

	area = guest_of(vm, 0);
	runner_start(&runner, vcpus[0]);
	CHECK(WAIT_FOR(area->count, 20), "no guest");
	return vm;
}

/* Ends the session in one of three ways. */
static void leave(struct kvm_vm *vm, int fd, int how)
{
	if (how % 3 == 0)
		tool_close(fd);
	CHECK_EQ(how % 3 == 1 ? 0 : unhook(vm), 0);
	if (how % 3 == 1)
		tool_close(fd);
}

/* Registers come with the reply: the guest goes on elsewhere. */
static void registers_and_gone(void)
{
	struct kvmi_counts before;
	struct kvm_vm *vm;
	struct event ev;
	bool other;
	int fd, i;

	vm = start();
	counts_read(&before);
	for (i = 0; i < kvmi_count(24, 600); i++) {
		other = !(i & 1);
		fd = session_all(vm);
		pause_now(fd, 0, &ev);
		ev.common.arch.regs.rip =
			other ? (uintptr_t)guest_other :
				(uintptr_t)guest_spin_loop;
		CHECK_EQ(set_registers(fd, 0, &ev.common.arch.regs), 0);
		CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
		leave(vm, fd, i);
		CHECK(guest_moves(other ? &area->other : &area->count),
		      "round %d: the guest is not where the tool has put it",
		      i);
		CHECK_EQ(unhook(vm), 0);
		if (i % 3 == 2)
			tool_close(fd);
	}
	CHECK_EQ(runner.returns, 0);
	counts_check(&before);
}

static void crash_and_gone(void)
{
	struct kvmi_counts before;
	struct kvm_vm *vm;
	struct event ev;
	int fd, i;

	counts_read(&before);
	for (i = 0; i < kvmi_count(12, 200); i++) {
		vm = start();
		fd = session_all(vm);
		pause_now(fd, 0, &ev);
		CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CRASH), 0);
		leave(vm, fd, i);
		CHECK_EQ(runner_exit(&runner), KVM_EXIT_SHUTDOWN);
		if (i % 3 == 2)
			tool_close(fd);
		runner_quit(&runner);
		kvm_vm_free(vm);
		counts_check(&before);
	}
}

/* ------------------------------------------------- not even read yet ------ */

static int unread(int fd)
{
	int size;

	CHECK(!ioctl(fd, SIOCOUTQ, &size), "%s", strerror(errno));
	return size;
}

/* Replies that nobody reads, until the receiving thread waits for room. */
static void stop_receiver(int fd)
{
	int i, before = 0, now = 0, still = 0;

	while (still < 5) {
		for (i = 0; !now && i < 50; i++)
			CHECK_EQ(send_msg(fd, KVMI_GET_VERSION, i, NULL, 0), 0);
		before = now;
		kvmi_sleep_ms(30);
		now = unread(fd);
		still = now && now == before ? still + 1 : 0;
	}
}

/* To memory that the guest does not touch. */
static void write_area(struct kvm_vm *vm, int fd, uint64_t value)
{
	struct {
		struct kvmi_vm_write_physical hdr;
		uint64_t value;
	} req = {
		.hdr = {
			.gpa = addr_gva2gpa(vm, (uintptr_t)guest_area[0].out),
			.size = sizeof(value),
		},
		.value = value,
	};

	CHECK_EQ(send_msg(fd, KVMI_VM_WRITE_PHYSICAL, 7, &req, sizeof(req)), 0);
}

/* All that it has said is heard, whoever ends the session before it was read. */
static void unread_and_gone(void)
{
	struct kvmi_counts before;
	struct kvm_vm *vm;
	struct event ev;
	int fd, i;

	counts_read(&before);
	for (i = 0; i < kvmi_count(6, 60); i++) {
		vm = start();
		fd = session_all(vm);
		pause_now(fd, 0, &ev);
		stop_receiver(fd);
		write_area(vm, fd, i + 77);
		ev.common.arch.regs.rip = (uintptr_t)guest_other;
		vcpu_send(fd, 0, KVMI_VCPU_SET_REGISTERS, &ev.common.arch.regs,
			  sizeof(ev.common.arch.regs));
		CHECK_EQ(event_reply(fd, &ev,
				     i & 1 ? KVMI_EVENT_ACTION_CRASH :
					     KVMI_EVENT_ACTION_CONTINUE), 0);
		leave(vm, fd, i);
		if (i & 1)
			CHECK_EQ(runner_exit(&runner), KVM_EXIT_SHUTDOWN);
		else
			CHECK(guest_moves(&area->other),
			      "round %d: the guest is not where it should be",
			      i);
		CHECK_EQ(area->out[0], i + 77);
		CHECK_EQ(unhook(vm), 0);
		if (i % 3 == 2)
			tool_close(fd);
		runner_quit(&runner);
		kvm_vm_free(vm);
		counts_check(&before);
	}
}

/* ------------------------------------------------------ in whose name ---- */

/* A VMM that has given up its privileges, as they do. */
static int vmm_main(void *arg)
{
	int *ctl = arg;
	struct kvm_vm *vm = guest_create(1, guest_spin, vcpus);

	area = guest_of(vm, 0);
	CHECK(!setgroups(0, NULL) && !setgid(65534) && !setuid(65534),
	      "%s", strerror(errno));
	runner_start(&runner, vcpus[0]);
	CHECK(WAIT_FOR(area->count, 20), "no guest");
	CHECK_EQ(send_all(ctl[1], &vm->fd, sizeof(int)), 0);
	pause();
	return 0;
}

/* Who has sent the next message, whatever it is. */
static uid_t sender_of(int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	char data[4096];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	struct ucred cred;
	struct cmsghdr *cmsg;

	CHECK(recvmsg(fd, &msg, 0) > 0, "%s", strerror(errno));
	cmsg = CMSG_FIRSTHDR(&msg);
	CHECK(cmsg && cmsg->cmsg_type == SCM_CREDENTIALS, "no credentials");
	memcpy(&cred, CMSG_DATA(cmsg), sizeof(cred));
	return cred.uid;
}

/* What confines the VMM does not reach into a connection that is none of its. */
static void tools_name(void)
{
	int ctl[2], sv[2], on = 1, nr, vm, pidfd;
	struct kvmi_vcpu_hdr hdr = { 0 };
	pid_t pid;

	socket_pair(ctl);
	pid = spawn(vmm_main, ctl);
	CHECK_EQ(recv(ctl[0], &nr, sizeof(nr), 0), sizeof(nr));
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	vm = syscall(SYS_pidfd_getfd, pidfd, nr, 0);
	CHECK(vm >= 0, "pidfd_getfd: %s", strerror(errno));
	socket_pair(sv);
	CHECK_EQ(hook_raw(vm, sv[1], 0), 0);
	CHECK_EQ(feature_raw(vm, KVM_INTROSPECTION_COMMAND, 1, -1), 0);
	CHECK(!setsockopt(sv[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)),
	      "%s", strerror(errno));
	CHECK_EQ(send_msg(sv[0], KVMI_GET_VERSION, 1, NULL, 0), 0);
	CHECK_EQ(sender_of(sv[0]), 0);
	CHECK_EQ(send_msg(sv[0], KVMI_VCPU_GET_INFO, 2, &hdr, sizeof(hdr)), 0);
	CHECK_EQ(sender_of(sv[0]), 0);
	kill(pid, SIGKILL);
	CHECK_EQ(reap(pid), -SIGKILL);
	CHECK(WAIT_FOR(vms_of(pid) == 0, 20), "still listed");

	/* Whom nobody could end any more is not hooked. */
	close(sv[0]);
	close(sv[1]);
	socket_pair(sv);
	CHECK_EQ(hook_raw(vm, sv[1], 0), -EIO);
	CHECK_EQ(vms_of(pid), 0);
}

static const struct kvmi_case cases[] = {
	{ "registers, CONTINUE, and the tool is gone", registers_and_gone },
	{ "CRASH, and the tool is gone", crash_and_gone },
	{ "an answer that was not read, and the tool is gone", unread_and_gone },
	{ "a vCPU's messages bear the tool's name", tools_name },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
