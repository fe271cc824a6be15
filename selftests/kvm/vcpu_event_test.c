// SPDX-License-Identifier: GPL-2.0-only
/*
 * PAUSE_VCPU, the PAUSE event and replies to it: layout and numbers, replies
 * that close the connection and those that are refused, SET_REGISTERS,
 * CONTROL_EVENTS, CRASH, and how many pauses there may be.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

#include "kvmi_vcpu.h"

static struct kvm_vcpu *vcpus[MAX_VCPUS];
static struct runner runners[MAX_VCPUS];
static struct guest_area *area;

/* A session with @nr running vCPUs at @entry. */
static struct kvm_vm *start(int nr, void *entry, int *fd)
{
	struct kvm_vm *vm = guest_create(nr, entry, vcpus);
	int i;

	area = guest_of(vm, 0);
	*fd = session_all(vm);
	for (i = 0; i < nr; i++) {
		runner_start(&runners[i], vcpus[i]);
		CHECK(WAIT_FOR(guest_of(vm, i)->count, 20), "no guest");
	}
	return vm;
}

static void go_on(int fd, const struct event *ev)
{
	CHECK_EQ(event_reply(fd, ev, KVMI_EVENT_ACTION_CONTINUE), 0);
}

static void check_msrs(const struct event *ev, const struct registers *regs)
{
	const struct kvmi_vcpu_event_msrs *m = &ev->common.arch.msrs;
	const uint64_t have[] = {
		m->sysenter_cs, m->sysenter_esp, m->sysenter_eip, m->efer,
		m->star, m->lstar, m->cstar, m->pat, m->shadow_gs,
	};
	int i;

	for (i = 0; i < ARRAY_SIZE(have); i++)
		CHECK_EQ(have[i], regs->msrs[i].data);
}

static void layout(void)
{
	static const uint32_t msrs[] = {
		0x174, 0x175, 0x176, 0xc0000080, 0xc0000081, 0xc0000082,
		0xc0000083, 0x277, 0xc0000102,
	};
	struct registers regs;
	struct event ev;
	int fd, i;

	start(1, guest_spin, &fd);
	for (i = 0; i < kvmi_count(10, 500); i++) {
		pause_now(fd, 0, &ev);
		CHECK_EQ(ev.seq, i + 1);
		CHECK_EQ(ev.common.arch.mode, 8);
		CHECK_EQ(get_registers(fd, 0, 9, msrs, &regs), 0);
		CHECK(!memcmp(&ev.common.arch.regs, &regs.hdr.regs, 144),
		      "registers");
		CHECK(!memcmp(&ev.common.arch.sregs, &regs.hdr.sregs, 312),
		      "sregs");
		check_msrs(&ev, &regs);
		CHECK(guest_still(&area->count), "the guest runs");
		go_on(fd, &ev);
		CHECK(guest_moves(&area->count), "the guest hangs");
	}
	CHECK(event_none(fd), "one event too many");
	CHECK_EQ(runners[0].returns, 0);
}

/* One counter for all events of a session; the next session starts anew. */
static void numbers(void)
{
	struct message msg;
	struct event ev;
	struct kvm_vm *vm;
	int fd;

	vm = start(2, guest_spin, &fd);
	pause_now(fd, 1, &ev);
	CHECK_EQ(ev.seq, 1);
	go_on(fd, &ev);
	CHECK_EQ(event_unhook(fd, 1), 0);
	CHECK_EQ(preunhook(vm), 0);
	CHECK_EQ(recv_msg(fd, &msg), 8);
	CHECK_EQ(msg.hdr.id, KVMI_VM_EVENT);
	CHECK_EQ(msg.hdr.seq, 2);
	pause_now(fd, 0, &ev);
	CHECK_EQ(ev.seq, 3);
	CHECK_EQ(unhook(vm), 0);
	tool_close(fd);
	fd = session_all(vm);
	pause_now(fd, 0, &ev);
	CHECK_EQ(ev.seq, 1);
	go_on(fd, &ev);
	CHECK(guest_moves(&area->count), "the guest hangs");
}

