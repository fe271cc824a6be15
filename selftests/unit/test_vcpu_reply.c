// SPDX-License-Identifier: GPL-2.0-only
/* Replies to events: what is taken, what closes, what follows (abi.md 4.3). */
#include "kit.h"

/* A reply to the event with this number, with one byte changed. */
static int reply_with(struct kit *kit, u32 seq, u16 size, u32 byte, u8 value)
{
	u8 payload[MAX_PAYLOAD] = { 0 };
	int err;

	payload[byte] = value;
	err = kit_step(kit, VCPU_EVENT, seq, payload, size);
	kit_sent_nothing(kit);
	return err;
}

static int reply_plain(struct kit *kit, u32 seq)
{
	return reply_with(kit, seq, 16, 0, 0);
}

static void bad_seq(void)
{
	static const u32 seqs[] = { 0, 1, 3, 0x10002, 0x1000002, ~0u };
	struct kit kit;
	size_t i;

	kit_open_all(&kit);
	kit_answer(&kit, 0, kit_pause(&kit, 0), CONTINUE);
	CHECK_EQ(kit_pause(&kit, 0), 2);
	for (i = 0; i < ARRAY_SIZE(seqs); i++)
		CHECK_EQ(reply_plain(&kit, seqs[i]), -EPROTO);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_HOLD);
	CHECK_EQ(reply_plain(&kit, 2), 0);
	kit_close(&kit);
}

static void bad_size(void)
{
	struct kit kit;
	u32 size;

	kit_open_all(&kit);
	kit_pause(&kit, 0);
	for (size = 0; size <= MAX_PAYLOAD; size += size < 64 ? 1 : 101) {
		if (size == 16)
			continue;
		tap_context("size %u", size);
		CHECK_EQ(reply_with(&kit, 1, size, 0, 0), -EPROTO);
	}
	CHECK_EQ(reply_plain(&kit, 1), 0);
	kit_close(&kit);
}

/* Every bit of action and padding; the event's id is not looked at. */
static void bad_bits(void)
{
	struct kit kit;
	u32 i, want, seq;

	kit_open_all(&kit);
	for (i = 0; i <= 255; i++) {
		tap_context("action %u", i);
		seq = kit_pause(&kit, 0);
		want = i == CONTINUE || i == CRASH ? 0 : -EPROTO;
		CHECK_EQ(reply_with(&kit, seq, 16, 8, i), (int)want);
		if (want)
			kit_reply(&kit, 0, seq, CONTINUE);
		kit_run(&kit, 0, true);
	}
	for (i = 9 * 8; i < 16 * 8; i++) {
		tap_context("bit %u", i);
		seq = kit_pause(&kit, 0);
		want = i < 80 ? 0 : -EPROTO;
		CHECK_EQ(reply_with(&kit, seq, 16, i / 8, 1 << i % 8),
			 (int)want);
		if (want)
			kit_reply(&kit, 0, seq, CONTINUE);
		kit_run(&kit, 0, true);
	}
	kit_close(&kit);
}

static void not_waiting(void)
{
	struct kit kit;
	u8 pause[8] = { 0 };

	kit_open_all(&kit);
	mock_vm_set_vcpus(kit.vm, 2);
	CHECK_EQ(reply_plain(&kit, 0), -EPROTO);
	CHECK_EQ(reply_plain(&kit, 1), -EPROTO);
	/* Its event is not sent yet. */
	kit_expect_err(&kit, PAUSE_VCPU, pause, 8, 0);
	CHECK_EQ(reply_plain(&kit, 1), -EPROTO);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_HOLD);
	/* The one that waits is another. */
	CHECK_EQ(reply_with(&kit, 1, 16, 0, 1), -EPROTO);
	kit_answer(&kit, 0, 1, CONTINUE);
	CHECK_EQ(reply_plain(&kit, 1), -EPROTO);
	kit_close(&kit);
}

static void two_replies(void)
{
	struct kit kit;

	kit_open_all(&kit);
	kit_pause(&kit, 0);
	kit_reply(&kit, 0, 1, CONTINUE);
	CHECK_EQ(reply_plain(&kit, 1), -EPROTO);
	CHECK_EQ(mock_alloc_live(), 1);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	kit_close(&kit);
}

