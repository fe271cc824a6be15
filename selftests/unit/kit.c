// SPDX-License-Identifier: GPL-2.0-only
#include "kit.h"

#include <stdlib.h>

const u16 known_commands[9] = {
	GET_VERSION, CHECK_COMMAND, CHECK_EVENT, GET_INFO, CONTROL_EVENTS,
	READ_PHYSICAL, WRITE_PHYSICAL, PAUSE_VCPU, CONTROL_CLEANUP,
};

/* Of its own, so that ASan sees any step beyond it, and not zero. */
static struct kvmi_msg *new_msg(void)
{
	struct kvmi_msg *msg = malloc(sizeof(*msg));

	if (!msg)
		abort();
	memset(msg, 0xa5, sizeof(*msg));
	return msg;
}

void kit_open(struct kit *kit)
{
	memset(kit, 0, sizeof(*kit));
	memset(&mock_traces, 0, sizeof(mock_traces));
	kit->vm = mock_vm_new();
	kit->stream = mock_stream_new();
	kit->session.vm_ops = &mock_vm_ops;
	kit->session.vm = kit->vm;
	mock_vm_set_session(kit->vm, &kit->session);
	kit->session.stream_ops = &mock_stream_ops;
	kit->session.stream = kit->stream;
	kit->session.rx = new_msg();
	kit->session.tx = new_msg();
	kit->session.tag = TAG;
	kvmi_session_init(&kit->session);
}

void kit_open_all(struct kit *kit)
{
	kit_open(kit);
	CHECK_EQ(kvmi_allow_command(&kit->session, -1, 1), 0);
	CHECK_EQ(kvmi_allow_event(&kit->session, -1, 1), 0);
}

void kit_close(struct kit *kit)
{
	CHECK_EQ(mock_vm_violations(kit->vm), 0);
	free(kit->session.rx);
	free(kit->session.tx);
	mock_vm_free(kit->vm);
	mock_stream_free(kit->stream);
	mock_alloc_fail(-1);
	CHECK_EQ(mock_alloc_live(), 0);
}

int kit_step(struct kit *kit, u16 id, u32 seq, const void *payload, u16 size)
{
	mock_stream_reset(kit->stream);
	mock_stream_feed_msg(kit->stream, id, seq, payload, size);
	return kvmi_session_step(&kit->session);
}

void kit_expect(struct kit *kit, u16 id, const void *payload, u16 size, s32 err,
		const void *data, size_t data_size)
{
	static u32 seq = 0xfffffff0;
	u8 want[8 + MAX_PAYLOAD] = { 0 };
	const u8 *sent;
	size_t count;

	seq++;
	CHECK_EQ(kit_step(kit, id, seq, payload, size), 0);
	put_u16(want, id);
	put_u16(want + 2, 8 + data_size);
	put_u32(want + 4, seq);
	put_u32(want + 8, err);
	if (data_size)
		memcpy(want + 16, data, data_size);

	sent = mock_stream_sent(kit->stream, &count);
	CHECK_BYTES(sent, count, want, 16 + data_size);
	CHECK_EQ(mock_stream_sends(kit->stream), 1);
	CHECK_EQ(mock_stream_bounded_sends(kit->stream), 0);
	CHECK_EQ(mock_stream_posts(kit->stream), 0);
	CHECK_EQ(mock_stream_unread(kit->stream), 0);
}

void kit_expect_err(struct kit *kit, u16 id, const void *payload, u16 size,
		    s32 err)
{
	kit_expect(kit, id, payload, size, err, NULL, 0);
}

void kit_expect_close(struct kit *kit, u16 id, const void *payload, u16 size,
		      int err)
{
	CHECK_EQ(kit_step(kit, id, 1, payload, size), err);
	kit_sent_nothing(kit);
}

void put_u16(u8 *p, u16 value)
{
	memcpy(p, &value, sizeof(value));
}

void put_u32(u8 *p, u32 value)
{
	memcpy(p, &value, sizeof(value));
}

void put_u64(u8 *p, u64 value)
{
	memcpy(p, &value, sizeof(value));
}

size_t put_physical(u8 *p, u64 gpa, u16 size)
{
	memset(p, 0, 16);
	put_u64(p, gpa);
	put_u16(p + 8, size);
	return 16;
}

size_t good_payload(u16 id, u8 *payload)
{
	memset(payload, 0, 32);
	switch (id) {
	case CHECK_COMMAND:
		put_u16(payload, GET_VERSION);
		return 8;
	case CHECK_EVENT:
	case CONTROL_EVENTS:
	case PAUSE_VCPU:
	case CONTROL_CLEANUP:
		return 8;
	case READ_PHYSICAL:
		return put_physical(payload, 0x1000, 16);
	case WRITE_PHYSICAL:
		return put_physical(payload, 0x1000, 16) + 16;
	default:
		return 0;
	}
}
