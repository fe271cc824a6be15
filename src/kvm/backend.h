/* SPDX-License-Identifier: GPL-2.0-only */
/* What the rest of the module asks of KVM. */
#ifndef KVMI_KVM_BACKEND_H
#define KVMI_KVM_BACKEND_H

#include "../core/core.h"

struct kvm;
struct module;

/* The core's operations; the VM is a struct kvm. memory.c, vm_info.c */
extern const struct kvmi_vm_ops kvmi_backend_ops;

/* memory.c: receiving thread only; may sleep. */
int kvmi_backend_read_physical(void *vm, u64 gpa, void *buf, size_t size);
int kvmi_backend_write_physical(void *vm, u64 gpa, const void *buf,
				size_t size);

/*
 * vendor.c: take a reference on kvm_amd or kvm_intel, whichever runs the VMs
 * of this host. @vendor is NULL when it is built in.
 */
int kvmi_backend_pin_vendor(struct module **vendor);

/* vendor.c: memory or registers of the guest are not readable by the host. */
bool kvmi_backend_confidential(struct kvm *kvm);

#endif /* KVMI_KVM_BACKEND_H */
