// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands that cannot be answered yet, since the vCPU's thread is stuck in a
 * page fault that nobody serves, or since the tool does not read the replies:
 * limits of the queues, the other vCPUs, and the ends of all concerned.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kvmi_stuck.h"

/* As many vCPUs as it takes to reach the session's limit, and two more. */
#define STUCK (KVMI_MAX_COMMANDS / KVMI_MAX_VCPU_COMMANDS)

_Static_assert(STUCK + 2 <= GUEST_MAX, "more areas are needed");

/* Queues for @vcpu until nothing more goes in; @room commands do. */
static void fill(int fd, int vcpu, int room, uint32_t *seq)
{
	int i;

	for (i = 0; i < room; i++)
		seq[i] = vcpu_send(fd, vcpu, KVMI_VCPU_GET_INFO, NULL, 0);
	/* Nothing has been answered, and VM commands overtake. */
	check_alive(fd);
}

static void take(int fd, int room, const uint32_t *seq)
{
	uint64_t tsc;
	int i;

	for (i = 0; i < room; i++)
		CHECK_EQ(reply_recv(fd, KVMI_VCPU_GET_INFO, seq[i], &tsc, 8),
			 0);
}

static void vcpu_limit(void)
{
	uint32_t seq[KVMI_MAX_VCPU_COMMANDS];
	struct kvm_vcpu *vcpus[2];
	struct kvm_vm *vm = stuck_create(2, vcpus);
	struct registers regs;
	struct runner r;
	int fd, i;

	fd = session_all(vm);
	stuck_run(vm, &r, vcpus[0], 0);
	fill(fd, 0, KVMI_MAX_VCPU_COMMANDS, seq);
	for (i = 0; i < 3; i++) {
		CHECK_EQ(get_registers(fd, 0, 0, NULL, &regs), -KVMI_EBUSY);
		CHECK_EQ(get_registers(fd, 1, 0, NULL, &regs), 0);
		CHECK_EQ(pause_vcpu(fd, 1, 1), 0);
	}
	CHECK_EQ(r.returns, 0);
	stuck_serve(vm);
	take(fd, KVMI_MAX_VCPU_COMMANDS, seq);
	CHECK_EQ(get_registers(fd, 0, 0, NULL, &regs), 0);
	CHECK(guest_moves(&guest_of(vm, 0)->other), "the guest hangs");
	CHECK_EQ(r.returns, 0);
}

/* Errors that are seen before the queue stay what they are. */
static void full_and_wrong(void)
{
	uint32_t seq[KVMI_MAX_VCPU_COMMANDS];
	struct kvmi_vcpu_hdr hdr = { .padding2 = 1 };
	struct kvm_vcpu *vcpus[1];
	struct kvm_vm *vm = stuck_create(1, vcpus);
	struct runner r;
	uint64_t tsc;
	int fd;

	fd = session_all(vm);
	stuck_run(vm, &r, vcpus[0], 0);
	fill(fd, 0, KVMI_MAX_VCPU_COMMANDS, seq);
	CHECK_EQ(tool_command(fd, KVMI_VCPU_GET_INFO, &hdr, 8, &tsc, 8),
		 -KVMI_EINVAL);
	CHECK_EQ(get_info(fd, 1, &tsc), -KVMI_EINVAL);
	CHECK_EQ(set_command(vm, 0, KVMI_VCPU_GET_INFO), 0);
	CHECK_EQ(get_info(fd, 0, &tsc), -KVMI_EPERM);
	CHECK_EQ(tool_command(fd, 31, &hdr, 8, NULL, 0), -KVMI_ENOSYS);
	stuck_serve(vm);
	take(fd, KVMI_MAX_VCPU_COMMANDS, seq);
}

static void session_limit(void)
{
	static uint32_t *seq[STUCK];
	struct kvm_vcpu *vcpus[STUCK + 2];
	struct runner r[STUCK];
	struct kvm_vm *vm = stuck_create(STUCK + 2, vcpus);
	int fd = session_all(vm), i, n, got;
	uint64_t tsc;

	for (i = 0; i < STUCK; i++) {
		stuck_run(vm, &r[i], vcpus[i], i);
		CHECK_EQ(get_info(fd, STUCK, &tsc), 0);
		seq[i] = malloc(4 * KVMI_MAX_VCPU_COMMANDS);
		fill(fd, i, KVMI_MAX_VCPU_COMMANDS, seq[i]);
	}
	/* vCPUs that could answer at once, but the session has its limit. */
	CHECK_EQ(get_info(fd, STUCK, &tsc), -KVMI_EBUSY);
	CHECK_EQ(get_info(fd, STUCK + 1, &tsc), -KVMI_EBUSY);
	CHECK_EQ(get_info(fd, 0, &tsc), -KVMI_EBUSY);
	stuck_serve(vm);
	for (n = 0; n < KVMI_MAX_COMMANDS; n++) {
		struct message msg;

		got = recv_msg(fd, &msg);
		CHECK_EQ(got, 16);
		for (i = 0; i < STUCK && *seq[i] != msg.hdr.seq; i++)
			;
		CHECK(i < STUCK, "reply %u is out of order", msg.hdr.seq);
		seq[i]++;
	}
	CHECK_EQ(get_info(fd, STUCK, &tsc), 0);
	CHECK_EQ(get_info(fd, 0, &tsc), 0);
}

