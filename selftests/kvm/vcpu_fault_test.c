// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables of the guest that do not come, in the way of a vCPU: in its own
 * thread, in another ioctl, and in the receiving thread. It holds up what needs
 * that vCPU, and neither the end of the session nor that of the VMM.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kvmi_trap.h"
#include "kvmi_vcpu.h"

#define SLOT 8
#define GPA 0x50000000ull

static struct kvm_vcpu *vcpus[2];
static struct runner runner;
static struct guest_area *area;

static struct kvm_vm *create_vcpus(int nr)
{
	struct kvm_vm *vm = guest_create(nr, guest_spin, vcpus);

	area = guest_of(vm, 0);
	return vm;
}

static struct kvm_vm *create(void)
{
	return create_vcpus(1);
}

static void run(void)
{
	runner_start(&runner, vcpus[0]);
	CHECK(WAIT_FOR(area->count, 20), "no guest: errno %d, exit %u, %lu times",
	      runner.err, runner.reason, runner.returns);
}

/* An address whose page directory pointers are in the trap; empty when served. */
static uint64_t trapped_gva(struct kvm_vm *vm, struct trap *trap, int nr)
{
	uint64_t *pml4 = addr_gpa2hva(vm, vm->pgd);
	uint64_t gpa = GPA + 4096 * nr;
	int index = 128 + nr;

	trap_set(trap);
	vm_set_user_memory_region(vm, SLOT + nr, 0, gpa, 4096, trap->page);
	pml4[index] = gpa | 7;
	return (uint64_t)index << 39;
}

static uint32_t send_translate(int fd, uint64_t gva)
{
	return vcpu_send(fd, 0, KVMI_VCPU_TRANSLATE_GVA, &gva, sizeof(gva));
}

static void check_unmapped(int fd, uint32_t seq)
{
	uint64_t gpa = 0;

	CHECK_EQ(reply_recv(fd, KVMI_VCPU_TRANSLATE_GVA, seq, &gpa,
			    sizeof(gpa)), 0);
	CHECK_EQ(gpa, ~0ull);
}

static void end_at_once(struct kvm_vm *vm, int fd)
{
	uint64_t start = kvmi_now_ms();

	tool_close(fd);
	CHECK_EQ(unhook(vm), 0);
	check_at_once(start, "UNHOOK");
}

/*
 * A work that is queued for a thread which does not come to it holds the module
 * too, where the kernel cannot take it back. The one that can came with this name
 * for the one that was there before.
 */
static int works_kept(void)
{
	static int kept = -1;
	char line[256];
	FILE *f;

	if (kept < 0) {
		kept = 1;
		f = fopen("/proc/kallsyms", "re");
		CHECK(f, "no /proc/kallsyms");
		while (kept && fgets(line, sizeof(line), f))
			kept = !strstr(line, " task_work_cancel_func\n");
		fclose(f);
	}
	return kept;
}

static bool is_left(const struct kvmi_counts *before, int refs)
{
	struct kvmi_counts left;

	counts_read(&left);
	left.refs -= before->refs + refs;
	return left.refs >= 0 && left.refs <= works_kept() &&
	       left.threads == before->threads && left.vms == before->vms;
}

/* What is left holds the module, and that is all; it stays so. */
static void check_left(const struct kvmi_counts *before, int refs)
{
	CHECK(WAIT_FOR(is_left(before, refs), 20), "%ld refs, expected %ld",
	      read_number("/sys/module/kvmi/refcnt"), before->refs + refs);
	kvmi_sleep_ms(100);
	CHECK(is_left(before, refs), "it did not stay so");
}

/* ------------------------------------------------- in the vCPU's thread -- */

