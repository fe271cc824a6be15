// SPDX-License-Identifier: GPL-2.0-only
/*
 * Values of a vCPU, by the functions with which KVM answers its VMM. They are
 * not exported, and found by name when the module is loaded. Those that KVM
 * keeps in the kvm module for everybody exist on all kernels under one name;
 * a command whose function is missing is not offered.
 */
#include <linux/kvm_host.h>
#include <linux/sched/signal.h>

#include "../../compat/call.h"
#include "../../compat/resolve.h"
#include "../../compat/vcpu.h"
#include "../../compat/xsave.h"
#include "../core/vcpu.h"
#include "backend.h"
#include "vcpu.h"

KVMI_DECLARE_STUB(kvmi_call_vcpu_load, void, struct kvm_vcpu *vcpu);
KVMI_DEFINE_STUB(kvmi_call_vcpu_load);
KVMI_DECLARE_STUB(kvmi_call_vcpu_put, void, struct kvm_vcpu *vcpu);
KVMI_DEFINE_STUB(kvmi_call_vcpu_put);
KVMI_DECLARE_STUB(kvmi_call_running_vcpu, struct kvm_vcpu *, void);
KVMI_DEFINE_STUB(kvmi_call_running_vcpu);
KVMI_DECLARE_STUB(kvmi_call_wake_up, bool, struct kvm_vcpu *vcpu);
KVMI_DEFINE_STUB(kvmi_call_wake_up);
KVMI_DECLARE_STUB(kvmi_call_get_regs, void, struct kvm_vcpu *vcpu,
		  struct kvm_regs *regs);
KVMI_DEFINE_STUB(kvmi_call_get_regs);
KVMI_DECLARE_STUB(kvmi_call_get_sregs, void, struct kvm_vcpu *vcpu,
		  struct kvm_sregs *sregs);
KVMI_DEFINE_STUB(kvmi_call_get_sregs);
KVMI_DECLARE_STUB(kvmi_call_set_regs, int, struct kvm_vcpu *vcpu,
		  struct kvm_regs *regs);
KVMI_DEFINE_STUB(kvmi_call_set_regs);
KVMI_DECLARE_STUB(kvmi_call_get_msr, int, struct kvm_vcpu *vcpu, u32 index,
		  u64 *data);
KVMI_DEFINE_STUB(kvmi_call_get_msr);
KVMI_DECLARE_STUB(kvmi_call_update_cpuid, void, struct kvm_vcpu *vcpu);
KVMI_DEFINE_STUB(kvmi_call_update_cpuid);
KVMI_DECLARE_STUB(kvmi_call_translate, gpa_t, struct kvm_vcpu *vcpu,
		  gpa_t gva, void *exception);
KVMI_DEFINE_STUB(kvmi_call_translate);
KVMI_DECLARE_STUB(kvmi_call_check_cap, int, struct kvm *kvm, long cap);
KVMI_DEFINE_STUB(kvmi_call_check_cap);
KVMI_DECLARE_STUB(kvmi_call_queue_exception, void, struct kvm_vcpu *vcpu,
		  unsigned int nr);
KVMI_DEFINE_STUB(kvmi_call_queue_exception);
KVMI_DECLARE_STUB(kvmi_call_queue_exception_e, void, struct kvm_vcpu *vcpu,
		  unsigned int nr, u32 error_code);
KVMI_DEFINE_STUB(kvmi_call_queue_exception_e);

/**
 * struct needed - a function of KVM
 * @module: where it is, NULL for the kernel proper
 * @symbol: its name
 * @target: where to store the address
 * @commands: what cannot be offered without it: bit n for command id n
 */
struct needed {
	const char *module;
	const char *symbol;
	unsigned long *target;
	u32 commands;
};

#define ALL KVMI_VCPU_COMMANDS
#define REGS (BIT(KVMI_VCPU_GET_REGISTERS) | BIT(KVMI_VM_PAUSE_VCPU) | \
	      BIT(KVMI_VCPU_INJECT_EXCEPTION) | BIT(KVMI_VCPU_SET_REGISTERS))
#define MSRS (REGS | BIT(KVMI_VCPU_GET_MTRR_TYPE))
#define INJECT BIT(KVMI_VCPU_INJECT_EXCEPTION)

