// SPDX-License-Identifier: GPL-2.0-only
/* Short and long payloads and padding of vCPU commands (abi.md 2.5). */
#include "kit.h"

struct form {
	u16 id;
	u16 size;	/* with the header, without data of variable size */
	u32 padding;	/* bit n: byte n is padding; the header's is not here */
};

static const struct form forms[] = {
	{ VCPU_GET_INFO, 8, 0 },
	{ VCPU_CONTROL_EVENTS, 16, 0xf800 },
	{ VCPU_GET_REGISTERS, 16, 0xfc00 },
	{ VCPU_SET_REGISTERS, 152, 0 },
	{ VCPU_GET_CPUID, 16, 0 },
	{ VCPU_INJECT, 24, 0xe00 },
	{ VCPU_GET_XCR, 16, 0xfe00 },
	{ VCPU_GET_XSAVE, 8, 0 },
	{ VCPU_SET_XSAVE, 4104, 0 },
	{ VCPU_GET_MTRR_TYPE, 16, 0 },
	{ VCPU_TRANSLATE_GVA, 16, 0 },
};

/* Whether the command takes what it got; what it answers is not looked at. */
static s32 error_of(struct kit *kit, u16 id, const u8 *payload, size_t size)
{
	struct kvmi_vcpu *core = &kit_vcpu(kit, 0)->core;

	kit_queue(kit, id, 1, payload, size);
	kit_run(kit, 0, false);
	CHECK_EQ(mock_stream_posts(kit->stream), 1);
	CHECK_EQ(mock_traces.reply.id, id);
	/* As if its event had been sent and answered. */
	core->trap_pending = false;
	return mock_traces.err;
}

static void padding(void)
{
	u8 payload[8 + 4096];
	struct kit kit;
	size_t i, size;
	u32 bit;

	kit_open_all(&kit);
	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		size = good_vcpu_payload(forms[i].id, 0, payload);
		for (bit = 64; bit < 256; bit++) {
			if (!(forms[i].padding >> bit / 8 & 1))
				continue;
			tap_context("id %u, bit %u", forms[i].id, bit);
			payload[bit / 8] = 1 << bit % 8;
			kit_expect_vcpu_err(&kit, forms[i].id, payload, size,
					    E_INVAL);
			/* As the last byte that was sent, too. */
			kit_expect_vcpu_err(&kit, forms[i].id, payload,
					    bit / 8 + 1, E_INVAL);
			payload[bit / 8] = 0;
		}
		if (forms[i].id == VCPU_SET_REGISTERS)
			continue;
		CHECK_EQ(error_of(&kit, forms[i].id, payload, size), 0);
	}
	CHECK_EQ(kit_vcpu(&kit, 0)->actions, 2);
	kit_close(&kit);
}

/* Every field that is no padding reaches the command, bit by bit. */
static void fields(void)
{
	u8 payload[8 + 4096];
	struct mock_vcpu *vcpu;
	struct kit kit;
	u32 bit;

	kit_open_all(&kit);
	vcpu = kit_vcpu(&kit, 0);
	for (bit = 0; bit < 12 * 8; bit++) {
		tap_context("bit %u", bit);
		good_vcpu_payload(VCPU_INJECT, 0, payload);
		payload[8] = 14;
		payload[12 + bit / 8] = 1 << bit % 8;
		CHECK_EQ(error_of(&kit, VCPU_INJECT, payload, 24), 0);
		CHECK_BYTES(&vcpu->injected, 16, payload + 8, 16);
	}
	kit_pause(&kit, 0);
	for (bit = 0; bit < 144 * 8; bit++) {
		good_vcpu_payload(VCPU_SET_REGISTERS, 0, payload);
		payload[8 + bit / 8] = 1 << bit % 8;
		CHECK_EQ(error_of(&kit, VCPU_SET_REGISTERS, payload, 152), 0);
		CHECK_BYTES(&vcpu->core.new_regs, 144, payload + 8, 144);
	}
	kit_close(&kit);
}

/* Behind the end there are zeros; the others test their length. */
static void short_payloads(void)
{
	u8 full[MAX_PAYLOAD], payload[8 + 4096];
	struct kit kit;
	size_t i, size;
	s32 want;

	kit_open_all(&kit);
	memset(full, 0xff, sizeof(full));
	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		u16 id = forms[i].id;

		good_vcpu_payload(id, 0, payload);
		for (size = 0; size < forms[i].size && size < 200; size++) {
			tap_context("id %u, size %zu", id, size);
			want = 0;
			if (id == VCPU_SET_REGISTERS || id == VCPU_SET_XSAVE ||
			    id == VCPU_GET_REGISTERS ||
			    (id == VCPU_CONTROL_EVENTS && size < 9))
				want = E_INVAL;
			/* What was there before is not what is read. */
			kit_step(&kit, 0x7fff, 1, full, sizeof(full));
			CHECK_EQ(error_of(&kit, id, payload, size), want);
		}
	}
	kit_close(&kit);
}

static void long_payloads(void)
{
	u8 payload[MAX_PAYLOAD], good[8 + 4096];
	struct kit kit;
	size_t i, size, start;

	kit_open_all(&kit);
	kit_pause(&kit, 0);
	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		u16 id = forms[i].id;

		memset(payload, 0xff, sizeof(payload));
		start = good_vcpu_payload(id, 0, good);
		memcpy(payload, good, start);
		for (size = start; size <= MAX_PAYLOAD;
		     size += size < start + 40 ? 1 : 97) {
			tap_context("id %u, size %zu", id, size);
			CHECK_EQ(error_of(&kit, id, payload, size), 0);
		}
		CHECK_EQ(error_of(&kit, id, payload, MAX_PAYLOAD), 0);
	}
	kit_close(&kit);
}

/* What waits is no larger than what its command can use. */
static void sizes(void)
{
	size_t i, want;
	u32 id;

	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		want = forms[i].size;
		if (forms[i].id == VCPU_GET_REGISTERS)
			want = 0;
		else if (want == 8)
			want = 16;	/* nothing, but 0 says "varies" */
		tap_context("id %u", forms[i].id);
		CHECK(kvmi_vcpu_command_known(forms[i].id));
		CHECK_EQ(kvmi_vcpu_command_size(forms[i].id), want);
	}
	for (id = 0; id <= 0xffff; id++) {
		tap_context("id %u", id);
		if (is_vcpu_command(id))
			continue;
		CHECK(!kvmi_vcpu_command_known(id));
		CHECK_EQ(kvmi_vcpu_command_size(id), 0);
	}
}

const struct tap_test vcpu_payload_tests[] = {
	{ "vcpu payload: each padding bit is tested", padding },
	{ "vcpu payload: each bit of a field counts", fields },
	{ "vcpu payload: a short one reads as zeros, or is EINVAL",
	  short_payloads },
	{ "vcpu payload: a long one is accepted", long_payloads },
	{ "vcpu payload: sizes of what is queued", sizes },
	{ 0 },
};
