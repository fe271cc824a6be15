// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory type that the guest's MTRRs give to a page. From the MSRs, as the
 * architecture defines it (Intel SDM volume 3, chapter "Memory Type Range
 * Registers"), because KVM's own lookup went away with v6.11 ("KVM: x86: Remove
 * VMX support for virtualizing guest MTRR memtypes"; id not looked up).
 */
#include "vcpu.h"

#define MTRR_CAP 0xfe
#define MTRR_DEF_TYPE 0x2ff
#define MTRR_VAR(n) (0x200 + 2 * (n))
#define DEF_TYPE_FIXED (1u << 10)
#define DEF_TYPE_ENABLED (1u << 11)
#define MASK_VALID (1u << 11)
#define CPUID_MTRR (1u << 12)

enum { UC = 0, WC = 1, WT = 4, WP = 5, WB = 6 };

static u64 read_msr(struct kvmi_vcpu *vcpu, u32 index)
{
	u64 value = 0;

	if (vcpu->ops->get_msr(vcpu->ctx, index, &value))
		return 0;
	return value;
}

/* Below 1 MiB: 8 ranges of 64 KiB, 16 of 16 KiB, 64 of 4 KiB. */
static u8 fixed_type(struct kvmi_vcpu *vcpu, u64 gpa)
{
	u32 index, range;

	if (gpa < 0x80000) {
		index = 0x250;
		range = gpa >> 16;
	} else if (gpa < 0xc0000) {
		range = (gpa - 0x80000) >> 14;
		index = 0x258 + range / 8;
	} else {
		range = (gpa - 0xc0000) >> 12;
		index = 0x268 + range / 8;
	}
	return read_msr(vcpu, index) >> (8 * (range % 8));
}

/* Types of ranges that overlap; what is left undefined is taken as WB. */
static int combine(int old, int type)
{
	if (old < 0 || old == type)
		return type;
	if (old == UC || type == UC)
		return UC;
	if ((old == WT && type == WB) || (old == WB && type == WT))
		return WT;
	return WB;
}

static int variable_type(struct kvmi_vcpu *vcpu, u64 gpa)
{
	unsigned int i, count = read_msr(vcpu, MTRR_CAP) & 0xff;
	u64 base, mask;
	int type = -1;

	for (i = 0; i < count && i < 16; i++) {
		mask = read_msr(vcpu, MTRR_VAR(i) + 1);
		if (!(mask & MASK_VALID))
			continue;
		base = read_msr(vcpu, MTRR_VAR(i));
		if ((base ^ gpa) & mask & ~0xfffull)
			continue;
		type = combine(type, base & 0xff);
	}
	return type;
}

/* Without MTRRs, all is write-back; with them switched off, uncached. */
static u8 disabled_type(struct kvmi_vcpu *vcpu)
{
	struct kvmi_vcpu_get_cpuid_reply leaf = {};

	if (vcpu->ops->get_cpuid(vcpu->ctx, 1, 0, &leaf) &&
	    (leaf.edx & CPUID_MTRR))
		return UC;
	return WB;
}

u8 kvmi_mtrr_type(struct kvmi_vcpu *vcpu, u64 gpa)
{
	u64 def = read_msr(vcpu, MTRR_DEF_TYPE);
	int type;

	if (!(def & DEF_TYPE_ENABLED))
		return disabled_type(vcpu);
	if (gpa < 0x100000 && (def & DEF_TYPE_FIXED))
		return fixed_type(vcpu, gpa);
	type = variable_type(vcpu, gpa);
	return type < 0 ? (u8)def : type;
}
