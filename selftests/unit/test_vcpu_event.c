// SPDX-License-Identifier: GPL-2.0-only
/* PAUSE, TRAP and injections (abi.md 3.7, 3.16, 4.2, 4.5, 6.5). */
#include "kit.h"

static void pause_errors(void)
{
	u8 payload[8] = { 0 };
	struct kit kit;
	u32 wait;

	kit_open_all(&kit);
	mock_vm_set_vcpus(kit.vm, 2);
	kvmi_allow_event(&kit.session, EVENT_PAUSE, 0);
	put_u16(payload, 2);
	for (wait = 2; wait <= 255; wait++) {
		payload[2] = wait;
		kit_expect_err(&kit, PAUSE_VCPU, payload, 8, E_INVAL);
	}
	payload[2] = 1;
	kit_expect_err(&kit, PAUSE_VCPU, payload, 8, E_PERM);
	kvmi_allow_event(&kit.session, EVENT_PAUSE, 1);
	kit_expect_err(&kit, PAUSE_VCPU, payload, 8, E_INVAL);
	put_u16(payload, 1);
	mock_vm_fail_vcpus(kit.vm, E_NOMEM);
	kit_expect_err(&kit, PAUSE_VCPU, payload, 8, E_NOMEM);
	mock_vm_fail_vcpus(kit.vm, 0);
	CHECK(!kvmi_vcpu_attention(&kit_vcpu(&kit, 1)->core));
	CHECK_EQ(kit_vcpu(&kit, 1)->kicks, 0);
	/* One that has not been started is paused when it starts. */
	kit_vcpu(&kit, 1)->ready = false;
	kit_expect_err(&kit, PAUSE_VCPU, payload, 8, 0);
	CHECK(kvmi_vcpu_attention(&kit_vcpu(&kit, 1)->core));
	CHECK_EQ(kit_vcpu(&kit, 1)->kicks, 1);
	CHECK_EQ(kit_vcpu(&kit, 1)->wait_exits, 1);
	payload[2] = 0;
	kit_expect_err(&kit, PAUSE_VCPU, payload, 8, 0);
	CHECK_EQ(kit_vcpu(&kit, 1)->kicks, 2);
	CHECK_EQ(kit_vcpu(&kit, 1)->wait_exits, 1);
	kit_close(&kit);
}

static void pause_limit(void)
{
	u8 payload[8] = { 0 }, other[8] = { 1 };
	struct kit kit;
	u32 i;

	kit_open_all(&kit);
	mock_vm_set_vcpus(kit.vm, 2);
	for (i = 0; i < 1002; i++)
		kit_expect_err(&kit, PAUSE_VCPU, payload, 8, 0);
	kit_expect_err(&kit, PAUSE_VCPU, payload, 8, E_BUSY);
	CHECK_EQ(kit_vcpu(&kit, 0)->kicks, 1002);
	payload[2] = 1;
	kit_expect_err(&kit, PAUSE_VCPU, payload, 8, E_BUSY);
	CHECK_EQ(kit_vcpu(&kit, 0)->wait_exits, 0);
	kit_expect_err(&kit, PAUSE_VCPU, other, 8, 0);
	/* Disallowed later, they come all the same; each waits for a reply. */
	kvmi_allow_event(&kit.session, -1, 0);
	for (i = 1; i <= 1002; i++) {
		CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_HOLD);
		CHECK_EQ(mock_stream_posts(kit.stream), 1);
		CHECK_EQ(mock_traces.seq, i);
		CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_HOLD);
		kit_sent_nothing(&kit);
		kit_reply(&kit, 0, i, CONTINUE);
	}
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	CHECK(!kvmi_vcpu_attention(&kit_vcpu(&kit, 0)->core));
	kit_close(&kit);
}

/* Only on the way into the guest, and behind the commands. */
static void when_sent(void)
{
	u8 pause[8] = { 0 };
	struct kit kit;
	size_t size;
	const u8 *sent;

	kit_open_all(&kit);
	kit_expect_err(&kit, PAUSE_VCPU, pause, 8, 0);
	kit_queue(&kit, VCPU_GET_INFO, 5, pause, 8);
	CHECK_EQ(kit_run(&kit, 0, false), KVMI_VCPU_GO);
	CHECK_EQ(mock_traces.events, 0);
	CHECK(kvmi_vcpu_attention(&kit_vcpu(&kit, 0)->core));
	kit_queue(&kit, VCPU_GET_INFO, 6, pause, 8);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_HOLD);
	CHECK_EQ(mock_stream_posts(kit.stream), 2);
	sent = mock_stream_sent(kit.stream, &size);
	CHECK_EQ(size, 24 + 560);
	CHECK_EQ(sent[0], VCPU_GET_INFO);
	CHECK_EQ(sent[24], VCPU_EVENT);
	/* It is held whoever asks. */
	CHECK_EQ(kit_run(&kit, 0, false), KVMI_VCPU_HOLD);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_HOLD);
	kit_sent_nothing(&kit);
	kit_close(&kit);
}

