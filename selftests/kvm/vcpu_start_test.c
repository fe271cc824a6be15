// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU that waits to be started by its guest, in KVM_RUN, as the VMM's thread
 * of an application processor does: it answers no command, but it can be paused,
 * and then the pause comes before its first instruction.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "kvmi_vcpu.h"

#define AP 1
#define START_PAGE 0x10		/* the guest's first instruction is there */
#define COUNT_AT 0x800
#define INIT (5 << 8)
#define SIPI (6 << 8 | START_PAGE)

/* mov ax, cs; mov ds, ax; sti; again: inc word [COUNT_AT]; jmp again */
static const uint8_t real_mode_code[] = {
	0x8c, 0xc8, 0x8e, 0xd8, 0xfb, 0xff, 0x06, 0x00, 0x08, 0xeb, 0xfa,
};

static struct kvm_vcpu *vcpus[2];
static struct runner runner;
static volatile uint16_t *count;

static struct kvm_vm *create(void)
{
	struct kvm_mp_state state = { KVM_MP_STATE_UNINITIALIZED };
	struct kvm_vm *vm = guest_create(2, guest_spin, vcpus);
	uint8_t *page = addr_gpa2hva(vm, START_PAGE << 12);
	struct kvm_lapic_state lapic;

	/* KVM knows an APIC's id from when its state was set. */
	vcpu_ioctl(vcpus[AP], KVM_GET_LAPIC, &lapic);
	vcpu_ioctl(vcpus[AP], KVM_SET_LAPIC, &lapic);
	vcpu_mp_state_set(vcpus[AP], &state);
	memcpy(page, real_mode_code, sizeof(real_mode_code));
	count = (volatile uint16_t *)(page + COUNT_AT);
	*count = 0;
	return vm;
}

static void wait_in_run(void)
{
	runner_start(&runner, vcpus[AP]);
	CHECK(WAIT_FOR(runner_sleeps(&runner), 20), "it does not sleep");
}

static void send_ipi(struct kvm_vm *vm, uint32_t data)
{
	struct kvm_msi msi = {
		.address_lo = 0xfee00000 | AP << 12,
		.data = data,
	};

	CHECK_EQ(ioctl_errno(vm->fd, KVM_SIGNAL_MSI, &msi), 1);
}

/* As a guest's boot processor does. */
static void start(struct kvm_vm *vm)
{
	send_ipi(vm, INIT);
	send_ipi(vm, SIPI);
}

static bool moves(void)
{
	uint16_t before = *count;

	return WAIT_FOR(*count != before, 20);
}

/* The AP stands before its first instruction, and goes on when it may. */
static void take_pause(int fd)
{
	struct event ev;

	event_expect(fd, &ev, KVMI_VCPU_EVENT_PAUSE, AP);
	kvmi_sleep_ms(60);
	CHECK_EQ(*count, 0);
	CHECK(ev.common.arch.regs.rip == 0 || ev.common.arch.regs.rip == 0xfff0,
	      "RIP is %#llx", (unsigned long long)ev.common.arch.regs.rip);
	CHECK_EQ(ev.common.arch.sregs.cr0 & 1, 0);
	CHECK(event_none(fd), "a second event");
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	CHECK(moves(), "the guest hangs");
}

/* @early: before the VMM's thread is there. */
static void pause_once(bool early, uint8_t wait)
{
	struct kvm_vm *vm = create();
	int fd = session_all(vm);
	unsigned long returns;
	struct event ev;

	if (!early)
		wait_in_run();
	CHECK_EQ(pause_vcpu(fd, AP, wait), 0);
	if (early)
		wait_in_run();
	returns = runner.returns;
	CHECK(event_none(fd), "an event of a vCPU that is not started");
	CHECK_EQ(get_info(fd, AP, &(uint64_t){ 0 }), -KVMI_EAGAIN);
	CHECK_EQ(runner.returns, returns);
	start(vm);
	take_pause(fd);
	CHECK_EQ(get_info(fd, AP, &(uint64_t){ 0 }), 0);
	pause_now(fd, AP, &ev);
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	CHECK(moves(), "the guest hangs");
	CHECK_EQ(unhook(vm), 0);
	CHECK(moves(), "the guest hangs");
	runner_quit(&runner);
	kvm_vm_free(vm);
	tool_close(fd);
}

