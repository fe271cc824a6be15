// SPDX-License-Identifier: GPL-2.0-only
/*
 * The VMM of vcpu_storm_test. It kicks its vCPUs, gets and sets their state by
 * every ioctl that a VMM has for that, resets one, stops them all as QEMU's
 * `stop` does, resets them all then as its `system_reset` does, and changes
 * memory slots. But for resets, what it sets is what it has read, so that the
 * guests do not notice.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "vcpu_storm_vmm.h"

#define STOP_SECONDS 60

struct storm_vmm vmm;

/* The guest's copy is meant. */
static uint64_t words[WORDS] __attribute__((aligned(4096)));

static pthread_t threads[MAX_VCPUS], helpers[3];
static volatile bool quit;
static volatile int held;

void guest_exits(void);

asm(".text\n"
    "guest_exits:\n"
    "	sti\n"
    "1:	incq	(%rdi)\n"
    "	mov	$20000, %ecx\n"
    "2:	dec	%ecx\n"
    "	jnz	2b\n"
    "	outb	%al, $0x80\n"
    "	jmp	1b\n");

static void seed_init(void)
{
	const char *env = getenv("KVMI_SEED");

	vmm.seed = env ? strtoul(env, NULL, 0) : time(NULL) ^ getpid();
	kvmi_note("KVMI_SEED=%u", vmm.seed);
}

/* --------------------------------------------------------------- state -- */

/* What an ioctl reads another one can set; 0 when there is no such. */
static const struct { unsigned long get, set; } states[] = {
	{ KVM_GET_REGS, KVM_SET_REGS }, { KVM_GET_SREGS, KVM_SET_SREGS },
	{ KVM_GET_FPU, KVM_SET_FPU }, { KVM_GET_XSAVE, KVM_SET_XSAVE },
	{ KVM_GET_XCRS, KVM_SET_XCRS }, { KVM_GET_MSRS, KVM_SET_MSRS },
	{ KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS },
	{ KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS },
	{ KVM_GET_LAPIC, KVM_SET_LAPIC },
	{ KVM_GET_MP_STATE, KVM_SET_MP_STATE },
	{ KVM_GET_CPUID2, 0 }, { KVM_GET_TSC_KHZ, 0 },
};

static const uint32_t msrs[] = {
	MSR_EFER, MSR_STAR, MSR_LSTAR, MSR_CSTAR, MSR_SYSCALL_MASK,
	MSR_KERNEL_GS_BASE, MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP,
	MSR_IA32_SYSENTER_EIP, MSR_IA32_CR_PAT, MSR_IA32_APICBASE, MSR_IA32_TSC,
};

/* As large as the largest of them. */
union state {
	uint8_t bytes[8192];
	struct kvm_cpuid2 cpuid;
	struct kvm_msrs msrs;
};

/* Gets a part of the state, and sets it again. */
static void touch(int v, int which)
{
	int fd = vmm.vcpus[v]->fd, got, set, i;
	union state state = { { 0 } };

	if (states[which].get == KVM_GET_CPUID2)
		state.cpuid.nent = (sizeof(state) - sizeof(state.cpuid)) /
				   sizeof(struct kvm_cpuid_entry2);
	if (states[which].get == KVM_GET_MSRS) {
		state.msrs.nmsrs = ARRAY_SIZE(msrs);
		for (i = 0; i < ARRAY_SIZE(msrs); i++)
			state.msrs.entries[i].index = msrs[i];
	}
	got = ioctl_errno(fd, states[which].get, &state);
	CHECK(got >= 0, "vCPU %d, state %d: %s", v, which, strerror(-got));
	if (states[which].get == KVM_GET_MSRS)
		CHECK_EQ(got, ARRAY_SIZE(msrs));
	if (!states[which].set)
		return;
	set = ioctl_errno(fd, states[which].set, &state);
	CHECK(set == got, "vCPU %d, state %d: set %d, got %d", v, which, set,
	      got);
}

