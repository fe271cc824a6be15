// SPDX-License-Identifier: GPL-2.0-only
/* Events of vCPUs: taking apart, answering, and the life between. */
#include <sys/socket.h>
#include <unistd.h>

#include <kvmic.h>

#include "peer.h"
#include "tap.h"

static struct kvmic_conn *conn;
static struct peer peer;
static int sv[2];

static void open_pair(void)
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) ||
	    kvmic_open(sv[0], &conn, NULL))
		abort();
	kvmic_set_timeout(conn, 5000);
}

static void close_pair(void)
{
	kvmic_close(conn);
	close(sv[1]);
}

static void open_peer(void)
{
	open_pair();
	peer_init(&peer, sv[1]);
	peer_start(&peer);
}

static void close_peer(void)
{
	kvmic_close(conn);
	peer_join(&peer);
}

/* ----------------------------------------------------------------- decode */

/* A TRAP event whose common part has @common bytes, and @own of its own. */
static void make_event(struct kvmic_event *ev, size_t common, size_t own)
{
	struct kvmi_vcpu_event part = { .size = common, .vcpu = 5 };
	struct kvmi_vcpu_event_trap trap = {
		.nr = 14, .error_code = 7, .address = 0x123456789abcull,
	};
	uint8_t *p = ev->payload;

	memset(ev, 0xee, sizeof(*ev));
	ev->id = KVMI_VCPU_EVENT;
	ev->event = KVMI_VCPU_EVENT_TRAP;
	ev->seq = 42;
	ev->error = 0;
	ev->size = 8 + common + own;
	memset(p, 0, 8);
	p[0] = KVMI_VCPU_EVENT_TRAP;
	part.arch.mode = 8;
	part.arch.regs.rip = 0xffffffff81000000ull;
	part.arch.msrs.shadow_gs = 0x5a5a;
	memcpy(p + 8, &part, common < sizeof(part) ? common : sizeof(part));
	memcpy(p + 8 + common, &trap, own < sizeof(trap) ? own : sizeof(trap));
}

static void decode_sizes(void)
{
	/* Common part: as of now, larger, smaller, nothing but its head. */
	static const size_t sizes[] = { 544, 544 + 64, 16 + 144, 8 };
	struct kvmic_vcpu_event out;
	struct kvmic_event ev;
	struct kvmic_err err;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		make_event(&ev, sizes[i], 16);
		memset(&out, 0x55, sizeof(out));
		CHECK_INT(kvmic_decode_event(&ev, &out, &err), 0);
		CHECK_INT(out.event, KVMI_VCPU_EVENT_TRAP);
		CHECK_INT(out.vcpu, 5);
		CHECK_INT(out.seq, 42);
		CHECK_INT(out.known, i < 2 ? 536 : sizes[i] - 8);
		CHECK_INT(out.arch.mode, i < 3 ? 8 : 0);
		CHECK_INT(out.arch.regs.rip, i < 3 ? 0xffffffff81000000 : 0);
		CHECK_INT(out.arch.msrs.shadow_gs, i < 2 ? 0x5a5a : 0);
		CHECK_INT(out.data_size, 16);
		CHECK_INT(out.trap.nr, 14);
		CHECK_INT(out.trap.error_code, 7);
		CHECK_INT(out.trap.address, 0x123456789abc);
	}
}

static void decode_own_data(void)
{
	static const size_t sizes[] = { 0, 8, 24, 64, 65, 4000 };
	struct kvmic_vcpu_event out;
	struct kvmic_event ev;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		make_event(&ev, 544, sizes[i]);
		memset(&out, 0x55, sizeof(out));
		CHECK_INT(kvmic_decode_event(&ev, &out, NULL), 0);
		CHECK_INT(out.data_size, sizes[i]);
		CHECK_INT(out.trap.nr, i ? 14 : 0);
		/* What was not sent is zero, not what lay behind it. */
		CHECK_INT(out.trap.address, i > 1 ? 0x123456789abc : 0);
		CHECK_INT(out.data[63], i > 2 ? 0xee : 0);
	}
}