static const struct needed needed[] = {
	{ "kvm", "vcpu_load", &kvmi_call_vcpu_load_target, ALL },
	{ "kvm", "vcpu_put", &kvmi_call_vcpu_put_target, ALL },
	{ "kvm", "kvm_get_running_vcpu", &kvmi_call_running_vcpu_target, ALL },
	{ "kvm", "kvm_vcpu_wake_up", &kvmi_call_wake_up_target, ALL },
	{ "kvm", "__get_regs", &kvmi_call_get_regs_target, REGS },
	{ "kvm", "__get_sregs", &kvmi_call_get_sregs_target, REGS },
	{ "kvm", "kvm_arch_vcpu_ioctl_set_regs", &kvmi_call_set_regs_target,
	  BIT(KVMI_VCPU_SET_REGISTERS) },
	{ "kvm", "do_get_msr", &kvmi_call_get_msr_target, MSRS },
	{ "kvm", "kvm_update_cpuid_runtime", &kvmi_call_update_cpuid_target,
	  BIT(KVMI_VCPU_GET_CPUID) | BIT(KVMI_VCPU_GET_MTRR_TYPE) },
	{ "kvm", "kvm_mmu_gva_to_gpa_system", &kvmi_call_translate_target,
	  BIT(KVMI_VCPU_TRANSLATE_GVA) },
	{ "kvm", "kvm_vm_ioctl_check_extension", &kvmi_call_check_cap_target,
	  BIT(KVMI_VCPU_GET_INFO) },
	{ "kvm", "kvm_queue_exception", &kvmi_call_queue_exception_target,
	  INJECT },
	{ "kvm", "kvm_queue_exception_e", &kvmi_call_queue_exception_e_target,
	  INJECT },
};

static u32 missing;

void kvmi_vcpu_backend_init(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(needed); i++) {
		*needed[i].target = kvmi_resolve(needed[i].module,
						 needed[i].symbol);
		if (*needed[i].target)
			continue;
		pr_warn("%s: no such function in %s: some vCPU commands are not offered (KVMI_VM_CHECK_COMMAND tells which); please report it\n",
			needed[i].symbol, needed[i].module ?: "the kernel");
		missing |= needed[i].commands;
	}
	if (!kvmi_xsave_init())
		missing |= BIT(KVMI_VCPU_GET_XSAVE) | BIT(KVMI_VCPU_SET_XSAVE);
}

u32 kvmi_vcpu_missing_commands(void)
{
	return missing;
}

bool kvmi_vcpu_trylock(struct kvm_vcpu *vcpu)
{
	if (!mutex_trylock(&vcpu->mutex))
		return false;
	kvmi_call_vcpu_load(vcpu);
	return true;
}

void kvmi_vcpu_unlock(struct kvm_vcpu *vcpu)
{
	lockdep_assert_held(&vcpu->mutex);
	kvmi_call_vcpu_put(vcpu);
	mutex_unlock(&vcpu->mutex);
}

static struct kvm_vcpu *loaded_vcpu(void)
{
	struct kvm_vcpu *vcpu;

	preempt_disable();
	vcpu = kvmi_call_running_vcpu();
	preempt_enable();
	return vcpu;
}

bool kvmi_vcpu_loaded(struct kvm_vcpu *vcpu)
{
	return loaded_vcpu() == vcpu;
}

bool kvmi_vcpu_any_loaded(void)
{
	return loaded_vcpu();
}

struct task_struct *kvmi_vcpu_task(struct kvm_vcpu *vcpu)
{
	return kvmi_kvm_vcpu_task(vcpu);
}

void kvmi_vcpu_wake(struct kvm_vcpu *vcpu)
{
	kvmi_kvm_request_unblock(vcpu);
	kvmi_call_wake_up(vcpu);
}

void kvmi_vcpu_request_crash(struct kvm_vcpu *vcpu)
{
	kvm_make_request(KVM_REQ_TRIPLE_FAULT, vcpu);
}

bool kvmi_vcpu_started(struct kvm_vcpu *vcpu)
{
	return READ_ONCE(vcpu->arch.mp_state) != KVM_MP_STATE_UNINITIALIZED;
}

bool kvmi_vcpu_in_guest(struct kvm_vcpu *vcpu)
{
	int mode = READ_ONCE(vcpu->mode);

	/* The latter is said by who has just sent for it. */
	return mode == IN_GUEST_MODE || mode == EXITING_GUEST_MODE;
}

