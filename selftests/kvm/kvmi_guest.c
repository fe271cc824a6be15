// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests of the vCPU tests, and the threads that run them.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kvmi_vcpu.h"

/* --------------------------------------------------------------- guests -- */

struct guest_area guest_area[GUEST_MAX];

/* Bochs does not leave a guest that loops with interrupts disabled. */
asm(".text\n"
    ".globl guest_spin, guest_spin_loop, guest_spin_end\n"
    ".globl guest_halt, guest_halt_next, guest_other, guest_other_end\n"
    "guest_spin:\n"
    "	sti\n"
    "guest_spin_loop:\n"
    "	incq	(%rdi)\n"
    "	jmp	guest_spin_loop\n"
    "guest_spin_end:\n"
    "guest_other:\n"
    "	incq	8(%rdi)\n"
    "	jmp	guest_other\n"
    "guest_other_end:\n"
    "guest_halt:\n"
    "	sti\n"
    "	incq	(%rdi)\n"
    "	hlt\n"
    "guest_halt_next:\n"
    "	jmp	guest_halt\n");

/* Not by RDI: it may have been interrupted itself. */
static void guest_handler(struct ex_regs *regs)
{
	struct guest_area *area;
	uint64_t cr2;

	asm volatile("mov %%gs:%c1, %0" : "=r"(area)
		     : "i"(offsetof(struct guest_area, self)));
	asm volatile("mov %%cr2, %0" : "=r"(cr2));
	area->error = regs->error_code;
	area->cr2 = cr2;
	area->rip = regs->rip;
	area->count_then = area->count;
	area->vector = regs->vector;
	area->history[area->traps % 8] = regs->vector;
	area->traps++;
}

struct guest_area *guest_of(struct kvm_vm *vm, int index)
{
	return addr_gva2hva(vm, (vm_vaddr_t)&guest_area[index]);
}

struct kvm_vm *guest_create(int nr, void *entry, struct kvm_vcpu *vcpus[])
{
	struct kvm_vm *vm = vm_create_with_vcpus(nr, entry, vcpus);
	struct kvm_sregs sregs;
	int i;

	vm_init_descriptor_tables(vm);
	for (i = 0; i < 256; i++)
		vm_install_exception_handler(vm, i, guest_handler);
	for (i = 0; i < nr; i++) {
		vcpu_init_descriptor_tables(vcpus[i]);
		vcpu_args_set(vcpus[i], 1, (uint64_t)&guest_area[i]);
		guest_of(vm, i)->self = (uint64_t)&guest_area[i];
		vcpu_sregs_get(vcpus[i], &sregs);
		sregs.gs.base = (uint64_t)&guest_area[i];
		vcpu_sregs_set(vcpus[i], &sregs);
	}
	return vm;
}

void guest_saw_only(const struct guest_area *area, const uint8_t *vectors,
		    int nr)
{
	int i, n = 0, traps = area->traps;

	for (i = 0; i < traps && i < ARRAY_SIZE(area->history); i++) {
		if (n && is_amd_cpu() && vectors[n - 1] >= 32 &&
		    area->history[i] == vectors[n - 1])
			continue;
		CHECK(n < nr, "%#x after all %d", area->history[i], nr);
		CHECK_EQ(area->history[i], vectors[n]);
		n++;
	}
	CHECK(n == nr, "%d of %d, %d traps", n, nr, traps);
}

bool guest_moves(volatile uint64_t *count)
{
	uint64_t before = *count;

	return WAIT_FOR(*count != before, 20);
}

bool guest_still(volatile uint64_t *count)
{
	uint64_t before = *count;

	kvmi_sleep_ms(60);
	return *count == before;
}

/* ---------------------------------------------------------- vCPU threads -- */

#define RUNNER_SECONDS 60

static __thread struct kvm_run *own_run;

/* A signal that comes before KVM_RUN must not be lost. */
static void on_kick(int sig)
{
	if (own_run)
		own_run->immediate_exit = 1;
}

static void run_once(struct runner *r)
{
	enum runner_mode run = RUNNER_RUN;
	int ret;

	ret = __vcpu_run(r->vcpu);
	r->err = ret ? errno : 0;
	r->vcpu->run->immediate_exit = 0;
	if (!ret) {
		r->reason = r->vcpu->run->exit_reason;
		__atomic_compare_exchange_n(&r->want, &run, RUNNER_BLOCKED,
					    false, __ATOMIC_SEQ_CST,
					    __ATOMIC_SEQ_CST);
	}
	r->returns++;
}

