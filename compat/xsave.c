// SPDX-License-Identifier: GPL-2.0-only
/*
 * From v5.17 d69c1382e1b7 ("x86/kvm: Convert FPU handling to a single swap
 * buffer") on, the area of a vCPU is one buffer whether it runs or not, and the
 * kernel proper has functions to convert it. Before, the area of a running
 * guest is that of its thread, KVM keeps another for when the vCPU does not run,
 * and what converts it is inlined: so the layout is taken from CPUID leaf 0xd,
 * as the architecture defines it.
 */
#include <linux/kvm_host.h>
#include <asm/fpu/api.h>

#include "call.h"
#include "kvmi_autoconf.h"
#include "resolve.h"
#include "xsave.h"

#define LEGACY_SIZE 512

KVMI_DECLARE_STUB(kvmi_fpu_load, void, void);
KVMI_DEFINE_STUB(kvmi_fpu_load);

/*
 * Write the guest's registers to memory. They are read again from there before
 * the guest or user space sees them.
 */
static void settle(void)
{
	kernel_fpu_begin();
	kernel_fpu_end();
}

/*
 * Around a change of the state in memory. In KVM_RUN it is loaded at once: a CPU
 * where the thread was before may believe that it still has its registers.
 */
static void begin_change(bool in_run)
{
	fpregs_lock();
	if (in_run)
		settle();
}

static void end_change(bool in_run)
{
	if (in_run)
		kvmi_fpu_load();
	fpregs_unlock();
}

static unsigned long find_function(const char *symbol)
{
	unsigned long addr = kvmi_resolve(NULL, symbol);

	if (!addr)
		pr_warn("%s: no such function in the kernel: the FPU state of vCPUs is not offered; please report it\n",
			symbol);
	return addr;
}

static bool load_known(void)
{
	kvmi_fpu_load_target = find_function("switch_fpu_return");
	return kvmi_fpu_load_target;
}

/*
 * Where a component lies in the standard layout; false when not in 4096. A function
 * of its own, as no emulator has such a component: the test answers in its place.
 */
noinline bool kvmi_xsave_place(int nr, u32 *offset, u32 *size)
{
	u32 eax = 0xd, ecx = nr, edx;

	/* The helper for this has moved between headers. */
	asm volatile("cpuid" : "+a" (eax), "=b" (*offset), "+c" (ecx),
		     "=d" (edx));
	*size = eax;
	return *size && *offset >= LEGACY_SIZE &&
	       *offset + *size <= KVMI_XSAVE_SIZE;
}

/* Components that the area of the ABI has room for. */
static u64 fitting_features(void)
{
	u64 features = XFEATURE_MASK_FPSSE;
	u32 offset, size;
	int nr;

	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return features;
	for (nr = 2; nr < 63; nr++)
		if (kvmi_xsave_place(nr, &offset, &size))
			features |= BIT_ULL(nr);
	return features;
}

static u64 features_of(const struct kvm_vcpu *vcpu)
{
	return vcpu->arch.guest_supported_xcr0 | XFEATURE_MASK_FPSSE;
}

#ifdef KVMI_HAVE_VCPU_FPU_IS_GUEST
#ifdef KVMI_HAVE_FPU_GET_TAKES_FEATURES
KVMI_DECLARE_STUB(kvmi_fpu_get, void, struct fpu_guest *fpu, void *buf,
		  unsigned int size, u64 features, u32 pkru);
#else
KVMI_DECLARE_STUB(kvmi_fpu_get, void, struct fpu_guest *fpu, void *buf,
		  unsigned int size, u32 pkru);
#endif
KVMI_DEFINE_STUB(kvmi_fpu_get);
KVMI_DECLARE_STUB(kvmi_fpu_set, int, struct fpu_guest *fpu, const void *buf,
		  u64 xcr0, u32 *pkru);
KVMI_DEFINE_STUB(kvmi_fpu_set);

KVMI_DECLARE_STUB(kvmi_component, void *, struct xregs_state *xsave, int nr);
KVMI_DEFINE_STUB(kvmi_component);