bool kvmi_vcpu_protected(struct kvm_vcpu *vcpu)
{
	return kvmi_kvm_vcpu_protected(vcpu);
}

static struct kvm_vcpu *vcpu_of(void *ctx)
{
	struct kvm_vcpu *vcpu = ((struct kvmi_vcpu_ctx *)ctx)->vcpu;

	lockdep_assert_held(&vcpu->mutex);
	return vcpu;
}

static bool in_run(void *ctx)
{
	return ((struct kvmi_vcpu_ctx *)ctx)->in_run;
}

static void get_regs(void *ctx, struct kvm_regs *regs)
{
	kvmi_call_get_regs(vcpu_of(ctx), regs);
}

static void get_sregs(void *ctx, struct kvm_sregs *sregs)
{
	memset(sregs, 0, sizeof(*sregs));
	kvmi_call_get_sregs(vcpu_of(ctx), sregs);
}

/* As KVM_GET_MSRS, which holds kvm->srcu: some MSRs name guest memory. */
static int get_msr(void *ctx, u32 index, u64 *value)
{
	struct kvm_vcpu *vcpu = vcpu_of(ctx);
	bool runs = kvmi_kvm_begin_host_access(vcpu);
	int srcu = srcu_read_lock(&vcpu->kvm->srcu);
	int err;

	err = kvmi_call_get_msr(vcpu, kvmi_xsave_msr_kin(index), value);
	if (!err)
		err = kvmi_xsave_get_msr(vcpu, index, in_run(ctx), value);
	kvmi_kvm_end_host_access(vcpu, runs);
	srcu_read_unlock(&vcpu->kvm->srcu, srcu);
	return err;
}

static bool get_cpuid(void *ctx, u32 function, u32 index,
		      struct kvmi_vcpu_get_cpuid_reply *entry)
{
	struct kvm_vcpu *vcpu = vcpu_of(ctx);
	const struct kvm_cpuid_entry2 *e;
	int i;

	if (kvmi_kvm_cpuid_stale(vcpu))
		kvmi_call_update_cpuid(vcpu);
	for (i = 0; i < vcpu->arch.cpuid_nent; i++) {
		e = &vcpu->arch.cpuid_entries[i];
		if (e->function != function)
			continue;
		if ((e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) &&
		    e->index != index)
			continue;
		entry->eax = e->eax;
		entry->ebx = e->ebx;
		entry->ecx = e->ecx;
		entry->edx = e->edx;
		return true;
	}
	return false;
}

static u64 get_xcr0(void *ctx)
{
	struct kvm_vcpu *vcpu = vcpu_of(ctx);

	return vcpu->arch.xcr0;
}

static int get_xsave(void *ctx, void *buf)
{
	return kvmi_xsave_get(vcpu_of(ctx), buf, in_run(ctx));
}

static int set_xsave(void *ctx, void *buf)
{
	if (kvmi_xsave_set(vcpu_of(ctx), buf, in_run(ctx)))
		return -KVMI_EINVAL;
	return 0;
}

static u64 get_tsc_khz(void *ctx)
{
	struct kvm_vcpu *vcpu = vcpu_of(ctx);

	if (kvmi_call_check_cap(vcpu->kvm, KVM_CAP_TSC_CONTROL) <= 0)
		return 0;
	return vcpu->arch.virtual_tsc_khz;
}

/*
 * The page tables may have to be paged in by somebody who never does. In a
 * thread of the VMM that is its own affair; the receiving thread gives up.
 */
static int translate(void *ctx, u64 gva, u64 *gpa)
{
	struct kvm_vcpu *vcpu = vcpu_of(ctx);
	struct kvmi_watchdog dog;
	bool ours = current->flags & PF_KTHREAD;
	int srcu;

	if (ours)
		kvmi_watchdog_start(&dog);
	srcu = srcu_read_lock(&vcpu->kvm->srcu);
	*gpa = kvmi_call_translate(vcpu, gva, NULL);
	srcu_read_unlock(&vcpu->kvm->srcu, srcu);
	if (ours)
		kvmi_watchdog_stop(&dog);
	return ours && signal_pending(current) ? -KVMI_EAGAIN : 0;
}