/* Replies that are wrong in one thing; -1: nothing changed there. */
static const struct {
	int seq;	/* added to the right one */
	int size;
	int at;		/* byte of the message, set to ... */
	int value;
} bad_replies[] = {
	{ 1, 16, -1 }, { -1, 16, -1 }, { 1000, 16, -1 },
	{ 0, 0, -1 }, { 0, 8, -1 }, { 0, 12, -1 }, { 0, 15, -1 },
	{ 0, 17, -1 }, { 0, 24, -1 }, { 0, 80, -1 },
	{ 0, 16, 10, 1 }, { 0, 16, 11, 1 }, { 0, 16, 12, 1 }, { 0, 16, 15, 1 },
	{ 0, 16, 8, KVMI_EVENT_ACTION_RETRY }, { 0, 16, 8, 3 },
	{ 0, 16, 8, 255 },
};

static void closing_replies(void)
{
	struct event_answer answer;
	struct kvm_vm *vm;
	struct event ev;
	int fd, i;

	vm = start(1, guest_spin, &fd);
	for (i = 0; i < ARRAY_SIZE(bad_replies); i++) {
		pause_now(fd, 0, &ev);
		memset(&answer, 0, sizeof(answer));
		answer.reply.event = KVMI_VCPU_EVENT_PAUSE;
		if (bad_replies[i].at >= 0)
			((uint8_t *)&answer)[bad_replies[i].at] =
				bad_replies[i].value;
		event_reply_raw(fd, ev.seq + bad_replies[i].seq, &answer,
				bad_replies[i].size);
		CHECK(closed_silently(fd), "reply %d", i);
		CHECK(guest_moves(&area->count), "hangs after reply %d", i);
		CHECK_EQ(runners[0].returns, 0);
		CHECK_EQ(unhook(vm), 0);
		tool_close(fd);
		fd = session_all(vm);
	}
}

/* Replies to a vCPU that does not wait, while another one does or not. */
static void not_waiting(void)
{
	struct event_answer answer = { .hdr = { .vcpu = 1 } };
	struct kvm_vm *vm;
	struct event ev = { .seq = 1 };
	int fd, i;

	vm = start(2, guest_spin, &fd);
	for (i = 0; i < 4; i++) {
		if (i & 1)
			pause_now(fd, 0, &ev);
		if (i & 2)
			runner_park(&runners[1], RUNNER_BLOCKED);
		event_reply_raw(fd, ev.seq, &answer, 16);
		CHECK(closed_silently(fd), "round %d", i);
		CHECK(guest_moves(&area->count), "the guest hangs");
		CHECK_EQ(unhook(vm), 0);
		tool_close(fd);
		fd = session_all(vm);
		if (i & 2)
			runner_go(&runners[1]);
		CHECK(guest_moves(&guest_of(vm, 1)->count), "hangs");
	}
	/* Twice the same reply: the second finds nobody. */
	pause_now(fd, 0, &ev);
	go_on(fd, &ev);
	CHECK(guest_moves(&area->count), "the guest hangs");
	go_on(fd, &ev);
	CHECK(closed_silently(fd), "a reply too many");
}

/* A bad header is an ordinary error, and the vCPU goes on waiting. */
static void header_errors(void)
{
	struct kvm_mp_state state = { KVM_MP_STATE_UNINITIALIZED };
	struct event_answer answer;
	struct kvm_vm *vm;
	struct event ev;
	int fd, i;

	vm = start(2, guest_spin, &fd);
	runner_park(&runners[1], RUNNER_BLOCKED);
	vcpu_mp_state_set(vcpus[1], &state);
	pause_now(fd, 0, &ev);
	for (i = 2; i < 8; i++) {
		memset(&answer, 0, sizeof(answer));
		((uint8_t *)&answer)[i] = 1;
		event_reply_raw(fd, ev.seq, &answer, 16);
		CHECK_EQ(reply_recv(fd, KVMI_VCPU_EVENT, ev.seq, NULL, 0),
			 -KVMI_EINVAL);
	}
	for (i = 1; i < 3; i++) {
		memset(&answer, 0, sizeof(answer));
		answer.hdr.vcpu = i;
		event_reply_raw(fd, ev.seq + i, &answer, 16);
		CHECK_EQ(reply_recv(fd, KVMI_VCPU_EVENT, ev.seq + i, NULL, 0),
			 i == 1 ? -KVMI_EAGAIN : -KVMI_EINVAL);
	}
	CHECK(guest_still(&area->count), "the guest runs");
	/* Replies need no permission. */
	CHECK_EQ(set_command(vm, 0, -1), 0);
	CHECK_EQ(set_event(vm, 0, -1), 0);
	go_on(fd, &ev);
	CHECK(guest_moves(&area->count), "the guest hangs");
	check_alive(fd);
}