static void *runner_main(void *arg)
{
	struct runner *r = arg;
	enum runner_mode was;
	char byte;

	own_run = r->vcpu->run;
	r->tid = syscall(SYS_gettid);
	while (r->want != RUNNER_QUIT) {
		was = r->at;
		r->at = r->want;
		/* One signal more than it took to stop. */
		if (r->at == RUNNER_RUN && was != RUNNER_RUN)
			r->vcpu->run->immediate_exit = 0;
		if (r->at == RUNNER_RUN)
			run_once(r);
		else if (r->at == RUNNER_BLOCKED &&
			 read(r->pipe[0], &byte, 1) < 0)
			CHECK_EQ(errno, EINTR);
	}
	r->at = RUNNER_QUIT;
	return NULL;
}

void runner_start(struct runner *r, struct kvm_vcpu *vcpu)
{
	struct sigaction act = { .sa_handler = on_kick };

	memset(r, 0, sizeof(*r));
	r->vcpu = vcpu;
	sigaction(SIGUSR1, &act, NULL);
	CHECK(!pipe(r->pipe), "pipe");
	CHECK(!pthread_create(&r->thread, NULL, runner_main, r), "thread");
	CHECK(WAIT_FOR(r->tid, RUNNER_SECONDS), "no thread");
}

void runner_kick(struct runner *r)
{
	unsigned long before = r->returns;
	uint64_t end = kvmi_now_ms() + RUNNER_SECONDS * 1000;

	while (r->returns == before) {
		CHECK(kvmi_now_ms() < end, "KVM_RUN does not return");
		pthread_kill(r->thread, SIGUSR1);
		kvmi_sleep_ms(10);
	}
}

void runner_park(struct runner *r, enum runner_mode mode)
{
	uint64_t end = kvmi_now_ms() + RUNNER_SECONDS * 1000;

	r->want = mode;
	while (r->at != mode) {
		CHECK(kvmi_now_ms() < end, "KVM_RUN does not return");
		pthread_kill(r->thread, SIGUSR1);
		kvmi_sleep_ms(2);
	}
}

void runner_go(struct runner *r)
{
	r->want = RUNNER_RUN;
	CHECK_EQ(write(r->pipe[1], "x", 1), 1);
	CHECK(WAIT_FOR(r->at == RUNNER_RUN || r->want != RUNNER_RUN,
		       RUNNER_SECONDS), "the thread is stuck");
}

void runner_quit(struct runner *r)
{
	runner_park(r, RUNNER_QUIT);
	pthread_join(r->thread, NULL);
	close(r->pipe[0]);
	close(r->pipe[1]);
}

bool runner_sleeps(struct runner *r)
{
	char path[64], text[256] = "", *state;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", r->tid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(text, sizeof(text), f))
		text[0] = '\0';
	fclose(f);
	state = strrchr(text, ')');
	return state && (state[2] == 'S' || state[2] == 'D');
}

uint32_t runner_exit(struct runner *r)
{
	CHECK(WAIT_FOR(r->at == RUNNER_BLOCKED, RUNNER_SECONDS),
	      "KVM_RUN does not return");
	CHECK(!r->err, "%s", strerror(r->err));
	return r->reason;
}

void guest_wait_halted(struct guest_area *area, struct runner *r, int nth)
{
	CHECK(WAIT_FOR(area->count == nth && runner_sleeps(r), 20),
	      "not halted for the %dth time: count %llu, %llu interrupts, KVM_RUN returned %lu times, exit %u",
	      nth, (unsigned long long)area->count,
	      (unsigned long long)area->traps, r->returns, r->reason);
	/* Not asked once only: the thread may be looking round at that moment. */
	kvmi_sleep_ms(10);
	CHECK(WAIT_FOR(runner_sleeps(r), 20), "not halted");
}

#define CR2_MARK 0x123456789abcull

static void guest_cr2(struct guest_area *area)
{
	asm volatile("mov %0, %%cr2" : : "r"(CR2_MARK));
	area->count++;
	asm volatile("sti");
	for (;;)
		area->other++;
}

/* Page faults of our own, so that the host's CR2 is another one. */
static void fault_here(void)
{
	size_t size = 64 * 4096;
	char *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	CHECK(mem != MAP_FAILED, "mmap");
	for (i = 0; i < size; i += 4096)
		mem[i] = 1;
	munmap(mem, size);
}

bool guest_cr2_kept(void)
{
	struct kvm_vcpu *vcpus[1];
	struct kvm_vm *vm = guest_create(1, guest_cr2, vcpus);
	struct kvm_sregs sregs;
	struct runner r;
	bool kept = true;
	int i;

	runner_start(&r, vcpus[0]);
	CHECK(WAIT_FOR(guest_of(vm, 0)->count, 20), "no guest");
	for (i = 0; i < 5; i++) {
		fault_here();
		CHECK(guest_moves(&guest_of(vm, 0)->other), "the guest hangs");
		runner_park(&r, RUNNER_BLOCKED);
		vcpu_sregs_get(vcpus[0], &sregs);
		kept &= sregs.cr2 == CR2_MARK;
		runner_go(&r);
	}
	runner_quit(&r);
	kvm_vm_free(vm);
	return kept;
}
