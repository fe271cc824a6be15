// SPDX-License-Identifier: LGPL-2.1-only
/* Events of vCPUs: taking them apart, and answering them. */
#include <string.h>

#include "internal.h"

/* The fields in front of the registers are there in every version. */
#define FIXED offsetof(struct kvmi_vcpu_event, arch)
#define ACTION(a) (1u << KVMI_EVENT_ACTION_##a)
#define STOP_OR_GO (ACTION(CONTINUE) | ACTION(CRASH))

/* What the kernel takes for an answer; no row: not known to this library. */
static const struct {
	uint16_t event;
	uint8_t actions;
	uint8_t reply_size;
} rules[] = {
	{ KVMI_VCPU_EVENT_PAUSE, STOP_OR_GO, 0 },
	{ KVMI_VCPU_EVENT_HYPERCALL, STOP_OR_GO, 0 },
	{ KVMI_VCPU_EVENT_BREAKPOINT, STOP_OR_GO | ACTION(RETRY), 0 },
	{ KVMI_VCPU_EVENT_CR, STOP_OR_GO, 8 },
	{ KVMI_VCPU_EVENT_TRAP, STOP_OR_GO, 0 },
	{ KVMI_VCPU_EVENT_XSETBV, STOP_OR_GO, 0 },
	{ KVMI_VCPU_EVENT_DESCRIPTOR, STOP_OR_GO | ACTION(RETRY), 0 },
	{ KVMI_VCPU_EVENT_MSR, STOP_OR_GO, 8 },
	{ KVMI_VCPU_EVENT_PF, STOP_OR_GO | ACTION(RETRY), 0 },
	{ KVMI_VCPU_EVENT_SINGLESTEP, STOP_OR_GO, 0 },
};

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static int malformed(const struct kvmic_event *ev, struct kvmic_err *err)
{
	return kvmic__fail(err, -KVMIC_ERR_PROTOCOL, 0, NULL,
			   "peer sent a vCPU event %u of impossible size: %u bytes",
			   ev->event, ev->size);
}

int kvmic_decode_event(const struct kvmic_event *ev,
		       struct kvmic_vcpu_event *out, struct kvmic_err *err)
{
	const uint8_t *common = ev->payload + sizeof(struct kvmi_event_hdr);
	struct kvmi_vcpu_event head;
	size_t left;

	memset(out, 0, sizeof(*out));
	if (ev->id != KVMI_VCPU_EVENT || ev->error)
		return kvmic__fail(err, -KVMIC_ERR_ARG, 0, NULL,
				   ev->error ? "not an event but the refusal of a reply" :
				   "not an event of a vCPU");
	if (ev->size < sizeof(struct kvmi_event_hdr) + FIXED)
		return malformed(ev, err);
	left = ev->size - sizeof(struct kvmi_event_hdr);
	memcpy(&head, common, FIXED);
	if (head.size < FIXED || head.size > left)
		return malformed(ev, err);
	out->event = ev->event;
	out->vcpu = head.vcpu;
	out->seq = ev->seq;
	out->known = smaller(head.size - FIXED, sizeof(out->arch));
	memcpy(&out->arch, common + FIXED, out->known);
	out->data_size = left - head.size;
	memcpy(out->data, common + head.size,
	       smaller(out->data_size, sizeof(out->data)));
	return 0;
}

static int check_answer(struct kvmic_conn *conn, uint16_t event,
			uint8_t action, size_t size)
{
	size_t i, max = KVMI_MAX_MSG_SIZE - sizeof(struct kvmi_vcpu_hdr) -
			sizeof(struct kvmi_vcpu_event_reply);
	unsigned int actions = STOP_OR_GO | ACTION(RETRY);
	const char *name = kvmic_event_name(event);

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (rules[i].event != event)
			continue;
		actions = rules[i].actions;
		max = rules[i].reply_size;
	}
	if (action > KVMI_EVENT_ACTION_CRASH || !(actions >> action & 1))
		return kvmic__fail(&conn->err, -KVMIC_ERR_ARG, 0, NULL,
				   "%s does not support action %u",
				   name ? name : "the event", action);
	if (size > max)
		return kvmic__fail(&conn->err, -KVMIC_ERR_ARG, 0, NULL,
				   "reply data of %zu bytes, %s takes at most %zu",
				   size, name ? name : "the event", max);
	return 0;
}

int kvmic_answer_event(struct kvmic_conn *conn,
		       const struct kvmic_vcpu_event *event, uint8_t action,
		       const void *data, size_t size)
{
	struct kvmi_vcpu_hdr hdr = { .vcpu = event->vcpu };
	struct kvmi_vcpu_event_reply reply = {
		.action = action,
		.event = event->event,
	};
	uint8_t msg[KVMI_MAX_MSG_SIZE];
	int r = check_answer(conn, event->event, action, size);

	if (r)
		return r;
	memcpy(msg, &hdr, sizeof(hdr));
	memcpy(msg + sizeof(hdr), &reply, sizeof(reply));
	if (size)
		memcpy(msg + sizeof(hdr) + sizeof(reply), data, size);
	return kvmic_send_event_reply(conn, event->seq, msg,
				      sizeof(hdr) + sizeof(reply) + size);
}
