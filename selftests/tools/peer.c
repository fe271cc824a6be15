// SPDX-License-Identifier: GPL-2.0-only
/* Answers VM commands by the rules of <linux/kvmi.h>. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"

#define KNOWN_COMMANDS (1u << KVMI_GET_VERSION | 1u << KVMI_VM_CHECK_COMMAND | \
	1u << KVMI_VM_CHECK_EVENT | 1u << KVMI_VM_GET_INFO | \
	1u << KVMI_VM_CONTROL_EVENTS | 1u << KVMI_VM_READ_PHYSICAL | \
	1u << KVMI_VM_WRITE_PHYSICAL | 1u << KVMI_VM_CONTROL_CLEANUP)
#define ALWAYS (1u << KVMI_GET_VERSION | 1u << KVMI_VM_CHECK_COMMAND | \
	1u << KVMI_VM_CHECK_EVENT)
#define KNOWN_EVENTS (1u << KVMI_VM_EVENT_UNHOOK)

uint8_t peer_byte(uint64_t gpa)
{
	return gpa * 7 + (gpa >> 12) * 13;
}

void peer_init(struct peer *p, int fd)
{
	uint32_t i;

	memset(p, 0, sizeof(*p));
	p->fd = fd;
	p->commands = p->events = ~0u;
	p->memory = malloc(PEER_MEMORY);
	if (!p->memory)
		abort();
	for (i = 0; i < PEER_MEMORY; i++)
		p->memory[i] = peer_byte(i);
}

static bool send_bytes(int fd, const void *buf, size_t size, size_t step)
{
	const char *c = buf;
	ssize_t n;

	while (size) {
		n = send(fd, c, size < step ? size : step, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		c += n;
		size -= n;
	}
	return true;
}

static bool send_message(int fd, uint16_t id, uint32_t seq, const void *payload,
			 uint16_t size, size_t step)
{
	struct kvmi_msg_hdr hdr = { .id = id, .size = size, .seq = seq };
	uint8_t buf[sizeof(hdr) + 65535];

	memcpy(buf, &hdr, sizeof(hdr));
	if (size)
		memcpy(buf + sizeof(hdr), payload, size);
	return send_bytes(fd, buf, sizeof(hdr) + size, step);
}

bool peer_send(int fd, uint16_t id, uint32_t seq, const void *payload,
	       uint16_t size)
{
	return send_message(fd, id, seq, payload, size, 65536 + 8);
}

bool peer_reply(int fd, uint16_t id, uint32_t seq, int32_t err,
		const void *data, uint16_t size)
{
	uint8_t buf[65535] = { 0 };

	memcpy(buf, &err, sizeof(err));
	if (size)
		memcpy(buf + 8, data, size);
	return peer_send(fd, id, seq, buf, 8 + size);
}

static bool answer(struct peer *p, const struct kvmi_msg_hdr *hdr, int32_t err,
		   const void *data, size_t size)
{
	uint64_t event = KVMI_VM_EVENT_UNHOOK;
	uint8_t buf[KVMI_MAX_MSG_SIZE] = { 0 };
	unsigned int i;

	for (i = 0; i < p->flood; i++)
		if (!peer_send(p->fd, KVMI_VM_EVENT, ++p->event_seq, &event,
			       sizeof(event)))
			return false;
	if (p->delay_ms)
		usleep(p->delay_ms * 1000);
	memcpy(buf, &err, sizeof(err));
	if (err)
		size = 0;
	if (size)
		memcpy(buf + 8, data, size);
	return send_message(p->fd, hdr->id, hdr->seq, buf, 8 + size,
			    p->bytewise ? 1 : 65536);
}

/* CHECK_COMMAND and CHECK_EVENT have the same form. */
static int32_t check_id(const uint8_t *payload, uint32_t known, uint32_t allowed)
{
	struct kvmi_vm_check_command req;

	memcpy(&req, payload, sizeof(req));
	if (req.padding1 || req.padding2)
		return -KVMI_EINVAL;
	if (req.id > 31 || !(known >> req.id & 1))
		return -KVMI_ENOENT;
	return allowed >> req.id & 1 ? 0 : -KVMI_EPERM;
}

