// SPDX-License-Identifier: GPL-2.0-only
/* Framing, dispatch and order of checks (abi.md 2.1-2.4). */
#include "kit.h"

#include <limits.h>

static bool known(u32 id)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known_commands); i++)
		if (known_commands[i] == id)
			return true;
	return false;
}

static bool always(u32 id)
{
	return id == GET_VERSION || id == CHECK_COMMAND || id == CHECK_EVENT;
}

static bool backend_untouched(struct kit *kit)
{
	return !mock_vm_reads(kit->vm) && !mock_vm_writes(kit->vm);
}

static void layout(void)
{
	CHECK_EQ(sizeof(struct kvmi_msg), 8192);
	CHECK_EQ(KVMI_MAX_MSG_SIZE, MAX_PAYLOAD);
	CHECK_EQ(sizeof(struct kvmi_msg_hdr), 8);
	CHECK_EQ(sizeof(struct kvmi_error_code), 8);
	CHECK_EQ(sizeof(struct kvmi_event_hdr), 8);
	CHECK_EQ(KVMI_MAX_REPLY_DATA, MAX_PAYLOAD - 8);
}

/* With every bit allowed and with none but the three: the same answer. */
static void unknown_ids(void)
{
	u8 payload[16];
	struct kit kit;
	int allow;
	u32 id;

	memset(payload, 0xff, sizeof(payload));
	kit_open(&kit);
	for (allow = 0; allow <= 1; allow++) {
		kvmi_allow_command(&kit.session, -1, allow);
		for (id = 0; id <= USHRT_MAX; id++) {
			if (known(id) || id == VCPU_EVENT ||
			    is_vcpu_command(id))
				continue;
			tap_context("id %u, allow %d", id, allow);
			kit_expect_err(&kit, id, payload, id % 17, E_NOSYS);
			CHECK(!kvmi_command_known(&kit.session, id));
		}
	}
	CHECK(backend_untouched(&kit));
	kit_close(&kit);
}

static void known_ids(void)
{
	u8 payload[32];
	struct kit kit;
	size_t i, size;

	kit_open_all(&kit);
	for (i = 0; i < ARRAY_SIZE(known_commands); i++) {
		u16 id = known_commands[i];

		tap_context("id %u", id);
		CHECK(kvmi_command_known(&kit.session, id));
		size = good_payload(id, payload);
		CHECK_EQ(kit_step(&kit, id, 9, payload, size), 0);
		CHECK_EQ(mock_traces.err, 0);
	}
	kit_close(&kit);
}

