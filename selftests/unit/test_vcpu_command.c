// SPDX-License-Identifier: GPL-2.0-only
/* What each vCPU command does and answers (abi.md 3.10-3.23). */
#include "kit.h"

#include <limits.h>

static void get_info(void)
{
	static const u64 khz[] = { 0, 1, 2345678, 0x100000001 };
	u8 payload[8] = { 0 };
	struct kit kit;
	size_t i;
	u64 hz;

	kit_open_all(&kit);
	for (i = 0; i < ARRAY_SIZE(khz); i++) {
		kit_vcpu(&kit, 0)->tsc_khz = khz[i];
		hz = 1000 * khz[i];
		kit_expect_vcpu(&kit, VCPU_GET_INFO, payload, 8, 0, &hz, 8);
	}
	kit_close(&kit);
}

static void control_events(void)
{
	u8 payload[16] = { 0 };
	struct kvmi_vcpu *core;
	struct kit kit;
	bool there;
	u32 id;

	kit_open_all(&kit);
	core = &kit_vcpu(&kit, 0)->core;
	for (id = 0; id <= USHRT_MAX; id++) {
		tap_context("event %u", id);
		there = id == EVENT_PAUSE || id == EVENT_TRAP;
		put_u16(payload + 8, id);
		payload[10] = 1;
		kit_expect_vcpu_err(&kit, VCPU_CONTROL_EVENTS, payload, 16,
				    there ? 0 : E_INVAL);
		CHECK_EQ(core->enabled_events, there ? 1u << id : 0);
		payload[10] = 0;
		kit_expect_vcpu_err(&kit, VCPU_CONTROL_EVENTS, payload, 16,
				    there ? 0 : E_INVAL);
		CHECK_EQ(core->enabled_events, 0);
	}
	put_u16(payload + 8, EVENT_PAUSE);
	payload[10] = 1;
	kit_expect_vcpu_err(&kit, VCPU_CONTROL_EVENTS, payload, 16, 0);
	put_u16(payload + 8, EVENT_TRAP);
	kit_expect_vcpu_err(&kit, VCPU_CONTROL_EVENTS, payload, 16, 0);
	CHECK_EQ(core->enabled_events, 0x202);
	payload[10] = 0;
	kit_expect_vcpu_err(&kit, VCPU_CONTROL_EVENTS, payload, 16, 0);
	CHECK_EQ(core->enabled_events, 0x002);
	kit_close(&kit);
}

/* EINVAL for arguments before EPERM, of this event and for both directions. */
static void control_events_errors(void)
{
	u8 payload[16] = { 0 };
	struct kit kit;
	u32 enable;

	kit_open_all(&kit);
	kvmi_allow_event(&kit.session, EVENT_TRAP, 0);
	put_u16(payload + 8, EVENT_TRAP);
	for (enable = 0; enable <= 255; enable++) {
		payload[10] = enable;
		kit_expect_vcpu_err(&kit, VCPU_CONTROL_EVENTS, payload, 16,
				    enable > 1 ? E_INVAL : E_PERM);
	}
	payload[10] = 1;
	put_u16(payload + 8, 3);
	kit_expect_vcpu_err(&kit, VCPU_CONTROL_EVENTS, payload, 16, E_INVAL);
	put_u16(payload + 8, EVENT_PAUSE);
	kit_expect_vcpu_err(&kit, VCPU_CONTROL_EVENTS, payload, 16, 0);
	payload[10] = 2;
	kit_expect_vcpu_err(&kit, VCPU_CONTROL_EVENTS, payload, 16, E_INVAL);
	CHECK_EQ(kit_vcpu(&kit, 0)->core.enabled_events, 2);
	kit_close(&kit);
}

/* Registers, then as many MSRs as asked for, in that order. */
static size_t registers_reply(const struct mock_vcpu *vcpu, const u8 *request,
			      u32 mode, u8 *data)
{
	u16 count, i;
	u32 index;
	u64 value;

	memset(data, 0, MAX_PAYLOAD);
	memcpy(&count, request + 8, 2);
	put_u32(data, mode);
	memcpy(data + 8, &vcpu->regs, 144);
	memcpy(data + 152, &vcpu->sregs, 312);
	put_u32(data + 464, count);
	for (i = 0; i < count; i++) {
		memcpy(&index, request + 16 + 4 * i, 4);
		put_u32(data + 472 + 16 * i, index);
		CHECK(mock_vcpu_msr(vcpu, index, &value));
		put_u64(data + 472 + 16 * i + 8, value);
	}
	return 472 + 16 * count;
}