/**
 * struct state_msr - an MSR that is part of the FPU state
 * @index: the MSR
 * @kin: one that a guest has under the same condition, and that is no part of it
 * @component: of the state
 * @word: 8-byte word of that component
 *
 * From v6.18 on ("KVM: x86: Load guest FPU state when access XSAVE-managed
 * MSRs"; id not verified). KVM takes them from the CPU, and if the guest's state
 * is not loaded there, warns and ends the VM.
 */
struct state_msr {
	u32 index;
	u32 kin;
	int component;
	int word;
};

static const struct state_msr state_msrs[] = {
	{ 0x6a0 /* U_CET */, 0x6a2 /* S_CET */, 11 /* CET_USER */, 0 },
	{ 0x6a7 /* PL3_SSP */, 0x6a8 /* INT_SSP_TAB */, 11, 1 },
	{ 0x6a4 /* PL0_SSP */, 0x6a8, 12 /* CET_KERNEL */, 0 },
	{ 0x6a5 /* PL1_SSP */, 0x6a8, 12, 1 },
	{ 0x6a6 /* PL2_SSP */, 0x6a8, 12, 2 },
};

static const struct state_msr *find_state_msr(u32 index)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(state_msrs); i++)
		if (state_msrs[i].index == index)
			return &state_msrs[i];
	return NULL;
}

u32 kvmi_xsave_msr_kin(u32 index)
{
	const struct state_msr *msr = find_state_msr(index);

	return msr ? msr->kin : index;
}

int kvmi_xsave_get_msr(struct kvm_vcpu *vcpu, u32 index, bool in_run,
		       u64 *value)
{
	struct fpstate *state = vcpu->arch.guest_fpu.fpstate;
	const struct state_msr *msr = find_state_msr(index);
	const u64 *component = NULL;

	if (!msr)
		return 0;
	if (!kvmi_component_target)
		return -ENOENT;
	if (in_run)
		settle();
	if (state->xfeatures & BIT_ULL(msr->component))
		component = kvmi_component(&state->regs.xsave, msr->component);
	/* What is in its initial state is not in memory. */
	*value = component ? component[msr->word] : 0;
	return 0;
}

bool kvmi_xsave_init(void)
{
	/* Not on all kernels that have none of these MSRs. */
	kvmi_component_target = kvmi_resolve(NULL, "get_xsave_addr");
	kvmi_fpu_get_target = find_function("fpu_copy_guest_fpstate_to_uabi");
	kvmi_fpu_set_target = find_function("fpu_copy_uabi_to_guest_fpstate");
	return kvmi_fpu_get_target && kvmi_fpu_set_target && load_known();
}

int kvmi_xsave_get(struct kvm_vcpu *vcpu, void *buf, bool in_run)
{
	u64 *features = buf + LEGACY_SIZE;

	if (in_run)
		settle();
	memset(buf, 0, KVMI_XSAVE_SIZE);
#ifdef KVMI_HAVE_FPU_GET_TAKES_FEATURES
	kvmi_fpu_get(&vcpu->arch.guest_fpu, buf, KVMI_XSAVE_SIZE,
		     features_of(vcpu), vcpu->arch.pkru);
#else
	kvmi_fpu_get(&vcpu->arch.guest_fpu, buf, KVMI_XSAVE_SIZE,
		     vcpu->arch.pkru);
#endif
	/* What is not there in full must not be set from it. */
	*features &= fitting_features();
	return 0;
}

/* The kernel copies what the header names, however little there is. */
int kvmi_xsave_set(struct kvm_vcpu *vcpu, void *buf, bool in_run)
{
	u64 *features = buf + LEGACY_SIZE;
	int err;

	if (*features & ~features_of(vcpu))
		return -EINVAL;
	*features &= fitting_features();
	begin_change(in_run);
	err = kvmi_fpu_set(&vcpu->arch.guest_fpu, buf, features_of(vcpu),
			   &vcpu->arch.pkru);
	end_change(in_run);
	return err;
}
#endif

#ifdef KVMI_HAVE_VCPU_FPU_IS_POINTER
#include <asm/fpu/internal.h>
#include <asm/fpu/xstate.h>

#define MXCSR_OFFSET 24
#define FCW_INIT 0x37f
#define X87_REGISTERS 32
#define XMM_REGISTERS 160
#define LEGACY_END 416

