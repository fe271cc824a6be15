// SPDX-License-Identifier: GPL-2.0-only
/* The part of the kit that has to do with vCPUs. */
#include "kit.h"

const u16 vcpu_commands[11] = {
	VCPU_GET_INFO, VCPU_CONTROL_EVENTS, VCPU_GET_REGISTERS,
	VCPU_SET_REGISTERS, VCPU_GET_CPUID, VCPU_INJECT, VCPU_GET_XCR,
	VCPU_GET_XSAVE, VCPU_SET_XSAVE, VCPU_GET_MTRR_TYPE, VCPU_TRANSLATE_GVA,
};

bool is_vcpu_command(u32 id)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(vcpu_commands); i++)
		if (vcpu_commands[i] == id)
			return true;
	return false;
}

void kit_sent_nothing(struct kit *kit)
{
	CHECK_EQ(mock_stream_sends(kit->stream), 0);
	CHECK_EQ(mock_stream_bounded_sends(kit->stream), 0);
	CHECK_EQ(mock_stream_posts(kit->stream), 0);
}

void kit_queue(struct kit *kit, u16 id, u32 seq, const void *payload, u16 size)
{
	CHECK_EQ(kit_step(kit, id, seq, payload, size), 0);
	kit_sent_nothing(kit);
	CHECK_EQ(mock_stream_unread(kit->stream), 0);
}

enum kvmi_vcpu_next kit_run(struct kit *kit, u16 index, bool entering)
{
	mock_stream_forget_sent(kit->stream);
	return kvmi_vcpu_run(&kit_vcpu(kit, index)->core, entering);
}

static void sent_one(struct kit *kit, const u8 *want, size_t want_size)
{
	const u8 *sent;
	size_t size;

	sent = mock_stream_sent(kit->stream, &size);
	CHECK_BYTES(sent, size, want, want_size);
	CHECK_EQ(mock_stream_posts(kit->stream), 1);
	CHECK_EQ(mock_stream_sends(kit->stream), 0);
	CHECK_EQ(mock_stream_bounded_sends(kit->stream), 0);
	CHECK_EQ(mock_stream_ended(kit->stream), 0);
}

void kit_sent_reply(struct kit *kit, u16 id, u32 seq, s32 err, const void *data,
		    size_t data_size)
{
	u8 want[8 + MAX_PAYLOAD] = { 0 };

	put_u16(want, id);
	put_u16(want + 2, 8 + data_size);
	put_u32(want + 4, seq);
	put_u32(want + 8, err);
	if (data_size)
		memcpy(want + 16, data, data_size);
	sent_one(kit, want, 16 + data_size);
}

/* The MSRs that are sent with each event, in their order. */
static void put_msrs(u8 *p, const struct mock_vcpu *vcpu)
{
	static const u32 indices[] = {
		0x174, 0x175, 0x176, 0xc0000080, 0xc0000081, 0xc0000082,
		0xc0000083, 0x277, 0xc0000102,
	};
	size_t i;
	u64 value;

	for (i = 0; i < ARRAY_SIZE(indices); i++)
		if (mock_vcpu_msr(vcpu, indices[i], &value))
			put_u64(p + 8 * i, value);
}

static u8 mode(const struct kvm_sregs *sregs)
{
	if ((sregs->efer & 0x400) && sregs->cs.l)
		return 8;
	return sregs->cs.db ? 4 : 2;
}

void kit_sent_event(struct kit *kit, u16 index, u16 event, u32 seq,
		    const void *data, size_t data_size)
{
	const struct mock_vcpu *vcpu = kit_vcpu(kit, index);
	u8 want[8 + MAX_PAYLOAD] = { 0 };

	put_u16(want, VCPU_EVENT);
	put_u16(want + 2, 552 + data_size);
	put_u32(want + 4, seq);
	put_u16(want + 8, event);
	put_u16(want + 16, 544);
	put_u16(want + 18, index);
	want[24] = mode(&vcpu->sregs);
	memcpy(want + 32, &vcpu->regs, 144);
	memcpy(want + 32 + 144, &vcpu->sregs, 312);
	put_msrs(want + 32 + 144 + 312, vcpu);
	if (data_size)
		memcpy(want + 8 + 552, data, data_size);
	sent_one(kit, want, 8 + 552 + data_size);
}

void kit_expect_vcpu(struct kit *kit, u16 id, const void *payload, u16 size,
		     s32 err, const void *data, size_t data_size)
{
	static u32 seq = 0x7ffffff0;
	u16 index = 0;
	unsigned int kicks;

	seq++;
	if (size >= 2)
		memcpy(&index, payload, 2);
	kicks = kit_vcpu(kit, index)->kicks;
	kit_queue(kit, id, seq, payload, size);
	CHECK_EQ(kit_vcpu(kit, index)->kicks, kicks + 1);
	CHECK(kvmi_vcpu_busy(&kit_vcpu(kit, index)->core));
	kit_run(kit, index, false);
	CHECK(!kvmi_vcpu_busy(&kit_vcpu(kit, index)->core));
	kit_sent_reply(kit, id, seq, err, data, data_size);
	CHECK_EQ(mock_traces.reply.seq, seq);
	CHECK_EQ(mock_traces.err, err);
}

void kit_expect_vcpu_err(struct kit *kit, u16 id, const void *payload,
			 u16 size, s32 err)
{
	kit_expect_vcpu(kit, id, payload, size, err, NULL, 0);
}

u32 kit_pause(struct kit *kit, u16 index)
{
	u8 payload[8] = { 0 };

	put_u16(payload, index);
	kit_expect_err(kit, PAUSE_VCPU, payload, 8, 0);
	CHECK_EQ(kit_run(kit, index, true), KVMI_VCPU_HOLD);
	CHECK_EQ(mock_stream_posts(kit->stream), 1);
	return mock_traces.seq;
}

void kit_reply(struct kit *kit, u16 index, u32 seq, u8 action)
{
	u8 payload[16] = { 0 };

	put_u16(payload, index);
	payload[8] = action;
	payload[9] = EVENT_PAUSE;
	kit_queue(kit, VCPU_EVENT, seq, payload, sizeof(payload));
}

void kit_answer(struct kit *kit, u16 index, u32 seq, u8 action)
{
	kit_reply(kit, index, seq, action);
	kit_run(kit, index, false);
	kit_sent_nothing(kit);
}

size_t good_vcpu_payload(u16 id, u16 index, u8 *payload)
{
	memset(payload, 0, 8 + 4096);
	put_u16(payload, index);
	switch (id) {
	case VCPU_CONTROL_EVENTS:
		put_u16(payload + 8, EVENT_PAUSE);
		payload[10] = 1;
		return 16;
	case VCPU_GET_REGISTERS:
	case VCPU_GET_XCR:
	case VCPU_GET_MTRR_TYPE:
		return 16;
	case VCPU_GET_CPUID:
		put_u32(payload + 8, 1);
		return 16;
	case VCPU_TRANSLATE_GVA:
		put_u64(payload + 8, 0x12345678);
		return 16;
	case VCPU_SET_REGISTERS:
		return 8 + 144;
	case VCPU_INJECT:
		payload[8] = 6;
		return 24;
	case VCPU_SET_XSAVE:
		return 8 + 4096;
	default:
		return 8;
	}
}