static void decode_refuses(void)
{
	struct kvmic_vcpu_event out;
	struct kvmic_event ev;
	struct kvmic_err err;

	make_event(&ev, 544, 16);
	ev.size = 8 + 544 - 1;
	CHECK_INT(kvmic_decode_event(&ev, &out, &err), -KVMIC_ERR_PROTOCOL);
	CHECK(err.text[0]);
	make_event(&ev, 8, 0);
	ev.size = 15;
	CHECK_INT(kvmic_decode_event(&ev, &out, NULL), -KVMIC_ERR_PROTOCOL);
	make_event(&ev, 544, 0);
	ev.payload[8] = 7;
	ev.payload[9] = 0;
	CHECK_INT(kvmic_decode_event(&ev, &out, NULL), -KVMIC_ERR_PROTOCOL);
	make_event(&ev, 544, 0);
	ev.payload[9] = 0xff;
	CHECK_INT(kvmic_decode_event(&ev, &out, NULL), -KVMIC_ERR_PROTOCOL);
	CHECK_INT(out.vcpu, 0);
	make_event(&ev, 544, 0);
	ev.error = -KVMI_EINVAL;
	CHECK_INT(kvmic_decode_event(&ev, &out, &err), -KVMIC_ERR_ARG);
	CHECK(strstr(err.text, "refusal"));
	make_event(&ev, 544, 0);
	ev.id = KVMI_VM_EVENT;
	CHECK_INT(kvmic_decode_event(&ev, &out, &err), -KVMIC_ERR_ARG);
}

/* ----------------------------------------------------------------- answer */

static void answer_bytes(void)
{
	static const uint8_t want[] = {
		1, 0, 24, 0, 0x78, 0x56, 0x34, 0x12,
		3, 1, 0, 0, 0, 0, 0, 0,
		2, 7, 0, 0, 0, 0, 0, 0,
		1, 2, 3, 4, 5, 6, 7, 8,
	};
	struct kvmic_vcpu_event ev = {
		.event = KVMI_VCPU_EVENT_CR, .vcpu = 0x103, .seq = 0x12345678,
	};
	uint8_t have[64];

	open_pair();
	CHECK_INT(kvmic_answer_event(conn, &ev, KVMI_EVENT_ACTION_CRASH,
				     want + 24, 8), 0);
	CHECK_INT(recv(sv[1], have, sizeof(have), MSG_DONTWAIT), sizeof(want));
	CHECK(!memcmp(have, want, sizeof(want)));
	CHECK_INT(kvmic_answer_event(conn, &ev, 0, NULL, 0), 0);
	CHECK_INT(recv(sv[1], have, sizeof(have), MSG_DONTWAIT), 24);
	CHECK_INT(have[2], 16);
	close_pair();
}

/* What would close the connection is not sent. */
static void answer_refused(void)
{
	static const struct {
		uint16_t event;
		uint8_t action;
		size_t size;
		bool fine;
	} answers[] = {
		{ KVMI_VCPU_EVENT_PAUSE, KVMI_EVENT_ACTION_RETRY, 0, false },
		{ KVMI_VCPU_EVENT_PAUSE, KVMI_EVENT_ACTION_CRASH, 0, true },
		{ KVMI_VCPU_EVENT_PAUSE, 3, 0, false },
		{ KVMI_VCPU_EVENT_PAUSE, 255, 0, false },
		{ KVMI_VCPU_EVENT_PAUSE, KVMI_EVENT_ACTION_CONTINUE, 1, false },
		{ KVMI_VCPU_EVENT_TRAP, KVMI_EVENT_ACTION_RETRY, 0, false },
		{ KVMI_VCPU_EVENT_PF, KVMI_EVENT_ACTION_RETRY, 0, true },
		{ KVMI_VCPU_EVENT_CR, KVMI_EVENT_ACTION_CONTINUE, 9, false },
		{ KVMI_VCPU_EVENT_CR, KVMI_EVENT_ACTION_CONTINUE, 4, true },
		/* Unknown events: within the limits of the protocol. */
		{ 77, KVMI_EVENT_ACTION_RETRY, 100, true },
		{ 77, KVMI_EVENT_ACTION_RETRY, KVMI_MAX_MSG_SIZE - 16, true },
		{ 77, KVMI_EVENT_ACTION_RETRY, KVMI_MAX_MSG_SIZE - 15, false },
	};
	static uint8_t data[KVMI_MAX_MSG_SIZE], have[16384];
	struct kvmic_vcpu_event ev = { .vcpu = 1, .seq = 1 };
	size_t i;

	open_pair();
	for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		ev.event = answers[i].event;
		CHECK_INT(kvmic_answer_event(conn, &ev, answers[i].action, data,
					     answers[i].size),
			  answers[i].fine ? 0 : -KVMIC_ERR_ARG);
		CHECK_INT(recv(sv[1], have, sizeof(have), MSG_DONTWAIT),
			  answers[i].fine ? 24 + (int)answers[i].size : -1);
	}
	close_pair();
}