static void pause_often(bool early)
{
	struct kvmi_counts before;
	int i;

	counts_read(&before);
	for (i = 0; i < kvmi_count(4, 100); i++) {
		pause_once(early, i & 1);
		counts_check(&before);
	}
}

static void paused_waiting(void)
{
	pause_often(false);
}

static void paused_early(void)
{
	pause_often(true);
}

/* The session ends first: the vCPU waits on, and starts as ever. */
static void ended_before(void)
{
	struct kvmi_counts before;
	unsigned long returns;
	struct kvm_vm *vm;
	int fd, i;

	counts_read(&before);
	for (i = 0; i < kvmi_count(4, 100); i++) {
		vm = create();
		fd = session_all(vm);
		wait_in_run();
		CHECK_EQ(pause_vcpu(fd, AP, 0), 0);
		check_alive(fd);
		returns = runner.returns;
		if (i & 1)
			tool_close(fd);
		CHECK_EQ(unhook(vm), 0);
		if (!(i & 1))
			tool_close(fd);
		kvmi_sleep_ms(50);
		CHECK_EQ(runner.returns, returns);
		CHECK_EQ(*count, 0);
		start(vm);
		CHECK(moves(), "the guest hangs");
		runner_quit(&runner);
		kvm_vm_free(vm);
		counts_check(&before);
	}
}

/* Between INIT and SIPI: it has been started, and waits on. */
static struct kvm_vm *wait_for_sipi(int *fd)
{
	struct kvm_vm *vm = create();

	*fd = session_all(vm);
	wait_in_run();
	send_ipi(vm, INIT);
	CHECK(WAIT_FOR(!get_info(*fd, AP, &(uint64_t){ 0 }), 20), "no INIT");
	CHECK(WAIT_FOR(runner_sleeps(&runner), 20), "it does not sleep");
	return vm;
}

static void init_commands(void)
{
	struct kvm_mp_state state;
	unsigned long returns;
	struct kvm_vm *vm;
	struct event ev;
	int fd, i;

	vm = wait_for_sipi(&fd);
	returns = runner.returns;
	for (i = 0; i < kvmi_count(5, 200); i++) {
		CHECK_EQ(get_info(fd, AP, &(uint64_t){ 0 }), 0);
		pause_now(fd, AP, &ev);
		CHECK_EQ(get_info(fd, AP, &(uint64_t){ 0 }), 0);
		CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	}
	CHECK(event_none(fd), "a second event");
	CHECK_EQ(runner.returns, returns);
	runner_park(&runner, RUNNER_BLOCKED);
	vcpu_mp_state_get(vcpus[AP], &state);
	CHECK_EQ(state.mp_state, KVM_MP_STATE_INIT_RECEIVED);
	runner_go(&runner);
	CHECK_EQ(*count, 0);
	send_ipi(vm, SIPI);
	CHECK(moves(), "it does not start");
}

/* The SIPI never comes. */
static void init_crash(void)
{
	struct kvmi_counts before;
	struct kvm_vm *vm;
	struct event ev;
	int fd, i;

	counts_read(&before);
	for (i = 0; i < kvmi_count(2, 40); i++) {
		vm = wait_for_sipi(&fd);
		pause_now(fd, AP, &ev);
		if (i & 1)
			runner_park(&runner, RUNNER_BLOCKED);
		CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CRASH), 0);
		if (i & 1)
			runner_go(&runner);
		CHECK_EQ(runner_exit(&runner), KVM_EXIT_SHUTDOWN);
		CHECK_EQ(*count, 0);
		CHECK_EQ(unhook(vm), 0);
		runner_quit(&runner);
		kvm_vm_free(vm);
		tool_close(fd);
		counts_check(&before);
	}
}

static void stop_starting(void)
{
	struct kvm_mp_state state = { KVM_MP_STATE_UNINITIALIZED };

	vcpu_mp_state_set(vcpus[AP], &state);
}

/**
 * enum answer_when - when the tool answers CRASH
 * @WAITING: in KVM_RUN, where it waits to be started
 * @STOPPED: before that KVM_RUN
 * @BEFORE: before the VMM has made it wait to be started
 * @BETWEEN: before the VMM does so again
 * @LEAVING: as @WAITING, and that is the tool's last word
 * @UNHOOKED: as @WAITING, and the VMM ends the session
 * @SEEN: as @BETWEEN, so long ago that the receiving thread looks after it every 50
 *	milliseconds only, and before the VMM ends the session
 */
