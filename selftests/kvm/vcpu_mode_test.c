// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers and TRANSLATE_GVA in every mode of the processor: real mode,
 * protected mode, 32-bit paging, PAE, 4 and 5 levels, of a vCPU that never ran,
 * spins, waits for a reply, is stopped, or halts. The tables are the test's own,
 * so that it knows what an address must become; the guest looks at one too.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

#include "kvmi_vcpu.h"

#define NONE (~0ull)
#define PAGES 64
#define NO_MEMORY 0x10000000ull
#define MARK 0x5eed1234

/* Where things are in the guest's memory. */
#define CODE 0x1000
#define HALT 0x1800
#define COUNT 0x2000
#define SEEN 0x2008
#define TSS 0x3000
#define PD32 0x4000
#define PT32 0x5000
#define PT32_BACK 0x6000
#define PDPT_PAE 0x7000
#define PD 0x8000
#define PT 0x9000
#define PT_BACK 0xa000
#define PML4 0xb000
#define PDPT 0xc000
#define PML5 0xd000

/* sti; 1: mov (SI), %eax; mov %eax, (DI); incl COUNT; jmp 1b */
static const uint8_t code16[] = {
	0xfb, 0x67, 0x66, 0x8b, 0x06, 0x67, 0x66, 0x89, 0x07,
	0x66, 0xff, 0x06, 0x00, 0x20, 0xeb, 0xf1,
};

static const uint8_t code32[] = {
	0xfb, 0x8b, 0x06, 0x89, 0x07, 0xff, 0x05, 0x00, 0x20, 0x00, 0x00,
	0xeb, 0xf4,
};

static const uint8_t code64[] = {
	0xfb, 0x8b, 0x06, 0x89, 0x07, 0xff, 0x04, 0x25, 0x00, 0x20, 0x00, 0x00,
	0xeb, 0xf3,
};

/* sti; hlt; nop; 1: jmp 1b. The same in all modes; one that wakes up is seen. */
static const uint8_t code_halt[] = { 0xfb, 0xf4, 0x90, 0xeb, 0xfe };
#define HALTED (HALT + 2)

struct pair { uint64_t gva, gpa; };

/**
 * struct mode - a mode of the processor
 * @code: the guest, @size bytes
 * @mode: what GET_REGISTERS calls it
 * @d: default size of the code segment is 32 bits
 * @cr0: CR0
 * @cr3: CR3
 * @cr4: CR4
 * @efer: EFER
 * @look: an address that the guest reads, and what it becomes
 * @map: what others become, ends with a pair of zeros
 */
struct mode {
	const uint8_t *code;
	size_t size;
	int mode;
	bool d;
	uint64_t cr0;
	uint64_t cr3;
	uint64_t cr4;
	uint64_t efer;
	struct pair look;
	const struct pair *map;
};

#define CODE_OF(code) code, sizeof(code)
#define PROTECTED (X86_CR0_PE | X86_CR0_NE | X86_CR0_ET)
#define PAGED (PROTECTED | X86_CR0_PG)
#define LONG (EFER_LME | EFER_LMA | EFER_NX)

/*
 * No guest can use more than 32 bits of an address in these modes: without
 * paging it becomes itself, by page tables the upper half is not looked at.
 */
static const struct pair map_flat[] = {
	{ 1, 1 }, { 0x1234, 0x1234 }, { 0x2000, 0x2000 }, { 0xfffff, 0xfffff },
	{ 0x3ffff, 0x3ffff }, { 0x7654321, 0x7654321 },
	{ 0x100001234, 0x100001234 }, { 0, 0 },
};

static const struct pair map_32[] = {
	{ 0x1abc, 0x1abc }, { 0x3ffff, 0x3ffff }, { 0x40000, NONE },
	{ 0x400000, 0x3f000 }, { 0x401234, 0x3e234 }, { 0x43ffff, 0xfff },
	{ 0x440000, NONE }, { 0x800000, 0 }, { 0xb99999, 0x399999 },
	{ 0xc00000, NONE }, { 0x1000000, NONE }, { 0xc0002008, 0x2008 },
	{ 0xffffffff, NONE }, { 0x100401234, 0x3e234 },
	{ 0xffffffffc0002008, 0x2008 }, { 0, 0 },
};

