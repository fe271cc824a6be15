// SPDX-License-Identifier: GPL-2.0-only
/*
 * INJECT_EXCEPTION and the TRAP event: what the guest's handler sees, what the
 * event says, errors and their order, and exceptions of KVM's own.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kvmi_vcpu.h"

static struct kvm_vcpu *vcpus[1];
static struct runner runner;
static struct guest_area *area;

static struct kvm_vm *start(void *entry, int *fd)
{
	struct kvm_vm *vm = guest_create(1, entry, vcpus);

	area = guest_of(vm, 0);
	*fd = session_all(vm);
	runner_start(&runner, vcpus[0]);
	CHECK(WAIT_FOR(area->count, 20), "no guest");
	return vm;
}

static void go_on(int fd, const struct event *ev)
{
	CHECK_EQ(event_reply(fd, ev, KVMI_EVENT_ACTION_CONTINUE), 0);
}

/* Takes the TRAP event, which must name @nr and @error. */
static void trap_expect(int fd, struct event *ev, uint8_t nr, uint32_t error)
{
	struct kvmi_vcpu_event_trap trap;

	event_expect(fd, ev, KVMI_VCPU_EVENT_TRAP, 0);
	memcpy(&trap, ev->own, sizeof(trap));
	CHECK_EQ(trap.nr, nr);
	CHECK_EQ(trap.error_code, error);
	CHECK_EQ(trap.padding1, 0);
	CHECK_EQ(trap.padding2, 0);
	CHECK_EQ(trap.address, ev->common.arch.sregs.cr2);
}

static const struct { uint8_t nr; bool error; } vectors[] = {
	{ 0, false }, { 5, false }, { 6, false }, { 7, false }, { 10, true },
	{ 11, true }, { 12, true }, { 13, true }, { 14, true }, { 16, false },
	{ 17, true }, { 19, false },
};

/* The guest's handler has seen the @nth exception, and this one. */
static void guest_saw(int nth, uint8_t nr, uint32_t error)
{
	CHECK(WAIT_FOR(area->traps >= nth, 20), "the guest has seen %llu",
	      (unsigned long long)area->traps);
	CHECK_EQ(area->traps, nth);
	CHECK_EQ(area->vector, nr);
	CHECK_EQ(area->error, error);
}

static void spinning(void)
{
	struct event ev;
	uint32_t error;
	int fd, i, round, n = 0;

	start(guest_spin, &fd);
	for (round = 0; round < kvmi_count(2, 100); round++) {
		for (i = 0; i < ARRAY_SIZE(vectors); i++) {
			/* Guests' own page faults are not in it. */
			error = vectors[i].nr == 17 ? 0 : 2 * round;
			CHECK_EQ(inject(fd, 0, vectors[i].nr, error, 0), 0);
			error = vectors[i].error ? error : 0;
			trap_expect(fd, &ev, vectors[i].nr, error);
			go_on(fd, &ev);
			guest_saw(++n, vectors[i].nr, error);
			CHECK(area->rip >= (uintptr_t)guest_spin_loop &&
			      area->rip < (uintptr_t)guest_spin_end, "RIP");
			CHECK(guest_moves(&area->count), "the guest hangs");
		}
	}
	CHECK(event_none(fd), "one event too many");
	CHECK_EQ(area->traps, n);
	CHECK_EQ(runner.returns, 0);
}

/* A page fault brings its address along, the others leave CR2 alone. */
static void page_fault(void)
{
	static const uint64_t addresses[] = { 0x123456789000, 0, 0xfff, 8,
					      0xffff800000001234 };
	struct event ev;
	int fd, i, n = 0;

	if (!guest_cr2_kept())
		kvmi_skip("this processor does not keep the guest's CR2");
	start(guest_spin, &fd);
	for (i = 0; i < ARRAY_SIZE(addresses); i++) {
		CHECK_EQ(inject(fd, 0, 14, i & 7, addresses[i]), 0);
		trap_expect(fd, &ev, 14, i & 7);
		CHECK_EQ(ev.common.arch.sregs.cr2, addresses[i]);
		go_on(fd, &ev);
		guest_saw(++n, 14, i & 7);
		CHECK_EQ(area->cr2, addresses[i]);
		CHECK_EQ(inject(fd, 0, 13, 8, 0x7777), 0);
		trap_expect(fd, &ev, 13, 8);
		go_on(fd, &ev);
		guest_saw(++n, 13, 8);
		CHECK_EQ(area->cr2, addresses[i]);
	}
}