static void get_registers(void)
{
	static const u16 counts[] = { 0, 1, 2, 9, 480, 481 };
	u8 payload[MAX_PAYLOAD] = { 0 }, data[MAX_PAYLOAD];
	struct mock_vcpu *vcpu;
	struct kit kit;
	size_t i, size;
	u16 n;

	kit_open_all(&kit);
	vcpu = kit_vcpu(&kit, 0);
	vcpu->sregs.efer = 0;
	vcpu->sregs.cs.db = 1;
	for (n = 0; n < 481; n++)
		put_u32(payload + 16 + 4 * n, 7 * (1000 - n));
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		put_u16(payload + 8, counts[i]);
		size = registers_reply(vcpu, payload, 4, data);
		kit_expect_vcpu(&kit, VCPU_GET_REGISTERS, payload,
				16 + 4 * counts[i], 0, data, size);
		kit_expect_vcpu(&kit, VCPU_GET_REGISTERS, payload, MAX_PAYLOAD,
				0, data, size);
		if (counts[i])
			kit_expect_vcpu_err(&kit, VCPU_GET_REGISTERS, payload,
					    15 + 4 * counts[i], E_INVAL);
	}
	for (n = 482; n < 2042; n += 13) {
		tap_context("%u MSRs", n);
		put_u16(payload + 8, n);
		kit_expect_vcpu_err(&kit, VCPU_GET_REGISTERS, payload,
				    16 + 4 * n, E_INVAL);
	}
	put_u16(payload + 8, 0xffff);
	kit_expect_vcpu_err(&kit, VCPU_GET_REGISTERS, payload, MAX_PAYLOAD,
			    E_INVAL);
	kit_close(&kit);
}

/* One that cannot be read spoils the command, wherever it is. */
static void get_registers_bad_msr(void)
{
	u8 payload[16 + 4 * 5] = { 0 };
	struct kit kit;
	u16 bad, i;

	kit_open_all(&kit);
	put_u16(payload + 8, 5);
	for (bad = 0; bad < 5; bad++) {
		for (i = 0; i < 5; i++)
			put_u32(payload + 16 + 4 * i, 7 * i + 6 * (i == bad));
		kit_expect_vcpu_err(&kit, VCPU_GET_REGISTERS, payload,
				    sizeof(payload), E_INVAL);
	}
	kit_close(&kit);
}

static void modes(void)
{
	static const struct { u64 efer; u8 l, db, mode; } cases[] = {
		{ 0, 0, 0, 2 }, { 0, 0, 1, 4 }, { 0, 1, 0, 2 }, { 0, 1, 1, 4 },
		{ 0x400, 0, 0, 2 }, { 0x400, 0, 1, 4 }, { 0x400, 1, 0, 8 },
		{ 0x400, 1, 1, 8 }, { 0x100, 1, 0, 2 }, { 0xfffffbff, 1, 1, 4 },
		{ ~0ull, 1, 0, 8 },
	};
	u8 payload[16] = { 0 }, data[MAX_PAYLOAD];
	struct mock_vcpu *vcpu;
	struct kit kit;
	size_t i, size;
	u32 seq;

	kit_open_all(&kit);
	vcpu = kit_vcpu(&kit, 0);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		tap_context("case %zu", i);
		vcpu->sregs.efer = cases[i].efer;
		vcpu->sregs.cs.l = cases[i].l;
		vcpu->sregs.cs.db = cases[i].db;
		size = registers_reply(vcpu, payload, cases[i].mode, data);
		kit_expect_vcpu(&kit, VCPU_GET_REGISTERS, payload, 16, 0, data,
				size);
		seq = kit_pause(&kit, 0);
		kit_sent_event(&kit, 0, EVENT_PAUSE, seq, NULL, 0);
		kit_answer(&kit, 0, seq, CONTINUE);
	}
	kit_close(&kit);
}

static void set_registers(void)
{
	u8 payload[8 + 144];
	struct mock_vcpu *vcpu;
	struct kit kit;
	size_t size;
	int i;

	kit_open_all(&kit);
	vcpu = kit_vcpu(&kit, 0);
	memset(payload, 0, 8);
	memset(payload + 8, 0x31, 144);
	/* Too short is told first. */
	for (size = 8; size < sizeof(payload); size++)
		kit_expect_vcpu_err(&kit, VCPU_SET_REGISTERS, payload, size,
				    E_INVAL);
	kit_expect_vcpu_err(&kit, VCPU_SET_REGISTERS, payload, size, E_NOTSUPP);
	kit_pause(&kit, 0);
	kit_expect_vcpu_err(&kit, VCPU_SET_REGISTERS, payload, size - 1,
			    E_INVAL);
	for (i = 1; i <= 3; i++) {
		memset(payload + 8, 0x30 + i, 144);
		kit_expect_vcpu_err(&kit, VCPU_SET_REGISTERS, payload, size, 0);
	}
	CHECK_EQ(vcpu->actions, 0);
	kit_answer(&kit, 0, 1, CONTINUE);
	CHECK_EQ(vcpu->actions, 1);
	CHECK_BYTES(&vcpu->new_regs, 144, payload + 8, 144);
	/* Once only. */
	kit_pause(&kit, 0);
	kit_answer(&kit, 0, 2, CONTINUE);
	CHECK_EQ(vcpu->actions, 1);
	kit_expect_vcpu_err(&kit, VCPU_SET_REGISTERS, payload, size, E_NOTSUPP);
	kit_close(&kit);
}

