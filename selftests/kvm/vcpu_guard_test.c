// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU that must not enter the guest when its VMM runs it next, while KVM has
 * still to finish an instruction with what the VMM supplies: both happen, once
 * and in order, and nothing is left in the vCPU or the module afterwards.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "kvmi_vcpu.h"

#define PORT 0x42
#define MMIO 0xc0000000ull
#define CROSSING (MMIO + 4096 - 4)	/* 8 bytes there come in two exits */

static struct kvm_vcpu *vcpus[1];
static struct runner runner;
static struct guest_area *area;

/* Reads a port, then a device's memory, and so on. */
static void guest_reads(struct guest_area *mine)
{
	uint8_t byte;

	asm volatile("sti");
	for (;;) {
		asm volatile("inb %1, %0" : "=a"(byte) : "i"(PORT));
		mine->out[0] = byte;
		mine->count++;
		mine->out[1] = *(volatile uint64_t *)CROSSING;
		mine->count++;
	}
}

static struct kvm_vm *create(void)
{
	struct kvm_vm *vm = guest_create(1, guest_reads, vcpus);

	virt_map(vm, MMIO, MMIO, 2);
	area = guest_of(vm, 0);
	return vm;
}

static void supply_byte(uint8_t value)
{
	struct kvm_run *run = vcpus[0]->run;

	CHECK_EQ(runner_exit(&runner), KVM_EXIT_IO);
	CHECK_EQ(run->io.port, PORT);
	*((uint8_t *)run + run->io.data_offset) = value;
}

static void supply_half(int half, uint32_t value)
{
	struct kvm_run *run = vcpus[0]->run;

	CHECK_EQ(runner_exit(&runner), KVM_EXIT_MMIO);
	CHECK_EQ(run->mmio.phys_addr, CROSSING + 4 * half);
	CHECK_EQ(run->mmio.len, 4);
	memcpy(run->mmio.data, &value, sizeof(value));
}

/* The instruction is finished, the next one has not begun. */
static void take_event(int fd, uint64_t count, uint64_t rax)
{
	struct event ev;

	event_expect(fd, &ev, KVMI_VCPU_EVENT_PAUSE, 0);
	CHECK_EQ(area->count, count);
	CHECK_EQ(ev.common.arch.regs.rax, rax);
	CHECK(event_none(fd), "a second event");
	CHECK_EQ(area->count, count);
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
}

static uint64_t rax(void)
{
	struct kvm_regs regs;

	vcpu_regs_get(vcpus[0], &regs);
	return regs.rax;
}

/* What was read came in, and no exit came twice. */
static void check_read(int index, uint64_t value, uint64_t count)
{
	CHECK_EQ(area->out[index], value);
	CHECK_EQ(area->count, count);
}

static void port_then_pause(int fd, uint64_t count, uint8_t value)
{
	uint64_t old = rax();

	supply_byte(value);
	CHECK_EQ(pause_vcpu(fd, 0, 0), 0);
	CHECK(event_none(fd), "an event outside of KVM_RUN");
	runner_go(&runner);
	take_event(fd, count, (old & ~0xffull) | value);
	CHECK_EQ(runner_exit(&runner), KVM_EXIT_MMIO);
	check_read(0, value, count + 1);
}

/* The pause is asked for before the first or the second half is there. */
static void memory_then_pause(int fd, uint64_t count, int late)
{
	uint64_t value = 0x1122334400000000ull + count;

	if (!late)
		CHECK_EQ(pause_vcpu(fd, 0, 0), 0);
	supply_half(0, value);
	runner_go(&runner);
	CHECK_EQ(runner_exit(&runner), KVM_EXIT_MMIO);
	CHECK(event_none(fd), "an event within an instruction");
	if (late)
		CHECK_EQ(pause_vcpu(fd, 0, 0), 0);
	supply_half(1, value >> 32);
	runner_go(&runner);
	take_event(fd, count, value);
	CHECK_EQ(runner_exit(&runner), KVM_EXIT_IO);
	check_read(1, value, count + 1);
}

static void instruction_finishes(void)
{
	struct kvm_vm *vm = create();
	int fd = session_all(vm), i;

	runner_start(&runner, vcpus[0]);
	for (i = 0; i < kvmi_count(4, 100); i++) {
		CHECK_EQ(runner_exit(&runner), KVM_EXIT_IO);
		port_then_pause(fd, 2 * i, 0x50 + i % 64);
		memory_then_pause(fd, 2 * i + 1, i & 1);
	}
}

