// SPDX-License-Identifier: LGPL-2.1-only
/* One function per command. */
#include <string.h>

#include "internal.h"

/* READ_PHYSICAL requests under way: their replies fit a socket buffer. */
#define WINDOW 16u

int kvmic__bad_reply(struct kvmic_conn *conn, uint16_t id, size_t got)
{
	conn->broken = -KVMIC_ERR_PROTOCOL;
	return kvmic__fail(&conn->err, conn->broken, 0, NULL,
			   "peer sent a reply of wrong size to %s: %zu bytes",
			   kvmic_command_name(id), got);
}

int kvmic_get_version(struct kvmic_conn *conn,
		      struct kvmi_get_version_reply *reply)
{
	size_t got;
	int r;

	memset(reply, 0, sizeof(*reply));
	r = kvmic_call(conn, KVMI_GET_VERSION, NULL, 0, reply, sizeof(*reply),
		       &got);
	if (r)
		return r;
	/* The features came later than the rest of the reply. */
	if (got < offsetof(struct kvmi_get_version_reply, features))
		return kvmic__bad_reply(conn, KVMI_GET_VERSION, got);
	if (got < sizeof(*reply))
		memset(&reply->features, 0, sizeof(reply->features));
	return 0;
}

int kvmic_check_command(struct kvmic_conn *conn, uint16_t id)
{
	struct kvmi_vm_check_command req = { .id = id };

	return kvmic_call(conn, KVMI_VM_CHECK_COMMAND, &req, sizeof(req), NULL,
			  0, NULL);
}

int kvmic_check_event(struct kvmic_conn *conn, uint16_t id)
{
	struct kvmi_vm_check_event req = { .id = id };

	return kvmic_call(conn, KVMI_VM_CHECK_EVENT, &req, sizeof(req), NULL,
			  0, NULL);
}

int kvmic_get_info(struct kvmic_conn *conn,
		   struct kvmi_vm_get_info_reply *reply)
{
	size_t got;
	int r;

	memset(reply, 0, sizeof(*reply));
	r = kvmic_call(conn, KVMI_VM_GET_INFO, NULL, 0, reply, sizeof(*reply),
		       &got);
	if (!r && got < sizeof(*reply))
		return kvmic__bad_reply(conn, KVMI_VM_GET_INFO, got);
	return r;
}

int kvmic_control_events(struct kvmic_conn *conn, uint16_t event_id, int enable)
{
	struct kvmi_vm_control_events req = {
		.event_id = event_id,
		.enable = !!enable,
	};

	return kvmic_call(conn, KVMI_VM_CONTROL_EVENTS, &req, sizeof(req),
			  NULL, 0, NULL);
}

int kvmic_control_cleanup(struct kvmic_conn *conn, int enable)
{
	struct kvmi_vm_control_cleanup req = { .enable = !!enable };

	return kvmic_call(conn, KVMI_VM_CONTROL_CLEANUP, &req, sizeof(req),
			  NULL, 0, NULL);
}

size_t kvmic__piece(uint64_t addr, size_t len)
{
	size_t room = KVMIC_PAGE - (addr & (KVMIC_PAGE - 1));

	return len < room ? len : room;
}

int kvmic__check_range(struct kvmic_conn *conn, uint64_t addr, size_t len)
{
	if (len && addr + (len - 1) < addr)
		return kvmic__fail(&conn->err, -KVMIC_ERR_ARG, 0, NULL,
				   "0x%llx + %zu bytes exceeds 64 bits",
				   (unsigned long long)addr, len);
	return 0;
}

struct request {
	uint32_t seq;
	uint64_t gpa;
	size_t off, len;
};

struct reader {
	struct kvmic_conn *conn;
	uint64_t gpa;
	uint8_t *buf;
	size_t len, sent;
	struct request ring[WINDOW];
	unsigned int head, count;
};

