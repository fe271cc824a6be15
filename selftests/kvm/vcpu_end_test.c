// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a session when the tool's last answer has not reached its vCPU: somebody
 * has that vCPU, or comes to it too late.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "kvmi_trap.h"
#include "kvmi_vcpu.h"

/* kvmi_test_override, if refusal_test.sh has loaded it: see late_answer(). */
#define OVERRIDE "/sys/module/kvmi_test_override/parameters/"

static struct kvm_vcpu *vcpus[2];
static struct runner runner;
static struct guest_area *area;

static struct kvm_vm *create(int nr)
{
	struct kvm_vm *vm = guest_create(nr, guest_spin, vcpus);

	area = guest_of(vm, 0);
	return vm;
}

static void run(void)
{
	runner_start(&runner, vcpus[0]);
	CHECK(WAIT_FOR(area->count, 20), "no guest: errno %d, exit %u, %lu times",
	      runner.err, runner.reason, runner.returns);
}

/* The last word: go on elsewhere. Nobody comes to it, and so there is no reply. */
static void answer(int fd, const struct event *ev, int vcpu)
{
	struct kvm_regs regs = ev->common.arch.regs;

	regs.rip = (uintptr_t)guest_other;
	vcpu_send(fd, vcpu, KVMI_VCPU_SET_REGISTERS, &regs, sizeof(regs));
	CHECK_EQ(event_reply(fd, ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	check_alive(fd);
}

static uint64_t rip_of(struct kvm_vcpu *vcpu)
{
	struct kvm_regs regs;

	vcpu_regs_get(vcpu, &regs);
	return regs.rip;
}

static void *unhook_main(void *vm)
{
	CHECK_EQ(unhook(vm), 0);
	return NULL;
}

/* The tool's last word is CRASH, and just then another ioctl has the vCPU. */
static void crash_held(void)
{
	struct kvmi_counts before;
	struct trap_ioctl other;
	struct kvm_vm *vm;
	struct trap trap;
	struct event ev;
	uint64_t count, start;
	int fd;

	counts_read(&before);
	vm = create(1);
	trap_ioctl_init(&other, vcpus[0], trap_gva(vm, &trap, 0));
	fd = session_all(vm);
	run();
	pause_now(fd, 0, &ev);
	count = area->count;
	runner_park(&runner, RUNNER_BLOCKED);
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CRASH), 0);
	CHECK_EQ(get_info(fd, 0, &(uint64_t){ 0 }), 0);
	trap_ioctl_start(&other, &trap);
	start = kvmi_now_ms();
	tool_close(fd);
	CHECK_EQ(unhook(vm), 0);
	check_at_once(start, "UNHOOK");
	trap_serve(&trap, NULL);
	trap_ioctl_end(&other);
	runner_go(&runner);
	CHECK_EQ(runner_exit(&runner), KVM_EXIT_SHUTDOWN);
	CHECK_EQ(runner.returns, 2);
	CHECK_EQ(area->count, count);
	counts_check(&before);
}

/*
 * That ioctl is over just before the end. The vCPU's own thread sleeps elsewhere, and
 * the receiving thread looks every 50 milliseconds only: who ends the session comes
 * first, nearly always.
 */
static void answer_at_end(void)
{
	struct kvmi_counts before;
	struct trap_ioctl other;
	struct kvm_vm *vm;
	struct trap trap;
	struct event ev;
	int fd, i;

	counts_read(&before);
	for (i = 0; i < kvmi_count(4, 50); i++) {
		vm = create(1);
		trap_ioctl_init(&other, vcpus[0], trap_gva(vm, &trap, 0));
		fd = session_all(vm);
		run();
		pause_now(fd, 0, &ev);
		runner_park(&runner, RUNNER_BLOCKED);
		trap_ioctl_start(&other, &trap);
		answer(fd, &ev, 0);
		kvmi_sleep_ms(200);
		trap_serve(&trap, NULL);
		trap_ioctl_end(&other);
		CHECK_EQ(unhook(vm), 0);
		CHECK_EQ(rip_of(vcpus[0]), (uintptr_t)guest_other);
		runner_go(&runner);
		CHECK(guest_moves(&area->other), "the guest hangs");
		runner_quit(&runner);
		kvm_vm_free(vm);
		tool_close(fd);
		close(trap.fd);
		counts_check(&before);
	}
}

/* A paused vCPU that waits in KVM_RUN to be started: nobody comes to its answer. */
static void wait_to_be_started(int fd, struct runner *r, struct event *ev)
{
	struct kvm_mp_state state = { KVM_MP_STATE_UNINITIALIZED };

	runner_start(r, vcpus[1]);
	CHECK(WAIT_FOR(area[1].count, 20), "no guest");
	pause_now(fd, 1, ev);
	runner_park(r, RUNNER_BLOCKED);
	vcpu_mp_state_set(vcpus[1], &state);
	runner_go(r);
	kvmi_sleep_ms(20);
	CHECK(WAIT_FOR(runner_sleeps(r), 20), "it does not wait");
}

