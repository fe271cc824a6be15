// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guests in every mode of the processor: code, page tables, segments.
 */
#include "kvmi_mode.h"

#define PAGES 64
#define NO_MEMORY 0x10000000ull

/* Where things are in the guest's memory. */
#define TSS 0x3000
#define PD32 0x4000
#define PT32 0x5000
#define PT32_BACK 0x6000
#define PDPT_PAE 0x7000
#define PD 0x8000
#define PT_BACK 0xa000
#define PML4 0xb000
#define PDPT 0xc000
#define PML5 0xd000

/*
 * The same in each mode: tells, and then 1: mov (SI), %eax; mov %eax, (DI); incl
 * MODE_COUNT; jmp 1b. Bytes for the guest, never executed here.
 */
extern const uint8_t code16[], code16_end[], code32[], code32_end[];
extern const uint8_t code64[], code64_end[];

asm(".text\n"
    ".macro mode_guest a, si, di\n"
    "	mov	%cr0, %\\a\n"
    "	movl	%eax, 0x2100\n"
    "	mov	%cr3, %\\a\n"
    "	movl	%eax, 0x2104\n"
    "	mov	%cr4, %\\a\n"
    "	movl	%eax, 0x2108\n"
    "	movl	%esp, 0x210c\n"
    "	movl	$0xc0000080, %ecx\n"
    "	rdmsr\n"
    "	movl	%eax, 0x2110\n"
    "	movl	$0x277, %ecx\n"
    "	rdmsr\n"
    "	movl	%eax, 0x2114\n"
    "	movl	%edx, 0x2118\n"
    "	movl	$0x1b, %ecx\n"
    "	rdmsr\n"
    "	movl	%eax, 0x211c\n"
    "	movl	$1, %eax\n"
    "	cpuid\n"
    "	movl	%eax, 0x2120\n"
    "	movl	%ecx, 0x2124\n"
    "	movl	%edx, 0x2128\n"
    "	movl	%cs, %eax\n"
    "	movl	%eax, 0x212c\n"
    "	movl	%ss, %eax\n"
    "	movl	%eax, 0x2130\n"
    "	movl	$1, 0x2134\n"
    "	sti\n"
    "1:	movl	(%\\si), %eax\n"
    "	movl	%eax, (%\\di)\n"
    "	incl	0x2000\n"
    "	jmp	1b\n"
    ".endm\n"
    ".code16\n"
    "code16: mode_guest eax, esi, edi\n"
    "code16_end:\n"
    ".code32\n"
    "code32: mode_guest eax, esi, edi\n"
    "code32_end:\n"
    ".code64\n"
    "code64: mode_guest rax, rsi, rdi\n"
    "code64_end:\n");

/* sti; hlt; nop; 1: jmp 1b. The same in all modes; one that wakes up is seen. */
static const uint8_t code_halt[] = { 0xfb, 0xf4, 0x90, 0xeb, 0xfe };

#define CODE_OF(code) code, code##_end
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
	{ 0x1abc, 0x1abc }, { 0x3ffff, 0x3ffff }, { 0x40000, MODE_NONE },
	{ 0x400000, 0x3f000 }, { 0x401234, 0x3e234 }, { 0x43ffff, 0xfff },
	{ 0x440000, MODE_NONE }, { 0x800000, 0 }, { 0xb99999, 0x399999 },
	{ 0xc00000, MODE_NONE }, { 0x1000000, MODE_NONE }, { 0xc0002008, 0x2008 },
	{ 0xffffffff, MODE_NONE }, { 0x100401234, 0x3e234 },
	{ 0xffffffffc0002008, 0x2008 }, { 0, 0 },
};

static const struct pair map_pae[] = {
	{ 0x1abc, 0x1abc }, { 0x3ffff, 0x3ffff }, { 0x40000, MODE_NONE },
	{ 0x200000, 0x3f000 }, { 0x201234, 0x3e234 }, { 0x23ffff, 0xfff },
	{ 0x240000, MODE_NONE }, { 0x400000, 0 }, { 0x599999, 0x199999 },
	{ 0x600000, MODE_NONE }, { 0x800000, MODE_NONE }, { 0x40000000, MODE_NONE },
	{ 0xc0002008, 0x2008 }, { 0xc0201008, 0x3e008 }, { 0xfffff000, MODE_NONE },
	{ 0x100201234, 0x3e234 }, { 0xffffffffc0002008, 0x2008 }, { 0, 0 },
};

/*
 * The last ones are not canonical: a guest that uses them gets an exception,
 * but the walk takes from an address no more than indices and the offset.
 */
