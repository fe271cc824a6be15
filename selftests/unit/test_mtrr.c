// SPDX-License-Identifier: GPL-2.0-only
/* Memory types (Intel SDM volume 3, "Memory Type Range Registers"). */
#include "kit.h"

enum { UC = 0, WC = 1, WT = 4, WP = 5, WB = 6 };

#define ENABLED 0x800
#define FIXED 0x400

static struct mock_vcpu *open_mtrr(struct kit *kit, u64 def_type)
{
	struct mock_vcpu *vcpu;

	kit_open_all(kit);
	vcpu = kit_vcpu(kit, 0);
	vcpu->only_these_msrs = true;
	mock_vcpu_set_msr(vcpu, 0x2ff, def_type);
	return vcpu;
}

static void expect_type(struct kit *kit, u64 gpa, u8 type)
{
	u8 payload[16] = { 0 }, data[8] = { type };

	tap_context("gpa %#llx", (unsigned long long)gpa);
	put_u64(payload + 8, gpa);
	kit_expect_vcpu(kit, VCPU_GET_MTRR_TYPE, payload, 16, 0, data, 8);
}

static void disabled(void)
{
	struct mock_vcpu *vcpu;
	struct kit kit;

	vcpu = open_mtrr(&kit, FIXED | WT);
	expect_type(&kit, 0, WB);
	expect_type(&kit, 0x100000, WB);
	vcpu->cpuid_edx = ~(1u << 12);
	expect_type(&kit, 0, WB);
	vcpu->cpuid_edx = 1 << 12;
	expect_type(&kit, 0, UC);
	expect_type(&kit, ~0ull, UC);
	/* As good as off: the MSR cannot be read. */
	vcpu->num_msrs = 0;
	expect_type(&kit, 0, UC);
	kit_close(&kit);
}

static void default_type(void)
{
	static const u8 types[] = { UC, WC, WT, WP, WB };
	struct kit kit;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		open_mtrr(&kit, ENABLED | types[i]);
		expect_type(&kit, 0, types[i]);
		expect_type(&kit, 0xfffff, types[i]);
		expect_type(&kit, 0x100000, types[i]);
		expect_type(&kit, ~0ull, types[i]);
		kit_close(&kit);
	}
}

/* Fixed ranges: first address, size of one, and the MSRs from this one on. */
static const struct { u32 start, size, msr; u32 count; } fixed[] = {
	{ 0x00000, 0x10000, 0x250, 1 },
	{ 0x80000, 0x04000, 0x258, 2 },
	{ 0xc0000, 0x01000, 0x268, 8 },
};

/* All 88 of them, at both ends. */
static void fixed_ranges(void)
{
	static const u8 types[] = { UC, WC, WT, WP, WB };
	struct mock_vcpu *vcpu;
	u32 msr, n, seen = 0;
	struct kit kit;
	size_t i;
	u64 gpa;

	vcpu = open_mtrr(&kit, ENABLED | FIXED | WT);
	for (i = 0; i < ARRAY_SIZE(fixed); i++)
		for (msr = 0; msr < fixed[i].count; msr++) {
			u64 value = 0;

			for (n = 0; n < 8; n++)
				value |= (u64)types[(seen + n) % 5] << 8 * n;
			mock_vcpu_set_msr(vcpu, fixed[i].msr + msr, value);
			for (n = 0; n < 8; n++, seen++) {
				gpa = fixed[i].start +
				      (msr * 8 + n) * fixed[i].size;
				expect_type(&kit, gpa, value >> 8 * n & 0xff);
				expect_type(&kit, gpa + fixed[i].size - 1,
					    value >> 8 * n & 0xff);
			}
		}
	CHECK_EQ(seen, 88);
	expect_type(&kit, 0x100000, WT);
	kit_close(&kit);
}

/* Switched off, the fixed ones do not count. */
static void fixed_off(void)
{
	struct mock_vcpu *vcpu;
	struct kit kit;

	vcpu = open_mtrr(&kit, ENABLED | WB);
	mock_vcpu_set_msr(vcpu, 0x250, 0x0101010101010101);
	expect_type(&kit, 0, WB);
	kit_close(&kit);
}

