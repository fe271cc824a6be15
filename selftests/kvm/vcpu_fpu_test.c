// SPDX-License-Identifier: GPL-2.0-only
/*
 * GET_XSAVE and SET_XSAVE: the guest holds values in its vector registers and
 * stores them all the time, so that a stale image, and a change that does not
 * arrive, are both seen. The VMM's own registers stay as they are.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

#include "kvmi_vcpu.h"

#define XSTATE_BV 512
#define MXCSR 24
#define XMM 160

/**
 * struct vectors - 16 registers of 32 bytes
 * @in: what the guest loads once
 * @out: where it stores its registers, all the time
 */
struct vectors {
	uint64_t in[16][4];
	volatile uint64_t out[16][4];
};

static struct vectors vectors;

#define EACH ".irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"

/* RDI is the area, RSI what to load, RDX where to store. */
void guest_sse(struct guest_area *area, void *in, volatile void *out);
void guest_sse_halt(struct guest_area *area, void *in, volatile void *out);
void guest_avx(struct guest_area *area, void *in, volatile void *out);

asm(".text\n"
    "guest_sse:\n"
    EACH "	movups	32 * \\n(%rsi), %xmm\\n\n" ".endr\n"
    "	sti\n"
    "1:	incq	(%rdi)\n"
    EACH "	movups	%xmm\\n, 32 * \\n(%rdx)\n" ".endr\n"
    "	jmp	1b\n"
    "guest_sse_halt:\n"
    EACH "	movups	32 * \\n(%rsi), %xmm\\n\n" ".endr\n"
    "1:	sti\n"
    "	incq	(%rdi)\n"
    "	hlt\n"
    EACH "	movups	%xmm\\n, 32 * \\n(%rdx)\n" ".endr\n"
    "	jmp	1b\n"
    "guest_avx:\n"
    EACH "	vmovups	32 * \\n(%rsi), %ymm\\n\n" ".endr\n"
    "	sti\n"
    "1:	incq	(%rdi)\n"
    EACH "	vmovups	%ymm\\n, 32 * \\n(%rdx)\n" ".endr\n"
    "	jmp	1b\n");

static void guest_code(struct guest_area *area, uint64_t xcr0, bool halts)
{
	set_cr4(get_cr4() | X86_CR4_OSXSAVE);
	asm volatile("xsetbv" : : "a"((uint32_t)xcr0), "d"(0), "c"(0));
	if (halts)
		guest_sse_halt(area, vectors.in, vectors.out);
	if (xcr0 & 4)
		guest_avx(area, vectors.in, vectors.out);
	guest_sse(area, vectors.in, vectors.out);
}

static bool have_avx(void)
{
	return kvm_cpu_has(KVM_X86_CPU_FEATURE(0x1, 0, ECX, 28));
}

static struct kvm_vcpu *vcpu;
static struct vectors *vec;
static struct guest_area *area;
static struct runner runner;
static uint64_t xcr0;
static int high;	/* where an image has the upper halves */
static bool halts;	/* the guest does, and then stores */

static uint64_t value(int round, int reg, int part)
{
	return round * 0x1000100010001ull + reg * 0x0101010101010101ull +
	       part * 0x4444000000000000ull;
}

/* A session with a guest whose XCR0 is @want. */
static int start(uint64_t want)
{
	struct kvm_vcpu *vcpus[1];
	struct kvm_vm *vm = guest_create(1, guest_code, vcpus);
	int i, n;

	vcpu = vcpus[0];
	xcr0 = want;
	high = kvm_cpu_has(X86_FEATURE_XSAVE) && (want & 4) ?
	       __kvm_get_supported_cpuid_entry(0xd, 2)->ebx : 0;
	vec = addr_gva2hva(vm, (vm_vaddr_t)&vectors);
	area = guest_of(vm, 0);
	for (i = 0; i < 16; i++) {
		for (n = 0; n < 4; n++)
			vec->in[i][n] = value(1, i, n);
	}
	vcpu_args_set(vcpu, 3, &guest_area[0], want, halts);
	return session_all(vm);
}

