// SPDX-License-Identifier: GPL-2.0-only
/* The connection fails at some byte; a session starts anew. */
#include "kit.h"

static const int errors[] = {
	-ECONNRESET, -EPIPE, -EINTR, -EAGAIN, -ETIMEDOUT,
};

/* A message cut off behind each of its bytes. Returns its size. */
static size_t cut(struct kit *kit, u16 id, const u8 *payload, u16 size,
		  int err)
{
	u8 msg[64];
	size_t count;

	put_u16(msg, id);
	put_u16(msg + 2, size);
	put_u32(msg + 4, 77);
	if (size)
		memcpy(msg + 8, payload, size);
	for (count = 0; count < 8u + size; count++) {
		tap_context("id %u cut behind %zu bytes", id, count);
		mock_stream_reset(kit->stream);
		mock_stream_set_end(kit->stream, err);
		mock_stream_feed(kit->stream, msg, count);
		CHECK_EQ(kvmi_session_step(&kit->session), err);
		CHECK_EQ(mock_stream_sends(kit->stream), 0);
	}
	return count;
}

static void receive_fails(void)
{
	u8 payload[32];
	struct kit kit;
	size_t i, j;

	kit_open_all(&kit);
	for (i = 0; i < ARRAY_SIZE(errors); i++)
		for (j = 0; j < ARRAY_SIZE(known_commands); j++) {
			u16 id = known_commands[j];
			u16 size = good_payload(id, payload);

			cut(&kit, id, payload, size, errors[i]);
		}
	CHECK_EQ(kit.session.stats.commands, 0);
	CHECK_EQ(atomic64_read(&kit.session.stats.replies), 0);
	CHECK_EQ(mock_traces.commands, 0);
	CHECK_EQ(mock_traces.replies, 0);
	CHECK_EQ(mock_vm_reads(kit.vm) + mock_vm_writes(kit.vm), 0);
	CHECK(kit.session.cleanup);
	kit_close(&kit);
}

/* The largest payload, cut anywhere, is not handled. */
static void receive_fails_in_large(void)
{
	u8 payload[MAX_PAYLOAD] = { 0 };
	struct kvmi_msg_hdr hdr = { .id = GET_VERSION, .size = MAX_PAYLOAD };
	struct kit kit;
	u32 size;

	kit_open(&kit);
	for (size = 0; size < MAX_PAYLOAD; size++) {
		mock_stream_reset(kit.stream);
		mock_stream_feed(kit.stream, &hdr, sizeof(hdr));
		mock_stream_feed(kit.stream, payload, size);
		CHECK_EQ(kvmi_session_step(&kit.session), -ECONNRESET);
		CHECK_EQ(mock_stream_sends(kit.stream), 0);
	}
	kit_close(&kit);
}

/* What has arrived is done all the same: the tool may have said its last word. */
static void send_fails(void)
{
	struct kvmi_stats *stats;
	struct kit kit;
	size_t i;

	kit_open(&kit);
	stats = &kit.session.stats;
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		mock_stream_reset(kit.stream);
		mock_stream_fail_sends(kit.stream, 1, errors[i]);
		mock_stream_feed_msg(kit.stream, GET_VERSION, 1, NULL, 0);
		mock_stream_feed_msg(kit.stream, GET_VERSION, 2, NULL, 0);
		mock_stream_feed_msg(kit.stream, 0xffff, 3, NULL, 0);
		CHECK_EQ(kvmi_session_step(&kit.session), 0);
		CHECK_EQ(kvmi_session_step(&kit.session), 0);
		CHECK_EQ(mock_stream_sends(kit.stream), 2);
		CHECK_EQ(kvmi_session_step(&kit.session), 0);
		CHECK_EQ(kvmi_session_step(&kit.session), -ECONNRESET);
	}
	/* A reply that was not sent is no reply, nor an error told. */
	CHECK_EQ(stats->commands, 3 * ARRAY_SIZE(errors));
	CHECK_EQ(atomic64_read(&stats->replies), ARRAY_SIZE(errors));
	CHECK_EQ(atomic64_read(&stats->errors), 0);
	CHECK_EQ(mock_traces.replies, ARRAY_SIZE(errors));
	kit_close(&kit);
}