static void event_byte(void)
{
	struct event_answer answer = { .reply = { .event = 0xee } };
	struct event ev;
	int fd;

	start(1, guest_spin, &fd);
	pause_now(fd, 0, &ev);
	event_reply_raw(fd, ev.seq, &answer, 16);
	CHECK(guest_moves(&area->count), "the guest hangs");
	check_alive(fd);
}

/* All vCPUs wait at once; each is let go alone. */
static void many_vcpus(void)
{
	struct event ev[MAX_VCPUS];
	struct registers regs;
	struct kvm_vm *vm;
	int fd, i, n;

	vm = start(MAX_VCPUS, guest_spin, &fd);
	for (i = 0; i < MAX_VCPUS; i++) {
		pause_now(fd, i, &ev[i]);
		CHECK_EQ(ev[i].seq, i + 1);
		CHECK_EQ(ev[i].common.arch.regs.rdi, &guest_area[i]);
		/* Those that are not paused run, and answer. */
		for (n = 0; n < MAX_VCPUS; n++) {
			CHECK_EQ(get_registers(fd, n, 0, NULL, &regs), 0);
			CHECK_EQ(regs.hdr.regs.rdi, &guest_area[n]);
			if (n > i)
				CHECK(guest_moves(&guest_of(vm, n)->count),
				      "vCPU %d hangs", n);
		}
	}
	for (i = 0; i < MAX_VCPUS; i++)
		CHECK(guest_still(&guest_of(vm, i)->count), "%d runs", i);
	for (i = MAX_VCPUS - 1; i >= 0; i--) {
		go_on(fd, &ev[i]);
		CHECK(guest_moves(&guest_of(vm, i)->count), "%d hangs", i);
		CHECK(!i || guest_still(&guest_of(vm, 0)->count), "0 runs");
	}
	CHECK(event_none(fd), "one event too many");
}

static void registers(void)
{
	struct registers regs;
	struct kvm_regs want;
	struct event ev;
	int fd, i;

	start(1, guest_spin, &fd);
	for (i = 0; i < kvmi_count(4, 200); i++) {
		volatile uint64_t *count = i & 1 ? &area->count : &area->other;

		pause_now(fd, 0, &ev);
		want = ev.common.arch.regs;
		/* Overwritten by the next one, or the guest would be lost. */
		want.rip = 0xdead000;
		CHECK_EQ(set_registers(fd, 0, &want), 0);
		want.rip = i & 1 ? (uintptr_t)guest_spin_loop :
				   (uintptr_t)guest_other;
		want.rbx = 0x1234567890abcdef + i;
		want.r13 = ~want.rbx;
		CHECK_EQ(set_registers(fd, 0, &want), 0);
		CHECK_EQ(get_registers(fd, 0, 0, NULL, &regs), 0);
		CHECK_EQ(regs.hdr.regs.rip, ev.common.arch.regs.rip);
		CHECK(guest_still(&area->count), "the guest runs");
		go_on(fd, &ev);
		CHECK(guest_moves(count), "RIP is the old one");
		CHECK(guest_still(i & 1 ? &area->other : &area->count),
		      "RIP is the old one");
		CHECK_EQ(get_registers(fd, 0, 0, NULL, &regs), 0);
		CHECK_EQ(regs.hdr.regs.rbx, want.rbx);
		CHECK_EQ(regs.hdr.regs.r13, want.r13);
		CHECK_EQ(regs.hdr.regs.rdi, want.rdi);
		CHECK_EQ(set_registers(fd, 0, &want), -KVMI_EOPNOTSUPP);
		CHECK_EQ(vcpu_command(fd, 0, KVMI_VCPU_SET_REGISTERS, &want,
				      143, NULL, 0), -KVMI_EINVAL);
	}
	CHECK_EQ(runners[0].returns, 0);
}

