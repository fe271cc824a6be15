// SPDX-License-Identifier: LGPL-2.1-only
/*
 * The byte stream. Input is collected in conn->rx and dispatched message by
 * message: replies to the slot of their command, events to the queue. Nothing
 * that the peer sends is trusted; what cannot be right breaks the connection.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "internal.h"

/* Deaf from here on: the position in the stream, or its meaning, is lost. */
static int break_conn(struct kvmic_conn *conn, int code, const char *what)
{
	conn->broken = code;
	shutdown(conn->fd, SHUT_RDWR);
	return kvmic__fail(&conn->err, code, 0, NULL, "%s", what);
}

static int check_usable(struct kvmic_conn *conn)
{
	/* err.text still says why, unless an ARG failure came in between. */
	if (conn->broken && conn->err.code != conn->broken)
		kvmic__fail(&conn->err, conn->broken, 0, NULL,
			    "the connection failed earlier: %s",
			    kvmic_strerror(conn->broken));
	return conn->broken;
}

struct slot *kvmic__find_slot(struct kvmic_conn *conn, uint16_t id,
			      uint32_t seq)
{
	struct slot *slot;

	for (slot = conn->slots; slot < conn->slots + KVMIC_MAX_OUTSTANDING;
	     slot++)
		if (slot->state != SLOT_FREE && slot->seq == seq &&
		    slot->id == id)
			return slot;
	return NULL;
}

static int dispatch_event(struct kvmic_conn *conn,
			  const struct kvmi_msg_hdr *hdr, const uint8_t *data)
{
	struct queued_event *ev;

	if (hdr->size < sizeof(struct kvmi_event_hdr))
		return break_conn(conn, -KVMIC_ERR_PROTOCOL,
				  "peer sent an event without event header");
	if (conn->num_events >= conn->max_events)
		return kvmic__fail(&conn->err, -KVMIC_ERR_QUEUE_FULL, 0,
				   "take events out and wait again",
				   "%u unread events fill the queue",
				   conn->num_events);
	ev = malloc(sizeof(*ev) + hdr->size);
	if (!ev)
		return kvmic__fail(&conn->err, -KVMIC_ERR_NOMEM, ENOMEM, NULL,
				   "out of memory for an event");
	ev->next = NULL;
	ev->id = hdr->id;
	ev->size = hdr->size;
	ev->seq = hdr->seq;
	memcpy(ev->payload, data, hdr->size);
	*conn->events_tail = ev;
	conn->events_tail = &ev->next;
	conn->num_events++;
	return 0;
}

static int dispatch_reply(struct kvmic_conn *conn,
			  const struct kvmi_msg_hdr *hdr, const uint8_t *data)
{
	struct slot *slot = kvmic__find_slot(conn, hdr->id, hdr->seq);
	struct kvmi_error_code ec;

	if (!slot || slot->state == SLOT_DONE)
		return break_conn(conn, -KVMIC_ERR_PROTOCOL,
				  "peer sent a reply to no command of ours");
	if (hdr->size < sizeof(ec))
		return break_conn(conn, -KVMIC_ERR_PROTOCOL,
				  "peer sent a reply without error code");
	memcpy(&ec, data, sizeof(ec));
	if (ec.err > 0 || ec.err <= -KVMIC_ERR_BASE)
		return break_conn(conn, -KVMIC_ERR_PROTOCOL,
				  "peer sent an impossible error code");
	if (slot->state == SLOT_FORGOTTEN) {
		slot->state = SLOT_FREE;
		return 0;
	}
	slot->size = 0;
	if (!ec.err && hdr->size > sizeof(ec)) {
		slot->data = malloc(hdr->size - sizeof(ec));
		if (!slot->data)
			return kvmic__fail(&conn->err, -KVMIC_ERR_NOMEM,
					   ENOMEM, NULL,
					   "out of memory for a reply");
		slot->size = hdr->size - sizeof(ec);
		memcpy(slot->data, data + sizeof(ec), slot->size);
	}
	slot->err = ec.err;
	slot->state = SLOT_DONE;
	return 0;
}

/*
 * Dispatch the first message of the buffer: 1 done, 0 not complete yet. After
 * a failure that is not final the message stays where it is.
 */
static int dispatch_one(struct kvmic_conn *conn)
{
	const uint8_t *p = conn->rx + conn->rx_off;
	struct kvmi_msg_hdr hdr;
	int r;

	if (conn->rx_len < sizeof(hdr))
		return 0;
	memcpy(&hdr, p, sizeof(hdr));
	if (hdr.size > KVMI_MAX_MSG_SIZE)
		return break_conn(conn, -KVMIC_ERR_PROTOCOL,
				  "peer announced a message over the limit");
	if (conn->rx_len < sizeof(hdr) + hdr.size)
		return 0;
	if (hdr.id == KVMI_VM_EVENT || hdr.id == KVMI_VCPU_EVENT)
		r = dispatch_event(conn, &hdr, p + sizeof(hdr));
	else
		r = dispatch_reply(conn, &hdr, p + sizeof(hdr));
	if (r)
		return r;
	conn->rx_off += sizeof(hdr) + hdr.size;
	conn->rx_len -= sizeof(hdr) + hdr.size;
	if (!conn->rx_len)
		conn->rx_off = 0;
	return 1;
}

static int timed_out(struct kvmic_conn *conn, const char *what)
{
	return kvmic__fail(&conn->err, -KVMIC_ERR_TIMEOUT, 0, NULL,
			   "timed out %s", what);
}

