// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU that waits for an event reply, as its VMM sees it: signals, memory
 * slots, its own ioctls, CRASH, and the ends of session, tool and VMM. The
 * guest does not run before the reply, and the tool sees one event, not two.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kvmi_vcpu.h"

static struct kvm_vcpu *vcpus[MAX_VCPUS];
static struct runner runners[MAX_VCPUS];
static struct guest_area *area;

static void start_guest(struct kvm_vm *vm)
{
	area = guest_of(vm, 0);
	runner_start(&runners[0], vcpus[0]);
	CHECK(WAIT_FOR(area->count, 20), "no guest");
}

static struct kvm_vm *start(int nr, void *entry, int *fd)
{
	struct kvm_vm *vm = guest_create(nr, entry, vcpus);

	*fd = session_all(vm);
	start_guest(vm);
	return vm;
}

static void go_on(int fd, const struct event *ev)
{
	CHECK_EQ(event_reply(fd, ev, KVMI_EVENT_ACTION_CONTINUE), 0);
}

/* The VMM takes its vCPU out of KVM_RUN and puts it back, many times. */
static void kicked(void)
{
	struct event ev;
	uint64_t count;
	int fd, i, n;

	start(1, guest_spin, &fd);
	for (i = 0; i < kvmi_count(4, 200); i++) {
		pause_now(fd, 0, &ev);
		count = area->count;
		for (n = 0; n < 5; n++) {
			runner_kick(&runners[0]);
			CHECK_EQ(runners[0].err, EINTR);
			kvmi_sleep_ms(n * 3);
			CHECK_EQ(area->count, count);
		}
		CHECK(event_none(fd), "a second event");
		/* The vCPU serves its commands all the time. */
		runner_kick(&runners[0]);
		CHECK_EQ(get_info(fd, 0, &(uint64_t){ 0 }), 0);
		CHECK_EQ(area->count, count);
		go_on(fd, &ev);
		CHECK(guest_moves(&area->count), "the guest hangs");
	}
	CHECK(event_none(fd), "one event too many");
}

/* The same with KVM_RUN's other way of coming back at once. */
static void immediate_exit(void)
{
	struct event ev;
	uint64_t count;
	int fd, i;

	start(1, guest_spin, &fd);
	pause_now(fd, 0, &ev);
	runner_quit(&runners[0]);
	count = area->count;
	for (i = 0; i < 5; i++) {
		vcpus[0]->run->immediate_exit = 1;
		CHECK(__vcpu_run(vcpus[0]) < 0, "KVM_RUN");
		CHECK_EQ(errno, EINTR);
		CHECK_EQ(area->count, count);
	}
	vcpus[0]->run->immediate_exit = 0;
	CHECK(event_none(fd), "a second event");
	/* Another thread runs the vCPU now. */
	runner_start(&runners[0], vcpus[0]);
	CHECK(guest_still(&area->count), "the guest runs");
	CHECK_EQ(runners[0].returns, 0);
	CHECK(event_none(fd), "a second event");
	go_on(fd, &ev);
	CHECK(guest_moves(&area->count), "the guest hangs");
}

/* The reply comes while the VMM has its vCPU outside. */
static void stopped(void)
{
	struct kvm_regs regs;
	struct event ev;
	uint64_t count;
	int fd, i;

	start(1, guest_spin, &fd);
	for (i = 0; i < kvmi_count(6, 300); i++) {
		volatile uint64_t *moves = i & 2 ? &area->other : &area->count;

		pause_now(fd, 0, &ev);
		count = area->count;
		runner_park(&runners[0], i & 1 ? RUNNER_BUSY : RUNNER_BLOCKED);
		CHECK_EQ(runners[0].err, EINTR);
		vcpu_regs_get(vcpus[0], &regs);
		CHECK(!memcmp(&regs, &ev.common.arch.regs, sizeof(regs)),
		      "registers");
		regs.rip = i & 2 ? (uintptr_t)guest_other :
				   (uintptr_t)guest_spin_loop;
		CHECK_EQ(set_registers(fd, 0, &regs), 0);
		go_on(fd, &ev);
		CHECK_EQ(area->count, count);
		runner_go(&runners[0]);
		CHECK(guest_moves(moves), "the guest hangs");
		CHECK(i & 2 ? area->count == count : area->count > count,
		      "RIP is the old one");
	}
	CHECK(event_none(fd), "one event too many");
}