static void in_run(void)
{
	struct kvmi_counts before;
	struct kvm_vm *vm;
	struct trap trap;
	uint64_t gva, hz;
	uint32_t seq;
	int fd;

	counts_read(&before);
	vm = create();
	gva = trapped_gva(vm, &trap, 0);
	fd = session_all(vm);
	run();
	send_translate(fd, gva);
	CHECK_EQ(trap_caught(&trap), runner.tid);
	end_at_once(vm, fd);
	check_left(&before, 1);

	/* The next session waits for that vCPU, and for nothing else. */
	fd = session_all(vm);
	seq = vcpu_send(fd, 0, KVMI_VCPU_GET_INFO, NULL, 0);
	check_alive(fd);
	CHECK(guest_still(&area->count), "the guest runs");
	trap_serve(&trap, NULL);
	CHECK_EQ(reply_recv(fd, KVMI_VCPU_GET_INFO, seq, &hz, sizeof(hz)), 0);
	CHECK(guest_moves(&area->count), "the guest hangs");
	CHECK_EQ(runner.returns, 0);
	check_unmapped(fd, send_translate(fd, gva));
	end_at_once(vm, fd);
	counts_check(&before);
}

struct other {
	uint64_t gva;
	volatile bool done;
};

/* An ioctl of another thread, which has the vCPU until the page comes. */
static void *translate_main(void *arg)
{
	struct other *other = arg;
	struct kvm_translation tr = { .linear_address = other->gva };

	vcpu_ioctl(vcpus[0], KVM_TRANSLATE, &tr);
	CHECK(!tr.valid, "a translation");
	other->done = true;
	return NULL;
}

/* Outside of KVM_RUN; false when the receiving thread was faster. */
static bool stall_elsewhere(struct kvm_vm *vm, int fd, struct trap traps[2])
{
	struct other other = { .gva = trapped_gva(vm, &traps[0], 0) };
	uint64_t gva = trapped_gva(vm, &traps[1], 1);
	pthread_t thread;
	struct event ev;
	bool ours;

	run();
	/* With an event outstanding its thread waits a moment for the vCPU. */
	pause_now(fd, 0, &ev);
	runner_park(&runner, RUNNER_BUSY);
	pthread_create(&thread, NULL, translate_main, &other);
	trap_wait(&traps[0]);
	send_translate(fd, gva);
	kvmi_sleep_ms(2);
	trap_serve(&traps[0], NULL);
	ours = trap_caught(&traps[1]) == runner.tid;
	pthread_join(thread, NULL);
	if (!ours)
		trap_serve(&traps[1], NULL);
	return ours;
}

/* All that holds the VM but the thread that is in there. No signal from here on. */
static void drop_vm(struct kvm_vm *vm)
{
	munmap(vcpus[0]->run,
	       ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, NULL));
	close(vcpus[0]->fd);
	close(vm->fd);
}

/* The VMM drops the VM while its thread is in there with a vCPU of it. */
static void elsewhere(void)
{
	struct kvmi_counts before;
	struct trap traps[2];
	struct kvm_vm *vm;
	int fd, i;

	counts_read(&before);
	for (i = 0; i < 50; i++) {
		vm = create();
		fd = session_all(vm);
		if (stall_elsewhere(vm, fd, traps))
			break;
		end_at_once(vm, fd);
		runner_quit(&runner);
	}
	kvmi_note("%d tries before", i);
	CHECK(i < 50, "never outside of KVM_RUN");
	end_at_once(vm, fd);
	drop_vm(vm);
	/* The work, and the guard that it cannot take away. */
	check_left(&before, 2);
	trap_serve(&traps[1], NULL);
	runner.want = RUNNER_QUIT;
	pthread_join(runner.thread, NULL);
	counts_check(&before);
}