static int wait_for(struct kvmic_conn *conn, short events, int64_t deadline,
		    short *revents)
{
	struct pollfd pfd = { .fd = conn->fd, .events = events };
	int64_t left = -1;
	int r;

	do {
		if (deadline >= 0) {
			left = deadline - kvmic__now();
			if (left < 0)
				left = 0;
			if (left > 1000000)
				left = 1000000;
		}
		r = poll(&pfd, 1, (int)left);
	} while ((r < 0 && errno == EINTR) ||
		 (!r && (deadline < 0 || kvmic__now() < deadline)));
	if (r < 0)
		return kvmic__fail(&conn->err, -KVMIC_ERR_SYSTEM, errno, NULL,
				   "poll: %s", strerror(errno));
	*revents = pfd.revents;
	return r;
}

/* Read what is there, without waiting: 1 something, 0 nothing. */
static int fill(struct kvmic_conn *conn)
{
	ssize_t n;

	if (conn->rx_off) {
		memmove(conn->rx, conn->rx + conn->rx_off, conn->rx_len);
		conn->rx_off = 0;
	}
	n = recv(conn->fd, conn->rx + conn->rx_len,
		 KVMIC_RX_SIZE - conn->rx_len, MSG_DONTWAIT);
	if (n > 0) {
		conn->rx_len += n;
		return 1;
	}
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK ||
		      errno == EINTR))
		return 0;
	if (n < 0 && errno != ECONNRESET) {
		kvmic__fail(&conn->err, -KVMIC_ERR_SYSTEM, errno, NULL,
			    "recv: %s", strerror(errno));
		return conn->broken = -KVMIC_ERR_SYSTEM;
	}
	return break_conn(conn, -KVMIC_ERR_CLOSED, conn->rx_len ?
			  "connection closed in the middle of a message" :
			  "connection closed: the VM is gone, the session was ended, or the last message was refused");
}

static void run_callbacks(struct kvmic_conn *conn)
{
	struct kvmic_event *ev;

	if (conn->no_callback || !conn->callback || !conn->num_events)
		return;
	ev = malloc(sizeof(*ev));
	if (!ev)
		return;		/* they stay in the queue */
	conn->no_callback = true;
	while (conn->callback && conn->num_events &&
	       kvmic_next_event(conn, 0, ev) == 1)
		conn->callback(conn, ev, conn->callback_arg);
	conn->no_callback = false;
	free(ev);
}

/*
 * Make progress with the input: number of messages dispatched, 0 when the
 * deadline came first, or a failure. Complete messages go before an end of the
 * stream that was seen behind them.
 */
int kvmic__pump(struct kvmic_conn *conn, int64_t deadline)
{
	short revents;
	int r, count = 0;

	for (;;) {
		while ((r = dispatch_one(conn)) > 0)
			count++;
		if (count) {
			run_callbacks(conn);
			return count;
		}
		if (r < 0)
			return r;
		if (conn->broken)
			return check_usable(conn);
		r = wait_for(conn, POLLIN, deadline, &revents);
		if (r > 0)
			r = fill(conn);
		else if (!r)
			return 0;
		if (r < 0)
			return r;
	}
}

/*
 * The peer may be stuck writing to us while we are stuck writing to it, so
 * read while waiting for room. Callbacks wait: they could send in the middle.
 */
static int wait_writable(struct kvmic_conn *conn, int64_t deadline, bool *drain)
{
	short revents = 0;
	int r;

	r = wait_for(conn, *drain ? POLLIN | POLLOUT : POLLOUT, deadline,
		     &revents);
	if (r <= 0)
		return r ? r : timed_out(conn, "sending: the peer does not read");
	if (*drain && (revents & POLLIN)) {
		while ((r = dispatch_one(conn)) > 0)
			;
		if (!r)
			r = fill(conn);
		if (r == -KVMIC_ERR_QUEUE_FULL || r == -KVMIC_ERR_NOMEM)
			*drain = false;
		else if (r < 0)
			return r;
	}
	return 0;
}

static int send_all(struct kvmic_conn *conn, size_t size)
{
	int64_t deadline = kvmic__deadline(conn->timeout_ms);
	bool drain = true;
	size_t sent = 0;
	ssize_t n;
	int r;

	while (sent < size) {
		n = send(conn->fd, conn->tx + sent, size - sent,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n >= 0) {
			sent += n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EPIPE || errno == ECONNRESET)
			return break_conn(conn, -KVMIC_ERR_CLOSED,
					  "connection closed: the VM is gone or the session was ended");
		if (errno != EAGAIN && errno != EWOULDBLOCK) {
			kvmic__fail(&conn->err, -KVMIC_ERR_SYSTEM, errno, NULL,
				    "send: %s", strerror(errno));
			return conn->broken = -KVMIC_ERR_SYSTEM;
		}
		r = wait_writable(conn, deadline, &drain);
		if (r < 0) {
			if (sent && !conn->broken)
				break_conn(conn, r,
					   "gave up in the middle of sending");
			return r;
		}
	}
	return 0;
}

int kvmic__transmit(struct kvmic_conn *conn, uint16_t id, uint32_t seq,
		    const void *payload, size_t size)
{
	struct kvmi_msg_hdr hdr = { .id = id, .size = size, .seq = seq };
	bool saved = conn->no_callback;
	int r = check_usable(conn);

	if (r)
		return r;
	if (size > KVMI_MAX_MSG_SIZE)
		return kvmic__fail(&conn->err, -KVMIC_ERR_ARG, 0, NULL,
				   "payload of %zu bytes, the limit is %d",
				   size, KVMI_MAX_MSG_SIZE);
	memcpy(conn->tx, &hdr, sizeof(hdr));
	if (size)
		memcpy(conn->tx + sizeof(hdr), payload, size);
	conn->no_callback = true;
	r = send_all(conn, sizeof(hdr) + size);
	conn->no_callback = saved;
	return r;
}
