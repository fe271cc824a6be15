// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an exit costs: the guest reads the time stamp counter before and after
 * an instruction that exits. It is the same guest in all rows, so any difference
 * is the module's.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kvmi_vcpu.h"
#include "bench.h"

#define SAMPLES 101
#define WARM_UP 8
#define PORT_USER 0x80
#define PORT_DONE 0x81
#define VECTOR 0x40
#define WAKE_GSI 24
#define X2APIC_EOI 0x80b
#define X2APIC_SPIV 0x80f
#define X2APIC_SELF_IPI 0x83f

/*
 * How the guest exits: handled in the kernel, halted with an interrupt pending,
 * handled by the VMM, halted until another thread sends an interrupt.
 */
enum { EXIT_CPUID, EXIT_HALT, EXIT_USER, EXIT_SLEEP, EXITS };

/* In the guest's memory. */
static volatile uint64_t exit_samples[EXITS][SAMPLES];

/* ------------------------------------------------------------- the guest -- */

static void exit_cpuid(void)
{
	uint32_t eax = 0, ebx, ecx = 0, edx;

	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
}

static void exit_user(void)
{
	asm volatile("outb %%al, %0" : : "i"(PORT_USER), "a"(0));
}

static void exit_halt(void)
{
	asm volatile("sti; hlt; cli");
}

static void on_interrupt(struct ex_regs *regs)
{
	wrmsr(X2APIC_EOI, 0);
}

static void exit_done(void)
{
	asm volatile("outb %%al, %0" : : "i"(PORT_DONE), "a"(0));
}

static void keep(int kind, int i, uint64_t start)
{
	exit_samples[kind][i < 0 ? 0 : i] = bench_clock() - start;
}

static void guest_main(void)
{
	uint64_t start;
	int i;

	asm volatile("cli");
	wrmsr(MSR_IA32_APICBASE, rdmsr(MSR_IA32_APICBASE) | 0xc00);
	wrmsr(X2APIC_SPIV, 0x1ff);
	for (;;) {
		for (i = -WARM_UP; i < SAMPLES; i++) {
			start = bench_clock();
			exit_cpuid();
			keep(EXIT_CPUID, i, start);
		}
		for (i = -WARM_UP; i < SAMPLES; i++) {
			wrmsr(X2APIC_SELF_IPI, VECTOR);
			start = bench_clock();
			exit_halt();
			keep(EXIT_HALT, i, start);
		}
		for (i = -WARM_UP; i < SAMPLES; i++) {
			start = bench_clock();
			exit_user();
			keep(EXIT_USER, i, start);
		}
		exit_done();
		for (i = -WARM_UP; i < SAMPLES; i++) {
			start = bench_clock();
			exit_halt();
			keep(EXIT_SLEEP, i, start);
		}
		exit_done();
	}
}

/* -------------------------------------------------------------- the host -- */

struct exits {
	uint64_t cost[EXITS];
};

static void run_to_end(struct kvm_vcpu *vcpu)
{
	do {
		vcpu_run(vcpu);
		CHECK_EQ(vcpu->run->exit_reason, KVM_EXIT_IO);
	} while (vcpu->run->io.port != PORT_DONE);
}

static volatile bool woken_enough;

/* Not by an ioctl of the VM, as the module looks at those. */
static int wake_eventfd(struct kvm_vm *vm)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry;
	} routing = {
		.head = { .nr = 1 },
		.entry = {
			.gsi = WAKE_GSI,
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi = { .address_lo = 0xfee00000, .data = VECTOR },
		},
	};
	int fd = eventfd(0, 0);
	struct kvm_irqfd irqfd = { .gsi = WAKE_GSI, .fd = fd };

	CHECK(fd >= 0, "%s", strerror(errno));
	vm_ioctl(vm, KVM_SET_GSI_ROUTING, &routing.head);
	vm_ioctl(vm, KVM_IRQFD, &irqfd);
	return fd;
}

static void *wake_main(void *arg)
{
	uint64_t one = 1;
	int fd = *(int *)arg;

	while (!woken_enough)
		CHECK_EQ(write(fd, &one, sizeof(one)), sizeof(one));
	return NULL;
}

static void set_policy(int policy, int priority)
{
	struct sched_param param = { .sched_priority = priority };

	CHECK(!sched_setscheduler(0, policy, &param), "%s", strerror(errno));
}

/*
 * There is one CPU: who wakes the vCPU runs when that sleeps, and no longer than
 * until it has woken it.
 */
static void run_asleep(struct kvm_vm *vm, struct kvm_vcpu *vcpu)
{
	static int wake_fd = -1;
	pthread_t waker;

	if (wake_fd < 0)
		wake_fd = wake_eventfd(vm);
	woken_enough = false;
	CHECK(!pthread_create(&waker, NULL, wake_main, &wake_fd), "thread");
	set_policy(SCHED_FIFO, 1);
	run_to_end(vcpu);
	woken_enough = true;
	set_policy(SCHED_BATCH, 0);
	pthread_join(waker, NULL);
}

static void run_all(struct kvm_vm *vm, struct kvm_vcpu *vcpu)
{
	run_to_end(vcpu);
	run_asleep(vm, vcpu);
}

static struct exits measure(struct kvm_vm *vm, struct kvm_vcpu *vcpu)
{
	static uint64_t samples[SAMPLES];
	struct exits result;
	int kind, i;

	run_all(vm, vcpu);
	for (kind = 0; kind < EXITS; kind++) {
		for (i = 0; i < SAMPLES; i++)
			samples[i] = *(uint64_t *)addr_gva2hva(vm,
				(vm_vaddr_t)&exit_samples[kind][i]);
		result.cost[kind] = bench_median(samples, SAMPLES);
	}
	return result;
}

