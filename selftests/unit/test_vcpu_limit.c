// SPDX-License-Identifier: GPL-2.0-only
/* Limits, lack of memory, and the end of the connection. */
#include "kit.h"

static const u8 get_info[8];

static void queue_many(struct kit *kit, u16 index, u32 count)
{
	u8 payload[8] = { 0 };
	u32 i;

	put_u16(payload, index);
	for (i = 0; i < count; i++)
		kit_queue(kit, VCPU_GET_INFO, i, payload, 8);
}

static void per_vcpu(void)
{
	struct kit kit;

	kit_open_all(&kit);
	mock_vm_set_vcpus(kit.vm, 2);
	queue_many(&kit, 0, 64);
	kit_expect_err(&kit, VCPU_GET_INFO, get_info, 8, E_BUSY);
	kit_expect_err(&kit, VCPU_GET_INFO, get_info, 8, E_BUSY);
	CHECK_EQ(atomic_read(&kit.session.queued), 64);
	CHECK_EQ(kit_vcpu(&kit, 0)->kicks, 64);
	queue_many(&kit, 1, 1);
	kit_run(&kit, 0, false);
	CHECK_EQ(mock_stream_posts(kit.stream), 64);
	queue_many(&kit, 0, 64);
	kit_expect_err(&kit, VCPU_GET_INFO, get_info, 8, E_BUSY);
	kit_close(&kit);
}

/* A reply to an event has its place even when the queue is full. */
static void event_reply_is_not_counted(void)
{
	struct kit kit;

	kit_open_all(&kit);
	kit_pause(&kit, 0);
	queue_many(&kit, 0, 63);
	kit_reply(&kit, 0, 1, CONTINUE);
	CHECK_EQ(atomic_read(&kit.session.queued), 63);
	queue_many(&kit, 0, 1);
	kit_expect_err(&kit, VCPU_GET_INFO, get_info, 8, E_BUSY);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	CHECK_EQ(mock_stream_posts(kit.stream), 64);
	kit_pause(&kit, 0);
	queue_many(&kit, 0, 64);
	mock_stream_set_backlog(kit.stream, 1023);
	kit_reply(&kit, 0, 2, CONTINUE);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	kit_close(&kit);
}

/* It cannot have read the event: the next one would be kept for it as well. */
static void blind_reply_closes(void)
{
	u8 payload[16] = { 0 };
	struct kit kit;

	kit_open_all(&kit);
	kit_pause(&kit, 0);
	mock_stream_set_backlog(kit.stream, 1024);
	CHECK_EQ(kit_step(&kit, VCPU_EVENT, 1, payload, sizeof(payload)),
		 -EPROTO);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_HOLD);
	kit_close(&kit);
}

static void per_session(void)
{
	u8 last[8] = { 16 };
	struct kit kit;
	u16 i;

	kit_open_all(&kit);
	mock_vm_set_vcpus(kit.vm, 17);
	for (i = 0; i < 16; i++)
		queue_many(&kit, i, 64);
	kit_expect_err(&kit, VCPU_GET_INFO, last, 8, E_BUSY);
	CHECK_EQ(atomic_read(&kit.session.queued), 1024);
	kit_run(&kit, 3, false);
	CHECK_EQ(atomic_read(&kit.session.queued), 960);
	queue_many(&kit, 16, 64);
	kit_expect_err(&kit, VCPU_GET_INFO, last, 8, E_BUSY);
	/* VM commands are answered all the same. */
	CHECK_EQ(kit_step(&kit, GET_VERSION, 1, NULL, 0), 0);
	CHECK_EQ(mock_stream_sends(kit.stream), 1);
	kit_close(&kit);
}

static void backlog(void)
{
	struct kit kit;

	kit_open_all(&kit);
	queue_many(&kit, 0, 4);
	mock_stream_set_backlog(kit.stream, 1020);
	kit_expect_err(&kit, VCPU_GET_INFO, get_info, 8, E_BUSY);
	mock_stream_set_backlog(kit.stream, 1019);
	queue_many(&kit, 0, 1);
	kit_expect_err(&kit, VCPU_GET_INFO, get_info, 8, E_BUSY);
	mock_stream_set_backlog(kit.stream, 0);
	queue_many(&kit, 0, 1);
	kit_close(&kit);
}

static struct kvmi_session *watched;
static int queued_at_post;

static bool watch_post(void *stream, struct kvmi_msg *msg)
{
	queued_at_post = atomic_read(&watched->queued);
	return mock_stream_ops.post(stream, msg);
}