/* The guest starts again. An application processor waits to be started first. */
static void reset(int v)
{
	struct kvm_mp_state state = { KVM_MP_STATE_UNINITIALIZED };
	struct kvm_vcpu *vcpu = vmm.vcpus[v];

	if (v != BOOTS)
		vcpu_mp_state_set(vcpu, &state);
	kvmi_sleep_ms(3);
	vcpu_regs_set(vcpu, &vmm.regs[v]);
	vcpu_xsave_set(vcpu, &vmm.xsave[v]);
	vcpu_ioctl(vcpu, KVM_SET_LAPIC, &vmm.lapic[v]);
	vcpu_sregs_set(vcpu, &vmm.sregs[v]);
	vcpu_events_set(vcpu, &vmm.events[v]);
	state.mp_state = KVM_MP_STATE_RUNNABLE;
	vcpu_mp_state_set(vcpu, &state);
	__atomic_add_fetch(&vmm.resets[v], 1, __ATOMIC_SEQ_CST);
}

/* What a VMM does with a vCPU that is out of KVM_RUN. */
static void disturb(int v, unsigned int *rnd)
{
	int what = rand_r(rnd) % (ARRAY_SIZE(states) + 6);

	if (what < ARRAY_SIZE(states))
		touch(v, what);
	else if (what == ARRAY_SIZE(states))
		vcpu_set_msr(vmm.vcpus[v], MSR_LSTAR, rand_r(rnd));
	else if (what == ARRAY_SIZE(states) + 1)
		kvmi_sleep_ms(rand_r(rnd) % 10);
	else if (what == ARRAY_SIZE(states) + 2 && v == RESETS)
		reset(v);
}

/* ------------------------------------------------------------- threads -- */

static __thread struct kvm_run *own_run;

static void on_kick(int sig)
{
	if (own_run)
		own_run->immediate_exit = 1;
}

static void wait_here(void)
{
	__atomic_add_fetch(&held, 1, __ATOMIC_SEQ_CST);
	while (vmm.stopped)
		kvmi_sleep_ms(1);
	__atomic_sub_fetch(&held, 1, __ATOMIC_SEQ_CST);
}

static void *vcpu_main(void *arg)
{
	unsigned int rnd = vmm.seed + (long)arg;
	int v = (long)arg, ret;

	own_run = vmm.vcpus[v]->run;
	while (!quit) {
		ret = __vcpu_run(vmm.vcpus[v]);
		own_run->immediate_exit = 0;
		if (ret) {
			CHECK(errno == EINTR || errno == EAGAIN, "%s",
			      strerror(errno));
		} else {
			CHECK(own_run->exit_reason == KVM_EXIT_IO,
			      "vCPU %d: exit %u", v, own_run->exit_reason);
			CHECK_EQ(own_run->io.port, 0x80);
		}
		if (vmm.stopped)
			wait_here();
		if (!vmm.calm)
			disturb(v, &rnd);
	}
	return NULL;
}

static void *kicker_main(void *arg)
{
	unsigned int rnd = vmm.seed + 100;

	while (!vmm.calm) {
		pthread_kill(threads[rand_r(&rnd) % MAX_VCPUS], SIGUSR1);
		kvmi_sleep_ms(1 + rand_r(&rnd) % 8);
	}
	return NULL;
}

static void stop_all(void)
{
	uint64_t end = kvmi_now_ms() + STOP_SECONDS * 1000;
	int v;

	vmm.stopped = true;
	while (held < MAX_VCPUS) {
		CHECK(kvmi_now_ms() < end, "%d vCPUs have stopped", held);
		for (v = 0; v < MAX_VCPUS; v++)
			pthread_kill(threads[v], SIGUSR1);
		kvmi_sleep_ms(2);
	}
}

/* Whatever the tool does, all vCPUs leave KVM_RUN, and no guest runs then. */
static void stop_and_continue(unsigned int *rnd)
{
	bool resets = rand_r(rnd) % 2;
	uint64_t counts[MAX_VCPUS];
	int v, i;

	stop_all();
	for (v = 0; v < MAX_VCPUS; v++)
		counts[v] = vmm.area[v]->count;
	kvmi_sleep_ms(rand_r(rnd) % 10);
	for (v = 0; v < MAX_VCPUS; v++) {
		for (i = 0; i < ARRAY_SIZE(states); i++)
			touch(v, i);
	}
	for (v = 0; resets && v < MAX_VCPUS; v++)
		reset(v);
	for (v = 0; v < MAX_VCPUS; v++)
		CHECK(vmm.area[v]->count == counts[v],
		      "vCPU %d runs while all are stopped", v);
	vmm.stops++;
	vmm.stopped = false;
	CHECK(WAIT_FOR(!held, STOP_SECONDS), "%d vCPUs do not go on", held);
}