static int send_read(struct reader *rd)
{
	struct request *rq = &rd->ring[(rd->head + rd->count) % WINDOW];
	struct kvmi_vm_read_physical req = { .gpa = rd->gpa + rd->sent };
	int r;

	rq->off = rd->sent;
	rq->gpa = req.gpa;
	rq->len = kvmic__piece(req.gpa, rd->len - rd->sent);
	req.size = rq->len;
	r = kvmic_send(rd->conn, KVMI_VM_READ_PHYSICAL, &req, sizeof(req),
		       &rq->seq);
	if (r)
		return r;
	rd->sent += rq->len;
	rd->count++;
	return 0;
}

static int receive_read(struct reader *rd, struct request *rq)
{
	size_t got;
	int r;

	r = kvmic_receive(rd->conn, KVMI_VM_READ_PHYSICAL, rq->seq,
			  rd->buf + rq->off, rq->len, &got);
	if (r <= -KVMIC_ERR_BASE)
		return r;
	rd->head = (rd->head + 1) % WINDOW;
	rd->count--;
	if (!r && got != rq->len)
		return kvmic__bad_reply(rd->conn, KVMI_VM_READ_PHYSICAL, got);
	return r;
}

static void forget_reads(struct reader *rd)
{
	for (; rd->count; rd->count--) {
		kvmic_forget(rd->conn, KVMI_VM_READ_PHYSICAL,
			     rd->ring[rd->head].seq);
		rd->head = (rd->head + 1) % WINDOW;
	}
}

/*
 * Fill the window, take the oldest reply, and so on. The caller may have
 * commands of its own under way: then a full table is no failure as long as
 * one of ours is among them.
 */
static int next_read(struct reader *rd, struct request *rq)
{
	int r;

	while (rd->count < WINDOW && rd->sent < rd->len) {
		r = send_read(rd);
		if (r == -KVMIC_ERR_BUSY && rd->count)
			break;
		if (r)
			return r;
	}
	*rq = rd->ring[rd->head];
	return receive_read(rd, rq);
}

int kvmic_read_physical(struct kvmic_conn *conn, uint64_t gpa, void *buf,
			size_t len, size_t *done)
{
	struct reader rd = { .conn = conn, .gpa = gpa, .buf = buf, .len = len };
	struct request rq = { .len = 0 };
	size_t read = 0;
	int r = kvmic__check_range(conn, gpa, len);

	while (!r && read < len) {
		r = next_read(&rd, &rq);
		if (!r)
			read = rq.off + rq.len;
	}
	forget_reads(&rd);
	if (done)
		*done = read;
	return r;
}

int kvmic_read_sparse(struct kvmic_conn *conn, uint64_t gpa, void *buf,
		      size_t len, kvmic_bad_range_fn *bad, void *arg)
{
	struct reader rd = { .conn = conn, .gpa = gpa, .buf = buf, .len = len };
	struct request rq = { .len = 0 };
	size_t read = 0;
	int r = kvmic__check_range(conn, gpa, len), count = 0;

	while (r > -KVMIC_ERR_BASE && read < len) {
		r = next_read(&rd, &rq);
		if (r <= -KVMIC_ERR_BASE)
			break;
		read = rq.off + rq.len;
		if (!r)
			continue;
		memset(rd.buf + rq.off, 0, rq.len);
		count++;
		if (bad)
			bad(rq.gpa, rq.len, r, arg);
	}
	forget_reads(&rd);
	return r <= -KVMIC_ERR_BASE ? r : count;
}

int kvmic_write_physical(struct kvmic_conn *conn, uint64_t gpa,
			 const void *buf, size_t len, size_t *done)
{
	union {
		struct kvmi_vm_write_physical req;
		uint8_t bytes[sizeof(struct kvmi_vm_write_physical) + KVMIC_PAGE];
	} msg;
	size_t written = 0, n;
	int r = kvmic__check_range(conn, gpa, len);

	while (!r && written < len) {
		n = kvmic__piece(gpa + written, len - written);
		memset(&msg.req, 0, sizeof(msg.req));
		msg.req.gpa = gpa + written;
		msg.req.size = n;
		memcpy(msg.bytes + sizeof(msg.req),
		       (const uint8_t *)buf + written, n);
		r = kvmic_call(conn, KVMI_VM_WRITE_PHYSICAL, &msg,
			       sizeof(msg.req) + n, NULL, 0, NULL);
		if (!r)
			written += n;
	}
	if (done)
		*done = written;
	return r;
}
