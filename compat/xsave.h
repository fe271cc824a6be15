/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The XSAVE area of a vCPU in the layout of KVM_GET_XSAVE, 4096 bytes. The
 * caller has the vCPU's context; @in_run: that is KVM_RUN, where the guest's
 * state is in the CPU's registers, or may be.
 */
#ifndef KVMI_COMPAT_XSAVE_H
#define KVMI_COMPAT_XSAVE_H

#include <linux/types.h>

struct kvm_vcpu;

#define KVMI_XSAVE_SIZE 4096

/* Look up what is needed; false, after having logged it, when it is missing. */
bool kvmi_xsave_init(void);

/*
 * 0 or a negative errno: the kernel refuses the state. Components that do not
 * fit are left out, and reset when set; @buf's header is changed accordingly.
 */
int kvmi_xsave_get(struct kvm_vcpu *vcpu, void *buf, bool in_run);
int kvmi_xsave_set(struct kvm_vcpu *vcpu, void *buf, bool in_run);

/*
 * Some MSRs are part of that state, and KVM must not be asked for them. The kin
 * of such an MSR tells whether the guest has it, and can be asked for; other MSRs
 * are their own. Then kvmi_xsave_get_msr() sets @value, if @index is such an MSR,
 * and returns 0 or a negative errno: this kernel cannot say.
 */
u32 kvmi_xsave_msr_kin(u32 index);
int kvmi_xsave_get_msr(struct kvm_vcpu *vcpu, u32 index, bool in_run,
		       u64 *value);

/* For xsave.c, and to be found by the test of what does not fit. */
bool kvmi_xsave_place(int nr, u32 *offset, u32 *size);

#endif /* KVMI_COMPAT_XSAVE_H */