/* What the VMM sets meanwhile holds, when the tool has set nothing. */
static void vmm_sets(void)
{
	struct registers now;
	struct kvm_regs regs;
	struct event ev;
	int fd;

	start(1, guest_spin, &fd);
	pause_now(fd, 0, &ev);
	runner_park(&runners[0], RUNNER_BLOCKED);
	vcpu_regs_get(vcpus[0], &regs);
	regs.rip = (uintptr_t)guest_other;
	regs.r12 = 0x1212;
	vcpu_regs_set(vcpus[0], &regs);
	CHECK_EQ(get_registers(fd, 0, 0, NULL, &now), 0);
	CHECK_EQ(now.hdr.regs.r12, 0x1212);
	runner_go(&runners[0]);
	CHECK(guest_still(&area->other), "the guest runs");
	CHECK(event_none(fd), "a second event");
	go_on(fd, &ev);
	CHECK(guest_moves(&area->other), "RIP is the old one");
	CHECK_EQ(get_registers(fd, 0, 0, NULL, &now), 0);
	CHECK_EQ(now.hdr.regs.r12, 0x1212);
}

/* A vCPU that is reset while its event is outstanding still serves it. */
static void vmm_resets(void)
{
	struct kvm_mp_state state = { KVM_MP_STATE_UNINITIALIZED };
	struct event ev;
	int fd, i;

	start(1, guest_spin, &fd);
	for (i = 0; i < 2; i++) {
		pause_now(fd, 0, &ev);
		runner_park(&runners[0], RUNNER_BLOCKED);
		state.mp_state = KVM_MP_STATE_UNINITIALIZED;
		vcpu_mp_state_set(vcpus[0], &state);
		CHECK_EQ(get_info(fd, 0, &(uint64_t){ 0 }), 0);
		if (i == 0)
			go_on(fd, &ev);
		check_alive(fd);
		if (i == 0)
			CHECK(WAIT_FOR(get_info(fd, 0, &(uint64_t){ 0 }) ==
				       -KVMI_EAGAIN, 20), "still served");
		state.mp_state = KVM_MP_STATE_RUNNABLE;
		vcpu_mp_state_set(vcpus[0], &state);
		runner_go(&runners[0]);
		if (i == 1)
			go_on(fd, &ev);
		CHECK(guest_moves(&area->count), "the guest hangs");
	}
}

/* Memory slots change while the vCPU waits: it must not hold KVM's locks. */
static void memory_slots(void)
{
	struct kvm_vm *vm;
	struct event ev;
	uint64_t start_ms;
	int fd, i;

	vm = start(1, guest_spin, &fd);
	pause_now(fd, 0, &ev);
	start_ms = kvmi_now_ms();
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, 0x40000000, 10,
				    16, 0);
	for (i = 0; i < 10; i++) {
		vm_mem_region_set_flags(vm, 10, i & 1 ? 0 :
					KVM_MEM_LOG_DIRTY_PAGES);
		vm_mem_region_move(vm, 10, 0x40000000 + i * 0x100000);
	}
	vm_mem_region_delete(vm, 10);
	CHECK(kvmi_now_ms() - start_ms < 10000, "took %llu ms",
	      (unsigned long long)(kvmi_now_ms() - start_ms));
	CHECK(guest_still(&area->count), "the guest runs");
	CHECK_EQ(runners[0].returns, 0);
	go_on(fd, &ev);
	CHECK(guest_moves(&area->count), "the guest hangs");
}

/* CRASH ends KVM_RUN at once; @entry spins or halts. */
static void crash(void *entry)
{
	struct event ev;
	uint64_t count;
	int fd;

	start(1, entry, &fd);
	pause_now(fd, 0, &ev);
	count = area->count;
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CRASH), 0);
	CHECK_EQ(runner_exit(&runners[0]), KVM_EXIT_SHUTDOWN);
	CHECK_EQ(runners[0].returns, 1);
	CHECK_EQ(area->count, count);
	check_alive(fd);
	CHECK(event_none(fd), "one event too many");
}

static void crash_spinning(void) { crash(guest_spin); }
static void crash_halted(void) { crash(guest_halt); }

static void crash_stopped(void)
{
	struct event ev;
	uint64_t count;
	int fd;

	start(1, guest_spin, &fd);
	pause_now(fd, 0, &ev);
	count = area->count;
	runner_park(&runners[0], RUNNER_BLOCKED);
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CRASH), 0);
	check_alive(fd);
	kvmi_sleep_ms(30);
	CHECK_EQ(runners[0].returns, 1);
	runner_go(&runners[0]);
	CHECK_EQ(runner_exit(&runners[0]), KVM_EXIT_SHUTDOWN);
	CHECK_EQ(runners[0].returns, 2);
	CHECK_EQ(area->count, count);
}