/* Byte by byte; of MSRs that cannot be read, zeros. */
static void layout(void)
{
	static const u32 msrs[] = {
		0x174, 0x175, 0x176, 0xc0000080, 0xc0000081, 0xc0000082,
		0xc0000083, 0x277, 0xc0000102,
	};
	struct mock_vcpu *vcpu;
	struct kit kit;
	size_t i, j;
	u32 seq;

	kit_open_all(&kit);
	mock_vm_set_vcpus(kit.vm, 256);
	seq = kit_pause(&kit, 255);
	CHECK_EQ(seq, 1);
	kit_sent_event(&kit, 255, EVENT_PAUSE, seq, NULL, 0);
	kit_answer(&kit, 255, seq, CONTINUE);
	vcpu = kit_vcpu(&kit, 7);
	vcpu->only_these_msrs = true;
	for (i = 0; i <= ARRAY_SIZE(msrs); i++) {
		tap_context("without MSR %zu", i);
		vcpu->num_msrs = 0;
		for (j = 0; j < ARRAY_SIZE(msrs); j++)
			if (j != i)
				mock_vcpu_set_msr(vcpu, msrs[j],
						  0x1111111111111111 * (j + 1));
		seq = kit_pause(&kit, 7);
		kit_sent_event(&kit, 7, EVENT_PAUSE, seq, NULL, 0);
		kit_answer(&kit, 7, seq, CONTINUE);
	}
	CHECK_EQ(mock_traces.tag, TAG);
	CHECK_EQ(mock_traces.vcpu, 7);
	CHECK_EQ(mock_traces.event, EVENT_PAUSE);
	CHECK_EQ(mock_traces.events, 2 + ARRAY_SIZE(msrs));
	CHECK_EQ(atomic_read(&kit.session.events), 2 + ARRAY_SIZE(msrs));
	kit_close(&kit);
}

/* One counter for all vCPUs and for UNHOOK; it wraps. */
static void seq(void)
{
	u8 on[8] = { 0, 0, 1 };
	struct kit kit;

	kit_open_all(&kit);
	mock_vm_set_vcpus(kit.vm, 3);
	CHECK_EQ(kit_pause(&kit, 0), 1);
	CHECK_EQ(kit_pause(&kit, 2), 2);
	kit_expect_err(&kit, CONTROL_EVENTS, on, 8, 0);
	CHECK_EQ(kvmi_session_send_unhook(&kit.session), 0);
	CHECK_EQ(kit_pause(&kit, 1), 4);
	kit_answer(&kit, 2, 2, CONTINUE);
	kit_answer(&kit, 0, 1, CONTINUE);
	atomic_set(&kit.session.event_seq, -2);
	CHECK_EQ(kit_pause(&kit, 0), 0xffffffff);
	CHECK_EQ(kit_pause(&kit, 2), 0);
	kit_answer(&kit, 2, 0, CONTINUE);
	kit_answer(&kit, 0, 0xffffffff, CONTINUE);
	kit_answer(&kit, 1, 4, CONTINUE);
	kit_close(&kit);
}

/* The order of errors, each with all the later ones there, too. */
static void inject_errors(void)
{
	u8 payload[8 + 4096];
	struct mock_vcpu *vcpu;
	struct kit kit;
	u32 nr;

	kit_open_all(&kit);
	vcpu = kit_vcpu(&kit, 0);
	vcpu->undelivered = true;
	good_vcpu_payload(VCPU_INJECT, 0, payload);
	kit_expect_vcpu_err(&kit, VCPU_INJECT, payload, 24, 0);
	for (nr = 0; nr <= 255; nr++) {
		tap_context("vector %u", nr);
		payload[8] = nr;
		payload[9] = 1;
		kvmi_allow_event(&kit.session, EVENT_TRAP, 0);
		kit_expect_vcpu_err(&kit, VCPU_INJECT, payload, 24, E_PERM);
		kvmi_allow_event(&kit.session, EVENT_TRAP, 1);
		kit_expect_vcpu_err(&kit, VCPU_INJECT, payload, 24, E_INVAL);
		payload[9] = 0;
		kit_expect_vcpu_err(&kit, VCPU_INJECT, payload, 24,
				    nr == 2 || nr > 31 ? E_INVAL : E_BUSY);
	}
	CHECK_EQ(vcpu->actions, 1);
	/* Until the guest has it, it must not halt. */
	CHECK_EQ(vcpu->unhalts, 0);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	CHECK_EQ(vcpu->unhalts, 1);
	/* Busy until its event was sent, not until that has its reply. */
	vcpu->undelivered = false;
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_HOLD);
	payload[8] = 6;
	kit_expect_vcpu_err(&kit, VCPU_INJECT, payload, 24, 0);
	kit_expect_vcpu_err(&kit, VCPU_INJECT, payload, 24, E_BUSY);
	CHECK_EQ(vcpu->actions, 2);
	kit_close(&kit);
}

static bool has_code(u32 nr)
{
	return nr == 8 || (nr >= 10 && nr <= 14) || nr == 17 || nr == 21 ||
	       nr == 29 || nr == 30;
}