static void unhook_meanwhile(void)
{
	uint32_t seq[KVMI_MAX_VCPU_COMMANDS];
	struct kvm_vcpu *vcpus[1];
	struct kvm_vm *vm = stuck_create(1, vcpus);
	struct kvmi_counts before;
	struct runner r;
	uint64_t start;
	int fd, i;

	counts_read(&before);
	stuck_run(vm, &r, vcpus[0], 0);
	for (i = 0; i < 4; i++) {
		fd = session_all(vm);
		fill(fd, 0, KVMI_MAX_VCPU_COMMANDS, seq);
		CHECK_EQ(pause_vcpu(fd, 0, 0), 0);
		if (i & 1)
			shutdown(fd, SHUT_RDWR);
		start = kvmi_now_ms();
		CHECK_EQ(unhook(vm), 0);
		CHECK(kvmi_now_ms() - start < 2000, "took %llu ms",
		      (unsigned long long)(kvmi_now_ms() - start));
		tool_close(fd);
	}
	stuck_serve(vm);
	CHECK(guest_moves(&guest_of(vm, 0)->other), "the guest hangs");
	CHECK_EQ(r.returns, 0);
	counts_check(&before);
}

/* Each has one reply: the answer, or that there were too many. */
static void drain(int fd, int sent)
{
	static bool seen[STUCK_FLOOD];
	int last[2] = { -1, -1 }, n, size, busy = 0;
	struct message msg;

	memset(seen, 0, sizeof(seen));
	for (n = 0; n < sent; n++) {
		size = recv_msg(fd, &msg);
		CHECK(size == 8 || size == 8 + 4096, "%d of %d: %d", n, sent,
		      size);
		CHECK(msg.hdr.seq < sent && !seen[msg.hdr.seq],
		      "reply %u comes twice", msg.hdr.seq);
		seen[msg.hdr.seq] = true;
		if (size == 8) {
			CHECK_EQ(*(int32_t *)msg.data, -KVMI_EBUSY);
			busy++;
			continue;
		}
		CHECK((int)msg.hdr.seq > last[msg.hdr.seq % 2],
		      "reply %u is out of order", msg.hdr.seq);
		last[msg.hdr.seq % 2] = msg.hdr.seq;
	}
	kvmi_note("%d commands, %d of them EBUSY", sent, busy);
}

/* One vCPU runs, one is stopped; @read: the tool reads in the end. */
static void no_reader(bool read)
{
	struct kvm_vcpu *vcpus[2];
	struct kvm_vm *vm = guest_create(2, guest_spin, vcpus);
	struct guest_area *area = guest_of(vm, 0);
	struct kvmi_counts before;
	struct runner r;
	uint64_t start;
	int fd, i, sent;

	counts_read(&before);
	runner_start(&r, vcpus[0]);
	for (i = 0; i < kvmi_count(2, 50); i++) {
		fd = session_all(vm);
		sent = stuck_flood(fd);
		CHECK(sent > 100, "only %d commands", sent);
		CHECK(guest_moves(&area->count), "the guest hangs");
		CHECK_EQ(r.returns, 0);
		if (read) {
			drain(fd, sent);
			check_alive(fd);
		}
		start = kvmi_now_ms();
		CHECK_EQ(unhook(vm), 0);
		CHECK(kvmi_now_ms() - start < 3000, "took %llu ms",
		      (unsigned long long)(kvmi_now_ms() - start));
		tool_close(fd);
		counts_check(&before);
	}
	CHECK(guest_moves(&area->count), "the guest hangs");
}

static void reads_late(void) { no_reader(true); }
static void reads_never(void) { no_reader(false); }

static int stuck_vmm(void *arg)
{
	struct kvm_vcpu *vcpus[1];
	struct kvm_vm *vm = stuck_create(1, vcpus);
	int *sv = arg;
	struct runner r;

	CHECK_EQ(hook(vm, sv[1]), 0);
	CHECK_EQ(set_command(vm, 1, -1), 0);
	stuck_run(vm, &r, vcpus[0], 0);
	CHECK_EQ(send_all(sv[3], "x", 1), 0);
	pause();
	return 0;
}

static void killed(void)
{
	uint32_t seq[KVMI_MAX_VCPU_COMMANDS];
	struct kvmi_counts before;
	int sv[4], i;
	char byte;
	pid_t pid;

	counts_read(&before);
	for (i = 0; i < 2; i++) {
		socket_pair(sv);
		socket_pair(sv + 2);
		pid = spawn(stuck_vmm, sv);
		close(sv[1]);
		CHECK_EQ(recv(sv[2], &byte, 1, 0), 1);
		fill(sv[0], 0, KVMI_MAX_VCPU_COMMANDS, seq);
		kill(pid, SIGKILL);
		CHECK_EQ(reap(pid), -SIGKILL);
		close(sv[2]);
		close(sv[3]);
		tool_close(sv[0]);
		counts_check(&before);
	}
}

static const struct kvmi_case cases[] = {
	{ "the limit of one vCPU is EBUSY", vcpu_limit, stuck_possible },
	{ "other errors go before the limit", full_and_wrong, stuck_possible },
	{ "the limit of a session is EBUSY", session_limit, stuck_possible },
	{ "a tool that reads late", reads_late },
	{ "a tool that never reads", reads_never },
	{ "UNHOOK with commands that nobody answers", unhook_meanwhile,
	  stuck_possible },
	{ "SIGKILL with commands that nobody answers", killed, stuck_possible },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