static void set_variable(struct mock_vcpu *vcpu, u32 n, u64 base, u64 size,
			 u8 type)
{
	mock_vcpu_set_msr(vcpu, 0x200 + 2 * n, base | type);
	mock_vcpu_set_msr(vcpu, 0x201 + 2 * n,
			  (0xfffffffffull & ~(size - 1)) | 0x800);
}

static void variable(void)
{
	struct mock_vcpu *vcpu;
	struct kit kit;

	vcpu = open_mtrr(&kit, ENABLED | FIXED | WB);
	mock_vcpu_set_msr(vcpu, 0xfe, 0x508);
	set_variable(vcpu, 0, 0xe0000000, 0x10000000, UC);
	set_variable(vcpu, 7, 0x100000000, 0x1000, WP);
	/* Beyond the count: not there. */
	set_variable(vcpu, 8, 0x200000000, 0x1000, WP);
	expect_type(&kit, 0xdfffffff, WB);
	expect_type(&kit, 0xe0000000, UC);
	expect_type(&kit, 0xefffffff, UC);
	expect_type(&kit, 0xf0000000, WB);
	expect_type(&kit, 0xffffffff, WB);
	expect_type(&kit, 0x100000000, WP);
	expect_type(&kit, 0x100000fff, WP);
	expect_type(&kit, 0x100001000, WB);
	expect_type(&kit, 0x200000000, WB);
	/* Not valid. */
	mock_vcpu_set_msr(vcpu, 0x201, 0xff0000000);
	expect_type(&kit, 0xe0000000, WB);
	/* Below 1 MiB the fixed ranges hide it, unless they are off. */
	set_variable(vcpu, 1, 0, 0x200000, WT);
	mock_vcpu_set_msr(vcpu, 0x250, 0);
	expect_type(&kit, 0x1000, UC);
	expect_type(&kit, 0x100000, WT);
	mock_vcpu_set_msr(vcpu, 0x2ff, ENABLED | WB);
	expect_type(&kit, 0x1000, WT);
	kit_close(&kit);
}

/* A capability that says 255 must not lead to MSRs that are others. */
static void too_many(void)
{
	struct mock_vcpu *vcpu;
	struct kit kit;

	vcpu = open_mtrr(&kit, ENABLED | WB);
	mock_vcpu_set_msr(vcpu, 0xfe, 0xff);
	set_variable(vcpu, 15, 0x10000000, 0x1000, WP);
	set_variable(vcpu, 16, 0x20000000, 0x1000, WP);
	expect_type(&kit, 0x10000000, WP);
	expect_type(&kit, 0x20000000, WB);
	kit_close(&kit);
}

static void overlap(void)
{
	static const u8 cases[][3] = {
		{ UC, UC, UC }, { WB, WB, WB }, { WC, WC, WC },
		{ UC, WB, UC }, { WB, UC, UC }, { UC, WC, UC }, { WP, UC, UC },
		{ WT, WB, WT }, { WB, WT, WT },
		/* Undefined by the architecture. */
		{ WC, WB, WB }, { WP, WT, WB }, { WT, WC, WB },
	};
	struct mock_vcpu *vcpu;
	struct kit kit;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		vcpu = open_mtrr(&kit, ENABLED | WP);
		mock_vcpu_set_msr(vcpu, 0xfe, 0x508);
		set_variable(vcpu, 0, 0x40000000, 0x2000, cases[i][0]);
		set_variable(vcpu, 1, 0x40000000, 0x1000, cases[i][1]);
		expect_type(&kit, 0x40000000, cases[i][2]);
		expect_type(&kit, 0x40001000, cases[i][0]);
		expect_type(&kit, 0x40002000, WP);
		set_variable(vcpu, 2, 0x40000000, 0x1000, UC);
		expect_type(&kit, 0x40000000, UC);
		kit_close(&kit);
	}
}

const struct tap_test mtrr_tests[] = {
	{ "MTRR: disabled is WB without, UC with MTRRs", disabled },
	{ "MTRR: the default type", default_type },
	{ "MTRR: each fixed range", fixed_ranges },
	{ "MTRR: fixed ranges switched off", fixed_off },
	{ "MTRR: variable ranges", variable },
	{ "MTRR: no more variable ranges than there can be", too_many },
	{ "MTRR: overlapping ranges", overlap },
	{ 0 },
};
