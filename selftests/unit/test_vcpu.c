// SPDX-License-Identifier: GPL-2.0-only
/* From the message to the vCPU: order of checks, the queue, the end. */
#include "kit.h"

#include <limits.h>

/* All bits of the header's padding, for each command and the event reply. */
static void header_padding(void)
{
	u8 payload[8 + 4096];
	struct kit kit;
	size_t i, size;
	u32 bit;

	kit_open_all(&kit);
	for (i = 0; i < ARRAY_SIZE(vcpu_commands); i++) {
		u16 id = vcpu_commands[i];

		size = good_vcpu_payload(id, 0, payload);
		for (bit = 16; bit < 64; bit++) {
			tap_context("id %u, bit %u", id, bit);
			payload[bit / 8] = 1 << bit % 8;
			kit_expect_err(&kit, id, payload, size, E_INVAL);
			payload[bit / 8] = 0;
		}
	}
	/* The reply to an event is answered then, and the vCPU waits on. */
	kit_pause(&kit, 0);
	memset(payload, 0, 16);
	for (bit = 16; bit < 64; bit++) {
		tap_context("event reply, bit %u", bit);
		payload[bit / 8] = 1 << bit % 8;
		kit_expect_err(&kit, VCPU_EVENT, payload, 16, E_INVAL);
		payload[bit / 8] = 0;
	}
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_HOLD);
	kit_answer(&kit, 0, 1, CONTINUE);
	kit_close(&kit);
}

static void every_index(void)
{
	u8 payload[8 + 4096] = { 0 };
	struct kit kit;
	u32 index;
	size_t i;

	kit_open_all(&kit);
	mock_vm_set_vcpus(kit.vm, 5);
	for (index = 0; index <= USHRT_MAX; index++) {
		tap_context("index %u", index);
		put_u16(payload, index);
		if (index < 5)
			continue;
		kit_expect_err(&kit, VCPU_GET_INFO, payload, 8, E_INVAL);
		kit_expect_err(&kit, VCPU_EVENT, payload, 16, E_INVAL);
		kit_expect_err(&kit, PAUSE_VCPU, payload, 8, E_INVAL);
	}
	for (i = 0; i < ARRAY_SIZE(vcpu_commands); i++) {
		put_u16(payload, 5);
		kit_expect_err(&kit, vcpu_commands[i], payload, 16, E_INVAL);
	}
	CHECK(!mock_vm_find_vcpu(kit.vm, 0));
	for (index = 0; index < 5; index++) {
		u64 hz = 1000 * (2345678ull + index);

		put_u16(payload, index);
		kit_expect_vcpu(&kit, VCPU_GET_INFO, payload, 8, 0, &hz, 8);
	}
	mock_vm_set_vcpus(kit.vm, 0);
	put_u16(payload, 0);
	kit_expect_err(&kit, VCPU_GET_INFO, payload, 8, E_INVAL);
	kit_close(&kit);
}

/* The next error shows as soon as the one before it is gone. */
static void order_of_checks(void)
{
	u8 payload[8 + 4096];
	struct kit kit;
	size_t i, size;

	kit_open_all(&kit);
	for (i = 0; i < ARRAY_SIZE(vcpu_commands); i++) {
		u16 id = vcpu_commands[i];
		struct mock_vcpu *vcpu = kit_vcpu(&kit, 0);

		tap_context("id %u", id);
		size = good_vcpu_payload(id, 3, payload);
		payload[2] = 1;
		vcpu->ready = false;
		mock_vm_fail_vcpus(kit.vm, E_NOTSUPP);
		kit.session.missing_commands = 1u << id;
		kvmi_allow_command(&kit.session, id, 0);
		mock_stream_set_backlog(kit.stream, 1024);
		kit_expect_err(&kit, id, payload, size, E_NOSYS);
		kit.session.missing_commands = 0;
		kit_expect_err(&kit, id, payload, size, E_PERM);
		kvmi_allow_command(&kit.session, id, 1);
		kit_expect_err(&kit, id, payload, size, E_INVAL);
		payload[2] = 0;
		kit_expect_err(&kit, id, payload, size, E_INVAL);
		put_u16(payload, 0);
		kit_expect_err(&kit, id, payload, size, E_NOTSUPP);
		mock_vm_fail_vcpus(kit.vm, 0);
		kit_expect_err(&kit, id, payload, size, E_AGAIN);
		vcpu->ready = true;
		kit_expect_err(&kit, id, payload, size, E_BUSY);
		mock_stream_set_backlog(kit.stream, 0);
		CHECK_EQ(vcpu->kicks, i);
		kit_queue(&kit, id, 7, payload, size);
		CHECK_EQ(vcpu->kicks, i + 1);
	}
	kit_close(&kit);
}