/* No permission can keep a tool from answering. */
static void no_permission_needed(void)
{
	struct kit kit;

	kit_open_all(&kit);
	kit_pause(&kit, 0);
	kvmi_allow_command(&kit.session, -1, 0);
	kvmi_allow_event(&kit.session, -1, 0);
	kit_answer(&kit, 0, 1, CONTINUE);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	kit_close(&kit);
}

/* Each command is served while the vCPU waits, and it waits on. */
static void commands_during_event(void)
{
	u8 payload[8 + 4096];
	struct kit kit;
	size_t i, size;

	kit_open_all(&kit);
	kit_pause(&kit, 0);
	for (i = 0; i < ARRAY_SIZE(vcpu_commands); i++) {
		tap_context("id %u", vcpu_commands[i]);
		size = good_vcpu_payload(vcpu_commands[i], 0, payload);
		kit_queue(&kit, vcpu_commands[i], 9, payload, size);
		CHECK_EQ(kit_run(&kit, 0, i % 2), KVMI_VCPU_HOLD);
		CHECK_EQ(mock_stream_posts(kit.stream), 1);
		CHECK_EQ(mock_traces.reply.id, vcpu_commands[i]);
		CHECK_EQ(mock_traces.err, 0);
	}
	/* Registers are what the tool was told, until the event is over. */
	CHECK_BYTES(kit_vcpu(&kit, 0)->log, 2, "IX", 2);
	kit_answer(&kit, 0, 1, CONTINUE);
	CHECK_BYTES(kit_vcpu(&kit, 0)->log, 3, "IXR", 3);
	kit_close(&kit);
}

/* What comes behind the reply is no longer during the event. */
static void reply_in_its_place(void)
{
	u8 payload[8 + 4096];
	struct kit kit;
	size_t size;

	kit_open_all(&kit);
	kit_pause(&kit, 0);
	size = good_vcpu_payload(VCPU_SET_REGISTERS, 0, payload);
	kit_queue(&kit, VCPU_SET_REGISTERS, 1, payload, size);
	kit_reply(&kit, 0, 1, CONTINUE);
	payload[8] = 0x77;
	kit_queue(&kit, VCPU_SET_REGISTERS, 2, payload, size);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	CHECK_EQ(mock_stream_posts(kit.stream), 2);
	CHECK_EQ(mock_traces.err, E_NOTSUPP);
	CHECK_EQ(kit_vcpu(&kit, 0)->actions, 1);
	CHECK_EQ(kit_vcpu(&kit, 0)->regs.rax, 0);
	kit_close(&kit);
}

/* Registers first; the crash waits for the way into the guest. */
static void crash(void)
{
	u8 payload[8 + 4096], pause[8] = { 0 };
	struct mock_vcpu *vcpu;
	struct kit kit;
	size_t size;

	kit_open_all(&kit);
	vcpu = kit_vcpu(&kit, 0);
	kit_pause(&kit, 0);
	kit_expect_err(&kit, PAUSE_VCPU, pause, 8, 0);
	size = good_vcpu_payload(VCPU_SET_REGISTERS, 0, payload);
	kit_expect_vcpu_err(&kit, VCPU_SET_REGISTERS, payload, size, 0);
	kit_answer(&kit, 0, 1, CRASH);
	CHECK_BYTES(vcpu->log, 2, "R", 2);
	CHECK(kvmi_vcpu_attention(&vcpu->core));
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	CHECK_BYTES(vcpu->log, 3, "RC", 3);
	kit_sent_nothing(&kit);
	/* Once, if the VMM goes on; then what else there is. */
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_HOLD);
	CHECK_EQ(vcpu->actions, 2);
	kit_sent_event(&kit, 0, EVENT_PAUSE, 2, NULL, 0);
	kit_answer(&kit, 0, 2, CONTINUE);
	CHECK(!kvmi_vcpu_attention(&vcpu->core));
	kit_close(&kit);
}