/*
 * Who has read a reply may send the next command: the answered one must not be
 * counted any more when its reply is on its way.
 */
static void answered_is_not_counted(void)
{
	struct kvmi_stream_ops ops = mock_stream_ops;
	struct kit kit;

	kit_open_all(&kit);
	watched = &kit.session;
	ops.post = watch_post;
	kit.session.stream_ops = &ops;
	queue_many(&kit, 0, 1);
	kit_run(&kit, 0, false);
	CHECK_EQ(queued_at_post, 0);
	CHECK_EQ(atomic_read(&kit.session.queued), 0);
	queue_many(&kit, 0, 1);
	mock_alloc_fail(0);
	kit_run(&kit, 0, false);
	CHECK_EQ(queued_at_post, 0);
	CHECK_EQ(mock_stream_ended(kit.stream), 1);
	CHECK_EQ(atomic_read(&kit.session.queued), 0);
	kit_close(&kit);
}

/* No memory for what is to be queued: an error, or the end for a reply. */
static void no_job(void)
{
	u8 reply[16] = { 0 };
	u8 payload[8 + 4096];
	struct kit kit;
	size_t i, size;

	kit_open_all(&kit);
	for (i = 0; i < ARRAY_SIZE(vcpu_commands); i++) {
		tap_context("id %u", vcpu_commands[i]);
		size = good_vcpu_payload(vcpu_commands[i], 0, payload);
		mock_alloc_fail(0);
		kit_expect_err(&kit, vcpu_commands[i], payload, size, E_NOMEM);
		CHECK_EQ(mock_alloc_live(), 0);
	}
	CHECK_EQ(atomic_read(&kit.session.queued), 0);
	CHECK_EQ(kit_vcpu(&kit, 0)->kicks, 0);
	kit_pause(&kit, 0);
	mock_alloc_fail(0);
	kit_expect_close(&kit, VCPU_EVENT, reply, 16, -EPROTO);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_HOLD);
	kit_close(&kit);
}

/* No memory for what is to be sent: the connection ends, nothing is done. */
static void no_message(void)
{
	u8 payload[8 + 4096];
	struct kit kit;

	kit_open_all(&kit);
	good_vcpu_payload(VCPU_INJECT, 0, payload);
	kit_queue(&kit, VCPU_INJECT, 1, payload, 24);
	mock_alloc_fail(0);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	CHECK_EQ(mock_stream_ended(kit.stream), 1);
	kit_sent_nothing(&kit);
	CHECK_EQ(kit_vcpu(&kit, 0)->actions, 0);
	CHECK_EQ(atomic_read(&kit.session.queued), 0);
	CHECK_EQ(mock_alloc_live(), 0);
	kit_close(&kit);
}

static void no_event(void)
{
	u8 pause[8] = { 0 };
	struct kit kit;

	kit_open_all(&kit);
	kit_expect_err(&kit, PAUSE_VCPU, pause, 8, 0);
	mock_alloc_fail(0);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	CHECK_EQ(mock_stream_ended(kit.stream), 1);
	kit_sent_nothing(&kit);
	CHECK_EQ(atomic_read(&kit.session.events), 0);
	CHECK_EQ(mock_traces.events, 0);
	kit_close(&kit);
}

/*
 * What is queued when the connection ends is dropped, but for the reply to the
 * event, and nothing added.
 */
static void close_with_queue(void)
{
	u8 pause[8] = { 0, 0, 1 }, reply[16] = { 0 };
	struct kvmi_vcpu *core;
	struct kit kit;

	kit_open_all(&kit);
	core = &kit_vcpu(&kit, 0)->core;
	kit_pause(&kit, 0);
	queue_many(&kit, 0, 3);
	kit_reply(&kit, 0, 1, CRASH);
	kit_expect_err(&kit, PAUSE_VCPU, pause, 8, 0);
	CHECK_EQ(mock_alloc_live(), 4);
	CHECK(kvmi_vcpu_attention(core));
	kvmi_vcpu_close(core);
	CHECK_EQ(mock_alloc_live(), 1);
	CHECK(kvmi_vcpu_attention(core));
	CHECK(kvmi_vcpu_answered(core));
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	kit_sent_nothing(&kit);
	CHECK_BYTES(kit_vcpu(&kit, 0)->log, 2, "C", 2);
	CHECK(!kvmi_vcpu_attention(core));
	CHECK(!kvmi_vcpu_answered(core));
	CHECK_EQ(mock_alloc_live(), 0);

	kit_expect_close(&kit, VCPU_GET_INFO, get_info, 8, -EPROTO);
	kit_expect_close(&kit, VCPU_EVENT, reply, 16, -EPROTO);
	kit_expect_err(&kit, PAUSE_VCPU, pause, 8, 0);
	CHECK(!kvmi_vcpu_attention(core));
	CHECK_EQ(mock_alloc_live(), 0);
	kvmi_vcpu_close(core);
	kit_close(&kit);
}