static const struct pair map_pae[] = {
	{ 0x1abc, 0x1abc }, { 0x3ffff, 0x3ffff }, { 0x40000, NONE },
	{ 0x200000, 0x3f000 }, { 0x201234, 0x3e234 }, { 0x23ffff, 0xfff },
	{ 0x240000, NONE }, { 0x400000, 0 }, { 0x599999, 0x199999 },
	{ 0x600000, NONE }, { 0x800000, NONE }, { 0x40000000, NONE },
	{ 0xc0002008, 0x2008 }, { 0xc0201008, 0x3e008 }, { 0xfffff000, NONE },
	{ 0x100201234, 0x3e234 }, { 0xffffffffc0002008, 0x2008 }, { 0, 0 },
};

/*
 * The last ones are not canonical: a guest that uses them gets an exception,
 * but the walk takes from an address no more than indices and the offset.
 */
static const struct pair map_64[] = {
	{ 0x1abc, 0x1abc }, { 0x3ffff, 0x3ffff }, { 0x40000, NONE },
	{ 0x200000, 0x3f000 }, { 0x201234, 0x3e234 }, { 0x240000, NONE },
	{ 0x400000, 0 }, { 0x599999, 0x199999 }, { 0x600000, NONE },
	{ 0x800000, NONE }, { 0x80000000, NONE }, { 0x8000000000, NONE },
	{ 0x7fffffffffff, NONE }, { 0xffffff8000002008, 0x2008 },
	{ 0xffffff8000201008, 0x3e008 }, { 0xffff800000000000, NONE },
	{ 0xffffffffffffffff, NONE },
	{ 0x0001000000002008, 0x2008 }, { 0x8000000000201234, 0x3e234 },
	{ 0x7fff000000002008, 0x2008 }, { 0x0000ff8000002008, 0x2008 },
	{ 0xff7fff8000201008, 0x3e008 }, { 0x0000800000000000, NONE }, { 0, 0 },
};

static const struct pair map_57[] = {
	{ 0x1abc, 0x1abc }, { 0x201234, 0x3e234 }, { 0x8000000000, NONE },
	{ 0xffffff8000002008, 0x2008 }, { 0x1000000002008, 0x2008 },
	{ 0x2000000000000, NONE }, { 0xff00000000000000, NONE },
	{ 0x0200000000002008, 0x2008 }, { 0x8001000000002008, 0x2008 },
	{ 0x01ff000000002008, 0x2008 }, { 0x0100000000000000, NONE }, { 0, 0 },
};

static const struct mode real_mode = {
	CODE_OF(code16), 2, false, X86_CR0_ET, .look = { 0xe234, 0xe234 },
	.map = map_flat,
};

static const struct mode protected_32 = {
	CODE_OF(code32), 4, true, PROTECTED, .look = { 0x3e234, 0x3e234 },
	.map = map_flat,
};

static const struct mode protected_16 = {
	CODE_OF(code16), 2, false, PROTECTED, .look = { 0x3e234, 0x3e234 },
	.map = map_flat,
};

static const struct mode paging_32 = {
	CODE_OF(code32), 4, true, PAGED, PD32, X86_CR4_PSE,
	.look = { 0x401234, 0x3e234 }, .map = map_32,
};

static const struct mode paging_pae = {
	CODE_OF(code32), 4, true, PAGED, PDPT_PAE, X86_CR4_PAE, EFER_NX,
	{ 0xc0201234, 0x3e234 }, map_pae,
};

static const struct mode long_64 = {
	CODE_OF(code64), 8, false, PAGED, PML4, X86_CR4_PAE, LONG,
	{ 0xffffff8000201234, 0x3e234 }, map_64,
};

static const struct mode long_32 = {
	CODE_OF(code32), 4, true, PAGED, PML4, X86_CR4_PAE, LONG,
	{ 0x201234, 0x3e234 }, map_64,
};

static const struct mode long_16 = {
	CODE_OF(code16), 2, false, PAGED, PML4, X86_CR4_PAE, LONG,
	{ 0x201234, 0x3e234 }, map_64,
};

static const struct mode long_57 = {
	CODE_OF(code64), 8, false, PAGED, PML5, X86_CR4_PAE | X86_CR4_LA57,
	LONG, { 0x1000000201234, 0x3e234 }, map_57,
};