static void get_cpuid(void)
{
	static const u32 asked[][2] = {
		{ 0, 0 }, { 1, 0 }, { 0x20, 3 }, { 7, 1 }, { 0x21, 0 },
		{ 0, 4 }, { ~0u, ~0u }, { 0x80000001, 0 },
	};
	u8 payload[16] = { 0 };
	struct kit kit;
	u32 entry[4];
	size_t i;

	kit_open_all(&kit);
	for (i = 0; i < ARRAY_SIZE(asked); i++) {
		tap_context("leaf %#x, %u", asked[i][0], asked[i][1]);
		put_u32(payload + 8, asked[i][0]);
		put_u32(payload + 12, asked[i][1]);
		if (mock_vcpu_cpuid(kit_vcpu(&kit, 0), asked[i][0],
				    asked[i][1], entry))
			kit_expect_vcpu(&kit, VCPU_GET_CPUID, payload, 16, 0,
					entry, 16);
		else
			kit_expect_vcpu_err(&kit, VCPU_GET_CPUID, payload, 16,
					    E_NOENT);
	}
	kit_close(&kit);
}

static void get_xcr(void)
{
	u8 payload[16] = { 0 };
	struct kit kit;
	u64 xcr0;
	u32 xcr;

	kit_open_all(&kit);
	xcr0 = kit_vcpu(&kit, 0)->xcr0;
	kit_expect_vcpu(&kit, VCPU_GET_XCR, payload, 16, 0, &xcr0, 8);
	for (xcr = 1; xcr <= 255; xcr++) {
		payload[8] = xcr;
		kit_expect_vcpu_err(&kit, VCPU_GET_XCR, payload, 16, E_INVAL);
	}
	kit_close(&kit);
}

static void xsave(void)
{
	u8 payload[8 + 4096] = { 0 }, state[4096];
	struct mock_vcpu *vcpu;
	struct kit kit;
	size_t size;

	kit_open_all(&kit);
	vcpu = kit_vcpu(&kit, 0);
	mock_vcpu_xsave(vcpu, state);
	kit_expect_vcpu(&kit, VCPU_GET_XSAVE, payload, 8, 0, state, 4096);
	vcpu->get_xsave_err = E_NOMEM;
	kit_expect_vcpu_err(&kit, VCPU_GET_XSAVE, payload, 8, E_NOMEM);

	for (size = 8; size < 4104; size += size < 16 || size > 4000 ? 1 : 99)
		kit_expect_vcpu_err(&kit, VCPU_SET_XSAVE, payload, size,
				    E_INVAL);
	CHECK_EQ(vcpu->actions, 0);
	memcpy(payload + 8, state, 4096);
	kit_expect_vcpu_err(&kit, VCPU_SET_XSAVE, payload, 4104, 0);
	CHECK_EQ(vcpu->actions, 1);
	CHECK_BYTES(vcpu->new_xsave, 4096, state, 4096);
	vcpu->set_xsave_err = E_INVAL;
	kit_expect_vcpu_err(&kit, VCPU_SET_XSAVE, payload, 4104, E_INVAL);
	kit_close(&kit);
}

static void translate_gva(void)
{
	static const u64 gvas[] = {
		0, 0x1000, 0x7fffffffffff, 0x800000000000, ~0ull, 0xbad,
	};
	u8 payload[16] = { 0 };
	struct kit kit;
	size_t i;
	s32 err;
	u64 gpa;

	kit_open_all(&kit);
	for (i = 0; i < ARRAY_SIZE(gvas); i++) {
		put_u64(payload + 8, gvas[i]);
		err = mock_vcpu_translate(gvas[i], &gpa);
		kit_expect_vcpu(&kit, VCPU_TRANSLATE_GVA, payload, 16, err,
				&gpa, err ? 0 : 8);
	}
	kit_close(&kit);
}

const struct tap_test vcpu_command_tests[] = {
	{ "VCPU_GET_INFO: Hz from kHz, 64 bits wide", get_info },
	{ "VCPU_CONTROL_EVENTS: every id", control_events },
	{ "VCPU_CONTROL_EVENTS: errors in order", control_events_errors },
	{ "VCPU_GET_REGISTERS: 472 bytes and 16 per MSR, up to 481",
	  get_registers },
	{ "VCPU_GET_REGISTERS: an unreadable MSR is EINVAL",
	  get_registers_bad_msr },
	{ "VCPU_GET_REGISTERS and events: mode", modes },
	{ "VCPU_SET_REGISTERS: in events only, the last one wins",
	  set_registers },
	{ "VCPU_GET_CPUID: entry or ENOENT", get_cpuid },
	{ "VCPU_GET_XCR: 0 only", get_xcr },
	{ "VCPU_*_XSAVE: 4096 bytes, and the backend's errors", xsave },
	{ "VCPU_TRANSLATE_GVA: address, all ones, error", translate_gva },
	{ 0 },
};