/* A vCPU that waits for a reply was started, whatever it looks like now. */
static void not_ready(void)
{
	u8 payload[16] = { 0 };
	u64 hz = 2345678000;
	struct kit kit;

	kit_open_all(&kit);
	kit_vcpu(&kit, 0)->ready = false;
	kit_expect_err(&kit, VCPU_EVENT, payload, 16, E_AGAIN);
	kit_pause(&kit, 0);
	kit_expect_vcpu(&kit, VCPU_GET_INFO, payload, 8, 0, &hz, 8);
	kit_answer(&kit, 0, 1, CONTINUE);
	kit_expect_err(&kit, VCPU_GET_INFO, payload, 8, E_AGAIN);
	kit_expect_err(&kit, VCPU_EVENT, payload, 16, E_AGAIN);
	kit_close(&kit);
}

static void missing_commands(void)
{
	u8 payload[8 + 4096];
	struct kit kit;
	size_t i, size;

	kit_open_all(&kit);
	for (i = 0; i < ARRAY_SIZE(vcpu_commands); i++) {
		u16 id = vcpu_commands[i];

		tap_context("without %u", id);
		kit.session.missing_commands = 1u << id;
		size = good_vcpu_payload(id, 0, payload);
		kit_expect_err(&kit, id, payload, size, E_NOSYS);
		CHECK(!kvmi_command_known(&kit.session, id));
		memset(payload, 0, 8);
		put_u16(payload, id);
		kit_expect_err(&kit, CHECK_COMMAND, payload, 8, E_NOENT);
		put_u16(payload, EVENT_TRAP);
		kit_expect_err(&kit, CHECK_EVENT, payload, 8,
			       id == VCPU_INJECT ? E_NOENT : 0);
		put_u16(payload, EVENT_PAUSE);
		kit_expect_err(&kit, CHECK_EVENT, payload, 8, 0);
	}
	kit_close(&kit);
}

/* Their events are not there for CONTROL_EVENTS either. */
static void missing_events(void)
{
	u8 payload[16] = { 0 };
	struct kit kit;

	kit_open_all(&kit);
	put_u16(payload + 8, EVENT_TRAP);
	kit_expect_vcpu_err(&kit, VCPU_CONTROL_EVENTS, payload, 16, 0);
	kit.session.missing_commands = 1u << VCPU_INJECT;
	kit_expect_vcpu_err(&kit, VCPU_CONTROL_EVENTS, payload, 16, E_INVAL);
	put_u16(payload + 8, EVENT_PAUSE);
	kit_expect_vcpu_err(&kit, VCPU_CONTROL_EVENTS, payload, 16, 0);
	kit.session.missing_commands = 1u << PAUSE_VCPU;
	kit_expect_vcpu_err(&kit, VCPU_CONTROL_EVENTS, payload, 16, E_INVAL);
	kit_close(&kit);
}

