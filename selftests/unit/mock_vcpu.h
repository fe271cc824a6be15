/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vCPU that answers from a table and notes what is done to it. Its members
 * are for the tests to set and to look at.
 */
#ifndef KVMI_UNIT_MOCK_VCPU_H
#define KVMI_UNIT_MOCK_VCPU_H

#include "mock.h"
#include "vcpu.h"

#define MOCK_MSRS 128
#define MOCK_LOG 256

struct mock_vcpu {
	struct kvmi_vcpu core;

	/* What it answers. */
	bool ready;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct { u32 index; u64 value; } msrs[MOCK_MSRS];
	unsigned int num_msrs;
	bool only_these_msrs;	/* all others cannot be read */
	u32 cpuid_edx;		/* of leaf 1 */
	u64 tsc_khz;
	u64 xcr0;
	u64 cr2;
	int get_xsave_err, set_xsave_err;
	bool undelivered;	/* what was injected has not reached the guest */
	bool occupied;		/* there is a #UD to deliver already */
	bool interrupted;	/* KVM_RUN returns for a signal */

	/* What was done. */
	unsigned int kicks;
	unsigned int wait_exits;
	unsigned int unhalts;
	char log[MOCK_LOG];	/* R set_regs, X set_xsave, I inject, C crash */
	unsigned int actions;
	struct kvm_regs new_regs;
	u8 new_xsave[4096];
	struct kvmi_vcpu_inject_exception injected;
	bool injected_code;
	bool busy_within;	/* while the exception was injected */
};

struct mock_vcpu *mock_vcpu_new(struct kvmi_session *session, u16 index);
/* Drops what is queued as well. */
void mock_vcpu_free(struct mock_vcpu *vcpu);

void mock_vcpu_set_msr(struct mock_vcpu *vcpu, u32 index, u64 value);
/* The answers, for those who must know what to expect. */
bool mock_vcpu_msr(const struct mock_vcpu *vcpu, u32 index, u64 *value);
bool mock_vcpu_cpuid(const struct mock_vcpu *vcpu, u32 function, u32 index,
		     u32 entry[4]);
void mock_vcpu_xsave(const struct mock_vcpu *vcpu, u8 *buf);
int mock_vcpu_translate(u64 gva, u64 *gpa);

/* The vCPU with this index, made if need be. */
struct mock_vcpu *mock_vm_vcpu(struct mock_vm *vm, u16 index);
/* The same, or NULL when nobody has asked for it yet. */
struct mock_vcpu *mock_vm_find_vcpu(struct mock_vm *vm, u16 index);

#endif /* KVMI_UNIT_MOCK_VCPU_H */