static void next(struct kvmic_vcpu_event *out)
{
	static struct kvmic_event ev;

	memset(out, 0, sizeof(*out));
	CHECK_INT(kvmic_next_event(conn, 2000, &ev), 1);
	CHECK_INT(kvmic_decode_event(&ev, out, NULL), 0);
}

static void pause_and_go_on(void)
{
	struct kvmi_vcpu_get_registers_reply r;
	struct kvmic_vcpu_event pe;
	static struct kvmic_event ev;
	struct kvm_regs regs;

	open_peer();
	CHECK_INT(kvmic_pause_vcpu(conn, 3, 0), -KVMI_EINVAL);
	CHECK_INT(kvmic_pause_vcpu(conn, 1, 1), 0);
	CHECK_INT(kvmic_pause_vcpu(conn, 1, 0), 0);
	next(&pe);
	CHECK_INT(pe.event, KVMI_VCPU_EVENT_PAUSE);
	CHECK_INT(pe.vcpu, 1);
	CHECK_INT(pe.arch.mode, 4);
	CHECK_INT(pe.data_size, 0);
	CHECK_INT(pe.arch.msrs.lstar, 0xc0000082 * 0x100000001ull);
	/* The second pause is one event of its own, after the first. */
	CHECK_INT(kvmic_next_event(conn, 0, &ev), 0);
	regs = pe.arch.regs;
	regs.rax = 0x4711;
	CHECK_INT(kvmic_vcpu_set_registers(conn, 1, &regs), 0);
	CHECK_INT(kvmic_answer_event(conn, &pe, KVMI_EVENT_ACTION_CONTINUE,
				     NULL, 0), 0);
	next(&pe);
	CHECK_INT(pe.arch.regs.rax, 0x4711);
	CHECK_INT(kvmic_answer_event(conn, &pe, KVMI_EVENT_ACTION_CONTINUE,
				     NULL, 0), 0);
	CHECK_INT(kvmic_vcpu_get_registers(conn, 1, NULL, 0, &r, NULL), 0);
	CHECK_INT(r.regs.rax, 0x4711);
	/* Answered twice: the kernel hangs up. */
	CHECK_INT(kvmic_answer_event(conn, &pe, KVMI_EVENT_ACTION_CONTINUE,
				     NULL, 0), 0);
	CHECK_INT(kvmic_next_event(conn, 2000, &ev), -KVMIC_ERR_CLOSED);
	close_peer();
}

static void inject_and_trap(void)
{
	struct kvmic_vcpu_event trap;

	open_peer();
	CHECK_INT(kvmic_vcpu_inject_exception(conn, 0, 2, 0, 0), -KVMI_EINVAL);
	CHECK_INT(kvmic_vcpu_inject_exception(conn, 0, 14, 6, 0xdead000), 0);
	next(&trap);
	CHECK_INT(trap.event, KVMI_VCPU_EVENT_TRAP);
	CHECK_INT(trap.data_size, sizeof(trap.trap));
	CHECK_INT(trap.trap.nr, 14);
	CHECK_INT(trap.trap.error_code, 6);
	CHECK_INT(trap.trap.address, 0xdead000);
	/* To a vCPU that does not exist: refused, and the event still waits. */
	trap.vcpu = 7;
	CHECK_INT(kvmic_answer_event(conn, &trap, KVMI_EVENT_ACTION_CONTINUE,
				     NULL, 0), 0);
	{
		static struct kvmic_event ev;

		CHECK_INT(kvmic_next_event(conn, 2000, &ev), 1);
		CHECK_INT(ev.error, -KVMI_EINVAL);
		CHECK_INT(ev.seq, trap.seq);
	}
	trap.vcpu = 0;
	CHECK_INT(kvmic_answer_event(conn, &trap, KVMI_EVENT_ACTION_CONTINUE,
				     NULL, 0), 0);
	close_peer();
}

int main(void)
{
	static const struct tap_test tests[] = {
		TEST(decode_sizes), TEST(decode_own_data),
		TEST(decode_refuses), TEST(answer_bytes),
		TEST(answer_refused), TEST(pause_and_go_on),
		TEST(inject_and_trap),
	};

	return tap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