/* KVM_RUN is called to finish the instruction, and for nothing else. */
static void finished_alone(void)
{
	struct kvm_vm *vm = create();
	int fd = session_all(vm), i;
	uint64_t old;

	CHECK(!__vcpu_run(vcpus[0]), "KVM_RUN");
	runner.vcpu = vcpus[0];
	runner.at = RUNNER_BLOCKED;
	runner.reason = vcpus[0]->run->exit_reason;
	old = rax();
	supply_byte(0x77);
	CHECK_EQ(pause_vcpu(fd, 0, 0), 0);
	for (i = 0; i < 3; i++) {
		vcpus[0]->run->immediate_exit = 1;
		CHECK(__vcpu_run(vcpus[0]) < 0, "KVM_RUN");
		CHECK_EQ(errno, EINTR);
		CHECK_EQ(rax(), (old & ~0xffull) | 0x77);
		CHECK_EQ(area->count, 0);
	}
	vcpus[0]->run->immediate_exit = 0;
	CHECK(event_none(fd), "an event outside of KVM_RUN");
	runner_start(&runner, vcpus[0]);
	take_event(fd, 0, (old & ~0xffull) | 0x77);
	CHECK_EQ(runner_exit(&runner), KVM_EXIT_MMIO);
	check_read(0, 0x77, 1);
}

/* The session ends before the VMM comes back; @half: of which instruction. */
static void end_before(struct kvm_vm *vm, int half, bool close_first)
{
	uint64_t count = area->count;
	int fd = session_all(vm);

	if (half < 0)
		supply_byte(0x33);
	else
		supply_half(half, 0x44);
	CHECK_EQ(pause_vcpu(fd, 0, 0), 0);
	if (close_first)
		tool_close(fd);
	CHECK_EQ(unhook(vm), 0);
	if (!close_first)
		tool_close(fd);
	runner_go(&runner);
	CHECK_EQ(runner_exit(&runner), half < 0 || half == 0 ? KVM_EXIT_MMIO :
		 KVM_EXIT_IO);
	CHECK_EQ(area->count, count + (half != 0));
}

static void session_ends(void)
{
	struct kvmi_counts before;
	struct kvm_vm *vm;
	int i;

	counts_read(&before);
	vm = create();
	runner_start(&runner, vcpus[0]);
	for (i = 0; i < kvmi_count(4, 100); i++) {
		end_before(vm, -1, i & 1);
		CHECK_EQ(area->out[0], 0x33);
		end_before(vm, 0, i & 1);
		end_before(vm, 1, i & 1);
		CHECK_EQ(area->out[1], 0x4400000044ull);
		counts_check(&before);
	}
}

static void vm_ends(void)
{
	struct kvmi_counts before;
	struct kvm_vm *vm;
	int fd, i;

	counts_read(&before);
	for (i = 0; i < kvmi_count(2, 50); i++) {
		vm = create();
		fd = session_all(vm);
		CHECK(!__vcpu_run(vcpus[0]), "KVM_RUN");
		CHECK_EQ(pause_vcpu(fd, 0, 0), 0);
		check_alive(fd);
		if (i & 1)
			tool_close(fd);
		kvm_vm_free(vm);
		if (!(i & 1))
			tool_close(fd);
		counts_check(&before);
	}
}

/* A signal is there before KVM_RUN, which unblocks it. */
static void signal_waits(void)
{
	struct {
		struct kvm_signal_mask mask;
		uint64_t bits;
	} unblocked = { .mask.len = 8 };
	struct kvm_vm *vm = guest_create(1, guest_spin, vcpus);
	int fd = session_all(vm), i;
	struct event ev;
	uint64_t count;
	sigset_t set;

	area = guest_of(vm, 0);
	runner_start(&runner, vcpus[0]);
	CHECK(WAIT_FOR(area->count, 20), "no guest");
	pause_now(fd, 0, &ev);
	runner_quit(&runner);
	count = area->count;
	vcpus[0]->run->immediate_exit = 0;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	CHECK(!pthread_sigmask(SIG_BLOCK, &set, NULL), "sigmask");
	vcpu_ioctl(vcpus[0], KVM_SET_SIGNAL_MASK, &unblocked.mask);
	for (i = 0; i < 5; i++) {
		CHECK(!pthread_kill(pthread_self(), SIGUSR2), "kill");
		CHECK(__vcpu_run(vcpus[0]) < 0, "KVM_RUN");
		CHECK_EQ(errno, EINTR);
		CHECK_EQ(vcpus[0]->run->exit_reason, KVM_EXIT_INTR);
		CHECK_EQ(sigwaitinfo(&set, NULL), SIGUSR2);
		CHECK_EQ(area->count, count);
	}
	CHECK(event_none(fd), "a second event");
	runner_start(&runner, vcpus[0]);
	CHECK(guest_still(&area->count), "the guest runs");
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	CHECK(guest_moves(&area->count), "the guest hangs");
}

