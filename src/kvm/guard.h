/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Keeps a vCPU out of the guest between two KVM_RUN: the first thing that the
 * next KVM_RUN does is to call us. A VM without one pays nothing.
 */
#ifndef KVMI_KVM_GUARD_H
#define KVMI_KVM_GUARD_H

#include <linux/types.h>

struct kvm;
struct kvm_vcpu;
struct kvmi_guard;

/*
 * For a session: made with the vCPU's record, may sleep, NULL without memory.
 * Freed with the record, after kvmi_guard_end() and kvmi_guard_leave().
 */
struct kvmi_guard *kvmi_guard_create(struct kvm_vcpu *vcpu);
void kvmi_guard_free(struct kvmi_guard *guard);

/*
 * From now until the next KVM_RUN, or its end. The caller holds vcpu->mutex and
 * is outside KVM_RUN, or sees to it that this KVM_RUN returns to user space.
 */
void kvmi_guard_arm(struct kvmi_guard *guard);

bool kvmi_guard_armed(struct kvmi_guard *guard);

/*
 * The session has ended: it cannot be armed any more. Takes it out of the vCPU;
 * false when it is armed and somebody has the vCPU. Does not wait.
 */
bool kvmi_guard_end(struct kvmi_guard *guard);

/*
 * Afterwards: if it is still there, the next KVM_RUN or the end of the VM takes it
 * out. Then true is returned: it is not the session's any more, and holds the
 * module.
 */
bool kvmi_guard_leave(struct kvmi_guard *guard);

/* The VM is being destroyed: take out all that sessions have left. */
void kvmi_guards_drop(struct kvm *kvm);

/* Some vCPU, of any VM, has one. From an ftrace callback. */
bool kvmi_guards_armed(void);

#endif /* KVMI_KVM_GUARD_H */