/* Permission comes before anything the handler would find, even closing. */
static void disallowed(void)
{
	static const u8 bad[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	u8 payload[32];
	struct kit kit;
	size_t i, size;

	kit_open_all(&kit);
	for (i = 0; i < ARRAY_SIZE(known_commands); i++) {
		u16 id = known_commands[i];

		tap_context("id %u", id);
		if (always(id))
			continue;
		CHECK_EQ(kvmi_allow_command(&kit.session, id, 0), 0);
		size = good_payload(id, payload);
		kit_expect_err(&kit, id, payload, size, E_PERM);
		kit_expect_err(&kit, id, bad, sizeof(bad), E_PERM);
		kit_expect_err(&kit, id, NULL, 0, E_PERM);
		CHECK_EQ(kvmi_allow_command(&kit.session, id, 1), 0);
		CHECK_EQ(kit_step(&kit, id, 9, payload, size), 0);
		CHECK_EQ(mock_traces.err, 0);
	}
	kit_close(&kit);
}

/* A command that was refused has had no effect. */
static void disallowed_has_no_effect(void)
{
	u8 payload[32];
	struct kit kit;
	size_t size;

	kit_open(&kit);
	kvmi_allow_event(&kit.session, -1, 1);
	size = good_payload(READ_PHYSICAL, payload);
	kit_expect_err(&kit, READ_PHYSICAL, payload, size, E_PERM);
	size = good_payload(WRITE_PHYSICAL, payload);
	kit_expect_err(&kit, WRITE_PHYSICAL, payload, size, E_PERM);
	CHECK(backend_untouched(&kit));

	size = good_payload(CONTROL_EVENTS, payload);
	payload[2] = 1;
	kit_expect_err(&kit, CONTROL_EVENTS, payload, size, E_PERM);
	CHECK_EQ(kit.session.enabled_vm_events, 0);

	size = good_payload(CONTROL_CLEANUP, payload);
	kit_expect_err(&kit, CONTROL_CLEANUP, payload, size, E_PERM);
	CHECK(kit.session.cleanup);
	kit_close(&kit);
}

static void seq_echoed(void)
{
	static const u32 seqs[] = {
		0, 1, 2, 0x12345678, 0x7fffffff, 0x80000000, 0xffffffff, 1, 0,
	};
	const u8 *sent;
	struct kit kit;
	size_t i, size;
	u32 seq;

	kit_open(&kit);
	for (i = 0; i < ARRAY_SIZE(seqs); i++) {
		CHECK_EQ(kit_step(&kit, GET_VERSION, seqs[i], NULL, 0), 0);
		sent = mock_stream_sent(kit.stream, &size);
		memcpy(&seq, sent + 4, 4);
		CHECK_EQ(seq, seqs[i]);
		CHECK_EQ(kit_step(&kit, 0xfffe, seqs[i], NULL, 0), 0);
		sent = mock_stream_sent(kit.stream, &size);
		memcpy(&seq, sent + 4, 4);
		CHECK_EQ(seq, seqs[i]);
	}
	kit_close(&kit);
}

/* The payload is not read, nothing is counted, and nothing is sent. */
static void too_large(void)
{
	u8 payload[USHRT_MAX] = { 0 };
	struct kit kit;
	u32 size;

	kit_open_all(&kit);
	kit_expect_err(&kit, 0xfffe, payload, MAX_PAYLOAD, E_NOSYS);
	for (size = MAX_PAYLOAD + 1; size <= USHRT_MAX; size++) {
		tap_context("size %u", size);
		kit_expect_close(&kit, GET_VERSION, payload, size, -EMSGSIZE);
		CHECK_EQ(mock_stream_unread(kit.stream), size);
	}
	CHECK_EQ(kit.session.stats.commands, 1);
	CHECK_EQ(atomic64_read(&kit.session.stats.replies), 1);
	CHECK_EQ(mock_traces.commands, 1);
	kit_close(&kit);
}

/* Nothing but the message itself is taken from the stream. */
static void pipelined(void)
{
	struct kit kit;
	const u8 *sent;
	size_t size, pos = 0;
	u32 i, seq;
	u16 length;

	kit_open(&kit);
	for (i = 0; i < 100; i++)
		mock_stream_feed_msg(kit.stream, i % 3 ? GET_VERSION : 0x100,
				     i * 7, "abcdefghi", i % 10);
	for (i = 0; i < 100; i++)
		CHECK_EQ(kvmi_session_step(&kit.session), 0);
	CHECK_EQ(kvmi_session_step(&kit.session), -ECONNRESET);

	sent = mock_stream_sent(kit.stream, &size);
	for (i = 0; i < 100 && pos + 8 <= size; i++) {
		memcpy(&length, sent + pos + 2, 2);
		memcpy(&seq, sent + pos + 4, 4);
		CHECK_EQ(length, i % 3 ? 24 : 8);
		CHECK_EQ(seq, i * 7);
		pos += 8 + length;
	}
	CHECK_EQ(i, 100);
	CHECK_EQ(pos, size);
	kit_close(&kit);
}

static void counters(void)
{
	const struct kvmi_stats *stats;
	u8 payload[32];
	struct kit kit;

	kit_open(&kit);
	stats = &kit.session.stats;
	kit_step(&kit, GET_VERSION, 1, NULL, 0);
	CHECK_EQ(stats->commands, 1);
	CHECK_EQ(atomic64_read(&stats->replies), 1);
	CHECK_EQ(atomic64_read(&stats->errors), 0);
	kit_step(&kit, GET_INFO, 1, NULL, 0);
	CHECK_EQ(stats->commands, 2);
	CHECK_EQ(atomic64_read(&stats->replies), 2);
	CHECK_EQ(atomic64_read(&stats->errors), 1);
	kvmi_allow_command(&kit.session, -1, 1);
	good_payload(WRITE_PHYSICAL, payload);
	kit_step(&kit, WRITE_PHYSICAL, 1, payload, 8);
	CHECK_EQ(stats->commands, 3);
	CHECK_EQ(atomic64_read(&stats->replies), 2);
	CHECK_EQ(atomic64_read(&stats->errors), 1);
	kit_close(&kit);
}

static void traces(void)
{
	struct kit kit;

	kit_open(&kit);
	kit_step(&kit, 0x1234, 0x89abcdef, "xy", 2);
	CHECK_EQ(mock_traces.commands, 1);
	CHECK_EQ(mock_traces.replies, 1);
	CHECK_EQ(mock_traces.tag, TAG);
	CHECK_EQ(mock_traces.command.id, 0x1234);
	CHECK_EQ(mock_traces.command.size, 2);
	CHECK_EQ(mock_traces.command.seq, 0x89abcdef);
	CHECK_EQ(mock_traces.reply.id, 0x1234);
	CHECK_EQ(mock_traces.reply.size, 8);
	CHECK_EQ(mock_traces.reply.seq, 0x89abcdef);
	CHECK_EQ(mock_traces.err, E_NOSYS);
	kit_step(&kit, GET_VERSION, 5, NULL, 0);
	CHECK_EQ(mock_traces.reply.size, 24);
	CHECK_EQ(mock_traces.err, 0);
	kit_close(&kit);
}

const struct tap_test message_tests[] = {
	{ "message: sizes of the framing structures", layout },
	{ "message: every unknown id is ENOSYS, allowed or not", unknown_ids },
	{ "message: every known id works when allowed", known_ids },
	{ "message: disallowed is EPERM, before all else", disallowed },
	{ "message: disallowed has no effect", disallowed_has_no_effect },
	{ "message: seq is echoed", seq_echoed },
	{ "message: every size above 8184 closes", too_large },
	{ "message: pipelined commands are answered in order", pipelined },
	{ "message: counters", counters },
	{ "message: traces", traces },
	{ 0 },
};