/* Identity; then backwards; then a large page; then a table in no memory. */
static void write_tables(struct kvm_vm *vm)
{
	uint32_t *pd32 = addr_gpa2hva(vm, PD32);
	uint64_t *pd = addr_gpa2hva(vm, PD);
	uint64_t *pdpt_pae = addr_gpa2hva(vm, PDPT_PAE);
	uint64_t *pdpt = addr_gpa2hva(vm, PDPT);
	uint64_t *pml4 = addr_gpa2hva(vm, PML4);
	uint64_t *pml5 = addr_gpa2hva(vm, PML5);
	uint64_t i, back;

	for (i = 0; i < PAGES; i++) {
		back = PAGES - 1 - i;
		((uint32_t *)addr_gpa2hva(vm, PT32))[i] = i << 12 | 3;
		((uint32_t *)addr_gpa2hva(vm, PT32_BACK))[i] = back << 12 | 1;
		((uint64_t *)addr_gpa2hva(vm, PT))[i] = i << 12 | 3;
		/* The rights are of no importance: user, read-only, NX. */
		((uint64_t *)addr_gpa2hva(vm, PT_BACK))[i] =
			back << 12 | 5 | PTE_NX_MASK;
	}
	pd32[0] = PT32 | 3;
	pd32[1] = PT32_BACK | 7;
	pd32[2] = 0x83;
	pd32[4] = NO_MEMORY | 3;
	pd32[0x300] = PT32 | 3;
	pd[0] = PT | 3;
	pd[1] = PT_BACK | 7;
	pd[2] = 0x83;
	pd[4] = NO_MEMORY | 3;
	pdpt_pae[0] = PD | 1;
	pdpt_pae[3] = PD | 1;
	pdpt[0] = PD | 3;
	pml4[0] = PDPT | 3;
	pml4[511] = PDPT | 3;
	pml5[0] = PML4 | 3;
	pml5[1] = PML4 | 3;
	pml5[511] = PML4 | 3;
}

static void data_segment(struct kvm_segment *seg)
{
	*seg = (struct kvm_segment){
		.limit = 0xffffffff, .selector = 0x10, .type = 3, .present = 1,
		.db = 1, .s = 1, .g = 1,
	};
}

static void protected_segments(const struct mode *m, struct kvm_sregs *sregs)
{
	data_segment(&sregs->ds);
	sregs->es = sregs->ds;
	sregs->ss = sregs->ds;
	sregs->fs = sregs->ds;
	sregs->gs = sregs->ds;
	sregs->cs = sregs->ds;
	sregs->cs.selector = 8;
	sregs->cs.type = 11;
	sregs->cs.l = m->mode == 8;
	sregs->cs.db = m->d;
	sregs->tr = (struct kvm_segment){
		.base = TSS, .limit = 0x67, .selector = 0x18, .type = 11,
		.present = 1,
	};
	memset(&sregs->ldt, 0, sizeof(sregs->ldt));
	sregs->ldt.unusable = 1;
}

static struct kvm_vm *create(const struct mode *m, struct kvm_vcpu **vcpu)
{
	struct kvm_vm *vm = ____vm_create(VM_MODE_DEFAULT, PAGES);
	struct kvm_regs regs = { .rip = CODE, .rflags = 2, .rsp = 0x8765,
				 .rsi = m->look.gva, .rdi = SEEN };
	struct kvm_sregs sregs;

	write_tables(vm);
	memcpy(addr_gpa2hva(vm, CODE), m->code, m->size);
	memcpy(addr_gpa2hva(vm, HALT), code_halt, sizeof(code_halt));
	*(uint32_t *)addr_gpa2hva(vm, m->look.gpa) = MARK;
	vm_create_irqchip(vm);
	*vcpu = __vm_vcpu_add(vm, 0);
	vcpu_init_cpuid(*vcpu, kvm_get_supported_cpuid());
	vcpu_sregs_get(*vcpu, &sregs);
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (m->cr0 & X86_CR0_PE)
		protected_segments(m, &sregs);
	sregs.cr0 = m->cr0;
	sregs.cr3 = m->cr3;
	sregs.cr4 = m->cr4;
	sregs.efer = m->efer;
	vcpu_sregs_set(*vcpu, &sregs);
	vcpu_regs_set(*vcpu, &regs);
	return vm;
}

