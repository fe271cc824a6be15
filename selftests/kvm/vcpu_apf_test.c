// SPDX-License-Identifier: GPL-2.0-only
/*
 * A page of guest memory that comes late while the guest can be interrupted: KVM
 * has another thread fetch it and halts the vCPU meanwhile, which its mp_state
 * does not tell. Commands and pauses leave it there; what must be at once does
 * not wait for the page.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

#include "kvmi_trap.h"
#include "kvmi_vcpu.h"

#define SLOT 8
#define GPA 0x50000000ull
#define VALUE 0x1122334455667788ull

static struct kvm_vcpu *vcpus[1];
static struct runner runner;
static struct guest_area *area;
static struct trap trap;

void guest_touch(void);
extern const char guest_touch_here[];

asm(".text\n"
    ".globl guest_touch, guest_touch_here\n"
    "guest_touch:\n"
    "	sti\n"
    "	mov	$0x50000000, %eax\n"
    "	incq	(%rdi)\n"
    "guest_touch_here:\n"
    "	mov	(%rax), %rbx\n"
    "	mov	%rbx, 64(%rdi)\n"
    "1:	incq	8(%rdi)\n"
    "	jmp	1b\n");

static bool waits_for_page(void)
{
	return area->count && runner_sleeps(&runner);
}

/* Who waits for the page is not the vCPU's thread: it answers commands. */
static struct kvm_vm *start_touching(int *fd)
{
	struct kvm_vm *vm = guest_create(1, guest_touch, vcpus);

	area = guest_of(vm, 0);
	trap_set(&trap);
	vm_set_user_memory_region(vm, SLOT, 0, GPA, 4096, trap.page);
	virt_map(vm, GPA, GPA, 1);
	*fd = session_all(vm);
	runner_start(&runner, vcpus[0]);
	CHECK(trap_caught(&trap) != runner.tid, "KVM waits for the page");
	CHECK(WAIT_FOR(waits_for_page(), 20), "it does not wait");
	return vm;
}

static void serve_page(void)
{
	static const uint64_t page[512] = { VALUE };

	CHECK_EQ(area->other, 0);
	trap_serve(&trap, page);
	CHECK(guest_moves(&area->other), "the guest hangs");
	CHECK_EQ(area->out[0], VALUE);
	CHECK_EQ(area->count, 1);
}

static void end(struct kvm_vm *vm, int fd)
{
	CHECK_EQ(unhook(vm), 0);
	tool_close(fd);
	runner_quit(&runner);
	kvm_vm_free(vm);
}

static void page_commands(void)
{
	struct kvmi_counts before;
	struct kvm_vm *vm;
	struct event ev;
	int fd, i;

	counts_read(&before);
	vm = start_touching(&fd);
	for (i = 0; i < kvmi_count(5, 200); i++) {
		CHECK_EQ(ask_all(fd, vm, 0, -KVMI_EOPNOTSUPP),
			 (uintptr_t)guest_touch_here);
		CHECK(WAIT_FOR(waits_for_page(), 20), "it does not wait");
		pause_now(fd, 0, &ev);
		CHECK_EQ(ev.common.arch.regs.rip, (uintptr_t)guest_touch_here);
		CHECK_EQ(ask_all(fd, vm, 0, 0), (uintptr_t)guest_touch_here);
		CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	}
	CHECK(event_none(fd), "an event too many");
	CHECK_EQ(runner.returns, 0);
	serve_page();
	CHECK_EQ(runner.returns, 0);
	end(vm, fd);
	counts_check(&before);
}

/* The page comes while the vCPU waits for the reply: it goes on, afterwards. */
static void page_comes_paused(void)
{
	struct kvm_vm *vm;
	struct event ev;
	int fd;

	vm = start_touching(&fd);
	pause_now(fd, 0, &ev);
	trap_serve(&trap, NULL);
	CHECK(guest_still(&area->other), "the guest runs");
	CHECK_EQ(ask_all(fd, vm, 0, 0), (uintptr_t)guest_touch_here);
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	CHECK(guest_moves(&area->other), "the guest hangs");
	end(vm, fd);
}

/* With @outside, the VMM stops the vCPU between the event and its reply. */
static void crash_it(int fd, bool outside)
{
	struct event ev;
	uint64_t begin;

	pause_now(fd, 0, &ev);
	if (outside)
		runner_park(&runner, RUNNER_BLOCKED);
	begin = kvmi_now_ms();
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CRASH), 0);
	if (outside)
		runner_go(&runner);
	CHECK_EQ(runner_exit(&runner), KVM_EXIT_SHUTDOWN);
	check_at_once(begin, "CRASH");
}

static void page_crash(void)
{
	struct kvmi_counts before;
	struct kvm_vm *vm;
	int fd, i;

	counts_read(&before);
	for (i = 0; i < kvmi_count(2, 40); i++) {
		vm = start_touching(&fd);
		crash_it(fd, i & 1);
		CHECK_EQ(area->other, 0);
		trap_serve(&trap, NULL);
		end(vm, fd);
		counts_check(&before);
	}
}

/* The VMM gets and sets the vCPU's events: for those, KVM does not wake it. */
static void page_trap(void)
{
	struct kvm_vcpu_events events;
	struct kvm_vm *vm;
	struct event ev;
	int fd;

	vm = start_touching(&fd);
	runner_park(&runner, RUNNER_BLOCKED);
	CHECK_EQ(inject(fd, 0, UD_VECTOR, 0, 0), 0);
	vcpu_events_get(vcpus[0], &events);
	vcpu_events_set(vcpus[0], &events);
	runner_go(&runner);
	event_expect(fd, &ev, KVMI_VCPU_EVENT_TRAP, 0);
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	CHECK(WAIT_FOR(area->traps == 1, 20), "it has not come");
	CHECK_EQ(area->vector, UD_VECTOR);
	CHECK_EQ(area->rip, (uintptr_t)guest_touch_here);
	CHECK(WAIT_FOR(waits_for_page(), 20), "it does not wait again");
	serve_page();
	CHECK_EQ(area->traps, 1);
	end(vm, fd);
}

static const struct kvmi_case cases[] = {
	{ "commands and pauses while a page comes late", page_commands,
	  have_uffd },
	{ "the page comes while the vCPU is paused", page_comes_paused,
	  have_uffd },
	{ "CRASH while a page comes late", page_crash, have_uffd },
	{ "an injection while a page comes late", page_trap, have_uffd },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