/* One run answers all that is queued, in the order of the messages. */
static void order(void)
{
	static const u16 ids[] = { VCPU_GET_INFO, VCPU_GET_XCR, VCPU_GET_CPUID };
	u8 payload[8 + 4096];
	const u8 *sent;
	struct kit kit;
	size_t i, size, pos = 0;
	u16 id, length;
	u32 seq;

	kit_open_all(&kit);
	for (i = 0; i < 60; i++) {
		size = good_vcpu_payload(ids[i % 3], 0, payload);
		kit_queue(&kit, ids[i % 3], 1000 - i, payload, size);
	}
	CHECK_EQ(atomic_read(&kit.session.queued), 60);
	CHECK_EQ(kit_run(&kit, 0, false), KVMI_VCPU_GO);
	CHECK_EQ(atomic_read(&kit.session.queued), 0);
	CHECK_EQ(mock_stream_posts(kit.stream), 60);
	sent = mock_stream_sent(kit.stream, &size);
	for (i = 0; i < 60 && pos < size; i++) {
		memcpy(&id, sent + pos, 2);
		memcpy(&length, sent + pos + 2, 2);
		memcpy(&seq, sent + pos + 4, 4);
		CHECK_EQ(id, ids[i % 3]);
		CHECK_EQ(seq, 1000 - i);
		pos += 8 + length;
	}
	CHECK_EQ(pos, size);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	kit_sent_nothing(&kit);
	kit_close(&kit);
}

/* The queues of two vCPUs have nothing to do with each other. */
static void two_vcpus(void)
{
	u8 zero[8] = { 0 }, one[8] = { 1 };
	u64 hz = 2345679000;
	struct kit kit;

	kit_open_all(&kit);
	mock_vm_set_vcpus(kit.vm, 2);
	kit_queue(&kit, VCPU_GET_INFO, 1, zero, 8);
	kit_queue(&kit, VCPU_GET_INFO, 2, one, 8);
	kit_run(&kit, 1, true);
	kit_sent_reply(&kit, VCPU_GET_INFO, 2, 0, &hz, 8);
	CHECK_EQ(atomic_read(&kit.session.queued), 1);
	CHECK(kvmi_vcpu_busy(&kit_vcpu(&kit, 0)->core));
	CHECK_EQ(kit_pause(&kit, 1), 1);
	hz = 2345678000;
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	kit_sent_reply(&kit, VCPU_GET_INFO, 1, 0, &hz, 8);
	kit_close(&kit);
}

static void counters(void)
{
	u8 payload[8] = { 0 };
	struct kit kit;

	kit_open_all(&kit);
	kit_queue(&kit, VCPU_GET_INFO, 1, payload, 8);
	CHECK_EQ(kit.session.stats.commands, 1);
	CHECK_EQ(atomic64_read(&kit.session.stats.replies), 0);
	CHECK_EQ(mock_traces.replies, 0);
	kit_run(&kit, 0, false);
	CHECK_EQ(atomic64_read(&kit.session.stats.replies), 1);
	CHECK_EQ(atomic64_read(&kit.session.stats.errors), 0);
	CHECK_EQ(mock_traces.tag, TAG);
	CHECK_EQ(mock_traces.reply.size, 16);
	kit_expect_vcpu_err(&kit, VCPU_SET_REGISTERS, payload, 8, E_INVAL);
	CHECK_EQ(atomic64_read(&kit.session.stats.replies), 2);
	CHECK_EQ(atomic64_read(&kit.session.stats.errors), 1);
	kit_pause(&kit, 0);
	CHECK_EQ(atomic64_read(&kit.session.stats.replies), 3);
	CHECK_EQ(atomic_read(&kit.session.events), 1);
	kit_answer(&kit, 0, 1, CONTINUE);
	CHECK_EQ(kit.session.stats.commands, 4);
	CHECK_EQ(atomic64_read(&kit.session.stats.replies), 3);
	kit_close(&kit);
}

const struct tap_test vcpu_tests[] = {
	{ "vcpu: each bit of the header's padding is EINVAL", header_padding },
	{ "vcpu: every index", every_index },
	{ "vcpu: order of checks, for each command", order_of_checks },
	{ "vcpu: EAGAIN when not started and not waiting", not_ready },
	{ "vcpu: a command that this kernel lacks is ENOSYS and ENOENT",
	  missing_commands },
	{ "vcpu: CONTROL_EVENTS knows the events that CHECK_EVENT knows",
	  missing_events },
	{ "vcpu: replies come in the order of commands", order },
	{ "vcpu: two vCPUs are independent", two_vcpus },
	{ "vcpu: counters and traces", counters },
	{ 0 },
};