enum answer_when {
	WAITING, STOPPED, BEFORE, BETWEEN, LEAVING, UNHOOKED, SEEN, NR_WHEN
};

/* And at once one more command, while it is on its way out. */
static void answer_crash(int fd, const struct event *ev)
{
	uint32_t seq;
	uint64_t hz;

	CHECK_EQ(event_reply(fd, ev, KVMI_EVENT_ACTION_CRASH), 0);
	seq = vcpu_send(fd, AP, KVMI_VCPU_GET_INFO, NULL, 0);
	hz = reply_recv(fd, KVMI_VCPU_GET_INFO, seq, &hz, sizeof(hz));
	CHECK(!hz || (int)hz == -KVMI_EAGAIN, "error %d", (int)hz);
}

/* A pause is answered by nobody yet, and its VMM has stopped the vCPU. */
static struct kvm_vm *stop_in_event(int *fd, struct event *ev)
{
	struct kvm_vm *vm = guest_create(2, guest_spin, vcpus);

	*fd = session_all(vm);
	runner_start(&runner, vcpus[AP]);
	pause_now(*fd, AP, ev);
	runner_park(&runner, RUNNER_BLOCKED);
	return vm;
}

static void reset_twice(int fd, const struct event *ev, enum answer_when when)
{
	if (when == BEFORE)
		answer_crash(fd, ev);
	stop_starting();
	if (when == STOPPED || when == BETWEEN || when == SEEN)
		answer_crash(fd, ev);
	if (when == SEEN)
		kvmi_sleep_ms(300);
	if (when == BETWEEN || when == SEEN)
		stop_starting();
	runner_go(&runner);
}

static void reset_and_crash(enum answer_when when)
{
	struct kvm_vm *vm;
	struct event ev;
	int fd;

	vm = stop_in_event(&fd, &ev);
	reset_twice(fd, &ev, when);
	if (when == WAITING || when >= LEAVING)
		CHECK(WAIT_FOR(runner_sleeps(&runner), 20), "it does not wait");
	if (when == WAITING)
		answer_crash(fd, &ev);
	if (when == LEAVING || when == UNHOOKED)
		CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CRASH), 0);
	if (when == LEAVING)
		tool_close(fd);
	if (when >= LEAVING)
		CHECK_EQ(unhook(vm), 0);
	CHECK_EQ(runner_exit(&runner), KVM_EXIT_SHUTDOWN);
	/* Once; and if the VMM does not mind it, the guest goes on. */
	runner_go(&runner);
	CHECK(guest_moves(&guest_of(vm, AP)->count), "the guest hangs");
	CHECK(guest_moves(&guest_of(vm, AP)->count), "the guest hangs");
	CHECK_EQ(unhook(vm), 0);
	runner_quit(&runner);
	kvm_vm_free(vm);
	if (when != LEAVING)
		tool_close(fd);
}

/*
 * The VMM has made it wait to be started anew, as at a reset. KVM_RUN may return
 * EAGAIN first, which says that it has to be called again.
 */
static void reset_crash(void)
{
	struct kvmi_counts before;
	int i;

	counts_read(&before);
	for (i = 0; i < kvmi_count(2 * NR_WHEN, 20 * NR_WHEN); i++) {
		reset_and_crash(i % NR_WHEN);
		counts_check(&before);
	}
}

/* After 0.95 s of a second the kernel lets others run: that try proves nothing. */
#define HOG_MS 500

/**
 * struct hog - keeps a CPU from a thread that may run there only
 * @thread: runs there with a real-time priority
 * @start: since when
 * @ready: it does
 * @stop: until then
 */
struct hog {
	pthread_t thread;
	uint64_t start;
	volatile bool ready;
	volatile bool stop;
};

/* Who may still run there has a higher @priority than 1. */
static void set_priority(pid_t tid, int priority)
{
	struct sched_param param = { .sched_priority = priority };

	CHECK(!sched_setscheduler(tid, priority ? SCHED_FIFO : SCHED_OTHER,
				  &param), "%s", strerror(errno));
}

static void use_first_cpu(pid_t tid)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	CHECK(!sched_setaffinity(tid, sizeof(set), &set), "%s",
	      strerror(errno));
}

static void *hog_main(void *arg)
{
	struct hog *hog = arg;

	use_first_cpu(0);
	set_priority(0, 1);
	hog->ready = true;
	while (!hog->stop && kvmi_now_ms() - hog->start < 5000)
		;
	return NULL;
}