static int32_t memory_request(const uint8_t *payload,
			      struct kvmi_vm_read_physical *req)
{
	memcpy(req, payload, sizeof(*req));
	if (req->padding1 || req->padding2 || !req->size || req->size > 4096 ||
	    (req->gpa & 4095) + req->size > 4096)
		return -KVMI_EINVAL;
	if (req->gpa >= PEER_MEMORY ||
	    (req->gpa >= PEER_HOLE && req->gpa < PEER_HOLE_END))
		return -KVMI_ENOENT;
	return 0;
}

static int32_t control_events(const uint8_t *payload)
{
	struct kvmi_vm_control_events req;

	memcpy(&req, payload, sizeof(req));
	return req.padding1 || req.padding2 || req.enable > 1 || req.event_id ?
	       -KVMI_EINVAL : 0;
}

static int32_t control_cleanup(const uint8_t *payload)
{
	static const uint8_t zero[7];

	return payload[0] > 1 || memcmp(payload + 1, zero, 7) ?
	       -KVMI_EINVAL : 0;
}

static bool handle(struct peer *p, const struct kvmi_msg_hdr *hdr,
		   const uint8_t *payload)
{
	struct kvmi_get_version_reply version = {
		KVMI_VERSION, KVMI_MAX_MSG_SIZE, { .singlestep = 1 }
	};
	struct kvmi_vm_get_info_reply info = { .vcpu_count = 3 };
	struct kvmi_vm_read_physical req;
	int32_t err;

	if (hdr->id == KVMI_VCPU_EVENT)
		return true;
	if (hdr->id > 31 || !(KNOWN_COMMANDS >> hdr->id & 1))
		return answer(p, hdr, -KVMI_ENOSYS, NULL, 0);
	if (!((p->commands | ALWAYS) >> hdr->id & 1))
		return answer(p, hdr, -KVMI_EPERM, NULL, 0);
	switch (hdr->id) {
	case KVMI_GET_VERSION:
		return answer(p, hdr, 0, &version, sizeof(version));
	case KVMI_VM_CHECK_COMMAND:
		err = check_id(payload, KNOWN_COMMANDS, p->commands | ALWAYS);
		return answer(p, hdr, err, NULL, 0);
	case KVMI_VM_CHECK_EVENT:
		err = check_id(payload, KNOWN_EVENTS, p->events);
		return answer(p, hdr, err, NULL, 0);
	case KVMI_VM_GET_INFO:
		return answer(p, hdr, 0, &info, sizeof(info));
	case KVMI_VM_CONTROL_EVENTS:
		return answer(p, hdr, control_events(payload), NULL, 0);
	case KVMI_VM_CONTROL_CLEANUP:
		return answer(p, hdr, control_cleanup(payload), NULL, 0);
	case KVMI_VM_READ_PHYSICAL:
		err = memory_request(payload, &req);
		return answer(p, hdr, err, err ? NULL : p->memory + req.gpa,
			      req.size);
	default:	/* KVMI_VM_WRITE_PHYSICAL */
		err = memory_request(payload, &req);
		if (hdr->size < sizeof(req) + req.size)
			return false;
		if (!err)
			memcpy(p->memory + req.gpa, payload + sizeof(req),
			       req.size);
		return answer(p, hdr, err, NULL, 0);
	}
}

void *peer_serve(void *arg)
{
	uint8_t payload[KVMI_MAX_MSG_SIZE];
	struct peer *p = arg;
	struct kvmi_msg_hdr hdr;

	for (;;) {
		memset(payload, 0, sizeof(payload));
		if (recv(p->fd, &hdr, sizeof(hdr), MSG_WAITALL) != sizeof(hdr) ||
		    hdr.size > KVMI_MAX_MSG_SIZE ||
		    (hdr.size && recv(p->fd, payload, hdr.size, MSG_WAITALL) !=
		     hdr.size))
			break;
		p->requests++;
		if (p->on_message)
			p->on_message(p);
		if (!handle(p, &hdr, payload))
			break;
	}
	shutdown(p->fd, SHUT_RDWR);
	if (p->on_end)
		p->on_end(p);
	return NULL;
}

void peer_start(struct peer *p)
{
	if (pthread_create(&p->thread, NULL, peer_serve, p))
		abort();
}

void peer_join(struct peer *p)
{
	pthread_join(p->thread, NULL);
	close(p->fd);
	free(p->memory);
}
