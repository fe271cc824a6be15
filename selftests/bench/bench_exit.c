// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an exit costs: the guest reads the time stamp counter before and after
 * an instruction that exits. It is the same guest in all rows, so any difference
 * is the module's.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

#include "kvmi_vcpu.h"
#include "bench.h"

#define SAMPLES 101
#define WARM_UP 8
#define PORT_USER 0x80
#define PORT_DONE 0x81
#define VECTOR 0x40
#define X2APIC_EOI 0x80b
#define X2APIC_SPIV 0x80f
#define X2APIC_SELF_IPI 0x83f

/* How the guest exits: handled in the kernel, halted, handled by the VMM. */
enum { EXIT_CPUID, EXIT_HALT, EXIT_USER, EXITS };

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

/*
 * The interrupt that ends the halt is pending already, so the vCPU does not
 * sleep: what it would do there depends on who wakes it. Linux 5.10 needs a hook
 * there (src/hooks/vcpu_halt.c), which this does not see.
 */
static void exit_halt(void)
{
	asm volatile("sti; hlt; cli");
}

static void on_interrupt(struct ex_regs *regs)
{
	wrmsr(X2APIC_EOI, 0);
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
			exit_samples[EXIT_CPUID][i < 0 ? 0 : i] =
				bench_clock() - start;
		}
		for (i = -WARM_UP; i < SAMPLES; i++) {
			wrmsr(X2APIC_SELF_IPI, VECTOR);
			start = bench_clock();
			exit_halt();
			exit_samples[EXIT_HALT][i < 0 ? 0 : i] =
				bench_clock() - start;
		}
		for (i = -WARM_UP; i < SAMPLES; i++) {
			start = bench_clock();
			exit_user();
			exit_samples[EXIT_USER][i < 0 ? 0 : i] =
				bench_clock() - start;
		}
		asm volatile("outb %%al, %0" : : "i"(PORT_DONE), "a"(0));
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

static struct exits measure(struct kvm_vm *vm, struct kvm_vcpu *vcpu)
{
	static uint64_t samples[SAMPLES];
	struct exits result;
	int kind, i;

	run_to_end(vcpu);
	for (kind = 0; kind < EXITS; kind++) {
		for (i = 0; i < SAMPLES; i++)
			samples[i] = *(uint64_t *)addr_gva2hva(vm,
				(vm_vaddr_t)&exit_samples[kind][i]);
		result.cost[kind] = bench_median(samples, SAMPLES);
	}
	return result;
}

/* What was measured first is what the others are compared with. */
static struct exits first;
static uint64_t worst[EXITS];

static long extra(const struct exits *e, int kind)
{
	return (long)(e->cost[kind] - first.cost[kind]);
}

static void row(const char *name, const struct exits *e)
{
	int kind;

	kvmi_note("| %s | %llu (%+ld) | %llu (%+ld) | %llu (%+ld) |", name,
		  (unsigned long long)e->cost[0], extra(e, 0),
		  (unsigned long long)e->cost[1], extra(e, 1),
		  (unsigned long long)e->cost[2], extra(e, 2));
	for (kind = 0; kind < EXITS; kind++) {
		uint64_t more = labs(extra(e, kind));

		if (more > worst[kind])
			worst[kind] = more;
	}
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

static void take(struct bench *b, const char *name)
{
	struct exits e = measure(b->vm, b->vcpu);

	if (!first.cost[0])
		first = e;
	row(name, &e);
}

static void with_other(struct bench *b)
{
	struct event ev;
	uint64_t hz;
	int fd = session_all(b->other);

	take(b, "another VM has a session");
	CHECK_EQ(get_info(fd, 0, &hz), 0);
	take(b, "... that has used vCPU commands");
	pause_now(fd, 0, &ev);
	take(b, "... whose vCPU is paused");
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	kvmi_sleep_ms(20);
	take(b, "... whose vCPU was paused and goes on");
	tool_close(fd);
	CHECK_EQ(unhook(b->other), 0);
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
	run_to_end(b->vcpu);
	take(b, "... and whose vCPU was paused");
	tool_close(fd);
	CHECK_EQ(unhook(b->vm), 0);
	take(b, "that session has ended");
}

static void judge(void)
{
	uint64_t sum = worst[EXIT_CPUID] + worst[EXIT_HALT] + worst[EXIT_USER];

	kvmi_note("%s", "");
	kvmi_note("bar: 0 extra instructions per exit: %s",
		  sum ? "missed" : "met");
	bench_result(!sum,
		     "0 extra instructions per exit, by CPUID, by HLT that does not sleep and to the VMM");
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
	run_to_end(b.vcpu);

	kvmi_note("%s", "");
	kvmi_note("| instructions per exit (difference to the first row) | CPUID | HLT, interrupt pending | OUT, handled by the VMM |");
	kvmi_note("|---|---|---|---|");
	take(&b, "module never loaded");
	bench_load();
	take(&b, "loaded, no session");
	with_other(&b);
	with_own(&b);
	bench_unload();
	take(&b, "unloaded");
	judge();
	runner_quit(&b.halt);
	kvm_vm_free(b.vm);
	kvm_vm_free(b.other);
}