static void *stopper_main(void *arg)
{
	unsigned int rnd = vmm.seed + 200;

	while (!vmm.calm) {
		kvmi_sleep_ms(20 + rand_r(&rnd) % 200);
		stop_and_continue(&rnd);
	}
	return NULL;
}

static void *slots_main(void *arg)
{
	while (!vmm.calm) {
		vm_userspace_mem_region_add(vmm.vm, VM_MEM_SRC_ANONYMOUS,
					    SLOT_HERE, 10, SLOT_PAGES, 0);
		kvmi_sleep_ms(5);
		vm_mem_region_move(vmm.vm, 10, SLOT_THERE);
		kvmi_sleep_ms(5);
		vm_mem_region_delete(vmm.vm, 10);
		vmm.moves++;
		kvmi_sleep_ms(20);
	}
	return NULL;
}

/* Not later: the library's list of memory regions has no lock. */
static void find_memory(void)
{
	int v;

	for (v = 0; v < MAX_VCPUS; v++) {
		vmm.area[v] = guest_of(vmm.vm, v);
		vmm.area_gpa[v] = addr_gva2gpa(vmm.vm,
					       (vm_vaddr_t)&guest_area[v]);
	}
	vmm.words = addr_gva2hva(vmm.vm, (vm_vaddr_t)words);
	vmm.words_gpa = addr_gva2gpa(vmm.vm, (vm_vaddr_t)words);
}

void vmm_start(void)
{
	static void *entries[] = { guest_spin, guest_exits, guest_halt,
				   guest_spin };
	struct sigaction act = { .sa_handler = on_kick };
	long v;

	seed_init();
	vmm.vm = guest_create(MAX_VCPUS, guest_spin, vmm.vcpus);
	vmm.pat = vcpu_get_msr(vmm.vcpus[0], MSR_IA32_CR_PAT);
	find_memory();
	sigaction(SIGUSR1, &act, NULL);
	for (v = 0; v < MAX_VCPUS; v++) {
		vcpu_regs_get(vmm.vcpus[v], &vmm.regs[v]);
		vcpu_sregs_get(vmm.vcpus[v], &vmm.sregs[v]);
		vcpu_xsave_get(vmm.vcpus[v], &vmm.xsave[v]);
		vmm.regs[v].rip = (uintptr_t)entries[v];
		vcpu_regs_set(vmm.vcpus[v], &vmm.regs[v]);
		vcpu_ioctl(vmm.vcpus[v], KVM_GET_LAPIC, &vmm.lapic[v]);
		vcpu_events_get(vmm.vcpus[v], &vmm.events[v]);
		pthread_create(&threads[v], NULL, vcpu_main, (void *)v);
		CHECK(WAIT_FOR(vmm.area[v]->count, 20), "no guest %ld", v);
	}
	pthread_create(&helpers[0], NULL, kicker_main, NULL);
	pthread_create(&helpers[1], NULL, slots_main, NULL);
	pthread_create(&helpers[2], NULL, stopper_main, NULL);
}

void vmm_end(void)
{
	int v;

	vmm.calm = true;
	for (v = 0; v < ARRAY_SIZE(helpers); v++)
		pthread_join(helpers[v], NULL);
	for (v = 0; v < MAX_VCPUS; v++)
		CHECK(v == HALTS || guest_moves(&vmm.area[v]->count),
		      "vCPU %d hangs", v);
	quit = true;
	for (v = 0; v < MAX_VCPUS; v++) {
		pthread_kill(threads[v], SIGUSR1);
		pthread_join(threads[v], NULL);
	}
	CHECK(vmm.stops > 0, "it was never stopped");
}