static void run(int fd)
{
	runner_start(&runner, vcpu);
	CHECK(guest_moves(&area->count), "no guest");
}

static void image_set(struct kvmi_vcpu_xsave *x, int round)
{
	uint8_t *image = (uint8_t *)x->region;
	uint64_t v;
	int i, n;

	for (i = 0; i < 16; i++) {
		for (n = 0; n < 4; n++) {
			v = value(round, i, n);
			if (n < 2)
				memcpy(image + XMM + 16 * i + 8 * n, &v, 8);
			else if (high)
				memcpy(image + high + 16 * i + 8 * (n - 2), &v,
				       8);
		}
	}
}

static uint64_t components(const struct kvmi_vcpu_xsave *x)
{
	uint64_t bv;

	memcpy(&bv, (const uint8_t *)x->region + XSTATE_BV, 8);
	return bv;
}

static void image_check(const struct kvmi_vcpu_xsave *x, int round)
{
	struct kvmi_vcpu_xsave want = *x;
	uint64_t bv = components(x);

	CHECK((bv & (xcr0 & ~1ull)) == (xcr0 & ~1ull), "XSTATE_BV is %#llx",
	      (unsigned long long)bv);
	image_set(&want, round);
	CHECK(!memcmp(&want, x, sizeof(want)), "vector registers, round %d",
	      round);
}

/* The guest's live registers; twice round its loop, so that all are new. */
static bool guest_has(int round)
{
	int i, n;

	for (i = 0; i < 16; i++) {
		for (n = 0; n < (high ? 4 : 2); n++) {
			if (vec->out[i][n] != value(round, i, n))
				return false;
		}
	}
	return true;
}

static void check_guest(int round)
{
	CHECK(WAIT_FOR(guest_has(round), 20),
	      "register 0 of the guest is %#llx %#llx %#llx %#llx",
	      (unsigned long long)vec->out[0][0],
	      (unsigned long long)vec->out[0][1],
	      (unsigned long long)vec->out[0][2],
	      (unsigned long long)vec->out[0][3]);
	CHECK(guest_moves(&area->count), "the guest hangs");
	CHECK(guest_moves(&area->count), "the guest hangs");
	CHECK(guest_has(round), "not for long");
}

static void check_kvm(int fd)
{
	struct kvmi_vcpu_xsave ours;
	struct kvm_xsave kvm;

	CHECK_EQ(get_xsave(fd, 0, &ours), 0);
	vcpu_xsave_get(vcpu, &kvm);
	CHECK(!memcmp(&ours, kvm.region, sizeof(ours)), "KVM_GET_XSAVE");
}

static void spinning(uint64_t want)
{
	struct kvmi_vcpu_xsave x;
	int fd = start(want), i;

	check_kvm(fd);
	run(fd);
	for (i = 0; i < kvmi_count(10, 500); i++) {
		CHECK_EQ(get_xsave(fd, 0, &x), 0);
		image_check(&x, i + 1);
		image_set(&x, i + 2);
		CHECK_EQ(set_xsave(fd, 0, &x), 0);
		check_guest(i + 2);
	}
	CHECK_EQ(runner.returns, 0);
	runner_park(&runner, RUNNER_BLOCKED);
	check_kvm(fd);
}

static void sse(void) { spinning(3); }
static void avx(void) { spinning(7); }

/* Set while the VMM is out of KVM_RUN, and while a reply is waited for. */
static void stopped(void)
{
	struct kvmi_vcpu_xsave x;
	int fd = start(have_avx() ? 7 : 3), i;
	struct event ev;

	run(fd);
	for (i = 0; i < kvmi_count(4, 200); i++) {
		runner_park(&runner, i & 1 ? RUNNER_BUSY : RUNNER_BLOCKED);
		CHECK_EQ(get_xsave(fd, 0, &x), 0);
		image_check(&x, 2 * i + 1);
		check_kvm(fd);
		image_set(&x, 2 * i + 2);
		CHECK_EQ(set_xsave(fd, 0, &x), 0);
		check_kvm(fd);
		runner_go(&runner);
		check_guest(2 * i + 2);
		pause_now(fd, 0, &ev);
		CHECK_EQ(get_xsave(fd, 0, &x), 0);
		image_check(&x, 2 * i + 2);
		image_set(&x, 2 * i + 3);
		CHECK_EQ(set_xsave(fd, 0, &x), 0);
		CHECK_EQ(get_xsave(fd, 0, &x), 0);
		image_check(&x, 2 * i + 3);
		CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
		check_guest(2 * i + 3);
	}
}