static void check_map(int fd, const struct pair *map)
{
	uint64_t gpa;

	for (; map->gva | map->gpa; map++) {
		CHECK_EQ(translate_gva(fd, 0, map->gva, &gpa), 0);
		CHECK(gpa == map->gpa, "%#llx is at %#llx, not %#llx",
		      (unsigned long long)map->gva, (unsigned long long)gpa,
		      (unsigned long long)map->gpa);
	}
}

/* What KVM makes of an address, known or not. */
static void check_translate(int fd, struct kvm_vcpu *vcpu, uint64_t gva)
{
	struct kvm_translation tr = { .linear_address = gva };
	uint64_t gpa;

	vcpu_ioctl(vcpu, KVM_TRANSLATE, &tr);
	CHECK_EQ(translate_gva(fd, 0, gva, &gpa), 0);
	CHECK(gpa == (tr.valid ? tr.physical_address : NONE),
	      "%#llx is at %#llx", (unsigned long long)gva,
	      (unsigned long long)gpa);
}

static void check_translates(int fd, struct kvm_vcpu *vcpu,
			     const struct mode *m)
{
	const struct pair *p;
	uint64_t gva = 88172645463325252ull;
	int i;

	for (p = m->map; p->gva | p->gpa; p++)
		check_translate(fd, vcpu, p->gva);
	for (i = 0; i < kvmi_count(20, 2000); i++) {
		gva ^= gva << 13;
		gva ^= gva >> 7;
		gva ^= gva << 17;
		check_translate(fd, vcpu, m->mode == 8 ? gva :
				gva & 0xffffffff);
		check_translate(fd, vcpu, gva & 0xfffff);
	}
}

/* A guest that spins: nothing but RIP and the flags changes. */
static void check_moving(int fd, const struct mode *m, struct registers *regs)
{
	struct kvm_regs *r = &regs->hdr.regs;

	CHECK_EQ(get_registers(fd, 0, 0, NULL, regs), 0);
	CHECK_EQ(regs->hdr.mode, m->mode);
	CHECK(r->rip > CODE && r->rip < CODE + m->size, "RIP is %#llx",
	      (unsigned long long)r->rip);
	CHECK_EQ(r->rsp, 0x8765);
	CHECK(r->rflags & 0x200, "IF is clear");
	CHECK_EQ(regs->hdr.sregs.cr3, m->cr3);
	CHECK_EQ(regs->hdr.sregs.efer, m->efer);
	CHECK_EQ(regs->hdr.sregs.cr0 | X86_CR0_ET, m->cr0);
	CHECK_EQ(regs->hdr.sregs.cr4, m->cr4);
	CHECK_EQ(regs->hdr.sregs.cs.db, m->d);
	CHECK_EQ(regs->hdr.sregs.cs.l, m->mode == 8);
}

static void check_stopped(int fd, struct kvm_vcpu *vcpu, int mode)
{
	struct registers regs;
	struct kvm_sregs sregs;
	struct kvm_regs gprs;

	CHECK_EQ(get_registers(fd, 0, 0, NULL, &regs), 0);
	vcpu_regs_get(vcpu, &gprs);
	vcpu_sregs_get(vcpu, &sregs);
	CHECK_EQ(regs.hdr.mode, mode);
	CHECK(!memcmp(&gprs, &regs.hdr.regs, sizeof(gprs)), "registers");
	CHECK(!memcmp(&sregs, &regs.hdr.sregs, sizeof(sregs)), "sregs");
}

/**
 * struct others - what has nothing to do with the mode, and must not
 * @xsave: GET_XSAVE
 * @xcr0: GET_XCR
 * @leaf: GET_CPUID of leaf 1
 * @msrs: GET_REGISTERS of other_msrs
 */
struct others {
	struct kvmi_vcpu_xsave xsave;
	uint64_t xcr0;
	struct kvmi_vcpu_get_cpuid_reply leaf;
	uint64_t msrs[4];
};

static const uint32_t other_msrs[4] = {
	MSR_EFER, MSR_IA32_CR_PAT, MSR_IA32_APICBASE, MSR_IA32_MISC_ENABLE,
};

static void ask_others(int fd, struct others *o)
{
	struct registers regs;
	int i;

	CHECK_EQ(get_xsave(fd, 0, &o->xsave), 0);
	CHECK_EQ(get_xcr(fd, 0, 0, &o->xcr0), 0);
	CHECK_EQ(get_cpuid(fd, 0, 1, 0, &o->leaf), 0);
	CHECK_EQ(get_registers(fd, 0, 4, other_msrs, &regs), 0);
	for (i = 0; i < 4; i++)
		o->msrs[i] = regs.msrs[i].data;
}