/*
 * What was measured first is what the others are compared with; the last row,
 * when the module is unloaded, tells what the kernel itself makes of it: 6.12 has
 * rows with 70 instructions less or 126 more, module or not.
 */
static struct exits first;
static long worst[EXITS], without;

/* On kernels that need a hook there, all VMs pay for it from then on. */
static bool halt_hooked, halt_armed;
static long hook_cost;

static long extra(const struct exits *e, int kind)
{
	return (long)(e->cost[kind] - first.cost[kind]);
}

static void row(const char *name, const struct exits *e, bool loaded)
{
	int kind;

	kvmi_note("| %s | %llu (%+ld) | %llu (%+ld) | %llu (%+ld) | %llu (%+ld) |",
		  name,
		  (unsigned long long)e->cost[0], extra(e, 0),
		  (unsigned long long)e->cost[1], extra(e, 1),
		  (unsigned long long)e->cost[2], extra(e, 2),
		  (unsigned long long)e->cost[3], extra(e, 3));
	for (kind = 0; kind < EXITS; kind++) {
		long *most = !loaded ? &without :
			     kind == EXIT_SLEEP && halt_armed ? &hook_cost :
								&worst[kind];

		if (extra(e, kind) > *most)
			*most = extra(e, kind);
	}
}

static bool has_halt_hook(void)
{
	return !system("grep -q kvm_vcpu_check_block /sys/kernel/debug/kvmi/hooks");
}

/**
 * struct bench - the VM that is measured, and another
 * @vm: measured
 * @vcpu: its vCPU
 * @other: the other
 * @halt: the thread of that one's vCPU, which halts
 */
struct bench {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *other;
	struct runner halt;
};

static void take_if(struct bench *b, const char *name, bool loaded)
{
	struct exits e = measure(b->vm, b->vcpu);

	if (!first.cost[0])
		first = e;
	row(name, &e, loaded);
}

static void take(struct bench *b, const char *name)
{
	take_if(b, name, true);
}

static void with_other(struct bench *b)
{
	struct event ev;
	uint64_t hz;
	int fd = session_all(b->other);

	take(b, "another VM has a session");
	CHECK_EQ(get_info(fd, 0, &hz), 0);
	halt_armed = halt_hooked;
	take(b, "... that has used vCPU commands");
	pause_now(fd, 0, &ev);
	take(b, "... whose vCPU is paused");
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	kvmi_sleep_ms(20);
	take(b, "... whose vCPU was paused and goes on");
	tool_close(fd);
	CHECK_EQ(unhook(b->other), 0);
	halt_armed = false;
	take(b, "that session has ended");
}

/* Its vCPU runs only inside take(), and answers commands outside KVM_RUN. */
static void with_own(struct bench *b)
{
	int fd = session_all(b->vm);
	struct runner own;
	struct event ev;
	uint64_t hz;

	take(b, "the VM itself has a session");
	CHECK_EQ(get_info(fd, 0, &hz), 0);
	halt_armed = halt_hooked;
	take(b, "... that has used vCPU commands");
	runner_start(&own, b->vcpu);
	runner_exit(&own);
	CHECK_EQ(pause_vcpu(fd, 0, 0), 0);
	runner_go(&own);
	event_expect(fd, &ev, KVMI_VCPU_EVENT_PAUSE, 0);
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	runner_exit(&own);
	runner_quit(&own);
	/* Its signal handler may have set this; vcpu_run() would try for ever. */
	b->vcpu->run->immediate_exit = 0;
	run_all(b->vm, b->vcpu);
	take(b, "... and whose vCPU was paused");
	tool_close(fd);
	CHECK_EQ(unhook(b->vm), 0);
	halt_armed = false;
	take(b, "that session has ended");
}

static void judge(void)
{
	long sum = worst[EXIT_CPUID] + worst[EXIT_HALT] + worst[EXIT_USER] +
		   worst[EXIT_SLEEP];

	kvmi_note("%s", "");
	if (hook_cost)
		kvmi_note("bar: 0 extra instructions per exit: missed by %ld for a HLT that sleeps, while a session has used vCPU commands: this kernel needs a hook there",
			  hook_cost);
	else
		kvmi_note("bar: 0 extra instructions per exit: %s",
			  sum ? "missed" : "met");
	if (without)
		kvmi_note("the kernel itself differs by %ld when the module is unloaded again",
			  without);
	bench_result(!sum,
		     "0 extra instructions per exit, by CPUID, by HLT and to the VMM%s",
		     halt_hooked ? ", but for what the hook on halting costs" :
		     "");
}

void bench_exits(void)
{
	struct kvm_vcpu *other;
	struct bench b;

	b.vm = vm_create_with_one_vcpu(&b.vcpu, guest_main);
	vm_init_descriptor_tables(b.vm);
	vcpu_init_descriptor_tables(b.vcpu);
	vm_install_exception_handler(b.vm, VECTOR, on_interrupt);
	b.other = guest_create(1, guest_halt, &other);
	runner_start(&b.halt, other);
	CHECK(WAIT_FOR(guest_of(b.other, 0)->count, 20), "no guest");
	run_all(b.vm, b.vcpu);

	kvmi_note("%s", "");
	kvmi_note("| instructions per exit (difference to the first row) | CPUID | HLT, interrupt pending | OUT, handled by the VMM | HLT that sleeps, and who wakes it |");
	kvmi_note("|---|---|---|---|---|");
	take_if(&b, "module never loaded", false);
	bench_load();
	halt_hooked = has_halt_hook();
	take(&b, "loaded, no session");
	with_other(&b);
	with_own(&b);
	bench_unload();
	take_if(&b, "unloaded", false);
	judge();
	runner_quit(&b.halt);
	kvm_vm_free(b.vm);
	kvm_vm_free(b.other);
}