static void inject_vectors(void)
{
	u8 payload[8 + 4096], trap[16];
	struct mock_vcpu *vcpu;
	struct kit kit;
	u32 nr, number = 0;

	kit_open_all(&kit);
	vcpu = kit_vcpu(&kit, 0);
	for (nr = 0; nr <= 31; nr++) {
		if (nr == 2)
			continue;
		tap_context("vector %u", nr);
		good_vcpu_payload(VCPU_INJECT, 0, payload);
		payload[8] = nr;
		put_u32(payload + 12, 0x87654321);
		put_u64(payload + 16, 0xfedcba9876543210);
		kit_expect_vcpu_err(&kit, VCPU_INJECT, payload, 24, 0);
		CHECK_EQ(vcpu->injected_code, has_code(nr));
		CHECK_EQ(vcpu->injected.error_code,
			 has_code(nr) ? 0x87654321 : 0);
		CHECK_EQ(vcpu->injected.nr, nr);
		CHECK_EQ(vcpu->injected.address, 0xfedcba9876543210);
		/* Else who looks meanwhile would not look again for TRAP. */
		CHECK(vcpu->busy_within);
		CHECK(kvmi_vcpu_event_due(&vcpu->core));
		CHECK(kvmi_vcpu_attention(&vcpu->core));

		CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_HOLD);
		memset(trap, 0, sizeof(trap));
		trap[0] = nr;
		put_u32(trap + 4, has_code(nr) ? 0x87654321 : 0);
		put_u64(trap + 8, vcpu->cr2);
		kit_sent_event(&kit, 0, EVENT_TRAP, ++number, trap, 16);
		CHECK_EQ(mock_traces.event, EVENT_TRAP);
		CHECK(!kvmi_vcpu_event_due(&vcpu->core));
		kit_answer(&kit, 0, number, CONTINUE);
		CHECK(!kvmi_vcpu_attention(&vcpu->core));
	}
	CHECK_EQ(vcpu->cr2, 0xfedcba9876543210);
	kit_close(&kit);
}

/* Something else was there to be delivered: the event tells of that. */
static void inject_occupied(void)
{
	u8 payload[8 + 4096], trap[16] = { 6 };
	struct mock_vcpu *vcpu;
	struct kit kit;

	kit_open_all(&kit);
	vcpu = kit_vcpu(&kit, 0);
	good_vcpu_payload(VCPU_INJECT, 0, payload);
	payload[8] = 14;
	put_u32(payload + 12, 5);
	kit_expect_vcpu_err(&kit, VCPU_INJECT, payload, 24, 0);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_HOLD);
	kit_answer(&kit, 0, 1, CONTINUE);
	vcpu->occupied = true;
	kit_expect_vcpu_err(&kit, VCPU_INJECT, payload, 24, 0);
	/* CR2 as it is when the event is sent. */
	vcpu->cr2 = 0x123456789;
	put_u64(trap + 8, vcpu->cr2);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_HOLD);
	kit_sent_event(&kit, 0, EVENT_TRAP, 2, trap, 16);
	kit_close(&kit);
}

/* TRAP waits for the guest, and PAUSE for TRAP. */
static void trap_before_pause(void)
{
	u8 payload[8 + 4096], pause[8] = { 0 };
	struct mock_vcpu *vcpu;
	struct kit kit;

	kit_open_all(&kit);
	vcpu = kit_vcpu(&kit, 0);
	vcpu->undelivered = true;
	kit_expect_err(&kit, PAUSE_VCPU, pause, 8, 0);
	good_vcpu_payload(VCPU_INJECT, 0, payload);
	kit_expect_vcpu_err(&kit, VCPU_INJECT, payload, 24, 0);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	kit_sent_nothing(&kit);
	vcpu->undelivered = false;
	CHECK_EQ(kit_run(&kit, 0, false), KVMI_VCPU_GO);
	kit_sent_nothing(&kit);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_HOLD);
	CHECK_EQ(mock_traces.event, EVENT_TRAP);
	kit_reply(&kit, 0, 1, CONTINUE);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_HOLD);
	kit_sent_event(&kit, 0, EVENT_PAUSE, 2, NULL, 0);
	kit_reply(&kit, 0, 2, CONTINUE);
	CHECK_EQ(kit_run(&kit, 0, true), KVMI_VCPU_GO);
	kit_sent_nothing(&kit);
	kit_close(&kit);
}

const struct tap_test vcpu_event_tests[] = {
	{ "PAUSE_VCPU: errors in order, kick and wait", pause_errors },
	{ "PAUSE_VCPU: 1002 may be pending", pause_limit },
	{ "vcpu event: on the way into the guest, behind commands", when_sent },
	{ "vcpu event: bytes", layout },
	{ "vcpu event: one counter for all", seq },
	{ "INJECT_EXCEPTION: errors in order", inject_errors },
	{ "INJECT_EXCEPTION: every vector, and its TRAP event",
	  inject_vectors },
	{ "INJECT_EXCEPTION: TRAP tells what came instead", inject_occupied },
	{ "TRAP waits to be delivered, PAUSE waits for TRAP",
	  trap_before_pause },
	{ 0 },
};