/*
 * What XSTATE_BV says is as at first is not in the image: 5.10 leaves there what
 * was in that memory before.
 */
static void drop_initial(void *area)
{
	uint8_t *image = area;
	uint64_t bv;

	memcpy(&bv, image + 512, sizeof(bv));
	if (!(bv & 1)) {
		memset(image, 0, 24);
		memset(image + 32, 0, 128);
	}
	if (!(bv & 6))
		memset(image + 24, 0, 8);
	if (!(bv & 2))
		memset(image + 160, 0, 256);
	if (!(bv & 4))
		memset(image + 576, 0, 256);
}

/* KVM answers its VMM when the vCPU is out of KVM_RUN. */
static void check_others(struct kvm_vcpu *vcpu, struct others *o,
			 const char *when)
{
	struct kvm_cpuid_entry2 *leaf;
	struct kvm_xsave xsave;
	struct kvm_xcrs xcrs;
	int i;

	vcpu_xsave_get(vcpu, &xsave);
	drop_initial(&o->xsave);
	drop_initial(xsave.region);
	CHECK(!memcmp(&o->xsave, xsave.region, sizeof(o->xsave)),
	      "%s, XSAVE", when);
	vcpu_xcrs_get(vcpu, &xcrs);
	CHECK(o->xcr0 == xcrs.xcrs[0].value, "%s, XCR0 %#llx", when,
	      (unsigned long long)o->xcr0);
	for (i = 0; i < 4; i++)
		CHECK(o->msrs[i] == vcpu_get_msr(vcpu, other_msrs[i]),
		      "%s, MSR %#x is %#llx", when, other_msrs[i],
		      (unsigned long long)o->msrs[i]);
	vcpu_ioctl(vcpu, KVM_GET_CPUID2, vcpu->cpuid);
	leaf = vcpu_get_cpuid_entry(vcpu, 1);
	CHECK(o->leaf.ecx == leaf->ecx && o->leaf.eax == leaf->eax,
	      "%s, CPUID leaf 1", when);
}

static void check_others_now(int fd, struct kvm_vcpu *vcpu, const char *when)
{
	struct others o;

	ask_others(fd, &o);
	check_others(vcpu, &o, when);
}

/* The same but for what the processor may get wrong. */
static bool same_sregs(const struct kvm_sregs *a, struct kvm_sregs *b)
{
	if (a->cr2 != b->cr2 && !guest_cr2_kept())
		b->cr2 = a->cr2;
	return !memcmp(a, b, sizeof(*a));
}

/* The guest has found at an address what is where it becomes. */
static void check_look(int fd, struct kvm_vm *vm, const struct mode *m)
{
	uint64_t gpa;

	CHECK_EQ(*(volatile uint32_t *)addr_gpa2hva(vm, SEEN), MARK);
	CHECK_EQ(translate_gva(fd, 0, m->look.gva, &gpa), 0);
	CHECK_EQ(gpa, m->look.gpa);
}

static uint64_t rip_of(int fd)
{
	struct registers regs;

	CHECK_EQ(get_registers(fd, 0, 0, NULL, &regs), 0);
	return regs.hdr.regs.rip;
}

/* It halts instead, and all else is as before, which is in @spun. */
static void check_halted(int fd, const struct mode *m, struct runner *r,
			 struct registers *spun)
{
	struct kvm_mp_state state;
	struct registers regs;
	struct others others;
	int i;

	spun->hdr.regs.rip = HALT;
	vcpu_regs_set(r->vcpu, &spun->hdr.regs);
	runner_go(r);
	CHECK(WAIT_FOR(rip_of(fd) == HALTED && runner_sleeps(r), 20),
	      "not halted");
	for (i = 0; i < kvmi_count(3, 50); i++) {
		CHECK_EQ(get_registers(fd, 0, 0, NULL, &regs), 0);
		CHECK_EQ(regs.hdr.mode, m->mode);
		CHECK_EQ(regs.hdr.regs.rip, HALTED);
		CHECK_EQ(regs.hdr.regs.rsp, spun->hdr.regs.rsp);
		CHECK_EQ(regs.hdr.regs.rsi, spun->hdr.regs.rsi);
		CHECK(same_sregs(&regs.hdr.sregs, &spun->hdr.sregs), "sregs");
		check_map(fd, m->map);
	}
	ask_others(fd, &others);
	runner_park(r, RUNNER_BLOCKED);
	check_others(r->vcpu, &others, "halted");
	vcpu_mp_state_get(r->vcpu, &state);
	CHECK_EQ(state.mp_state, KVM_MP_STATE_HALTED);
	CHECK_EQ(rip_of(fd), HALTED);
	check_stopped(fd, r->vcpu, m->mode);
}