/* The tool's last word is CRASH, and just then another ioctl has the vCPU. */
static void crash_held(void)
{
	struct kvmi_counts before;
	struct other other = {};
	struct kvm_vm *vm;
	struct trap trap;
	pthread_t thread;
	struct event ev;
	uint64_t count;
	int fd;

	counts_read(&before);
	vm = create();
	other.gva = trapped_gva(vm, &trap, 0);
	fd = session_all(vm);
	run();
	pause_now(fd, 0, &ev);
	count = area->count;
	runner_park(&runner, RUNNER_BLOCKED);
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CRASH), 0);
	CHECK_EQ(get_info(fd, 0, &(uint64_t){ 0 }), 0);
	pthread_create(&thread, NULL, translate_main, &other);
	trap_wait(&trap);
	end_at_once(vm, fd);
	trap_serve(&trap, NULL);
	pthread_join(thread, NULL);
	runner_go(&runner);
	CHECK_EQ(runner_exit(&runner), KVM_EXIT_SHUTDOWN);
	CHECK_EQ(runner.returns, 2);
	CHECK_EQ(area->count, count);
	counts_check(&before);
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

static void *unhook_main(void *vm)
{
	CHECK_EQ(unhook(vm), 0);
	return NULL;
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
	struct kvm_vm *vm = create_vcpus(2);
	struct runner late;
	struct kvm_regs regs;
	struct trap trap;
	struct event ev;
	pthread_t thread;
	uint64_t gva;
	long refs;
	int fd;

	gva = trapped_gva(vm, &trap, 0);
	fd = session_all(vm);
	run();
	wait_to_be_started(fd, &late, &ev);
	send_translate(fd, gva);
	trap_wait(&trap);
	regs = ev.common.arch.regs;
	regs.rip = (uintptr_t)guest_other;
	vcpu_send(fd, 1, KVMI_VCPU_SET_REGISTERS, &regs, sizeof(regs));
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	check_alive(fd);
	kvmi_sleep_ms(100);
	refs = read_number("/sys/module/kvmi/refcnt");
	pthread_create(&thread, NULL, unhook_main, vm);
	wait_for_end(getpid(), refs);
	runner_park(&late, RUNNER_BLOCKED);
	pthread_join(thread, NULL);
	vcpu_regs_get(vcpus[1], &regs);
	CHECK_EQ(regs.rip, ev.common.arch.regs.rip);
	trap_serve(&trap, NULL);
}

/* The VMM is killed while its vCPU waits, and who could serve the page is not. */
struct victim {
	int sv[2];
	int ctl[2];
};

static int victim_main(void *arg)
{
	struct victim *victim = arg;
	struct kvm_vm *vm = create();
	struct trap trap;
	uint64_t gva = trapped_gva(vm, &trap, 0);

	close(victim->sv[0]);
	CHECK_EQ(hook(vm, victim->sv[1]), 0);
	CHECK_EQ(set_command(vm, 1, -1), 0);
	close(victim->sv[1]);
	run();
	trap_send(&trap, victim->ctl[1]);
	CHECK_EQ(send_all(victim->ctl[1], &gva, sizeof(gva)), 0);
	pause();
	return 0;
}

static void killed(void)
{
	struct kvmi_counts before;
	struct victim victim;
	struct trap trap;
	uint64_t start, gva;
	pid_t pid;

	counts_read(&before);
	socket_pair(victim.sv);
	socket_pair(victim.ctl);
	pid = spawn(victim_main, &victim);
	close(victim.sv[1]);
	trap_take(&trap, victim.ctl[0], pid);
	CHECK_EQ(recv(victim.ctl[0], &gva, sizeof(gva), 0), sizeof(gva));
	send_translate(victim.sv[0], gva);
	trap_wait(&trap);
	start = kvmi_now_ms();
	kill(pid, SIGKILL);
	CHECK_EQ(reap(pid), -SIGKILL);
	check_at_once(start, "SIGKILL");
	counts_check(&before);
	close(trap.fd);
}

/* ------------------------------------------------------------ elsewhere -- */

