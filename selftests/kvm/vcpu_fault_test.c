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

static struct kvm_vcpu *vcpus[1];
static struct runner runner;
static struct guest_area *area;

static struct kvm_vm *create(void)
{
	struct kvm_vm *vm = guest_create(1, guest_spin, vcpus);

	area = guest_of(vm, 0);
	return vm;
}

static void run(void)
{
	runner_start(&runner, vcpus[0]);
	CHECK(WAIT_FOR(area->count, 20), "no guest: errno %d, exit %u, %lu times",
	      runner.err, runner.reason, runner.returns);
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
	gva = trap_gva(vm, &trap, 0);
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

/* Outside of KVM_RUN; false when the receiving thread was faster. */
static bool stall_elsewhere(struct kvm_vm *vm, int fd, struct trap traps[2])
{
	struct trap_ioctl other;
	uint64_t gva = trap_gva(vm, &traps[1], 1);
	struct event ev;
	bool ours;

	trap_ioctl_init(&other, vcpus[0], trap_gva(vm, &traps[0], 0));
	run();
	/* With an event outstanding its thread waits a moment for the vCPU. */
	pause_now(fd, 0, &ev);
	runner_park(&runner, RUNNER_BUSY);
	trap_ioctl_start(&other, &traps[0]);
	send_translate(fd, gva);
	kvmi_sleep_ms(2);
	trap_serve(&traps[0], NULL);
	ours = trap_caught(&traps[1]) == runner.tid;
	trap_ioctl_end(&other);
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
	uint64_t gva = trap_gva(vm, &trap, 0);

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
	uint64_t gva = trap_gva(vm, &trap, 0), start, took;
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
	struct trap_ioctl other;
	struct trap trap;
	int fd = session_all(vm);
	struct event ev;

	trap_ioctl_init(&other, vcpus[0], trap_gva(vm, &trap, 0));
	trap_ioctl_start(&other, &trap);
	CHECK_EQ(send_msg(fd, KVMI_VM_PAUSE_VCPU, 7, &req, sizeof(req)), 0);
	CHECK(event_none(fd), "a reply while the vCPU is not held");
	CHECK(!other.done, "the ioctl is over");
	trap_serve(&trap, NULL);
	CHECK_EQ(reply_recv(fd, KVMI_VM_PAUSE_VCPU, 7, NULL, 0), 0);
	trap_ioctl_end(&other);
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
	uint64_t gva = trap_gva(vm, &trap, 0), start;
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