/* Sent after the end, an event must not hold the vCPU for ever. */
static void event_after_close(void)
{
	struct kvmi_vcpu *core;
	struct kit kit;

	kit_open_all(&kit);
	core = &kit_vcpu(&kit, 0)->core;
	kvmi_vcpu_close(core);
	CHECK_EQ(kvmi_event_send(core, &kvmi_event_pause, NULL), -EPIPE);
	kit_sent_nothing(&kit);
	CHECK_EQ(mock_stream_ended(kit.stream), 0);
	CHECK_EQ(atomic_read(&kit.session.events), 0);
	CHECK_EQ(mock_alloc_live(), 0);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	kit_close(&kit);
}

/*
 * A message that was sent is used again, for replies and for events, and goes
 * with the connection; one that is still to be sent is not.
 */
static void spare_message(void)
{
	struct kvmi_vcpu *core;
	struct kit kit;

	kit_open_all(&kit);
	core = &kit_vcpu(&kit, 0)->core;
	queue_many(&kit, 0, 1);
	kit_run(&kit, 0, false);
	CHECK_EQ(mock_alloc_live(), 0);
	mock_stream_give_back(kit.stream);
	queue_many(&kit, 0, 2);
	kit_run(&kit, 0, false);
	CHECK_EQ(mock_alloc_live(), 1);
	queue_many(&kit, 0, 3);
	mock_alloc_fail(0);
	kit_run(&kit, 0, false);
	CHECK_EQ(kvmi_event_send(core, &kvmi_event_pause, NULL), 0);
	CHECK_EQ(mock_stream_ended(kit.stream), 0);
	CHECK_EQ(mock_stream_posts(kit.stream), 4);
	CHECK_EQ(mock_alloc_live(), 1);
	kvmi_vcpu_close(core);
	CHECK_EQ(mock_alloc_live(), 0);
	mock_alloc_fail(-1);
	CHECK_EQ(kvmi_event_send(core, &kvmi_event_pause, NULL), -EPIPE);
	CHECK_EQ(mock_alloc_live(), 0);
	kit_close(&kit);
}

/* An injection stays, its event does not come any more. */
static void close_while_injecting(void)
{
	u8 payload[8 + 4096];
	struct kvmi_vcpu *core;
	struct kit kit;

	kit_open_all(&kit);
	core = &kit_vcpu(&kit, 0)->core;
	kit_vcpu(&kit, 0)->undelivered = true;
	good_vcpu_payload(VCPU_INJECT, 0, payload);
	kit_expect_vcpu_err(&kit, VCPU_INJECT, payload, 24, 0);
	CHECK(kvmi_vcpu_event_due(core));
	kvmi_vcpu_close(core);
	CHECK(!kvmi_vcpu_event_due(core));
	CHECK(!kvmi_vcpu_attention(core));
	kit_vcpu(&kit, 0)->undelivered = false;
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	kit_sent_nothing(&kit);
	CHECK_EQ(kit_vcpu(&kit, 0)->actions, 1);
	kit_close(&kit);
}

const struct tap_test vcpu_limit_tests[] = {
	{ "vcpu: EBUSY for the 65th command of a vCPU", per_vcpu },
	{ "vcpu: event replies do not count", event_reply_is_not_counted },
	{ "vcpu: a reply of a tool that does not read closes",
	  blind_reply_closes },
	{ "vcpu: EBUSY for the 1025th command of a session", per_session },
	{ "vcpu: replies that the tool does not read count", backlog },
	{ "vcpu: a command whose reply is sent does not count",
	  answered_is_not_counted },
	{ "vcpu: no memory to queue: ENOMEM, or the end for a reply", no_job },
	{ "vcpu: no memory for a reply ends, and nothing is done", no_message },
	{ "vcpu: no memory for an event ends", no_event },
	{ "vcpu: close drops what is queued", close_with_queue },
	{ "vcpu: no event begins after close", event_after_close },
	{ "vcpu: a message that was sent is used again", spare_message },
	{ "vcpu: close while injecting", close_while_injecting },
	{ 0 },
};