/* Nobody runs the vCPU: the receiving thread gives up, and nothing is lost. */
static void in_receiver(void)
{
	struct kvm_vm *vm = create();
	struct trap trap;
	uint64_t gva = trapped_gva(vm, &trap, 0), start, took;
	int fd = session_all(vm);
	uint32_t seq;

	start = kvmi_now_ms();
	seq = send_translate(fd, gva);
	trap_wait(&trap);
	CHECK_EQ(reply_recv(fd, KVMI_VCPU_TRANSLATE_GVA, seq, NULL, 0),
		 -KVMI_EAGAIN);
	took = kvmi_now_ms() - start;
	CHECK(took > 9000 && took < 30000, "%llu ms", (unsigned long long)took);
	check_alive(fd);
	trap_serve(&trap, NULL);
	check_unmapped(fd, send_translate(fd, gva));
	run();
}

/*
 * VM_PAUSE_VCPU with wait=1 while another ioctl has the vCPU: no reply before it
 * is certain that the guest is not entered.
 */
static void pause_waits(void)
{
	struct kvmi_vm_pause_vcpu req = { .wait = 1 };
	struct kvm_vm *vm = create();
	struct other other = {};
	struct trap trap;
	int fd = session_all(vm);
	pthread_t thread;
	struct event ev;

	other.gva = trapped_gva(vm, &trap, 0);
	pthread_create(&thread, NULL, translate_main, &other);
	trap_wait(&trap);
	CHECK_EQ(send_msg(fd, KVMI_VM_PAUSE_VCPU, 7, &req, sizeof(req)), 0);
	CHECK(event_none(fd), "a reply while the vCPU is not held");
	CHECK(!other.done, "the ioctl is over");
	trap_serve(&trap, NULL);
	CHECK_EQ(reply_recv(fd, KVMI_VM_PAUSE_VCPU, 7, NULL, 0), 0);
	pthread_join(thread, NULL);
	runner_start(&runner, vcpus[0]);
	event_expect(fd, &ev, KVMI_VCPU_EVENT_PAUSE, 0);
	CHECK(guest_still(&area->count), "the guest runs");
	CHECK_EQ(area->count, 0);
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	CHECK(guest_moves(&area->count), "the guest hangs");
}

/*
 * In KVM_RUN, which waits for a page, and will look for its work: nothing more is to
 * be waited for.
 */
static void pause_at_once(void)
{
	struct kvm_vm *vm = create();
	struct trap trap;
	uint64_t gva = trapped_gva(vm, &trap, 0), start;
	int fd = session_all(vm);
	struct event ev;
	uint32_t seq;

	run();
	seq = send_translate(fd, gva);
	CHECK_EQ(trap_caught(&trap), runner.tid);
	start = kvmi_now_ms();
	CHECK_EQ(pause_vcpu(fd, 0, 1), 0);
	CHECK(kvmi_now_ms() - start < 800, "it took %llu ms",
	      (unsigned long long)(kvmi_now_ms() - start));
	CHECK(guest_still(&area->count), "the guest runs");
	trap_serve(&trap, NULL);
	check_unmapped(fd, seq);
	event_expect(fd, &ev, KVMI_VCPU_EVENT_PAUSE, 0);
	CHECK(guest_still(&area->count), "the guest runs");
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	CHECK(guest_moves(&area->count), "the guest hangs");
}

static const struct kvmi_case cases[] = {
	{ "the session ends while TRANSLATE_GVA waits in KVM_RUN", in_run,
	  have_uffd },
	{ "the session and the VM end while it waits on the way out",
	  elsewhere, have_uffd },
	{ "CRASH, and another ioctl has the vCPU when the session ends",
	  crash_held, have_uffd },
	{ "an answer that nobody comes to before its vCPU goes on",
	  answer_too_late, have_uffd },
	{ "the VMM is killed while it waits in KVM_RUN", killed, have_uffd },
	{ "in the receiving thread it gives up", in_receiver, have_uffd },
	{ "a pause waits for an ioctl that has the vCPU", pause_waits,
	  have_uffd },
	{ "a pause does not wait for a page that KVM_RUN waits for",
	  pause_at_once, have_uffd },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
