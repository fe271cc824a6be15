// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every command in every state of a vCPU: in the guest, halted, between two
 * KVM_RUN, never run, and waiting for an event reply. Neither the VMM nor the
 * guest notices: KVM_RUN does not return, and a halted guest stays halted.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "kvmi_vcpu.h"

static struct kvm_vcpu *vcpus[MAX_VCPUS];
static struct runner runners[MAX_VCPUS];

static bool in_spin(uint64_t rip)
{
	return rip >= (uintptr_t)guest_spin_loop &&
	       rip < (uintptr_t)guest_spin_end;
}

static void spinning(void)
{
	struct kvm_vm *vm = guest_create(1, guest_spin, vcpus);
	struct guest_area *area = guest_of(vm, 0);
	int fd = session_all(vm), i;
	uint64_t rip;

	runner_start(runners, vcpus[0]);
	CHECK(guest_moves(&area->count), "no guest");
	for (i = 0; i < kvmi_count(20, 2000); i++) {
		rip = ask_all(fd, vm, 0, -KVMI_EOPNOTSUPP);
		CHECK(in_spin(rip), "RIP is %#llx", (unsigned long long)rip);
		CHECK(guest_moves(&area->count), "the guest hangs");
	}
	CHECK_EQ(runners[0].returns, 0);
	runner_quit(runners);
	CHECK_EQ(runners[0].returns, 1);
	CHECK_EQ(runners[0].err, EINTR);
}

static void check_halted(struct runner *r)
{
	struct kvm_mp_state state;

	runner_park(r, RUNNER_BLOCKED);
	vcpu_mp_state_get(r->vcpu, &state);
	CHECK_EQ(state.mp_state, KVM_MP_STATE_HALTED);
}

static void halted(void)
{
	struct kvm_vm *vm = guest_create(1, guest_halt, vcpus);
	struct guest_area *area = guest_of(vm, 0);
	int fd = session_all(vm), i;

	runner_start(runners, vcpus[0]);
	guest_wait_halted(area, runners, 1);
	for (i = 0; i < kvmi_count(20, 2000); i++) {
		CHECK_EQ(ask_all(fd, vm, 0, -KVMI_EOPNOTSUPP),
			 (uintptr_t)guest_halt_next);
		CHECK_EQ(area->count, 1);
	}
	kvmi_sleep_ms(50);
	CHECK_EQ(area->count, 1);
	CHECK_EQ(runners[0].returns, 0);
	check_halted(runners);
	/* The same with the VMM stopped, and again when it went on. */
	CHECK_EQ(ask_all(fd, vm, 0, -KVMI_EOPNOTSUPP),
		 (uintptr_t)guest_halt_next);
	runner_go(runners);
	guest_wait_halted(area, runners, 1);
	CHECK_EQ(ask_all(fd, vm, 0, -KVMI_EOPNOTSUPP),
		 (uintptr_t)guest_halt_next);
	check_halted(runners);
	CHECK_EQ(area->count, 1);
}

/* How often guest_halt has counted when it halts after the last interrupt. */
static uint64_t halts_at(const struct guest_area *area)
{
	bool before_hlt = area->rip == (uintptr_t)guest_halt_next - 1;

	return area->count_then + !before_hlt;
}

/*
 * A halted guest still wakes up when it has a reason. It may go round its loop
 * before the interrupt comes: KVM lets a vCPU that happens to be awake out of HLT
 * as soon as the APIC has the interrupt, and injects it when that is asked for, a
 * moment later. From the interrupt on it is once.
 */
