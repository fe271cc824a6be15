// SPDX-License-Identifier: GPL-2.0-only
/* The UNHOOK event (abi.md 1.4 PREUNHOOK, 2.3, 4.1). */
#include "kit.h"

#include <pthread.h>

/* A session with the event enabled. */
static void open_enabled(struct kit *kit)
{
	u8 on[8] = { 0, 0, 1 };

	kit_open_all(kit);
	kit_expect_err(kit, CONTROL_EVENTS, on, 8, 0);
	mock_stream_reset(kit->stream);
}

static void expect_unhook(struct kit *kit, u32 seq)
{
	u8 want[16] = { 0, 0, 8, 0 };
	const u8 *sent;
	size_t size;

	put_u32(want + 4, seq);
	mock_stream_reset(kit->stream);
	CHECK_EQ(kvmi_session_send_unhook(&kit->session), 0);
	sent = mock_stream_sent(kit->stream, &size);
	CHECK_BYTES(sent, size, want, sizeof(want));
	CHECK_EQ(mock_stream_sends(kit->stream), 0);
	CHECK_EQ(mock_stream_bounded_sends(kit->stream), 1);
}

static void bytes_and_seq(void)
{
	struct kit kit;
	u32 seq;

	open_enabled(&kit);
	for (seq = 1; seq <= 300; seq++)
		expect_unhook(&kit, seq);
	CHECK_EQ(atomic_read(&kit.session.events), 300);
	kit_close(&kit);
}

/* The counter is the kernel's own, whatever the commands' numbers are. */
static void seq_not_of_commands(void)
{
	struct kit kit;

	open_enabled(&kit);
	expect_unhook(&kit, 1);
	kit_step(&kit, GET_VERSION, 1000, NULL, 0);
	expect_unhook(&kit, 2);
	CHECK_EQ(kit.session.stats.commands, 2);
	kit_close(&kit);
}

static void seq_wraps(void)
{
	struct kit kit;

	open_enabled(&kit);
	atomic_set(&kit.session.event_seq, 0x7ffffffe);
	expect_unhook(&kit, 0x7fffffff);
	expect_unhook(&kit, 0x80000000);
	atomic_set(&kit.session.event_seq, -1);
	expect_unhook(&kit, 0);
	kit_close(&kit);
}

static void not_enabled(void)
{
	u8 off[8] = { 0 };
	struct kit kit;

	kit_open_all(&kit);
	CHECK_EQ(kvmi_session_send_unhook(&kit.session), -ENOENT);
	kit.session.enabled_vm_events = ~1u;
	CHECK_EQ(kvmi_session_send_unhook(&kit.session), -ENOENT);
	CHECK_EQ(mock_stream_bounded_sends(kit.stream), 0);
	CHECK_EQ(atomic_read(&kit.session.event_seq), 0);
	CHECK_EQ(atomic_read(&kit.session.events), 0);
	kit_close(&kit);

	open_enabled(&kit);
	kit_expect_err(&kit, CONTROL_EVENTS, off, 8, 0);
	CHECK_EQ(kvmi_session_send_unhook(&kit.session), -ENOENT);
	CHECK_EQ(mock_stream_bounded_sends(kit.stream), 0);
	kit_close(&kit);
}

/* Disallowing an event does not disable it; disabling needs permission. */
static void disallowed_later(void)
{
	u8 off[8] = { 0 };
	struct kit kit;

	open_enabled(&kit);
	CHECK_EQ(kvmi_allow_event(&kit.session, 0, 0), 0);
	expect_unhook(&kit, 1);
	CHECK_EQ(kvmi_allow_command(&kit.session, CONTROL_EVENTS, 0), 0);
	expect_unhook(&kit, 2);
	CHECK_EQ(kvmi_allow_command(&kit.session, CONTROL_EVENTS, 1), 0);
	kit_expect_err(&kit, CONTROL_EVENTS, off, 8, E_PERM);
	expect_unhook(&kit, 3);
	CHECK_EQ(kvmi_allow_event(&kit.session, 0, 1), 0);
	kit_expect_err(&kit, CONTROL_EVENTS, off, 8, 0);
	CHECK_EQ(kvmi_session_send_unhook(&kit.session), -ENOENT);
	kit_close(&kit);
}

/*
 * Whatever went wrong, the device manager gets ENOENT. What was not sent is not
 * counted, but its number is not used again.
 */
static void send_fails(void)
{
	static const int errors[] = { -EAGAIN, -EPIPE, -EINTR, -EIO };
	struct kit kit;
	size_t i;

	open_enabled(&kit);
	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		mock_stream_fail_sends(kit.stream, 0, errors[i]);
		CHECK_EQ(kvmi_session_send_unhook(&kit.session), -ENOENT);
		CHECK_EQ(mock_stream_bounded_sends(kit.stream), i + 1);
	}
	CHECK_EQ(mock_stream_sends(kit.stream), 0);
	CHECK_EQ(atomic_read(&kit.session.events), 0);
	expect_unhook(&kit, ARRAY_SIZE(errors) + 1);
	CHECK_EQ(atomic_read(&kit.session.events), 1);
	kit_close(&kit);
}

/* The message and reply of the receiving thread are left alone. */
static void buffers_untouched(void)
{
	struct kvmi_msg rx, tx;
	struct kit kit;

	open_enabled(&kit);
	rx = *kit.session.rx;
	tx = *kit.session.tx;
	expect_unhook(&kit, 1);
	CHECK_BYTES(kit.session.rx, sizeof(rx), &rx, sizeof(rx));
	CHECK_BYTES(kit.session.tx, sizeof(tx), &tx, sizeof(tx));
	kit_close(&kit);
}

#define SENDERS 4
#define EVENTS 2000

static u8 seen[SENDERS * EVENTS + 1];

static int record_send(void *stream, const void *buf, size_t size)
{
	const struct kvmi_msg_hdr *hdr = buf;

	if (hdr->seq < sizeof(seen))
		__atomic_add_fetch(&seen[hdr->seq], 1, __ATOMIC_RELAXED);
	return 0;
}

static void *send_many(void *session)
{
	int i;

	for (i = 0; i < EVENTS; i++)
		kvmi_session_send_unhook(session);
	return NULL;
}

static void concurrent(void)
{
	struct kvmi_stream_ops ops = mock_stream_ops;
	pthread_t threads[SENDERS];
	struct kit kit;
	size_t i;

	open_enabled(&kit);
	ops.send_bounded = record_send;
	kit.session.stream_ops = &ops;
	memset(seen, 0, sizeof(seen));
	for (i = 0; i < SENDERS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, send_many,
					&kit.session), 0);
	for (i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQ(atomic_read(&kit.session.events), SENDERS * EVENTS);
	CHECK_EQ(seen[0], 0);
	for (i = 1; i < sizeof(seen); i++)
		CHECK_EQ(seen[i], 1);
	kit_close(&kit);
}

const struct tap_test event_tests[] = {
	{ "UNHOOK: bytes, counted from 1", bytes_and_seq },
	{ "UNHOOK: seq is independent of commands", seq_not_of_commands },
	{ "UNHOOK: seq wraps", seq_wraps },
	{ "UNHOOK: ENOENT unless enabled, without using a number",
	  not_enabled },
	{ "UNHOOK: stays enabled when disallowed", disallowed_later },
	{ "UNHOOK: ENOENT when sending fails", send_fails },
	{ "UNHOOK: leaves the receiver's messages alone", buffers_untouched },
	{ "UNHOOK: concurrent ones have each their number", concurrent },
	{ 0 },
};
