// SPDX-License-Identifier: GPL-2.0-only
/*
 * The three parties at once: a receiving thread, the thread of a vCPU, and who
 * ends the connection at any moment. TSan tells what they do to each other;
 * here it is only counted.
 */
#include "kit.h"

#include <pthread.h>
#include <sched.h>

#define ROUNDS 60
#define MESSAGES 400

struct party {
	struct kit kit;
	u8 out[64];		/* the message being received */
	size_t size, pos;
	unsigned int sent;	/* messages that were made */
	u32 event;		/* number of the event to be answered, or 0 */
	unsigned int posted, ended;
	bool stop, closed;
	unsigned int pause_before_close;
};

static struct party party;

/* The tool: answers an event before it thinks of other things. */
static bool make_message(struct party *p)
{
	static const u16 ids[] = {
		VCPU_GET_INFO, PAUSE_VCPU, VCPU_INJECT, VCPU_SET_REGISTERS,
		VCPU_GET_XCR, VCPU_CONTROL_EVENTS, VCPU_GET_REGISTERS,
	};
	u32 event = __atomic_exchange_n(&p->event, 0, __ATOMIC_SEQ_CST);
	u16 id = ids[p->sent % ARRAY_SIZE(ids)], size = 16;

	if (p->sent++ >= MESSAGES)
		return false;
	memset(p->out, 0, sizeof(p->out));
	if (event) {
		id = VCPU_EVENT;
		p->out[8 + 8] = event % 16 ? CONTINUE : CRASH;
	} else if (id == VCPU_INJECT) {
		p->out[8 + 8] = 6;
		size = 24;
	} else if (id == PAUSE_VCPU) {
		size = 8;
	} else if (id == VCPU_CONTROL_EVENTS) {
		p->out[8 + 8] = EVENT_TRAP;
	}
	put_u16(p->out, id);
	put_u16(p->out + 2, size);
	put_u32(p->out + 4, event ? event : p->sent);
	p->size = 8 + size;
	p->pos = 0;
	return true;
}

static int recv_made(void *stream, void *buf, size_t size)
{
	struct party *p = stream;

	if (p->pos == p->size && !make_message(p))
		return -ECONNRESET;
	memcpy(buf, p->out + p->pos, size);
	p->pos += size;
	return 0;
}

static int send_counted(void *stream, const void *buf, size_t size)
{
	struct party *p = stream;

	__atomic_add_fetch(&p->posted, 1, __ATOMIC_RELAXED);
	return 0;
}

static bool post_counted(void *stream, struct kvmi_msg *msg)
{
	struct party *p = stream;

	if (msg && msg->hdr.id == VCPU_EVENT)
		__atomic_store_n(&p->event, msg->hdr.seq, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(msg ? &p->posted : &p->ended, 1, __ATOMIC_RELAXED);
	return true;
}

static unsigned int no_backlog(void *stream)
{
	return 0;
}

static const struct kvmi_stream_ops party_ops = {
	.recv = recv_made,
	.send = send_counted,
	.post = post_counted,
	.backlog = no_backlog,
};

static void *receive(void *data)
{
	struct party *p = data;

	while (!kvmi_session_step(&p->kit.session))
		if (p->sent % 16 == 0)
			sched_yield();
	return NULL;
}

static void *run_vcpu(void *data)
{
	struct kvmi_vcpu *core = &kit_vcpu(&party.kit, 0)->core;
	unsigned int i = 0;

	while (!__atomic_load_n(&party.stop, __ATOMIC_ACQUIRE)) {
		kvmi_vcpu_run(core, i++ % 3);
		if (!kvmi_vcpu_busy(core))
			sched_yield();
	}
	return NULL;
}

/* The hook on the way into the guest, which only looks. */
static void *look(void *data)
{
	struct kvmi_vcpu *core = &kit_vcpu(&party.kit, 0)->core;
	unsigned int *seen = data;

	while (!__atomic_load_n(&party.stop, __ATOMIC_ACQUIRE)) {
		*seen += kvmi_vcpu_attention(core) ||
			 kvmi_vcpu_event_due(core);
		sched_yield();
	}
	return NULL;
}

static void *close_vcpu(void *data)
{
	while (__atomic_load_n(&party.posted, __ATOMIC_RELAXED) <
	       party.pause_before_close &&
	       !__atomic_load_n(&party.stop, __ATOMIC_ACQUIRE))
		sched_yield();
	kvmi_vcpu_close(&kit_vcpu(&party.kit, 0)->core);
	return NULL;
}

static void round_of(unsigned int number, unsigned int close_after)
{
	struct kvmi_vcpu *core;
	pthread_t receiver, vcpu, looker, closer;
	unsigned int seen = 0;

	tap_context("round %u", number);
	memset(&party, 0, sizeof(party));
	party.pause_before_close = close_after;
	kit_open_all(&party.kit);
	party.kit.session.stream_ops = &party_ops;
	party.kit.session.stream = &party;
	core = &kit_vcpu(&party.kit, 0)->core;

	CHECK_EQ(pthread_create(&vcpu, NULL, run_vcpu, NULL), 0);
	CHECK_EQ(pthread_create(&looker, NULL, look, &seen), 0);
	CHECK_EQ(pthread_create(&closer, NULL, close_vcpu, NULL), 0);
	CHECK_EQ(pthread_create(&receiver, NULL, receive, &party), 0);
	pthread_join(receiver, NULL);
	__atomic_store_n(&party.stop, true, __ATOMIC_RELEASE);
	pthread_join(closer, NULL);
	pthread_join(vcpu, NULL);
	pthread_join(looker, NULL);

	/* After the end the vCPU is let go, with at most an answer left. */
	CHECK_EQ(kvmi_vcpu_run(core, true), KVMI_VCPU_GO);
	CHECK(!kvmi_vcpu_busy(core));
	CHECK_EQ(kvmi_vcpu_run(core, true), KVMI_VCPU_GO);
	CHECK(!kvmi_vcpu_attention(core));
	CHECK_EQ(party.ended, 0);
	CHECK(party.sent > 0);
	kit_close(&party.kit);
}

static void concurrent_close(void)
{
	unsigned int i;

	for (i = 0; i < ROUNDS; i++)
		round_of(i, i * 7 % 300);
}

/* Nobody closes before the tool has said all: every command is answered. */
static void concurrent_commands(void)
{
	unsigned int i;

	for (i = 0; i < ROUNDS / 6; i++)
		round_of(i, ~0u);
}

const struct tap_test vcpu_thread_tests[] = {
	{ "vcpu threads: close at any moment", concurrent_close },
	{ "vcpu threads: commands and events", concurrent_commands },
	{ 0 },
};