/* Nobody reads any more: what only asks is skipped, and not even counted. */
static void leaving(void)
{
	static const u16 change[] = { VCPU_EVENT, WRITE_PHYSICAL,
		VCPU_SET_REGISTERS, VCPU_SET_XSAVE, VCPU_INJECT };
	u8 payload[MAX_PAYLOAD + 1] = { 0 };
	unsigned int done = 0;
	struct kit kit;
	size_t i;
	u16 id;

	kit_open_all(&kit);
	kvmi_session_leave(&kit.session);
	for (id = 0; id < 40; id++) {
		bool changes = false;

		for (i = 0; i < ARRAY_SIZE(change); i++)
			changes |= id == change[i];
		/* A wrong header of a vCPU, and no bytes to be written. */
		memset(payload, 0xff, 8);
		CHECK_EQ(kit_step(&kit, id, 1, payload, 24), 0);
		CHECK_EQ(mock_stream_sends(kit.stream), changes);
		done += changes;
		CHECK_EQ(kit.session.stats.commands, done);
	}
	CHECK_EQ(done, ARRAY_SIZE(change));
	/* The stream is out of step as ever. */
	CHECK_EQ(kit_step(&kit, GET_VERSION, 1, payload, sizeof(payload)),
		 -EMSGSIZE);
	kit_close(&kit);
}

static void check_initial(const struct kvmi_session *session)
{
	CHECK(session->cleanup);
	CHECK(!session->leaving);
	CHECK_EQ(session->allowed_commands, 0x54);
	CHECK_EQ(session->allowed_events, 0);
	CHECK_EQ(session->enabled_vm_events, 0);
	CHECK_EQ(atomic_read(&session->event_seq), 0);
	CHECK_EQ(atomic_read(&session->events), 0);
	CHECK_EQ(atomic_read(&session->queued), 0);
	CHECK_EQ(session->missing_commands, 0);
	CHECK_EQ(session->stats.commands, 0);
	CHECK_EQ(atomic64_read(&session->stats.replies), 0);
	CHECK_EQ(atomic64_read(&session->stats.errors), 0);
}

static void init(void)
{
	struct kit kit;

	kit_open(&kit);
	check_initial(&kit.session);
	kit_close(&kit);
}

/* Nothing of one session is found in the next one with the same VM. */
static void reinit(void)
{
	u8 on[8] = { 0, 0, 1 }, no_cleanup[8] = { 0 };
	struct kit kit;

	kit_open_all(&kit);
	kit_expect_err(&kit, CONTROL_EVENTS, on, 8, 0);
	kit_expect_err(&kit, CONTROL_CLEANUP, no_cleanup, 8, 0);
	kit_expect_err(&kit, 0xffff, NULL, 0, E_NOSYS);
	CHECK_EQ(kvmi_session_send_unhook(&kit.session), 0);

	kvmi_session_leave(&kit.session);
	kvmi_session_init(&kit.session);
	check_initial(&kit.session);
	CHECK_EQ(kvmi_session_send_unhook(&kit.session), -ENOENT);
	kit_expect_err(&kit, GET_INFO, NULL, 0, E_PERM);
	kit_close(&kit);
}

/* Two sessions have nothing in common. */
static void two_sessions(void)
{
	u8 on[8] = { 0, 0, 1 };
	struct kit a, b;

	kit_open_all(&a);
	kit_open(&b);
	kit_expect_err(&a, CONTROL_EVENTS, on, 8, 0);
	CHECK_EQ(kvmi_session_send_unhook(&a.session), 0);
	CHECK_EQ(kvmi_session_send_unhook(&b.session), -ENOENT);
	kit_expect_err(&b, GET_INFO, NULL, 0, E_PERM);
	CHECK_EQ(b.session.stats.commands, 1);
	CHECK_EQ(a.session.stats.commands, 1);
	kit_close(&a);
	kit_close(&b);
}

const struct tap_test stream_tests[] = {
	{ "stream: receiving fails at each byte of each command",
	  receive_fails },
	{ "stream: receiving fails at each byte of the largest payload",
	  receive_fails_in_large },
	{ "stream: sending fails", send_fails },
	{ "stream: what is handled when nobody reads", leaving },
	{ "session: initial state", init },
	{ "session: a new one inherits nothing", reinit },
	{ "session: two are independent", two_sessions },
	{ 0 },
};