/*
 * Its VMM has made it wait to be started, before the answer or after that: it is on
 * no way into the guest, and is put there. Nothing else is done to such a vCPU.
 */
static void crash_not_started(void)
{
	u8 pause[8] = { 0 };
	struct mock_vcpu *vcpu;
	struct kit kit;

	kit_open_all(&kit);
	vcpu = kit_vcpu(&kit, 0);
	kit_pause(&kit, 0);
	CHECK(!kvmi_vcpu_crash_due(&vcpu->core));
	vcpu->ready = false;
	kit_reply(&kit, 0, 1, CRASH);
	CHECK(kvmi_vcpu_crash_due(&vcpu->core));
	CHECK_EQ(kit_run(&kit, 0, false), KVMI_VCPU_GO);
	CHECK_BYTES(vcpu->log, 2, "M", 2);
	CHECK(kvmi_vcpu_attention(&vcpu->core));
	/* Once more. */
	CHECK_EQ(kit_run(&kit, 0, false), KVMI_VCPU_GO);
	vcpu->ready = false;
	CHECK(kvmi_vcpu_crash_due(&vcpu->core));
	CHECK_EQ(kit_run(&kit, 0, false), KVMI_VCPU_GO);
	CHECK_BYTES(vcpu->log, 3, "MM", 3);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	CHECK_BYTES(vcpu->log, 4, "MMC", 4);
	CHECK(!kvmi_vcpu_crash_due(&vcpu->core));
	CHECK(!kvmi_vcpu_attention(&vcpu->core));
	vcpu->ready = false;
	kit_expect_err(&kit, PAUSE_VCPU, pause, 8, 0);
	CHECK_EQ(kit_run(&kit, 0, false), KVMI_VCPU_GO);
	CHECK_EQ(vcpu->actions, 3);
	kit_close(&kit);
}

/* The answer and the VMM's signal have both come: the next KVM_RUN crashes. */
static void crash_interrupted(void)
{
	u8 payload[8 + 4096], pause[8] = { 0 };
	struct mock_vcpu *vcpu;
	struct kit kit;
	size_t size;

	kit_open_all(&kit);
	vcpu = kit_vcpu(&kit, 0);
	kit_pause(&kit, 0);
	kit_expect_err(&kit, PAUSE_VCPU, pause, 8, 0);
	size = good_vcpu_payload(VCPU_SET_REGISTERS, 0, payload);
	kit_expect_vcpu_err(&kit, VCPU_SET_REGISTERS, payload, size, 0);
	kit_reply(&kit, 0, 1, CRASH);
	vcpu->interrupted = true;
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	CHECK_BYTES(vcpu->log, 2, "R", 2);
	CHECK(kvmi_vcpu_crash_due(&vcpu->core));
	kit_sent_nothing(&kit);
	vcpu->interrupted = false;
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	CHECK_BYTES(vcpu->log, 3, "RC", 3);
	kit_sent_nothing(&kit);
	/* Nothing else minds the signal. */
	vcpu->interrupted = true;
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_HOLD);
	kit_sent_event(&kit, 0, EVENT_PAUSE, 2, NULL, 0);
	kit_close(&kit);
}

static void crash_on_trap(void)
{
	u8 payload[8 + 4096];
	struct kit kit;

	kit_open_all(&kit);
	good_vcpu_payload(VCPU_INJECT, 0, payload);
	kit_expect_vcpu_err(&kit, VCPU_INJECT, payload, 24, 0);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_HOLD);
	CHECK_EQ(reply_with(&kit, 1, 16, 8, RETRY), -EPROTO);
	kit_reply(&kit, 0, 1, CRASH);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	CHECK_BYTES(kit_vcpu(&kit, 0)->log, 3, "IC", 3);
	kit_close(&kit);
}

/* What the tool has said before it went is done. */
static void crash_then_close(void)
{
	struct mock_vcpu *vcpu;
	struct kit kit;

	kit_open_all(&kit);
	vcpu = kit_vcpu(&kit, 0);
	kit_pause(&kit, 0);
	kit_answer(&kit, 0, 1, CRASH);
	kvmi_vcpu_close(&vcpu->core);
	CHECK(kvmi_vcpu_attention(&vcpu->core));
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	CHECK_BYTES(vcpu->log, 2, "C", 2);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	CHECK_EQ(vcpu->actions, 1);
	kit_close(&kit);
}