/* With one CPU all depends on the order: who waits for the hog comes before it. */
static void hog_start(struct hog *hog, struct runner *r)
{
	memset(hog, 0, sizeof(*hog));
	use_first_cpu(r->tid);
	set_priority(receiver_pid(), 3);
	set_priority(0, 3);
	hog->start = kvmi_now_ms();
	CHECK(!pthread_create(&hog->thread, NULL, hog_main, hog), "thread");
	CHECK(WAIT_FOR(hog->ready, 20), "no thread");
}

/* False when the thread may have had the CPU. */
static bool hog_stop(struct hog *hog)
{
	bool kept = kvmi_now_ms() - hog->start < HOG_MS;

	hog->stop = true;
	pthread_join(hog->thread, NULL);
	set_priority(0, 0);
	return kept;
}

/*
 * The answer comes, then the VMM's signal, and only then the thread gets a CPU.
 * False when the machine is too slow for that.
 */
static bool answer_and_stop(int fd)
{
	struct event ev;
	struct hog hog;

	runner_start(&runner, vcpus[AP]);
	pause_now(fd, AP, &ev);
	hog_start(&hog, &runner);
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CRASH), 0);
	check_alive(fd);
	runner.want = RUNNER_BLOCKED;
	pthread_kill(runner.thread, SIGUSR1);
	if (!hog_stop(&hog))
		return false;
	runner_park(&runner, RUNNER_BLOCKED);
	CHECK_EQ(runner.returns, 1);
	CHECK_EQ(runner.err, EINTR);
	return true;
}

/*
 * Stopped with its answer, it crashes when it goes on, even if it is reset first.
 * False when it was not stopped so.
 */
static bool stop_and_crash(bool reset, bool end)
{
	struct kvm_vm *vm = guest_create(2, guest_spin, vcpus);
	struct guest_area *area = guest_of(vm, AP);
	int fd = session_all(vm);
	bool stopped = answer_and_stop(fd);
	uint64_t seen = area->count;

	if (stopped) {
		if (reset)
			stop_starting();
		if (end)
			CHECK_EQ(unhook(vm), 0);
		runner_go(&runner);
		CHECK_EQ(runner_exit(&runner), KVM_EXIT_SHUTDOWN);
		CHECK_EQ(area->count, seen);
		runner_go(&runner);
		CHECK(guest_moves(&area->count), "the guest hangs");
	}
	CHECK_EQ(unhook(vm), 0);
	runner_quit(&runner);
	kvm_vm_free(vm);
	tool_close(fd);
	return stopped;
}

static void stop_crash(void)
{
	struct kvmi_counts before;
	int done = 0, slow = 0;

	counts_read(&before);
	while (done < kvmi_count(4, 40)) {
		if (stop_and_crash(done & 1, done & 2))
			done++;
		else
			CHECK(++slow < 40, "the machine is too slow");
		counts_check(&before);
	}
	if (slow)
		kvmi_note("%d tries were too slow", slow);
}

/* CONTINUE starts nothing: it waits on for its guest. */
static void reset_continue(void)
{
	unsigned long returns;
	struct kvm_vm *vm;
	struct event ev;
	int fd;

	vm = stop_in_event(&fd, &ev);
	stop_starting();
	runner_go(&runner);
	/* The kick may have left something that makes KVM_RUN return once. */
	kvmi_sleep_ms(20);
	CHECK(WAIT_FOR(runner_sleeps(&runner), 20), "it does not wait");
	returns = runner.returns;
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	kvmi_sleep_ms(200);
	CHECK_EQ(runner.returns, returns);
	CHECK(guest_still(&guest_of(vm, AP)->count), "it runs");
	runner_quit(&runner);
}

static const struct kvmi_case cases[] = {
	{ "a pause while it waits comes before its first instruction",
	  paused_waiting },
	{ "so does one from before its first KVM_RUN", paused_early },
	{ "the session ends before it is started", ended_before },
	{ "commands and pauses between INIT and SIPI", init_commands },
	{ "CRASH between INIT and SIPI", init_crash },
	{ "CRASH of one that its VMM has reset", reset_crash },
	{ "CRASH and a signal in one moment, and then a reset", stop_crash },
	{ "CONTINUE of one that its VMM has reset", reset_continue },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