/* KVM's function loads the vCPU itself, and forgets a pending exception. */
static void set_regs(void *ctx, const struct kvm_regs *regs)
{
	struct kvm_regs copy = *regs;
	struct kvm_vcpu *vcpu = vcpu_of(ctx);
	bool pending = vcpu->arch.exception.pending;

	kvmi_call_vcpu_put(vcpu);
	kvmi_call_set_regs(vcpu, &copy);
	kvmi_call_vcpu_load(vcpu);
	vcpu->arch.exception.pending = pending;
}

static bool delivered(void *ctx)
{
	struct kvm_vcpu *vcpu = vcpu_of(ctx);

	return !vcpu->arch.exception.pending &&
	       !vcpu->arch.exception.injected &&
	       !kvmi_kvm_exception_vmexit(vcpu) &&
	       !vcpu->arch.interrupt.injected && !vcpu->arch.nmi_injected;
}

/* Something else is on its way: that is what the tool will be told. */
static void tell_present(const struct kvm_vcpu *vcpu,
			 struct kvmi_vcpu_event_trap *trap)
{
	if (vcpu->arch.exception.pending || vcpu->arch.exception.injected) {
		trap->nr = kvmi_kvm_exception_vector(vcpu);
		if (vcpu->arch.exception.has_error_code)
			trap->error_code = vcpu->arch.exception.error_code;
	} else if (vcpu->arch.interrupt.injected) {
		trap->nr = vcpu->arch.interrupt.nr;
	} else {
		trap->nr = 2;
	}
}

static void inject(void *ctx, const struct kvmi_vcpu_inject_exception *req,
		   bool has_code, struct kvmi_vcpu_event_trap *trap)
{
	struct kvm_vcpu *vcpu = vcpu_of(ctx);

	if (!delivered(ctx)) {
		tell_present(vcpu, trap);
		return;
	}
	trap->nr = req->nr;
	trap->error_code = req->error_code;
	if (req->nr == PF_VECTOR)
		vcpu->arch.cr2 = req->address;
	if (has_code)
		kvmi_call_queue_exception_e(vcpu, req->nr, req->error_code);
	else
		kvmi_call_queue_exception(vcpu, req->nr);
}

static u64 get_cr2(void *ctx)
{
	struct kvm_vcpu *vcpu = vcpu_of(ctx);

	return vcpu->arch.cr2;
}

/*
 * KVM wakes a halted vCPU for an exception that is pending. But a VMM that gets
 * and sets the vCPU's events meanwhile makes it one that is to be injected
 * again, for which KVM does not. KVM also halts a vCPU, unseen in its mp_state,
 * whose page comes late: it will fault again, and wait again.
 */
static void unhalt(void *ctx)
{
	struct kvm_vcpu *vcpu = vcpu_of(ctx);

	if (vcpu->arch.mp_state == KVM_MP_STATE_HALTED)
		vcpu->arch.mp_state = KVM_MP_STATE_RUNNABLE;
	vcpu->arch.apf.halted = false;
}

static void make_runnable(void *ctx)
{
	struct kvm_vcpu *vcpu = vcpu_of(ctx);

	vcpu->arch.mp_state = KVM_MP_STATE_RUNNABLE;
	vcpu->arch.apf.halted = false;
}

static bool interrupted(void *ctx)
{
	return in_run(ctx) && signal_pending(current);
}

/*
 * A vCPU that is halted, or waits to be started, would not look at the request
 * before that is over, and one in a nested guest would leave it to the
 * hypervisor in the guest.
 */
static void crash(void *ctx)
{
	struct kvm_vcpu *vcpu = vcpu_of(ctx);

	make_runnable(ctx);
	kvmi_backend_leave_nested(vcpu);
	kvmi_vcpu_request_crash(vcpu);
}

const struct kvmi_vcpu_ops kvmi_vcpu_backend_ops = {
	.get_regs = get_regs,
	.get_sregs = get_sregs,
	.get_msr = get_msr,
	.get_cpuid = get_cpuid,
	.get_xcr0 = get_xcr0,
	.get_xsave = get_xsave,
	.set_xsave = set_xsave,
	.get_tsc_khz = get_tsc_khz,
	.translate = translate,
	.set_regs = set_regs,
	.inject = inject,
	.delivered = delivered,
	.unhalt = unhalt,
	.get_cr2 = get_cr2,
	.make_runnable = make_runnable,
	.interrupted = interrupted,
	.crash = crash,
};