/* ------------------------------------ a vCPU that somebody has all the time -- */

/* A vCPU with an outstanding event is reset, and waits to be started again. */
static int reset_in_run(struct kvm_vm *vm)
{
	struct kvm_mp_state state = { KVM_MP_STATE_UNINITIALIZED };
	int fd = session_all(vm);
	unsigned long returns;
	struct event ev;

	pause_now(fd, 0, &ev);
	runner_park(&runner, RUNNER_BLOCKED);
	vcpu_mp_state_set(vcpus[0], &state);
	runner_go(&runner);
	/* The signal of runner_park() may have come after KVM_RUN. */
	kvmi_sleep_ms(20);
	CHECK(WAIT_FOR(runner_sleeps(&runner), 20), "it does not wait");
	returns = runner.returns;
	kvmi_sleep_ms(50);
	CHECK_EQ(runner.returns, returns);
	return fd;
}

static void end_now(struct kvm_vm *vm, int fd)
{
	uint64_t start_ms = kvmi_now_ms();
	unsigned long returns = runner.returns;

	CHECK_EQ(unhook(vm), 0);
	tool_close(fd);
	CHECK(kvmi_now_ms() - start_ms < 3000, "took %llu ms",
	      (unsigned long long)(kvmi_now_ms() - start_ms));
	CHECK_EQ(runner.returns, returns);
}

static void start_again(void)
{
	struct kvm_mp_state state = { KVM_MP_STATE_RUNNABLE };

	runner_park(&runner, RUNNER_BLOCKED);
	vcpu_mp_state_set(vcpus[0], &state);
	runner_go(&runner);
	CHECK(guest_moves(&area->count), "the guest hangs");
}

static struct kvm_vm *spin(void)
{
	struct kvm_vm *vm = guest_create(1, guest_spin, vcpus);

	area = guest_of(vm, 0);
	runner_start(&runner, vcpus[0]);
	CHECK(WAIT_FOR(area->count, 20), "no guest");
	return vm;
}

/* The module cannot go before the vCPU has been run again. */
static void left_behind(void)
{
	struct kvmi_counts before, left;
	struct kvm_vm *vm;
	int i;

	counts_read(&before);
	vm = spin();
	for (i = 0; i < kvmi_count(2, 50); i++) {
		end_now(vm, reset_in_run(vm));
		counts_read(&left);
		CHECK_EQ(left.refs, before.refs + 1);
		start_again();
		counts_check(&before);
	}
}

/* Or the next session takes it over, and leaves nothing. */
static void taken_over(void)
{
	struct kvmi_counts before, left;
	struct kvm_vm *vm;
	int fd, i;

	counts_read(&before);
	vm = spin();
	for (i = 0; i < kvmi_count(2, 50); i++) {
		end_now(vm, reset_in_run(vm));
		fd = session_all(vm);
		CHECK_EQ(get_info(fd, 0, &(uint64_t){ 0 }), -KVMI_EAGAIN);
		end_now(vm, fd);
		counts_read(&left);
		CHECK_EQ(left.refs, before.refs + 1);
		fd = session_all(vm);
		CHECK_EQ(get_info(fd, 0, &(uint64_t){ 0 }), -KVMI_EAGAIN);
		runner_park(&runner, RUNNER_BLOCKED);
		end_now(vm, fd);
		counts_check(&before);
		start_again();
	}
}

static void vm_ends_with_it(void)
{
	struct kvmi_counts before;
	struct kvm_vm *vm;
	int i;

	counts_read(&before);
	for (i = 0; i < kvmi_count(2, 50); i++) {
		vm = spin();
		end_now(vm, reset_in_run(vm));
		runner_quit(&runner);
		kvm_vm_free(vm);
		counts_check(&before);
	}
}

static const struct kvmi_case cases[] = {
	{ "the instruction finishes, then the event comes",
	  instruction_finishes },
	{ "it finishes with immediate_exit", finished_alone },
	{ "a signal waits for KVM_RUN", signal_waits },
	{ "the session ends before it finishes", session_ends },
	{ "the VM ends before it finishes", vm_ends },
	{ "the session ends while the vCPU waits to be started", left_behind },
	{ "the next session on such a vCPU", taken_over },
	{ "the VM of such a vCPU ends", vm_ends_with_it },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