/* Of a halted guest, which an exception wakes: it has them then. */
static void halted(void)
{
	struct kvmi_vcpu_xsave x;
	struct event ev;
	int fd, i;

	halts = true;
	fd = start(3);
	runner_start(&runner, vcpu);
	for (i = 1; i < kvmi_count(5, 200); i++) {
		guest_wait_halted(area, &runner, i);
		CHECK_EQ(get_xsave(fd, 0, &x), 0);
		image_check(&x, i);
		image_set(&x, i + 1);
		CHECK_EQ(set_xsave(fd, 0, &x), 0);
		CHECK_EQ(get_xsave(fd, 0, &x), 0);
		image_check(&x, i + 1);
		CHECK_EQ(area->count, i);
		CHECK_EQ(inject(fd, 0, UD_VECTOR, 0, 0), 0);
		event_expect(fd, &ev, KVMI_VCPU_EVENT_TRAP, 0);
		CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
		CHECK(WAIT_FOR(guest_has(i + 1), 20), "the guest has others");
	}
	guest_wait_halted(area, &runner, i);
	CHECK_EQ(runner.returns, 0);
	runner_park(&runner, RUNNER_BLOCKED);
	check_kvm(fd);
}

/* What KVM refuses is EINVAL, and changes nothing. */
static void refused(void)
{
	struct kvmi_vcpu_xsave x, bad;
	uint8_t *image = (uint8_t *)bad.region;
	int fd = start(3), i;

	run(fd);
	for (i = 0; i < 3; i++) {
		CHECK_EQ(get_xsave(fd, 0, &x), 0);
		bad = x;
		image_set(&bad, 77);
		if (i == 0)
			image[XSTATE_BV + 7] |= 0x10;
		else if (i == 1)
			memset(image + MXCSR, 0xff, 4);
		else
			image[XSTATE_BV + 4] |= 0x80;
		CHECK_EQ(set_xsave(fd, 0, &bad), -KVMI_EINVAL);
		check_guest(1);
		runner_park(&runner, RUNNER_BLOCKED);
		CHECK_EQ(set_xsave(fd, 0, &bad), -KVMI_EINVAL);
		CHECK_EQ(ioctl_errno(vcpu->fd, KVM_SET_XSAVE, &bad), -EINVAL);
		CHECK_EQ(get_xsave(fd, 0, &x), 0);
		image_check(&x, 1);
		runner_go(&runner);
	}
	for (i = 0; i < 4096; i += 585)
		CHECK_EQ(vcpu_command(fd, 0, KVMI_VCPU_SET_XSAVE, &x, i, NULL,
				      0), -KVMI_EINVAL);
	CHECK_EQ(vcpu_command(fd, 0, KVMI_VCPU_SET_XSAVE, &x, 4095, NULL, 0),
		 -KVMI_EINVAL);
	check_guest(1);
}

/* A component that is not in the image's mask is as after reset. */
static void initial_state(void)
{
	struct kvmi_vcpu_xsave x;
	int fd = start(3), i;

	run(fd);
	CHECK_EQ(get_xsave(fd, 0, &x), 0);
	memset((uint8_t *)x.region + XSTATE_BV, 0, 8);
	CHECK_EQ(set_xsave(fd, 0, &x), 0);
	for (i = 0; i < 16; i++)
		CHECK(WAIT_FOR(!(vec->out[i][0] | vec->out[i][1]), 20),
		      "register %d is %#llx", i,
		      (unsigned long long)vec->out[i][0]);
}