bool kvmi_xsave_init(void)
{
	return load_known();
}

u32 kvmi_xsave_msr_kin(u32 index)
{
	return index;
}

int kvmi_xsave_get_msr(struct kvm_vcpu *vcpu, u32 index, bool in_run,
		       u64 *value)
{
	return 0;
}

static struct fpu *area_of(struct kvm_vcpu *vcpu, bool in_run)
{
	return in_run ? &current->thread.fpu : vcpu->arch.guest_fpu;
}

static void copy_components(struct kvm_vcpu *vcpu, struct xregs_state *xsave,
			    u8 *buf, u64 features, bool out)
{
	u32 offset, size;
	void *ours;
	int nr;

	for (nr = 2; nr < 63; nr++) {
		if (!(features & BIT_ULL(nr)) ||
		    !kvmi_xsave_place(nr, &offset, &size))
			continue;
		ours = get_xsave_addr(xsave, nr);
		if (nr == XFEATURE_PKRU) {
			ours = &vcpu->arch.pkru;
			size = sizeof(vcpu->arch.pkru);
		}
		if (ours && out)
			memcpy(buf + offset, ours, size);
		else if (ours)
			memcpy(ours, buf + offset, size);
	}
}

/*
 * The CPU does not save components that are in their initial state. What is in
 * the thread's area instead may be its own, not the guest's. (KVM's area holds
 * older values of the guest, and KVM_GET_XSAVE shows them.)
 */
static void initialise_legacy(u8 *buf, u64 features)
{
	if (!(features & XFEATURE_MASK_FP)) {
		memset(buf, 0, MXCSR_OFFSET);
		*(u16 *)buf = FCW_INIT;
		memset(buf + X87_REGISTERS, 0, XMM_REGISTERS - X87_REGISTERS);
	}
	if (!(features & XFEATURE_MASK_SSE)) {
		*(u32 *)(buf + MXCSR_OFFSET) = MXCSR_DEFAULT;
		memset(buf + XMM_REGISTERS, 0, LEGACY_END - XMM_REGISTERS);
	}
	memset(buf + LEGACY_END, 0, LEGACY_SIZE - LEGACY_END);
}

int kvmi_xsave_get(struct kvm_vcpu *vcpu, void *buf, bool in_run)
{
	struct xregs_state *xsave;
	u64 *features = buf + LEGACY_SIZE;

	if (in_run)
		settle();
	xsave = &area_of(vcpu, in_run)->state.xsave;
	memset(buf, 0, KVMI_XSAVE_SIZE);
	memcpy(buf, xsave, LEGACY_SIZE);
	*features = XFEATURE_MASK_FPSSE;
	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return 0;
	*features = xsave->header.xfeatures & features_of(vcpu) &
		    fitting_features();
	if (in_run)
		initialise_legacy(buf, *features);
	copy_components(vcpu, xsave, buf, *features, true);
	return 0;
}

/*
 * get_xsave_addr() looks at the header, whose xcomp_bv is constant. The thread's
 * PKRU is KVM's affair.
 */
static void set_area(struct kvm_vcpu *vcpu, struct xregs_state *xsave, u8 *buf,
		     u64 features)
{
	memcpy(xsave, buf, LEGACY_SIZE);
	if (!boot_cpu_has(X86_FEATURE_XSAVE))
		return;
	xsave->header.xfeatures = (features & ~XFEATURE_MASK_PKRU) |
		(xsave->header.xfeatures & XFEATURE_MASK_PKRU);
	copy_components(vcpu, xsave, buf, features, false);
}

int kvmi_xsave_set(struct kvm_vcpu *vcpu, void *buf, bool in_run)
{
	u64 features = *(u64 *)(buf + LEGACY_SIZE);
	u32 mxcsr = *(u32 *)(buf + MXCSR_OFFSET);

	if ((features & ~features_of(vcpu)) || (mxcsr & ~mxcsr_feature_mask))
		return -EINVAL;
	begin_change(in_run);
	set_area(vcpu, &area_of(vcpu, in_run)->state.xsave, buf,
		 features & fitting_features());
	end_change(in_run);
	return 0;
}
#endif
