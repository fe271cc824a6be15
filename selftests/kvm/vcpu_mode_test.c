// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registers and TRANSLATE_GVA in every mode of the processor: real mode,
 * protected mode, 32-bit paging, PAE, 4 and 5 levels, of a vCPU that never ran,
 * spins, waits for a reply, is stopped, or halts: against what KVM and the guest
 * itself say.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

#include "kvmi_mode.h"

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
	CHECK(gpa == (tr.valid ? tr.physical_address : MODE_NONE),
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
	CHECK(r->rip > MODE_CODE &&
	      r->rip < MODE_CODE + (m->code_end - m->code), "RIP is %#llx",
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
 * struct others - what stays the same, and mostly has nothing to do with the mode
 * @regs: GET_REGISTERS
 * @sregs: the same
 * @xsave: GET_XSAVE
 * @xcr0: GET_XCR
 * @leaf: GET_CPUID of leaf 1
 * @msrs: GET_REGISTERS of other_msrs
 */
struct others {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
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
	o->regs = regs.hdr.regs;
	o->sregs = regs.hdr.sregs;
	for (i = 0; i < 4; i++)
		o->msrs[i] = regs.msrs[i].data;
}

#define CHECK_TOLD(got, told)						\
	CHECK((uint32_t)(got) == (told), "%s: %#llx, the guest says %#x", when,	\
	      (unsigned long long)(got), told)

/* What the guest has found itself. CPUID of its XSAVE depends on CR4, which it has. */
static void check_told(struct kvm_vm *vm, const struct others *o,
		       const char *when)
{
	const struct mode_report *told = addr_gpa2hva(vm, MODE_REPORT);

	CHECK(told->end == 1, "%s: the guest has told nothing", when);
	CHECK_TOLD(o->sregs.cr0, told->cr0);
	CHECK_TOLD(o->sregs.cr3, told->cr3);
	/* KVM has AMD's guests see the host's. */
	CHECK_TOLD(o->sregs.cr4 | X86_CR4_MCE, told->cr4 | (uint32_t)X86_CR4_MCE);
	CHECK_TOLD(o->sregs.cs.selector, told->cs);
	CHECK_TOLD(o->sregs.ss.selector, told->ss);
	CHECK_TOLD(o->regs.rsp, told->esp);
	CHECK_TOLD(o->sregs.efer, told->efer);
	CHECK_TOLD(o->msrs[0], told->efer);
	CHECK_TOLD(o->msrs[1], told->pat);
	CHECK_TOLD(o->msrs[1] >> 32, told->pat_high);
	CHECK_TOLD(o->msrs[2], told->apic_base);
	CHECK_TOLD(o->leaf.eax, told->cpuid_eax);
	CHECK_TOLD(o->leaf.ecx, told->cpuid_ecx);
	CHECK_TOLD(o->leaf.edx, told->cpuid_edx);
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

	CHECK_EQ(*(volatile uint32_t *)addr_gpa2hva(vm, MODE_SEEN), MODE_MARK);
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
static void check_halted(int fd, struct kvm_vm *vm, const struct mode *m,
			 struct runner *r, struct registers *spun)
{
	struct kvm_mp_state state;
	struct registers regs;
	struct others others;
	int i;

	spun->hdr.regs.rip = MODE_HALT;
	vcpu_regs_set(r->vcpu, &spun->hdr.regs);
	runner_go(r);
	CHECK(WAIT_FOR(rip_of(fd) == MODE_HALTED && runner_sleeps(r), 20),
	      "not halted");
	for (i = 0; i < kvmi_count(3, 50); i++) {
		CHECK_EQ(get_registers(fd, 0, 0, NULL, &regs), 0);
		CHECK_EQ(regs.hdr.mode, m->mode);
		CHECK_EQ(regs.hdr.regs.rip, MODE_HALTED);
		CHECK_EQ(regs.hdr.regs.rsp, spun->hdr.regs.rsp);
		CHECK_EQ(regs.hdr.regs.rsi, spun->hdr.regs.rsi);
		CHECK(same_sregs(&regs.hdr.sregs, &spun->hdr.sregs), "sregs");
		check_map(fd, m->map);
	}
	ask_others(fd, &others);
	runner_park(r, RUNNER_BLOCKED);
	check_others(r->vcpu, &others, "halted");
	check_told(vm, &others, "halted");
	vcpu_mp_state_get(r->vcpu, &state);
	CHECK_EQ(state.mp_state, KVM_MP_STATE_HALTED);
	CHECK_EQ(rip_of(fd), MODE_HALTED);
	check_stopped(fd, r->vcpu, m->mode);
}

static void run_mode(const struct mode *m)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = mode_create(m, &vcpu);
	volatile uint64_t *count = addr_gpa2hva(vm, MODE_COUNT);
	struct registers regs;
	struct others first, moving, paused;
	struct kvm_sregs sregs;
	struct runner runner;
	struct event ev;
	int fd, i;

	fd = session_all(vm);
	check_stopped(fd, vcpu, m->mode);
	ask_others(fd, &first);
	check_others(vcpu, &first, "never run");
	check_map(fd, m->map);
	runner_start(&runner, vcpu);
	for (i = 0; i < kvmi_count(5, 200); i++) {
		CHECK(guest_moves(count), "no guest: exit %u", runner.reason);
		check_moving(fd, m, &regs);
		check_map(fd, m->map);
		check_look(fd, vm, m);
	}
	check_told(vm, &first, "never run");
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
	check_told(vm, &moving, "in the guest");
	check_others(vcpu, &paused, "paused");
	check_told(vm, &paused, "paused");
	ask_others(fd, &moving);
	check_others(vcpu, &moving, "outside of KVM_RUN");
	check_told(vm, &moving, "outside of KVM_RUN");
	vcpu_sregs_get(vcpu, &sregs);
	CHECK(same_sregs(&sregs, &regs.hdr.sregs), "sregs");
	check_stopped(fd, vcpu, m->mode);
	check_translates(fd, vcpu, m);
	check_halted(fd, vm, m, &runner, &regs);
}

static void test_real(void) { run_mode(&mode_real); }
static void test_protected_16(void) { run_mode(&mode_protected_16); }
static void test_protected_32(void) { run_mode(&mode_protected_32); }
static void test_paging_32(void) { run_mode(&mode_paging_32); }
static void test_pae(void) { run_mode(&mode_paging_pae); }
static void test_long_64(void) { run_mode(&mode_long_64); }
static void test_long_32(void) { run_mode(&mode_long_32); }
static void test_long_16(void) { run_mode(&mode_long_16); }
static void test_long_57(void) { run_mode(&mode_long_57); }

static bool have_57(void)
{
	return kvm_cpu_has(X86_FEATURE_LA57);
}

/* Tables that the VMM changes are walked anew. */
static void tables_change(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = mode_create(&mode_long_64, &vcpu);
	uint64_t *pt = addr_gpa2hva(vm, MODE_PT), gpa;
	struct runner runner;
	int fd = session_all(vm), i;

	runner_start(&runner, vcpu);
	CHECK(guest_moves(addr_gpa2hva(vm, MODE_COUNT)), "no guest");
	for (i = 0; i < 50; i++) {
		pt[100] = (uint64_t)i << 12 | 3;
		CHECK_EQ(translate_gva(fd, 0, 100 * 4096 + i, &gpa), 0);
		CHECK_EQ(gpa, i * 4096 + i);
		pt[100] = 0;
		CHECK_EQ(translate_gva(fd, 0, 100 * 4096 + i, &gpa), 0);
		CHECK_EQ(gpa, MODE_NONE);
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