static void halted_and_woken(void)
{
	struct kvm_vm *vm = guest_create(1, guest_halt, vcpus);
	struct guest_area *area = guest_of(vm, 0);
	struct kvm_msi msi = { .address_lo = 0xfee00000 };
	static const uint8_t vectors[] = { 0x41, 0x51, 0x61, 0x71 };
	struct kvm_lapic_state lapic;
	int fd = session_all(vm), i;
	uint64_t count;

	vcpu_ioctl(vcpus[0], KVM_GET_LAPIC, &lapic);
	*(uint32_t *)&lapic.regs[0xf0] = 0x1ff;
	vcpu_ioctl(vcpus[0], KVM_SET_LAPIC, &lapic);
	runner_start(runners, vcpus[0]);
	guest_wait_halted(area, runners, 1);
	ask_all(fd, vm, 0, -KVMI_EOPNOTSUPP);
	/* Rising vectors, since nobody ends the interrupts. */
	for (i = 0; i < 4; i++) {
		msi.data = vectors[i];
		CHECK_EQ(ioctl_errno(vm->fd, KVM_SIGNAL_MSI, &msi), 1);
		CHECK(WAIT_FOR(area->vector == vectors[i] &&
			       area->count == halts_at(area) &&
			       runner_sleeps(runners), 20),
		      "interrupt %d: vector %#llx, count %llu, then %llu", i,
		      (unsigned long long)area->vector,
		      (unsigned long long)area->count,
		      (unsigned long long)area->count_then);
		count = area->count;
		guest_wait_halted(area, runners, count);
		guest_saw_only(area, vectors, i + 1);
		ask_all(fd, vm, 0, -KVMI_EOPNOTSUPP);
		CHECK_EQ(area->count, count);
	}
	CHECK_EQ(runners[0].returns, 0);
}

/* The VMM's thread is out of KVM_RUN, in @mode. */
static void stopped(enum runner_mode mode)
{
	struct kvm_vm *vm = guest_create(1, guest_spin, vcpus);
	struct guest_area *area = guest_of(vm, 0);
	int fd = session_all(vm), round, i;
	unsigned long returns;
	struct kvm_regs regs;
	uint64_t count, rip;

	runner_start(runners, vcpus[0]);
	for (round = 0; round < kvmi_count(3, 100); round++) {
		CHECK(guest_moves(&area->count), "the guest hangs");
		runner_park(runners, mode);
		count = area->count;
		returns = runners[0].returns;
		for (i = 0; i < kvmi_count(5, 20); i++) {
			rip = ask_all(fd, vm, 0, -KVMI_EOPNOTSUPP);
			vcpu_regs_get(vcpus[0], &regs);
			CHECK_EQ(rip, regs.rip);
		}
		CHECK_EQ(area->count, count);
		CHECK_EQ(runners[0].at, mode);
		CHECK_EQ(runners[0].returns, returns);
		runner_go(runners);
	}
	CHECK(guest_moves(&area->count), "the guest hangs");
}

static void busy(void)
{
	stopped(RUNNER_BUSY);
}

static void blocked(void)
{
	stopped(RUNNER_BLOCKED);
}

static void never_run(void)
{
	struct kvm_vm *vm = guest_create(1, guest_spin, vcpus);
	struct guest_area *area = guest_of(vm, 0);
	int fd = session_all(vm), i;

	for (i = 0; i < 5; i++)
		CHECK_EQ(ask_all(fd, vm, 0, -KVMI_EOPNOTSUPP),
			 (uintptr_t)guest_spin);
	runner_start(runners, vcpus[0]);
	CHECK(guest_moves(&area->count), "no guest");
	ask_all(fd, vm, 0, -KVMI_EOPNOTSUPP);
	CHECK_EQ(runners[0].returns, 0);
}

/* The thread that ran the vCPU is gone, and another one takes over. */
static void other_thread(void)
{
	struct kvm_vm *vm = guest_create(1, guest_spin, vcpus);
	struct guest_area *area = guest_of(vm, 0);
	int fd = session_all(vm), i;
	uint64_t rip;

	for (i = 0; i < 4; i++) {
		runner_start(runners, vcpus[0]);
		CHECK(guest_moves(&area->count), "the guest hangs");
		rip = ask_all(fd, vm, 0, -KVMI_EOPNOTSUPP);
		CHECK(in_spin(rip), "RIP is %#llx", (unsigned long long)rip);
		CHECK_EQ(runners[0].returns, 0);
		runner_quit(runners);
		rip = ask_all(fd, vm, 0, -KVMI_EOPNOTSUPP);
		CHECK(in_spin(rip), "RIP is %#llx", (unsigned long long)rip);
	}
}

