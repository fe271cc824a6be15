/* SPDX-License-Identifier: GPL-2.0-only */
/* What the rest of the module asks of KVM. */
#ifndef KVMI_KVM_BACKEND_H
#define KVMI_KVM_BACKEND_H

#include <linux/types.h>
#include <linux/workqueue.h>

struct kvm;
struct module;
struct task_struct;

/*
 * memory.c: copy @size bytes of the page at @gpa; see struct kvmi_vm_ops. In
 * the receiving thread only, and it may come back with a signal pending that
 * it has sent to itself.
 */
int kvmi_backend_read(struct kvm *kvm, u64 gpa, void *buf, size_t size);
int kvmi_backend_write(struct kvm *kvm, u64 gpa, const void *buf, size_t size);

/*
 * memory.c: the same, but without a page fault, and whatever signal is pending.
 * EAGAIN when the VMM has nothing mapped there, or not for writing.
 */
int kvmi_backend_write_present(struct kvm *kvm, u64 gpa, const void *buf,
			       size_t size);

/*
 * memory.c: around a page fault of the receiving thread. One that takes longer
 * than 10 seconds is ended with a signal, which is then pending.
 */
struct kvmi_watchdog {
	struct delayed_work work;
	struct task_struct *task;
};

void kvmi_watchdog_start(struct kvmi_watchdog *dog);
void kvmi_watchdog_stop(struct kvmi_watchdog *dog);

/* memory.c: number of online vCPUs. */
u32 kvmi_backend_vcpu_count(struct kvm *kvm);

/*
 * vendor.c: take a reference on kvm_amd or kvm_intel, whichever runs the VMs
 * of this host. @vendor is NULL when it is built in.
 */
int kvmi_backend_pin_vendor(struct module **vendor);

/*
 * vendor.c: memory or registers of the guest are not readable by the host. The
 * vendor module is pinned. May sleep.
 */
bool kvmi_backend_confidential(struct kvm *kvm);

/*
 * vendor.c: if a nested guest runs, its hypervisor goes on in its place, with
 * registers that it does not expect. In the context of the vCPU, in a thread of
 * its VMM; does nothing elsewhere.
 */
void kvmi_backend_leave_nested(struct kvm_vcpu *vcpu);

#endif /* KVMI_KVM_BACKEND_H */