static bool guest_has_low(int round)
{
	int i, n;

	for (i = 0; i < 16; i++) {
		for (n = 0; n < 4; n++) {
			if (vec->out[i][n] != (n < 2 ? value(round, i, n) : 0))
				return false;
		}
	}
	return true;
}

/*
 * Run by refusal_test.sh, which has made the module believe that only x87 and SSE
 * have room in the ABI's area: AVX is not read, and as after reset when set.
 */
static void no_room(void)
{
	struct kvmi_vcpu_xsave x;
	int fd = start(7), i;

	run(fd);
	for (i = 1; i < 4; i++) {
		if (i == 2)
			runner_park(&runner, RUNNER_BLOCKED);
		CHECK_EQ(get_xsave(fd, 0, &x), 0);
		CHECK_EQ(components(&x) & ~1ull, 2ull);
		image_set(&x, i + 1);
		((uint8_t *)x.region)[XSTATE_BV] |= 7;
		CHECK_EQ(set_xsave(fd, 0, &x), 0);
		if (i == 2)
			runner_go(&runner);
		CHECK(WAIT_FOR(guest_has_low(i + 1), 20), "the guest has others");
	}
}

static const struct kvmi_case no_room_case[] = {
	{ "a component that has no room", no_room, have_avx },
};

/* The caller's own register stays what it is, for a while. */
static bool registers_hold(void)
{
	uint64_t have[2], mark[2] = { 0x5a5a123456789abc, 0xa5a5fedcba987654 };

	asm volatile("movups %1, %%xmm11\n"
		     "mov $200000, %%ecx\n"
		     "1: dec %%ecx\n"
		     "jnz 1b\n"
		     "movups %%xmm11, %0\n"
		     : "=m"(have) : "m"(mark) : "ecx", "xmm11");
	return !memcmp(have, mark, sizeof(mark));
}

/**
 * struct holder - a thread that looks after its own registers
 * @vmm: enters the guest between, for a moment
 * @stop: ends it
 * @bad: its registers have changed
 */
struct holder {
	bool vmm;
	volatile bool stop;
	volatile bool bad;
};

static void *holder_main(void *arg)
{
	struct holder *h = arg;

	while (!h->stop && !h->bad) {
		vcpu->run->immediate_exit = 1;
		if (h->vmm)
			CHECK(__vcpu_run(vcpu) < 0 && errno == EINTR, "KVM_RUN");
		h->bad = !registers_hold();
	}
	return NULL;
}

static void vmm_registers(void)
{
	struct holder vmm = { .vmm = true }, other = { false };
	struct kvmi_vcpu_xsave x;
	pthread_t thread[2];
	int fd = start(3), i;

	run(fd);
	runner_quit(&runner);
	pthread_create(&thread[0], NULL, holder_main, &vmm);
	pthread_create(&thread[1], NULL, holder_main, &other);
	for (i = 0; i < kvmi_count(100, 20000); i++) {
		CHECK_EQ(get_xsave(fd, 0, &x), 0);
		image_check(&x, i + 1);
		image_set(&x, i + 2);
		CHECK_EQ(set_xsave(fd, 0, &x), 0);
	}
	vmm.stop = true;
	other.stop = true;
	pthread_join(thread[0], NULL);
	pthread_join(thread[1], NULL);
	CHECK(!vmm.bad, "the VMM's registers have changed");
	CHECK(!other.bad, "another thread's registers have changed");
}

static const struct kvmi_case cases[] = {
	{ "SSE registers of a running guest", sse },
	{ "AVX registers of a running guest", avx, have_avx },
	{ "registers of a stopped guest", stopped },
	{ "registers of a halted guest", halted },
	{ "images that are refused", refused },
	{ "components that are not in the image", initial_state },
	{ "the VMM's own registers", vmm_registers },
};

int main(int argc, char **argv)
{
	if (getenv("KVMI_XSAVE_NO_ROOM"))
		return kvmi_main(argc, argv, no_room_case, 1);
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