/* The thread ends before it has come to what is queued. */
static void thread_ends(void)
{
	struct kvm_vm *vm = guest_create(1, guest_spin, vcpus);
	uint32_t seq[20];
	uint64_t tsc;
	int fd = session_all(vm), round, i;

	for (round = 0; round < kvmi_count(10, 500); round++) {
		runner_start(runners, vcpus[0]);
		if (round & 1)
			CHECK(guest_moves(&guest_of(vm, 0)->count), "no guest");
		for (i = 0; i < 20; i++) {
			if (i == round % 20)
				pthread_kill(runners[0].thread, SIGUSR1);
			seq[i] = vcpu_send(fd, 0, KVMI_VCPU_GET_INFO, NULL, 0);
		}
		runner_quit(runners);
		for (i = 0; i < 20; i++)
			CHECK_EQ(reply_recv(fd, KVMI_VCPU_GET_INFO, seq[i],
					    &tsc, 8), 0);
	}
}

/* A VMM with one thread, which runs its vCPUs by turns. */
static volatile bool turns_end;

static void *turns_main(void *arg)
{
	int i;

	for (i = 0; !turns_end; i ^= 1) {
		vcpus[i]->run->immediate_exit = 0;
		CHECK(__vcpu_run(vcpus[i]) < 0, "exit %u",
		      vcpus[i]->run->exit_reason);
		CHECK_EQ(errno, EINTR);
	}
	return NULL;
}

static void on_turn(int sig)
{
	vcpus[0]->run->immediate_exit = 1;
	vcpus[1]->run->immediate_exit = 1;
}

static void one_thread(void)
{
	struct kvm_vm *vm = guest_create(2, guest_spin, vcpus);
	struct sigaction act = { .sa_handler = on_turn };
	int fd = session_all(vm), i, v, paused;
	struct event ev;
	pthread_t thread;

	sigaction(SIGUSR1, &act, NULL);
	pthread_create(&thread, NULL, turns_main, NULL);
	for (i = 0; i < kvmi_count(12, 600); i++) {
		v = i % 2;
		paused = i & 2 ? 1 - v : v;
		CHECK(guest_moves(&guest_of(vm, v)->count), "vCPU %d hangs", v);
		/* The one that runs, and the one that has been run before. */
		ask_all(fd, vm, 0, -KVMI_EOPNOTSUPP);
		ask_all(fd, vm, 1, -KVMI_EOPNOTSUPP);
		CHECK_EQ(pause_vcpu(fd, paused, 1), 0);
		if (paused != v) {
			CHECK(event_none(fd), "an event of one that stands");
			pthread_kill(thread, SIGUSR1);
		}
		event_expect(fd, &ev, KVMI_VCPU_EVENT_PAUSE, paused);
		ask_all(fd, vm, 1 - paused, -KVMI_EOPNOTSUPP);
		CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
		if (paused == v)
			pthread_kill(thread, SIGUSR1);
	}
	turns_end = true;
	on_turn(0);
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
}

