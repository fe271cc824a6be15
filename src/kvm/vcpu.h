/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vCPU as the core sees it. Everything here that takes a struct kvm_vcpu,
 * other than what says so, needs the vCPU's context: vcpu->mutex is held, by
 * KVM_RUN of the current task or by kvmi_vcpu_trylock(), and the vCPU is
 * loaded.
 */
#ifndef KVMI_KVM_VCPU_H
#define KVMI_KVM_VCPU_H

#include <linux/types.h>

struct kvm_vcpu;
struct task_struct;

/**
 * struct kvmi_vcpu_ctx - what the operations for the core work on
 * @vcpu: the vCPU
 * @in_run: its context is KVM_RUN, where the CPU's FPU registers are the guest's
 */
struct kvmi_vcpu_ctx {
	struct kvm_vcpu *vcpu;
	bool in_run;
};

/* Look up what is needed; at load. */
void kvmi_vcpu_backend_init(void);

/* All vCPU commands, and the VM command that names a vCPU: bit n for id n. */
#define KVMI_VCPU_COMMANDS (0xaaaaaaaau | BIT(KVMI_VM_PAUSE_VCPU))

/* Bit n is set when command id n cannot be offered by this kernel. */
u32 kvmi_vcpu_missing_commands(void);

/*
 * Take the vCPU for the current thread, with its state loaded, when nobody has
 * it. Any context that may sleep, with the VMM's address space in use where guest
 * memory may be looked at.
 */
bool kvmi_vcpu_trylock(struct kvm_vcpu *vcpu);
void kvmi_vcpu_unlock(struct kvm_vcpu *vcpu);

/*
 * The current task has the vCPU loaded: without kvmi_vcpu_trylock(), it is in
 * KVM_RUN. Any context.
 */
bool kvmi_vcpu_loaded(struct kvm_vcpu *vcpu);

/* The current task has some vCPU loaded. Any context. */
bool kvmi_vcpu_any_loaded(void);

/* The task of the last KVM_RUN with a reference, or NULL. Any context. */
struct task_struct *kvmi_vcpu_task(struct kvm_vcpu *vcpu);

/* Have a halted vCPU look at its task's work. Any context. */
void kvmi_vcpu_wake(struct kvm_vcpu *vcpu);

/* Its next KVM_RUN, or this one, returns KVM_EXIT_SHUTDOWN. Any context. */
void kvmi_vcpu_request_crash(struct kvm_vcpu *vcpu);

/* The guest has started the vCPU. Any context. */
bool kvmi_vcpu_started(struct kvm_vcpu *vcpu);

/* The vCPU is in the guest. Any context. */
bool kvmi_vcpu_in_guest(struct kvm_vcpu *vcpu);

/* Its registers are not the host's to read. Any context. */
bool kvmi_vcpu_protected(struct kvm_vcpu *vcpu);

/* Operations for the core, on a struct kvmi_vcpu_ctx. */
extern const struct kvmi_vcpu_ops kvmi_vcpu_backend_ops;

#endif /* KVMI_KVM_VCPU_H */