/* An exception ends a halt, as the guest's next instruction would be. */
static void halted(void)
{
	struct event ev;
	int fd, i;

	start(guest_halt, &fd);
	for (i = 1; i <= kvmi_count(5, 200); i++) {
		CHECK(WAIT_FOR(area->count == i && runner_sleeps(&runner), 20),
		      "not halted");
		CHECK_EQ(inject(fd, 0, 6, 0, 0), 0);
		trap_expect(fd, &ev, 6, 0);
		go_on(fd, &ev);
		guest_saw(i, 6, 0);
		CHECK_EQ(area->rip, (uintptr_t)guest_halt_next);
	}
	CHECK_EQ(runner.returns, 0);
}

static void errors(void)
{
	struct kvm_vm *vm;
	uint8_t req[16] = { 32 };
	int fd, i;

	vm = start(guest_spin, &fd);
	for (i = 1; i < 4; i++) {
		req[0] = 6;
		req[i] = 1;
		CHECK_EQ(vcpu_command(fd, 0, KVMI_VCPU_INJECT_EXCEPTION, req,
				      16, NULL, 0), -KVMI_EINVAL);
		req[i] = 0;
	}
	CHECK_EQ(inject(fd, 0, 2, 0, 0), -KVMI_EINVAL);
	CHECK_EQ(inject(fd, 0, 32, 0, 0), -KVMI_EINVAL);
	CHECK_EQ(inject(fd, 0, 255, 0, 0), -KVMI_EINVAL);
	CHECK_EQ(set_event(vm, 0, KVMI_VCPU_EVENT_TRAP), 0);
	CHECK_EQ(inject(fd, 0, 6, 0, 0), -KVMI_EPERM);
	CHECK_EQ(inject(fd, 0, 32, 0, 0), -KVMI_EPERM);
	req[1] = 1;
	CHECK_EQ(vcpu_command(fd, 0, KVMI_VCPU_INJECT_EXCEPTION, req, 16,
			      NULL, 0), -KVMI_EPERM);
	CHECK(event_none(fd), "an event");
	CHECK(guest_moves(&area->count), "the guest hangs");
	CHECK_EQ(area->traps, 0);
}

/* One at a time: until the event has been sent, no other is taken. */
static void busy(void)
{
	struct event pause, ev;
	int fd, i;

	start(guest_spin, &fd);
	for (i = 0; i < kvmi_count(4, 200); i++) {
		pause_now(fd, 0, &pause);
		CHECK_EQ(inject(fd, 0, 6, 0, 0), 0);
		CHECK_EQ(inject(fd, 0, 13, 0, 0), -KVMI_EBUSY);
		CHECK_EQ(inject(fd, 0, 6, 0, 0), -KVMI_EBUSY);
		CHECK_EQ(inject(fd, 0, 32, 0, 0), -KVMI_EINVAL);
		CHECK(event_none(fd), "an event within another");
		go_on(fd, &pause);
		trap_expect(fd, &ev, 6, 0);
		/* Now it has been sent. */
		CHECK_EQ(inject(fd, 0, 13, 16, 0), 0);
		CHECK_EQ(inject(fd, 0, 13, 16, 0), -KVMI_EBUSY);
		go_on(fd, &ev);
		trap_expect(fd, &ev, 13, 16);
		go_on(fd, &ev);
		CHECK(WAIT_FOR(area->traps == 2 * i + 2, 20), "%llu traps",
		      (unsigned long long)area->traps);
	}
	CHECK(event_none(fd), "one event too many");
}

static volatile bool inject_now;

/* So many at a time that the kernel's end does not run empty. */
static void *flood(void *arg)
{
	struct kvmi_vcpu_inject_exception req = { .nr = 6 };
	struct kvmi_msg_hdr msgs[256];
	uint8_t data[8 + sizeof(req)] = { 0 };
	int fd = *(int *)arg, i;

	memcpy(data + 8, &req, sizeof(req));
	for (i = 0; i < ARRAY_SIZE(msgs); i++)
		msgs[i] = (struct kvmi_msg_hdr){ .id = KVMI_GET_VERSION };
	for (;;) {
		CHECK_EQ(send_all(fd, msgs, sizeof(msgs)), 0);
		if (!inject_now)
			continue;
		CHECK_EQ(send_msg(fd, KVMI_VCPU_INJECT_EXCEPTION, 1, data,
				  sizeof(data)), 0);
		inject_now = false;
	}
}

static unsigned int taken;

/* Takes all that has come; true when there was an event among it. */
static bool take_many(int fd)
{
	static uint8_t buf[1 << 18];
	static size_t have;
	struct kvmi_msg_hdr hdr;
	bool found = false;
	size_t at = 0;
	ssize_t got;

	got = recv(fd, buf + have, sizeof(buf) - have, 0);
	CHECK(got > 0, "recv: %s", strerror(errno));
	for (have += got; have - at >= sizeof(hdr); at += 8 + hdr.size) {
		memcpy(&hdr, buf + at, sizeof(hdr));
		if (have - at < 8u + hdr.size)
			break;
		found |= hdr.id == KVMI_VCPU_EVENT;
		taken++;
	}
	have -= at;
	memmove(buf, buf + at, have);
	return found;
}