/*
 * UNHOOK has taken the works back: that of vCPU 1, and the one that vCPU 0 has got
 * beside the one that runs; itself it holds the module as well.
 */
static void wait_for_end(pid_t pid, long refs)
{
	char state[32] = "";

	if (!works_kept()) {
		CHECK(WAIT_FOR(read_number("/sys/module/kvmi/refcnt") < refs,
			       20), "no work was taken back");
		return;
	}
	CHECK(WAIT_FOR(!vms_field(pid, "state", state, sizeof(state)) ||
		       !strcmp(state, "disconnected"), 20), "it is %s", state);
	kvmi_sleep_ms(700);
}

/*
 * The end of the session waits a second for vCPU 0. Meanwhile the VMM gets vCPU 1,
 * whose registers the tool had changed before its answer: they stay as they are.
 */
static void answer_too_late(void)
{
	struct kvm_vm *vm = create(2);
	struct runner late;
	struct trap trap;
	struct event ev;
	pthread_t thread;
	uint64_t gva;
	long refs;
	int fd;

	gva = trap_gva(vm, &trap, 0);
	fd = session_all(vm);
	run();
	wait_to_be_started(fd, &late, &ev);
	vcpu_send(fd, 0, KVMI_VCPU_TRANSLATE_GVA, &gva, sizeof(gva));
	trap_wait(&trap);
	answer(fd, &ev, 1);
	kvmi_sleep_ms(100);
	refs = read_number("/sys/module/kvmi/refcnt");
	pthread_create(&thread, NULL, unhook_main, vm);
	wait_for_end(getpid(), refs);
	runner_park(&late, RUNNER_BLOCKED);
	pthread_join(thread, NULL);
	CHECK_EQ(rip_of(vcpus[1]), ev.common.arch.regs.rip);
	trap_serve(&trap, NULL);
}

static void guard_waits(bool wait)
{
	FILE *f = fopen(OVERRIDE "wait", "we");

	CHECK(f && fputs(wait ? "1" : "0", f) >= 0 && !fclose(f), "%s",
	      strerror(errno));
}

/* False when the machine is too slow. */
static bool try_late_answer(void)
{
	struct kvm_vm *vm = create(1);
	int fd = session_all(vm);
	pthread_t thread;
	struct event ev;
	uint64_t start;
	bool in_time;
	long hits;

	run();
	pause_now(fd, 0, &ev);
	hits = read_number(OVERRIDE "hits");
	guard_waits(true);
	runner.want = RUNNER_BLOCKED;
	pthread_kill(runner.thread, SIGUSR1);
	CHECK(WAIT_FOR(read_number(OVERRIDE "hits") > hits, 20), "no guard");
	answer(fd, &ev, 0);
	CHECK_EQ(runner.returns, 0);
	/* It tries for 20 to 40 milliseconds, and then waits for a second. */
	start = kvmi_now_ms();
	pthread_create(&thread, NULL, unhook_main, vm);
	kvmi_sleep_ms(300);
	guard_waits(false);
	in_time = kvmi_now_ms() - start < 900;
	pthread_join(thread, NULL);
	runner_park(&runner, RUNNER_BLOCKED);
	CHECK_EQ(runner.returns, 1);
	if (in_time)
		CHECK_EQ(rip_of(vcpus[0]), (uintptr_t)guest_other);
	runner_quit(&runner);
	kvm_vm_free(vm);
	tool_close(fd);
	return in_time;
}

/*
 * A signal has ended the wait for the answer, and before the thread gets any further
 * the answer comes and the VMM ends the session. It takes kvmi_test_override to have
 * the thread stand there, in kvmi_vcpu_thread_guard().
 */
static void late_answer(void)
{
	int slow = 0;

	while (!try_late_answer())
		CHECK(++slow < 20, "the machine is too slow");
}

static const struct kvmi_case late_case[] = {
	{ "an answer that comes with the end of the wait for it", late_answer },
};

static const struct kvmi_case cases[] = {
	{ "CRASH, and another ioctl has the vCPU", crash_held, have_uffd },
	{ "an answer, and another ioctl has had the vCPU", answer_at_end,
	  have_uffd },
	{ "an answer that nobody comes to before its vCPU goes on",
	  answer_too_late, have_uffd },
};

int main(int argc, char **argv)
{
	if (getenv("KVMI_GUARD_WAITS"))
		return kvmi_main(argc, argv, late_case, 1);
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