static void control_errors(void)
{
	struct kvmi_vm_check_event check;
	struct kvm_vm *vm;
	uint8_t req[8] = { KVMI_VCPU_EVENT_PAUSE };
	struct event ev;
	int fd, i, known;

	vm = start(1, guest_spin, &fd);
	for (i = 3; i < 8; i++) {
		req[i] = 1;
		CHECK_EQ(vcpu_command(fd, 0, KVMI_VCPU_CONTROL_EVENTS, req, 8,
				      NULL, 0), -KVMI_EINVAL);
		req[i] = 0;
	}
	for (i = 0; i <= 0xffff; i = i < 40 ? i + 1 : i * 2 + 1) {
		check = (struct kvmi_vm_check_event){ .id = i };
		known = tool_command(fd, KVMI_VM_CHECK_EVENT, &check, 8, NULL,
				     0) != -KVMI_ENOENT && (i & 1);
		CHECK(known || (i != KVMI_VCPU_EVENT_PAUSE &&
				i != KVMI_VCPU_EVENT_TRAP), "event %d", i);
		CHECK_EQ(control_event(fd, 0, i, 2), -KVMI_EINVAL);
		if (!known)
			CHECK_EQ(control_event(fd, 0, i, 1), -KVMI_EINVAL);
	}
	CHECK_EQ(set_event(vm, 0, KVMI_VCPU_EVENT_PAUSE), 0);
	CHECK_EQ(control_event(fd, 0, KVMI_VCPU_EVENT_PAUSE, 1), -KVMI_EPERM);
	CHECK_EQ(control_event(fd, 0, KVMI_VCPU_EVENT_PAUSE, 0), -KVMI_EPERM);
	CHECK_EQ(control_event(fd, 0, KVMI_VCPU_EVENT_PAUSE, 2), -KVMI_EINVAL);
	CHECK_EQ(control_event(fd, 0, KVMI_VCPU_EVENT_TRAP, 0), 0);
	CHECK_EQ(set_event(vm, 1, KVMI_VCPU_EVENT_PAUSE), 0);
	/* PAUSE cannot be switched off. */
	CHECK_EQ(control_event(fd, 0, KVMI_VCPU_EVENT_PAUSE, 0), 0);
	pause_now(fd, 0, &ev);
	go_on(fd, &ev);
}

static void pause_errors(void)
{
	struct kvm_vm *vm;
	uint8_t req[8] = { 0 };
	int fd, i;

	vm = start(1, guest_spin, &fd);
	for (i = 3; i < 8; i++) {
		req[i] = 1;
		CHECK_EQ(tool_command(fd, KVMI_VM_PAUSE_VCPU, req, 8, NULL, 0),
			 -KVMI_EINVAL);
		req[i] = 0;
	}
	CHECK_EQ(pause_vcpu(fd, 0, 2), -KVMI_EINVAL);
	CHECK_EQ(pause_vcpu(fd, 1, 0), -KVMI_EINVAL);
	CHECK_EQ(pause_vcpu(fd, 0xffff, 1), -KVMI_EINVAL);
	CHECK_EQ(set_event(vm, 0, KVMI_VCPU_EVENT_PAUSE), 0);
	CHECK_EQ(pause_vcpu(fd, 0, 0), -KVMI_EPERM);
	CHECK_EQ(pause_vcpu(fd, 7, 0), -KVMI_EPERM);
	CHECK_EQ(pause_vcpu(fd, 0, 2), -KVMI_EINVAL);
	CHECK_EQ(set_event(vm, 1, KVMI_VCPU_EVENT_PAUSE), 0);
	CHECK_EQ(set_command(vm, 0, KVMI_VM_PAUSE_VCPU), 0);
	CHECK_EQ(pause_vcpu(fd, 0, 0), -KVMI_EPERM);
	CHECK(guest_moves(&area->count), "the guest hangs");
	CHECK(event_none(fd), "an event");
}