/* It is the guest's end also when the tool has had its last word with that. */
static void crash_and_gone(void)
{
	struct kvm_vm *vm;
	struct event ev;
	uint64_t count;
	int fd;

	vm = start(1, guest_spin, &fd);
	pause_now(fd, 0, &ev);
	count = area->count;
	runner_park(&runners[0], RUNNER_BLOCKED);
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CRASH), 0);
	check_alive(fd);
	tool_close(fd);
	CHECK_EQ(unhook(vm), 0);
	runner_go(&runners[0]);
	CHECK_EQ(runner_exit(&runners[0]), KVM_EXIT_SHUTDOWN);
	CHECK_EQ(runners[0].returns, 2);
	CHECK_EQ(area->count, count);
}

/* One vCPU of two: the other goes on. */
static void crash_one(void)
{
	struct kvm_vm *vm;
	struct event ev;
	int fd;

	vm = start(2, guest_spin, &fd);
	runner_start(&runners[1], vcpus[1]);
	pause_now(fd, 1, &ev);
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CRASH), 0);
	CHECK_EQ(runner_exit(&runners[1]), KVM_EXIT_SHUTDOWN);
	CHECK(guest_moves(&area->count), "the other hangs");
	CHECK_EQ(runners[0].returns, 0);
	CHECK(guest_still(&guest_of(vm, 1)->count), "it runs");
}

/* The guest goes on when the session ends in whatever way. */
static void session_ends(void)
{
	struct kvm_vm *vm;
	struct kvmi_counts before;
	struct event ev;
	uint64_t start_ms;
	int fd, i;

	vm = guest_create(1, guest_spin, vcpus);
	counts_read(&before);
	start_ms = kvmi_now_ms();
	start_guest(vm);
	for (i = 0; i < kvmi_count(8, 400); i++) {
		fd = session_all(vm);
		pause_now(fd, 0, &ev);
		CHECK_EQ(pause_vcpu(fd, 0, 0), 0);
		vcpu_send(fd, 0, KVMI_VCPU_GET_XSAVE, NULL, 0);
		start_ms = kvmi_now_ms();
		if (i % 4 == 0)
			tool_close(fd);
		else if (i % 4 == 1)
			shutdown(fd, SHUT_WR);
		if (i % 4 < 2)
			CHECK(guest_moves(&area->count), "the guest hangs");
		CHECK_EQ(unhook(vm), 0);
		CHECK(guest_moves(&area->count), "the guest hangs");
		CHECK(kvmi_now_ms() - start_ms < 3000, "took %llu ms",
		      (unsigned long long)(kvmi_now_ms() - start_ms));
		CHECK_EQ(runners[0].returns, 0);
		if (i % 4)
			tool_close(fd);
	}
	counts_check(&before);
}

/* The same while the VMM has its vCPU outside, or comes back in between. */
static void session_ends_stopped(void)
{
	struct kvm_vm *vm = guest_create(1, guest_spin, vcpus);
	struct event ev;
	uint64_t count;
	int fd, i;

	start_guest(vm);
	for (i = 0; i < kvmi_count(4, 200); i++) {
		fd = session_all(vm);
		pause_now(fd, 0, &ev);
		runner_park(&runners[0], RUNNER_BLOCKED);
		count = area->count;
		if (i & 1)
			CHECK_EQ(unhook(vm), 0);
		tool_close(fd);
		kvmi_sleep_ms(20);
		CHECK_EQ(area->count, count);
		runner_go(&runners[0]);
		CHECK(guest_moves(&area->count), "the guest hangs");
		CHECK_EQ(unhook(vm), 0);
	}
}

/* An event of one session is none of the next. */
static void next_session(void)
{
	struct kvm_vm *vm;
	struct event ev, next;
	int fd, i;

	vm = start(1, guest_spin, &fd);
	for (i = 0; i < 3; i++) {
		pause_now(fd, 0, &ev);
		if (i & 1)
			runner_park(&runners[0], RUNNER_BLOCKED);
		CHECK_EQ(unhook(vm), 0);
		tool_close(fd);
		fd = session_all(vm);
		if (i & 1)
			runner_go(&runners[0]);
		CHECK(guest_moves(&area->count), "the guest hangs");
		CHECK(event_none(fd), "an event of another session");
		pause_now(fd, 0, &next);
		CHECK_EQ(next.seq, 1);
		go_on(fd, &next);
		CHECK(guest_moves(&area->count), "the guest hangs");
	}
	/* The old number is wrong in the new session. */
	go_on(fd, &ev);
	CHECK(closed_silently(fd), "a reply to nobody");
}

static int tool_main(void *arg)
{
	int fd = *(int *)arg;
	struct event ev;

	pause_now(fd, 0, &ev);
	CHECK_EQ(pause_vcpu(fd, 0, 0), 0);
	CHECK_EQ(send_all(((int *)arg)[1], "x", 1), 0);
	pause();
	return 0;
}