/* Commands while the vCPU waits for a reply; @halt: it was halted before. */
static void in_event(bool halt)
{
	struct kvm_vm *vm = guest_create(1, halt ? guest_halt : guest_spin,
					 vcpus);
	struct guest_area *area = guest_of(vm, 0);
	int fd = session_all(vm), i, n;
	struct event ev;

	runner_start(runners, vcpus[0]);
	if (halt)
		guest_wait_halted(area, runners, 1);
	else
		CHECK(guest_moves(&area->count), "no guest");
	for (i = 0; i < kvmi_count(4, 200); i++) {
		pause_now(fd, 0, &ev);
		for (n = 0; n < 3; n++)
			CHECK_EQ(ask_all(fd, vm, 0, 0),
				 ev.common.arch.regs.rip);
		CHECK(guest_still(&area->count), "the guest runs");
		CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
		if (!halt)
			CHECK(guest_moves(&area->count), "the guest hangs");
	}
	CHECK_EQ(runners[0].returns, 0);
	if (!halt)
		return;
	guest_wait_halted(area, runners, 1);
	check_halted(runners);
	CHECK_EQ(area->count, 1);
}

static void event_spinning(void)
{
	in_event(false);
}

static void event_halted(void)
{
	in_event(true);
}

/* A spinning, a halted, a stopped and a never run vCPU of one VM at once. */
static void all_at_once(void)
{
	struct kvm_vm *vm = guest_create(MAX_VCPUS, guest_spin, vcpus);
	struct kvm_regs regs;
	int fd, i, v;

	vcpu_regs_get(vcpus[1], &regs);
	regs.rip = (uintptr_t)guest_halt;
	vcpu_regs_set(vcpus[1], &regs);
	fd = session_all(vm);
	for (v = 0; v < 3; v++)
		runner_start(&runners[v], vcpus[v]);
	runner_park(&runners[2], RUNNER_BLOCKED);
	guest_wait_halted(guest_of(vm, 1), &runners[1], 1);
	for (i = 0; i < kvmi_count(5, 500); i++) {
		for (v = 0; v < MAX_VCPUS; v++)
			ask_all(fd, vm, v, -KVMI_EOPNOTSUPP);
	}
	CHECK(guest_moves(&guest_of(vm, 0)->count), "the guest hangs");
	CHECK_EQ(runners[0].returns, 0);
	CHECK_EQ(runners[1].returns, 0);
	CHECK_EQ(guest_of(vm, 1)->count, 1);
	CHECK_EQ(guest_of(vm, 3)->count, 0);
}

/* States change under the commands' feet; the VMM's signals are its own. */
static void changing(void)
{
	struct kvm_vm *vm = guest_create(1, guest_spin, vcpus);
	struct guest_area *area = guest_of(vm, 0);
	int fd = session_all(vm), i;
	uint64_t tsc;

	runner_start(runners, vcpus[0]);
	for (i = 0; i < kvmi_count(60, 5000); i++) {
		uint32_t seq = vcpu_send(fd, 0, KVMI_VCPU_GET_INFO, NULL, 0);

		if (i % 4 == 0)
			runner_kick(runners);
		else if (i % 4 == 1)
			runner_park(runners, i % 8 == 1 ? RUNNER_BUSY :
				    RUNNER_BLOCKED);
		else if (runners[0].at != RUNNER_RUN)
			runner_go(runners);
		CHECK_EQ(reply_recv(fd, KVMI_VCPU_GET_INFO, seq, &tsc, 8), 0);
		CHECK_EQ(runners[0].err, runners[0].returns ? EINTR : 0);
	}
	CHECK(guest_moves(&area->count), "the guest hangs");
}

static const struct kvmi_case cases[] = {
	{ "a vCPU that spins", spinning },
	{ "a halted vCPU stays halted", halted },
	{ "a halted vCPU still wakes up", halted_and_woken },
	{ "a vCPU whose VMM is busy", busy },
	{ "a vCPU whose VMM sleeps", blocked },
	{ "a vCPU that never ran", never_run },
	{ "a vCPU that changes its thread", other_thread },
	{ "threads that end", thread_ends },
	{ "one thread for two vCPUs", one_thread },
	{ "a vCPU that waits for a reply", event_spinning },
	{ "a halted vCPU that waits for a reply", event_halted },
	{ "four vCPUs in four states", all_at_once },
	{ "a vCPU that changes its state", changing },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