/* Whoever ends the session takes it from the vCPU, or the other way round. */
static void crash_once(void)
{
	struct mock_vcpu *vcpu;
	struct kit kit;

	kit_open_all(&kit);
	vcpu = kit_vcpu(&kit, 0);
	CHECK(!kvmi_vcpu_take_crash(&vcpu->core));
	kit_pause(&kit, 0);
	kit_answer(&kit, 0, 1, CRASH);
	kvmi_vcpu_close(&vcpu->core);
	CHECK(kvmi_vcpu_take_crash(&vcpu->core));
	CHECK(!kvmi_vcpu_take_crash(&vcpu->core));
	CHECK(!kvmi_vcpu_attention(&vcpu->core));
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	CHECK_EQ(vcpu->actions, 0);
	kit_close(&kit);
}

/* Registers of an event that never ended are not set. */
static void registers_then_close(void)
{
	u8 payload[8 + 4096];
	struct mock_vcpu *vcpu;
	struct kit kit;
	size_t size;

	kit_open_all(&kit);
	vcpu = kit_vcpu(&kit, 0);
	kit_pause(&kit, 0);
	size = good_vcpu_payload(VCPU_SET_REGISTERS, 0, payload);
	kit_expect_vcpu_err(&kit, VCPU_SET_REGISTERS, payload, size, 0);
	kvmi_vcpu_close(&vcpu->core);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	CHECK_EQ(vcpu->actions, 0);
	kit_close(&kit);
}

/* The tool has answered and gone, and the vCPU has not seen the answer yet. */
static void answer_then_close(void)
{
	u8 payload[8 + 4096];
	struct mock_vcpu *vcpu;
	struct kit kit;
	size_t size;

	kit_open_all(&kit);
	vcpu = kit_vcpu(&kit, 0);
	kit_pause(&kit, 0);
	size = good_vcpu_payload(VCPU_SET_REGISTERS, 0, payload);
	kit_expect_vcpu_err(&kit, VCPU_SET_REGISTERS, payload, size, 0);
	kit_reply(&kit, 0, 1, 0);
	kvmi_vcpu_close(&vcpu->core);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	CHECK_BYTES(vcpu->log, 2, "R", 2);
	CHECK(!kvmi_vcpu_attention(&vcpu->core));
	kit_close(&kit);
}

static void queue_command(struct kit *kit, u16 id, u32 seq)
{
	u8 payload[8 + 4096];
	size_t size = good_vcpu_payload(id, 0, payload);

	kit_queue(kit, id, seq, payload, size);
}

/* It comes with all that the vCPU was to go on with, and with nothing else. */
static void changes_then_close(void)
{
	struct mock_vcpu *vcpu;
	struct kit kit;

	kit_open_all(&kit);
	vcpu = kit_vcpu(&kit, 0);
	vcpu->undelivered = true;
	kit_pause(&kit, 0);
	queue_command(&kit, VCPU_GET_INFO, 20);
	queue_command(&kit, VCPU_SET_REGISTERS, 21);
	queue_command(&kit, VCPU_GET_XCR, 22);
	queue_command(&kit, VCPU_SET_XSAVE, 23);
	queue_command(&kit, VCPU_INJECT, 24);
	kit_reply(&kit, 0, 1, 0);
	queue_command(&kit, VCPU_SET_XSAVE, 25);
	queue_command(&kit, VCPU_GET_INFO, 26);
	kvmi_vcpu_close(&vcpu->core);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	CHECK_EQ(mock_stream_posts(kit.stream), 3);
	CHECK_EQ(vcpu->actions, 3);
	CHECK_BYTES(vcpu->log, 4, "XIR", 4);
	/* Nobody is left whom TRAP could be sent to. */
	CHECK(!kvmi_vcpu_attention(&vcpu->core));
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	kit_sent_nothing(&kit);
	CHECK_EQ(mock_alloc_live(), 0);
	kit_close(&kit);
}