/* Commands without end delay no event: they are dealt with in between. */
static void flooded(void)
{
	int fd, room = 4096;
	pthread_t thread;
	uint64_t end;

	taken = 0;
	start(guest_spin, &fd);
	/* What is under way comes before the injection: let it be little. */
	CHECK(!setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)),
	      "%s", strerror(errno));
	pthread_create(&thread, NULL, flood, &fd);
	for (end = kvmi_now_ms() + 200; kvmi_now_ms() < end;)
		CHECK(!take_many(fd), "an event");
	inject_now = true;
	end = kvmi_now_ms() + 20000;
	while (!take_many(fd))
		CHECK(kvmi_now_ms() < end, "no TRAP within %u commands", taken);
}

/* The VMM gets and sets its events and state, around the injection or after. */
static void halted_and_restored(void)
{
	struct kvm_vcpu_events events;
	struct kvm_mp_state state;
	struct event ev;
	int fd, i;

	start(guest_halt, &fd);
	for (i = 1; i <= kvmi_count(4, 200); i++) {
		guest_wait_halted(area, &runner, i);
		runner_park(&runner, RUNNER_BLOCKED);
		vcpu_mp_state_get(vcpus[0], &state);
		CHECK_EQ(state.mp_state, KVM_MP_STATE_HALTED);
		CHECK_EQ(inject(fd, 0, UD_VECTOR, 0, 0), 0);
		vcpu_events_get(vcpus[0], &events);
		vcpu_events_set(vcpus[0], &events);
		if (i & 1)
			vcpu_mp_state_set(vcpus[0], &state);
		runner_go(&runner);
		trap_expect(fd, &ev, UD_VECTOR, 0);
		go_on(fd, &ev);
		guest_saw(i, UD_VECTOR, 0);
		CHECK_EQ(area->rip, (uintptr_t)guest_halt_next);
	}
}

/* A vCPU whose VMM is outside; and TRAP comes before PAUSE. */
static void stopped(void)
{
	struct event ev;
	int fd, i;

	start(guest_spin, &fd);
	for (i = 0; i < kvmi_count(4, 200); i++) {
		runner_park(&runner, i & 1 ? RUNNER_BUSY : RUNNER_BLOCKED);
		if (i & 2)
			CHECK_EQ(pause_vcpu(fd, 0, 0), 0);
		CHECK_EQ(inject(fd, 0, 6, 0, 0), 0);
		CHECK_EQ(inject(fd, 0, 6, 0, 0), -KVMI_EBUSY);
		CHECK(event_none(fd), "an event of a stopped vCPU");
		runner_go(&runner);
		trap_expect(fd, &ev, 6, 0);
		go_on(fd, &ev);
		if (i & 2) {
			event_expect(fd, &ev, KVMI_VCPU_EVENT_PAUSE, 0);
			go_on(fd, &ev);
		}
		guest_saw(i + 1, 6, 0);
	}
}

/* The guest has the exception, and does nothing any more. */
static void crashed(void)
{
	struct kvmi_counts before;
	uint64_t traps, count;
	struct kvm_vm *vm;
	struct event ev;
	int fd, i;

	counts_read(&before);
	for (i = 0; i < kvmi_count(4, 50); i++) {
		vm = start(i & 1 ? guest_halt : guest_spin, &fd);
		CHECK_EQ(inject(fd, 0, 6, 0, 0), 0);
		trap_expect(fd, &ev, 6, 0);
		traps = area->traps;
		count = area->count;
		if (i & 2)
			runner_park(&runner, RUNNER_BLOCKED);
		CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CRASH), 0);
		if (i & 2)
			runner_go(&runner);
		CHECK_EQ(runner_exit(&runner), KVM_EXIT_SHUTDOWN);
		CHECK_EQ(area->traps, traps);
		CHECK_EQ(area->count, count);
		CHECK_EQ(unhook(vm), 0);
		runner_quit(&runner);
		kvm_vm_free(vm);
		tool_close(fd);
		counts_check(&before);
	}
}

/* RETRY is for other events: the tool and we disagree, which ends it. */
static void retried(void)
{
	struct event ev;
	int fd;

	start(guest_spin, &fd);
	CHECK_EQ(inject(fd, 0, 6, 0, 0), 0);
	trap_expect(fd, &ev, 6, 0);
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_RETRY), 0);
	CHECK(closed_silently(fd), "open after RETRY");
	guest_saw(1, 6, 0);
	CHECK(guest_moves(&area->count), "the guest hangs");
	CHECK_EQ(runner.returns, 0);
}

