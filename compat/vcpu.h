/* SPDX-License-Identifier: GPL-2.0-only */
/* Facts about a vCPU whose spelling differs between kernels. */
#ifndef KVMI_COMPAT_VCPU_H
#define KVMI_COMPAT_VCPU_H

#include <linux/kvm_host.h>
#include <linux/task_work.h>
#include "kvmi_autoconf.h"

/* The thread of the last KVM_RUN, with a reference, or NULL. */
static inline struct task_struct *kvmi_kvm_vcpu_task(struct kvm_vcpu *vcpu)
{
	struct task_struct *task;

#ifdef KVMI_HAVE_VCPU_HAS_PID_LOCK
	read_lock(&vcpu->pid_lock);
	task = get_pid_task(vcpu->pid, PIDTYPE_PID);
	read_unlock(&vcpu->pid_lock);
#else
	rcu_read_lock();
	task = get_pid_task(rcu_dereference(vcpu->pid), PIDTYPE_PID);
	rcu_read_unlock();
#endif
	return task;
}

/* The registers of a SEV-ES guest or a TD are encrypted. */
static inline bool kvmi_kvm_vcpu_protected(const struct kvm_vcpu *vcpu)
{
#ifdef KVMI_HAVE_VCPU_HAS_PROTECTED
	return vcpu->arch.guest_state_protected;
#else
	return false;
#endif
}

/*
 * A halted vCPU leaves kvm_vcpu_block() for this request, without having been
 * woken as the guest sees it. Kernels without it need a hook instead.
 */
static inline void kvmi_kvm_request_unblock(struct kvm_vcpu *vcpu)
{
#ifdef KVM_REQ_UNBLOCK
	kvm_make_request(KVM_REQ_UNBLOCK, vcpu);
#endif
}

#ifdef KVM_REQ_UNBLOCK
#define KVMI_KVM_UNBLOCKS true
#else
#define KVMI_KVM_UNBLOCKS false
#endif

/*
 * Access to MSRs on behalf of the host is not expected inside KVM_RUN: KVM warns
 * of some (v7.2, svm_pat_accesses_gpat()), and takes others for the guest's. So
 * it is told that it is outside meanwhile; only the vCPU's own thread looks at
 * this. Returns what to give to kvmi_kvm_end_host_access().
 */
static inline bool kvmi_kvm_begin_host_access(struct kvm_vcpu *vcpu)
{
	bool runs = false;

#ifdef KVMI_HAVE_VCPU_HAS_WANTS_TO_RUN
	runs = vcpu->wants_to_run;
	vcpu->wants_to_run = false;
#endif
	return runs;
}

static inline void kvmi_kvm_end_host_access(struct kvm_vcpu *vcpu, bool runs)
{
#ifdef KVMI_HAVE_VCPU_HAS_WANTS_TO_RUN
	vcpu->wants_to_run = runs;
#endif
}

/* The VMM has asked KVM_RUN to do what is left of an exit, and no more. */
static inline bool kvmi_kvm_returns_at_once(const struct kvm_vcpu *vcpu)
{
#ifdef KVMI_HAVE_VCPU_HAS_WANTS_TO_RUN
	return !vcpu->wants_to_run;
#else
	return READ_ONCE(vcpu->run->immediate_exit);
#endif
}

/* What a CPUID table shows of the running state is brought up to date late. */
static inline bool kvmi_kvm_cpuid_stale(const struct kvm_vcpu *vcpu)
{
#ifdef KVMI_HAVE_VCPU_HAS_CPUID_DIRTY
	return vcpu->arch.cpuid_dynamic_bits_dirty;
#else
	return false;
#endif
}

/* An exception of a nested guest is about to leave that guest instead. */
static inline bool kvmi_kvm_exception_vmexit(const struct kvm_vcpu *vcpu)
{
#ifdef KVMI_HAVE_VCPU_HAS_EXCEPTION_VMEXIT
	return vcpu->arch.exception_vmexit.pending;
#else
	return false;
#endif
}

/* The vector of an exception that KVM is going to deliver. */
static inline u8 kvmi_kvm_exception_vector(const struct kvm_vcpu *vcpu)
{
#ifdef KVMI_HAVE_EXCEPTION_HAS_NR
	return vcpu->arch.exception.nr;
#endif
#ifdef KVMI_HAVE_EXCEPTION_HAS_VECTOR
	return vcpu->arch.exception.vector;
#endif
}

#endif /* KVMI_COMPAT_VCPU_H */
