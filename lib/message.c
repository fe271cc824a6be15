// SPDX-License-Identifier: LGPL-2.1-only
/* Raw commands, replies and events. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static struct slot *new_slot(struct kvmic_conn *conn, uint16_t id)
{
	struct slot *slot, *free_slot = NULL;
	unsigned int i;

	/* A number that is still in use can only turn up after 2^32 calls. */
	for (i = 0; i < KVMIC_MAX_OUTSTANDING; i++) {
		slot = &conn->slots[i];
		if (slot->state == SLOT_FREE) {
			free_slot = slot;
		} else if (slot->seq == conn->next_seq) {
			conn->next_seq++;
			free_slot = NULL;
			i = -1;
		}
	}
	if (!free_slot)
		return NULL;
	memset(free_slot, 0, sizeof(*free_slot));
	free_slot->id = id;
	free_slot->seq = conn->next_seq++;
	free_slot->state = SLOT_WAITING;
	return free_slot;
}

int kvmic_send(struct kvmic_conn *conn, uint16_t id, const void *payload,
	       size_t size, uint32_t *seq)
{
	struct slot *slot;
	int r;

	if (id == KVMI_VM_EVENT || id == KVMI_VCPU_EVENT)
		return kvmic__fail(&conn->err, -KVMIC_ERR_ARG, 0, NULL,
				   "message id %u is not a command", id);
	slot = new_slot(conn, id);
	if (!slot)
		return kvmic__fail(&conn->err, -KVMIC_ERR_BUSY, 0,
				   "fetch replies with kvmic_receive()",
				   "%d commands wait for their replies",
				   KVMIC_MAX_OUTSTANDING);
	r = kvmic__transmit(conn, id, slot->seq, payload, size);
	if (r) {
		slot->state = SLOT_FREE;
		return r;
	}
	*seq = slot->seq;
	return 0;
}

/* The next step for a person who meets this error. */
static const char *wire_hint(int err)
{
	switch (-err) {
	case KVMI_EPERM:
		return "allow the command when attaching";
	case KVMI_ENOSYS:
		return "kvmictl version shows what this kvmi.ko offers; a newer one may have it";
	case KVMI_EAGAIN:
		return "wait until the guest has started this vCPU";
	default:
		return NULL;
	}
}

static int take_reply(struct kvmic_conn *conn, struct slot *slot, void *data,
		      size_t size, size_t *got)
{
	int err = slot->err;

	if (got)
		*got = slot->size;
	if (size > slot->size)
		size = slot->size;
	if (data && size)
		memcpy(data, slot->data, size);
	free(slot->data);
	slot->data = NULL;
	slot->state = SLOT_FREE;
	if (err) {
		const char *name = kvmic_command_name(slot->id);

		kvmic__fail(&conn->err, err, 0, wire_hint(err),
			    "%s: %s (%s)", name ? name : "command",
			    kvmic_strerror(err), kvmic_wire_error_name(err));
	}
	return err;
}

int kvmic_receive(struct kvmic_conn *conn, uint16_t id, uint32_t seq,
		  void *data, size_t size, size_t *got)
{
	int64_t deadline = kvmic__deadline(conn->timeout_ms);
	struct slot *slot = kvmic__find_slot(conn, id, seq);
	const char *name;
	int r;

	if (got)
		*got = 0;
	if (!slot || slot->state == SLOT_FORGOTTEN)
		return kvmic__fail(&conn->err, -KVMIC_ERR_ARG, 0, NULL,
				   "no command %u with sequence number %u is under way",
				   id, seq);
	while (slot->state == SLOT_WAITING) {
		r = kvmic__pump(conn, deadline);
		if (r < 0)
			return r;
		/* Also when events alone keep coming. */
		if (slot->state != SLOT_WAITING)
			break;
		if (deadline >= 0 && kvmic__now() >= deadline) {
			name = kvmic_command_name(id);
			return kvmic__fail(&conn->err, -KVMIC_ERR_TIMEOUT, 0,
					   NULL, "no reply to %s within %d ms",
					   name ? name : "the command",
					   conn->timeout_ms);
		}
	}
	return take_reply(conn, slot, data, size, got);
}

void kvmic_forget(struct kvmic_conn *conn, uint16_t id, uint32_t seq)
{
	struct slot *slot = kvmic__find_slot(conn, id, seq);

	if (!slot)
		return;
	free(slot->data);
	slot->data = NULL;
	slot->state = slot->state == SLOT_DONE ? SLOT_FREE : SLOT_FORGOTTEN;
}

int kvmic_call(struct kvmic_conn *conn, uint16_t id, const void *payload,
	       size_t size, void *data, size_t room, size_t *got)
{
	uint32_t seq;
	int r;

	r = kvmic_send(conn, id, payload, size, &seq);
	if (r)
		return r;
	r = kvmic_receive(conn, id, seq, data, room, got);
	if (r <= -KVMIC_ERR_BASE)
		kvmic_forget(conn, id, seq);
	return r;
}

int kvmic_send_event_reply(struct kvmic_conn *conn, uint32_t seq,
			   const void *payload, size_t size)
{
	return kvmic__transmit(conn, KVMI_VCPU_EVENT, seq, payload, size);
}

static void take_event(struct kvmic_conn *conn, struct kvmic_event *event)
{
	struct queued_event *ev = conn->events;
	struct kvmi_event_hdr hdr;
	struct kvmi_error_code ec;

	conn->events = ev->next;
	if (!conn->events)
		conn->events_tail = &conn->events;
	conn->num_events--;

	event->id = ev->id;
	event->seq = ev->seq;
	event->size = ev->size;
	event->error = 0;
	memcpy(event->payload, ev->payload, ev->size);
	memcpy(&hdr, ev->payload, sizeof(hdr));
	event->event = hdr.event;
	/*
	 * A vCPU event is longer than its header: 8 bytes under its id are the
	 * error reply to an event reply.
	 */
	if (ev->id == KVMI_VCPU_EVENT && ev->size == sizeof(ec)) {
		memcpy(&ec, ev->payload, sizeof(ec));
		if (ec.err < 0 && ec.err > -KVMIC_ERR_BASE) {
			event->error = ec.err;
			event->event = 0;
		}
	}
	free(ev);
}

int kvmic_next_event(struct kvmic_conn *conn, int ms, struct kvmic_event *event)
{
	int64_t deadline = kvmic__deadline(ms);
	int r;

	while (!conn->num_events) {
		r = kvmic__pump(conn, deadline);
		if (r < 0)
			return r;
		if (!conn->num_events && deadline >= 0 &&
		    kvmic__now() >= deadline)
			return 0;
	}
	take_event(conn, event);
	return 1;
}

int kvmic_process(struct kvmic_conn *conn, int ms)
{
	return kvmic__pump(conn, kvmic__deadline(ms));
}