/* As many as the limit says are kept, each becomes an event. */
static void pause_limit(void)
{
	struct kvm_vm *vm;
	struct event ev;
	int fd, i;

	vm = start(2, guest_spin, &fd);
	runner_park(&runners[0], RUNNER_BLOCKED);
	for (i = 0; i < KVMI_MAX_PAUSES; i++)
		CHECK_EQ(pause_vcpu(fd, 0, i & 1), 0);
	CHECK_EQ(pause_vcpu(fd, 0, 0), -KVMI_EBUSY);
	CHECK_EQ(pause_vcpu(fd, 0, 1), -KVMI_EBUSY);
	CHECK_EQ(pause_vcpu(fd, 1, 0), 0);
	event_expect(fd, &ev, KVMI_VCPU_EVENT_PAUSE, 1);
	go_on(fd, &ev);
	CHECK(event_none(fd), "an event of a stopped vCPU");
	runner_go(&runners[0]);
	for (i = 0; i < kvmi_count(20, KVMI_MAX_PAUSES); i++) {
		event_expect(fd, &ev, KVMI_VCPU_EVENT_PAUSE, 0);
		/* Queued ones are not dropped for that. */
		CHECK_EQ(set_event(vm, i & 1, KVMI_VCPU_EVENT_PAUSE), 0);
		go_on(fd, &ev);
	}
	if (kvmi_full)
		CHECK(event_none(fd), "one event too many");
	CHECK_EQ(unhook(vm), 0);
	CHECK(guest_moves(&area->count), "the guest hangs");
	tool_close(fd);
	/* They are gone with their session. */
	fd = session_all(vm);
	check_alive(fd);
	CHECK(event_none(fd), "an event of another session");
}

/* One after the other, and between them the guest may not run at all. */
static void several(void)
{
	struct event ev;
	uint64_t count;
	int fd, i;

	start(1, guest_spin, &fd);
	pause_now(fd, 0, &ev);
	count = area->count;
	for (i = 0; i < 5; i++)
		CHECK_EQ(pause_vcpu(fd, 0, i & 1), 0);
	CHECK(event_none(fd), "an event within another");
	for (i = 0; i < 5; i++) {
		go_on(fd, &ev);
		event_expect(fd, &ev, KVMI_VCPU_EVENT_PAUSE, 0);
		CHECK_EQ(ev.seq, i + 2);
		CHECK_EQ(area->count, count);
	}
	go_on(fd, &ev);
	CHECK(event_none(fd), "one event too many");
	CHECK(guest_moves(&area->count), "the guest hangs");
	CHECK_EQ(runners[0].returns, 0);
}

/* With wait = 1 the guest is known to stand still when the reply comes. */
static void wait_for_it(void)
{
	struct event ev;
	uint64_t count;
	int fd, i;

	start(1, guest_spin, &fd);
	for (i = 0; i < kvmi_count(20, 2000); i++) {
		CHECK_EQ(pause_vcpu(fd, 0, 1), 0);
		count = area->count;
		event_expect(fd, &ev, KVMI_VCPU_EVENT_PAUSE, 0);
		kvmi_sleep_ms(i % 20);
		CHECK_EQ(area->count, count);
		go_on(fd, &ev);
		CHECK(guest_moves(&area->count), "the guest hangs");
	}
	runner_park(&runners[0], RUNNER_BUSY);
	CHECK_EQ(pause_vcpu(fd, 0, 1), 0);
	CHECK(event_none(fd), "an event of a stopped vCPU");
	runner_go(&runners[0]);
	event_expect(fd, &ev, KVMI_VCPU_EVENT_PAUSE, 0);
	go_on(fd, &ev);
}

static const struct kvmi_case cases[] = {
	{ "the event and its contents", layout },
	{ "sequence numbers", numbers },
	{ "replies that close the connection", closing_replies },
	{ "replies to a vCPU that does not wait", not_waiting },
	{ "replies with a bad header", header_errors },
	{ "the reply's event is not compared", event_byte },
	{ "four vCPUs wait at once", many_vcpus },
	{ "SET_REGISTERS", registers },
	{ "CONTROL_EVENTS errors", control_errors },
	{ "PAUSE_VCPU errors", pause_errors },
	{ "as many pauses as there may be", pause_limit },
	{ "several pauses, one after the other", several },
	{ "PAUSE_VCPU that waits", wait_for_it },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