static void tool_killed(void)
{
	struct kvm_vm *vm = guest_create(1, guest_spin, vcpus);
	int fds[2], sv[2], i;
	char byte;
	pid_t pid;

	start_guest(vm);
	socket_pair(sv);
	for (i = 0; i < kvmi_count(4, 200); i++) {
		fds[0] = session_all(vm);
		fds[1] = sv[1];
		pid = spawn(tool_main, fds);
		close(fds[0]);
		CHECK_EQ(recv(sv[0], &byte, 1, 0), 1);
		CHECK(guest_still(&area->count), "the guest runs");
		kill(pid, SIGKILL);
		CHECK_EQ(reap(pid), -SIGKILL);
		CHECK(guest_moves(&area->count), "the guest hangs");
		CHECK_EQ(unhook(vm), 0);
	}
	CHECK_EQ(runners[0].returns, 0);
}

static int vmm_main(void *arg)
{
	int *sv = arg;
	struct kvm_vm *vm = guest_create(1, guest_spin, vcpus);

	close(sv[0]);
	CHECK_EQ(hook(vm, sv[1]), 0);
	CHECK_EQ(set_command(vm, 1, -1), 0);
	CHECK_EQ(set_event(vm, 1, -1), 0);
	close(sv[1]);
	start_guest(vm);
	CHECK_EQ(send_all(sv[3], "x", 1), 0);
	pause();
	return 0;
}

/* The VMM is killed with an event outstanding: it dies at once. */
static void vmm_killed(void)
{
	struct kvmi_counts before;
	uint64_t start_ms;
	struct event ev;
	int sv[4], i;
	char byte;
	pid_t pid;

	counts_read(&before);
	for (i = 0; i < kvmi_count(4, 100); i++) {
		socket_pair(sv);
		socket_pair(sv + 2);
		pid = spawn(vmm_main, sv);
		close(sv[1]);
		CHECK_EQ(recv(sv[2], &byte, 1, 0), 1);
		pause_now(sv[0], 0, &ev);
		if (i & 1)
			CHECK_EQ(pause_vcpu(sv[0], 0, 0), 0);
		start_ms = kvmi_now_ms();
		kill(pid, SIGKILL);
		CHECK_EQ(reap(pid), -SIGKILL);
		CHECK(kvmi_now_ms() - start_ms < 3000, "took %llu ms",
		      (unsigned long long)(kvmi_now_ms() - start_ms));
		CHECK(closed_silently(sv[0]), "the connection is open");
		tool_close(sv[0]);
		close(sv[2]);
		close(sv[3]);
		counts_check(&before);
	}
}

/* A vCPU that waits delays neither another's events nor VM commands. */
static void others_go_on(void)
{
	struct event ev[2], more;
	struct kvm_vm *vm;
	int fd, i;

	vm = start(2, guest_spin, &fd);
	runner_start(&runners[1], vcpus[1]);
	CHECK(guest_moves(&guest_of(vm, 1)->count), "no guest");
	pause_now(fd, 0, &ev[0]);
	for (i = 0; i < kvmi_count(10, 500); i++) {
		CHECK_EQ(pause_vcpu(fd, 1, i & 1), 0);
		event_expect(fd, &ev[1], KVMI_VCPU_EVENT_PAUSE, 1);
		check_alive(fd);
		ask_all(fd, vm, 1, 0);
		runner_kick(&runners[0]);
		runner_kick(&runners[1]);
		go_on(fd, &ev[1]);
		CHECK(guest_moves(&guest_of(vm, 1)->count), "it hangs");
	}
	CHECK(guest_still(&area->count), "the guest runs");
	go_on(fd, &ev[0]);
	CHECK(guest_moves(&area->count), "the guest hangs");
	pause_now(fd, 0, &more);
	go_on(fd, &more);
}

static const struct kvmi_case cases[] = {
	{ "the VMM kicks its vCPU", kicked },
	{ "immediate_exit, and another thread", immediate_exit },
	{ "the reply comes while the VMM is outside", stopped },
	{ "the VMM sets registers", vmm_sets },
	{ "the VMM resets its vCPU", vmm_resets },
	{ "memory slots change", memory_slots },
	{ "CRASH of a running vCPU", crash_spinning },
	{ "CRASH of a halted vCPU", crash_halted },
	{ "CRASH while the VMM is outside", crash_stopped },
	{ "CRASH while the VMM is outside, and the session ends",
	  crash_and_gone },
	{ "CRASH of one vCPU of two", crash_one },
	{ "the session ends", session_ends },
	{ "the session ends while the VMM is outside", session_ends_stopped },
	{ "the next session", next_session },
	{ "the tool is killed", tool_killed },
	{ "the VMM is killed", vmm_killed },
	{ "others do not wait", others_go_on },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