static const struct pair map_64[] = {
	{ 0x1abc, 0x1abc }, { 0x3ffff, 0x3ffff }, { 0x40000, MODE_NONE },
	{ 0x200000, 0x3f000 }, { 0x201234, 0x3e234 }, { 0x240000, MODE_NONE },
	{ 0x400000, 0 }, { 0x599999, 0x199999 }, { 0x600000, MODE_NONE },
	{ 0x800000, MODE_NONE }, { 0x80000000, MODE_NONE }, { 0x8000000000, MODE_NONE },
	{ 0x7fffffffffff, MODE_NONE }, { 0xffffff8000002008, 0x2008 },
	{ 0xffffff8000201008, 0x3e008 }, { 0xffff800000000000, MODE_NONE },
	{ 0xffffffffffffffff, MODE_NONE },
	{ 0x0001000000002008, 0x2008 }, { 0x8000000000201234, 0x3e234 },
	{ 0x7fff000000002008, 0x2008 }, { 0x0000ff8000002008, 0x2008 },
	{ 0xff7fff8000201008, 0x3e008 }, { 0x0000800000000000, MODE_NONE }, { 0, 0 },
};

static const struct pair map_57[] = {
	{ 0x1abc, 0x1abc }, { 0x201234, 0x3e234 }, { 0x8000000000, MODE_NONE },
	{ 0xffffff8000002008, 0x2008 }, { 0x1000000002008, 0x2008 },
	{ 0x2000000000000, MODE_NONE }, { 0xff00000000000000, MODE_NONE },
	{ 0x0200000000002008, 0x2008 }, { 0x8001000000002008, 0x2008 },
	{ 0x01ff000000002008, 0x2008 }, { 0x0100000000000000, MODE_NONE }, { 0, 0 },
};

const struct mode mode_real = {
	CODE_OF(code16), 2, false, X86_CR0_ET, .look = { 0xe234, 0xe234 },
	.map = map_flat,
};

const struct mode mode_protected_32 = {
	CODE_OF(code32), 4, true, PROTECTED, .look = { 0x3e234, 0x3e234 },
	.map = map_flat,
};

const struct mode mode_protected_16 = {
	CODE_OF(code16), 2, false, PROTECTED, .look = { 0x3e234, 0x3e234 },
	.map = map_flat,
};

const struct mode mode_paging_32 = {
	CODE_OF(code32), 4, true, PAGED, PD32, X86_CR4_PSE,
	.look = { 0x401234, 0x3e234 }, .map = map_32,
};

const struct mode mode_paging_pae = {
	CODE_OF(code32), 4, true, PAGED, PDPT_PAE, X86_CR4_PAE, EFER_NX,
	{ 0xc0201234, 0x3e234 }, map_pae,
};

const struct mode mode_long_64 = {
	CODE_OF(code64), 8, false, PAGED, PML4, X86_CR4_PAE, LONG,
	{ 0xffffff8000201234, 0x3e234 }, map_64,
};

const struct mode mode_long_32 = {
	CODE_OF(code32), 4, true, PAGED, PML4, X86_CR4_PAE, LONG,
	{ 0x201234, 0x3e234 }, map_64,
};

const struct mode mode_long_16 = {
	CODE_OF(code16), 2, false, PAGED, PML4, X86_CR4_PAE, LONG,
	{ 0x201234, 0x3e234 }, map_64,
};

const struct mode mode_long_57 = {
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
		((uint64_t *)addr_gpa2hva(vm, MODE_PT))[i] = i << 12 | 3;
		/* The rights are of no importance: user, read-only, NX. */
		((uint64_t *)addr_gpa2hva(vm, PT_BACK))[i] =
			back << 12 | 5 | PTE_NX_MASK;
	}
	pd32[0] = PT32 | 3;
	pd32[1] = PT32_BACK | 7;
	pd32[2] = 0x83;
	pd32[4] = NO_MEMORY | 3;
	pd32[0x300] = PT32 | 3;
	pd[0] = MODE_PT | 3;
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

struct kvm_vm *mode_create(const struct mode *m, struct kvm_vcpu **vcpu)
{
	struct kvm_vm *vm = ____vm_create(VM_MODE_DEFAULT, PAGES);
	struct kvm_regs regs = { .rip = MODE_CODE, .rflags = 2, .rsp = 0x8765,
				 .rsi = m->look.gva, .rdi = MODE_SEEN };
	struct kvm_sregs sregs;

	write_tables(vm);
	memcpy(addr_gpa2hva(vm, MODE_CODE), m->code, m->code_end - m->code);
	memcpy(addr_gpa2hva(vm, MODE_HALT), code_halt, sizeof(code_halt));
	*(uint32_t *)addr_gpa2hva(vm, m->look.gpa) = MODE_MARK;
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