static void run_mode(const struct mode *m)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(m, &vcpu);
	volatile uint64_t *count = addr_gpa2hva(vm, COUNT);
	struct registers regs;
	struct others moving, paused;
	struct kvm_sregs sregs;
	struct runner runner;
	struct event ev;
	int fd, i;

	fd = session_all(vm);
	check_stopped(fd, vcpu, m->mode);
	check_others_now(fd, vcpu, "never run");
	check_map(fd, m->map);
	runner_start(&runner, vcpu);
	for (i = 0; i < kvmi_count(5, 200); i++) {
		CHECK(guest_moves(count), "no guest: exit %u", runner.reason);
		check_moving(fd, m, &regs);
		check_map(fd, m->map);
		check_look(fd, vm, m);
	}
	ask_others(fd, &moving);
	pause_now(fd, 0, &ev);
	ask_others(fd, &paused);
	CHECK_EQ(ev.common.arch.mode, m->mode);
	CHECK(same_sregs(&ev.common.arch.sregs, &regs.hdr.sregs), "sregs");
	check_map(fd, m->map);
	CHECK_EQ(event_reply(fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	CHECK(guest_moves(count), "the guest hangs");
	CHECK_EQ(runner.returns, 0);
	runner_park(&runner, RUNNER_BLOCKED);
	check_others(vcpu, &moving, "in the guest");
	check_others(vcpu, &paused, "paused");
	check_others_now(fd, vcpu, "outside of KVM_RUN");
	vcpu_sregs_get(vcpu, &sregs);
	CHECK(same_sregs(&sregs, &regs.hdr.sregs), "sregs");
	check_stopped(fd, vcpu, m->mode);
	check_translates(fd, vcpu, m);
	check_halted(fd, m, &runner, &regs);
}

static void test_real(void) { run_mode(&real_mode); }
static void test_protected_16(void) { run_mode(&protected_16); }
static void test_protected_32(void) { run_mode(&protected_32); }
static void test_paging_32(void) { run_mode(&paging_32); }
static void test_pae(void) { run_mode(&paging_pae); }
static void test_long_64(void) { run_mode(&long_64); }
static void test_long_32(void) { run_mode(&long_32); }
static void test_long_16(void) { run_mode(&long_16); }
static void test_long_57(void) { run_mode(&long_57); }

static bool have_57(void)
{
	return kvm_cpu_has(X86_FEATURE_LA57);
}

/* Tables that the VMM changes are walked anew. */
static void tables_change(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = create(&long_64, &vcpu);
	uint64_t *pt = addr_gpa2hva(vm, PT), gpa;
	struct runner runner;
	int fd = session_all(vm), i;

	runner_start(&runner, vcpu);
	CHECK(guest_moves(addr_gpa2hva(vm, COUNT)), "no guest");
	for (i = 0; i < 50; i++) {
		pt[100] = (uint64_t)i << 12 | 3;
		CHECK_EQ(translate_gva(fd, 0, 100 * 4096 + i, &gpa), 0);
		CHECK_EQ(gpa, i * 4096 + i);
		pt[100] = 0;
		CHECK_EQ(translate_gva(fd, 0, 100 * 4096 + i, &gpa), 0);
		CHECK_EQ(gpa, NONE);
	}
}

static const struct kvmi_case cases[] = {
	{ "real mode", test_real },
	{ "protected mode, 16 bits", test_protected_16 },
	{ "protected mode, 32 bits", test_protected_32 },
	{ "32-bit paging", test_paging_32 },
	{ "PAE", test_pae },
	{ "long mode", test_long_64 },
	{ "long mode, 32-bit segment", test_long_32 },
	{ "long mode, 16-bit segment", test_long_16 },
	{ "long mode with 5 levels", test_long_57, have_57 },
	{ "page tables that change", tables_change },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