/* What KVM has to deliver goes first, and is what the event names. */
static void kvms_own(uint8_t nr)
{
	struct kvm_vcpu_events events;
	struct event ev;
	int fd;

	start(guest_spin, &fd);
	runner_park(&runner, RUNNER_BLOCKED);
	vcpu_events_get(vcpus[0], &events);
	if (nr >= 32) {
		events.interrupt.injected = 1;
		events.interrupt.nr = nr;
	} else if (nr == NMI_VECTOR) {
		events.nmi.injected = 1;
	} else {
		events.exception.injected = 1;
		events.exception.nr = nr;
	}
	vcpu_events_set(vcpus[0], &events);
	CHECK_EQ(inject(fd, 0, 13, 24, 0), 0);
	runner_go(&runner);
	trap_expect(fd, &ev, nr, 0);
	go_on(fd, &ev);
	CHECK(WAIT_FOR(area->traps, 20), "nothing");
	CHECK(guest_moves(&area->count), "the guest hangs");
	CHECK(event_none(fd), "one event too many");
	guest_saw_only(area, &nr, 1);
	CHECK_EQ(area->error, 0);
}

static void kvms_exception(void) { kvms_own(BR_VECTOR); }
static void kvms_nmi(void) { kvms_own(NMI_VECTOR); }
static void kvms_interrupt(void) { kvms_own(0x40); }

/* SET_REGISTERS before the injection: the exception is at the new place. */
static void with_registers(void)
{
	struct event ev;
	struct kvm_regs regs;
	int fd;

	start(guest_spin, &fd);
	pause_now(fd, 0, &ev);
	regs = ev.common.arch.regs;
	regs.rip = (uintptr_t)guest_other;
	CHECK_EQ(set_registers(fd, 0, &regs), 0);
	CHECK_EQ(inject(fd, 0, 6, 0, 0), 0);
	go_on(fd, &ev);
	trap_expect(fd, &ev, 6, 0);
	go_on(fd, &ev);
	guest_saw(1, 6, 0);
	CHECK_EQ(area->rip, (uintptr_t)guest_other);
	CHECK(guest_moves(&area->other), "RIP is the old one");
}

/* It is there before the vCPU's first instruction. */
static void never_run(void)
{
	struct event ev;
	int fd;

	guest_create(1, guest_spin, vcpus);
	area = guest_of(vcpus[0]->vm, 0);
	fd = session_all(vcpus[0]->vm);
	CHECK_EQ(inject(fd, 0, 6, 0, 0), 0);
	CHECK(event_none(fd), "an event of what did not run");
	runner_start(&runner, vcpus[0]);
	trap_expect(fd, &ev, 6, 0);
	go_on(fd, &ev);
	guest_saw(1, 6, 0);
	CHECK_EQ(area->rip, (uintptr_t)guest_spin);
	CHECK(guest_moves(&area->count), "the guest hangs");
}

/* An injection that waits is gone with its session, or comes; no harm done. */
static void session_ends(void)
{
	struct kvm_vm *vm;
	struct event ev;
	int fd, i;

	vm = start(guest_spin, &fd);
	for (i = 0; i < kvmi_count(6, 300); i++) {
		if (i % 3 == 0)
			runner_park(&runner, RUNNER_BLOCKED);
		else if (i % 3 == 1)
			pause_now(fd, 0, &ev);
		CHECK_EQ(inject(fd, 0, 6, 0, 0), 0);
		if (i % 2)
			CHECK_EQ(unhook(vm), 0);
		tool_close(fd);
		CHECK_EQ(unhook(vm), 0);
		if (i % 3 == 0)
			runner_go(&runner);
		CHECK(guest_moves(&area->count), "the guest hangs");
		fd = session_all(vm);
		CHECK(event_none(fd), "an event of another session");
	}
	CHECK(area->traps <= i, "%llu traps", (unsigned long long)area->traps);
}

static const struct kvmi_case cases[] = {
	{ "while commands come without end", flooded },
	{ "a spinning guest", spinning },
	{ "page faults", page_fault },
	{ "a halted guest", halted },
	{ "a halted guest whose VMM restores it", halted_and_restored },
	{ "errors and their order", errors },
	{ "one at a time", busy },
	{ "a vCPU whose VMM is outside", stopped },
	{ "a vCPU that never ran", never_run },
	{ "KVM has an exception of its own", kvms_exception },
	{ "KVM has an NMI of its own", kvms_nmi },
	{ "KVM has an interrupt of its own", kvms_interrupt },
	{ "with SET_REGISTERS", with_registers },
	{ "CRASH as the reply", crashed },
	{ "RETRY as the reply ends the session", retried },
	{ "the session ends", session_ends },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