/* Without an answer the vCPU goes on as it was. */
static void changes_without_answer(void)
{
	struct mock_vcpu *vcpu;
	struct kit kit;

	kit_open_all(&kit);
	vcpu = kit_vcpu(&kit, 0);
	kit_pause(&kit, 0);
	queue_command(&kit, VCPU_SET_REGISTERS, 21);
	queue_command(&kit, VCPU_INJECT, 24);
	kvmi_vcpu_close(&vcpu->core);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	CHECK_EQ(vcpu->actions, 0);
	CHECK_EQ(mock_alloc_live(), 0);
	kit_close(&kit);
}

/* The session ends while the vCPU has still much to do. */
static void changes_when_leaving(void)
{
	struct mock_vcpu *vcpu;
	struct kit kit;

	kit_open_all(&kit);
	vcpu = kit_vcpu(&kit, 0);
	kit_pause(&kit, 0);
	queue_command(&kit, VCPU_GET_INFO, 20);
	queue_command(&kit, VCPU_SET_REGISTERS, 21);
	queue_command(&kit, VCPU_GET_XCR, 22);
	kit_reply(&kit, 0, 1, 0);
	queue_command(&kit, VCPU_SET_XSAVE, 23);
	kvmi_session_leave(&kit.session);
	CHECK_EQ(kit_run(&kit, 0, false), KVMI_VCPU_GO);
	CHECK_EQ(mock_stream_posts(kit.stream), 2);
	CHECK_BYTES(vcpu->log, 3, "RX", 3);
	CHECK_EQ(atomic_read(&kit.session.queued), 0);
	CHECK_EQ(mock_alloc_live(), 0);
	kit_close(&kit);
}

/* Nobody can heed the answer: CRASH can still be taken out of it. */
static void answer_is_dropped(void)
{
	struct mock_vcpu *vcpu;
	struct kit kit;
	int i;

	for (i = 0; i < 2; i++) {
		kit_open_all(&kit);
		vcpu = kit_vcpu(&kit, 0);
		kit_pause(&kit, 0);
		kit_reply(&kit, 0, 1, i ? CRASH : 0);
		kvmi_vcpu_close(&vcpu->core);
		kvmi_vcpu_drop(&vcpu->core);
		CHECK_EQ(kvmi_vcpu_take_crash(&vcpu->core), i);
		kvmi_vcpu_drop(&vcpu->core);
		CHECK(!kvmi_vcpu_take_crash(&vcpu->core));
		CHECK(!kvmi_vcpu_attention(&vcpu->core));
		CHECK_EQ(mock_alloc_live(), 0);
		CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
		CHECK_EQ(vcpu->actions, 0);
		kit_close(&kit);
	}
}

const struct tap_test vcpu_reply_tests[] = {
	{ "event reply: a wrong number closes", bad_seq },
	{ "event reply: any size but 16 closes", bad_size },
	{ "event reply: padding and unsupported actions close", bad_bits },
	{ "event reply: to a vCPU that does not wait closes", not_waiting },
	{ "event reply: a second one closes", two_replies },
	{ "event reply: needs no permission", no_permission_needed },
	{ "event: commands are served meanwhile", commands_during_event },
	{ "event: ends in the order of messages", reply_in_its_place },
	{ "event: CRASH after the registers, on the way into the guest",
	  crash },
	{ "event: CRASH of a vCPU that was not started", crash_not_started },
	{ "event: CRASH in a KVM_RUN that returns for a signal",
	  crash_interrupted },
	{ "event: CRASH on TRAP, and RETRY closes", crash_on_trap },
	{ "event: CRASH outlives the connection", crash_then_close },
	{ "event: CRASH is taken once", crash_once },
	{ "event: registers do not", registers_then_close },
	{ "event: a queued answer outlives it", answer_then_close },
	{ "event: and so do the changes before it", changes_then_close },
	{ "event: when the session ends, what only asks is dropped",
	  changes_when_leaving },
	{ "event: but not those without one", changes_without_answer },
	{ "event: an answer that nobody can heed", answer_is_dropped },
	{ 0 },
};
