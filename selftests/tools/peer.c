// SPDX-License-Identifier: GPL-2.0-only
/* Answers VM commands by the rules of <linux/kvmi.h>. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"

#define ALWAYS (1u << KVMI_GET_VERSION | 1u << KVMI_VM_CHECK_COMMAND | \
	1u << KVMI_VM_CHECK_EVENT)
/* All of the header but what controls events that do not exist yet. */
#define KNOWN_COMMANDS (0x3ffffffcu & ~(1u << KVMI_VM_SET_PAGE_ACCESS | \
	1u << KVMI_VCPU_CONTROL_CR | 1u << KVMI_VCPU_CONTROL_MSR | \
	1u << KVMI_VCPU_CONTROL_SINGLESTEP | 0x15400000u))
#define KNOWN_EVENTS (1u << KVMI_VM_EVENT_UNHOOK | \
	1u << KVMI_VCPU_EVENT_PAUSE | 1u << KVMI_VCPU_EVENT_TRAP)

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
	p->known_commands = KNOWN_COMMANDS;
	p->known_events = KNOWN_EVENTS;
	p->vcpu_count = 3;
	peer_init_vcpus(p);
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

bool peer_answer(struct peer *p, const struct kvmi_msg_hdr *hdr, int32_t err,
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

static int32_t memory_request(const struct peer *p, const uint8_t *payload,
			      struct kvmi_vm_read_physical *req)
{
	memcpy(req, payload, sizeof(*req));
	if (req->padding1 || req->padding2 || !req->size || req->size > 4096 ||
	    (req->gpa & 4095) + req->size > 4096)
		return -KVMI_EINVAL;
	if (p->private_page && req->gpa >> 12 == p->private_page >> 12)
		return -KVMI_EOPNOTSUPP;
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
	struct kvmi_vm_get_info_reply info = { .vcpu_count = p->vcpu_count };
	struct kvmi_vm_read_physical req;
	int32_t err;

	if (hdr->id == KVMI_VCPU_EVENT)
		return peer_vcpu_message(p, hdr, payload);
	if (hdr->id > 31 || !(p->known_commands >> hdr->id & 1))
		return peer_answer(p, hdr, -KVMI_ENOSYS, NULL, 0);
	if (!((p->commands | ALWAYS) >> hdr->id & 1))
		return peer_answer(p, hdr, -KVMI_EPERM, NULL, 0);
	if (hdr->id & 1)
		return peer_vcpu_message(p, hdr, payload);
	switch (hdr->id) {
	case KVMI_GET_VERSION:
		return peer_answer(p, hdr, 0, &version, sizeof(version));
	case KVMI_VM_CHECK_COMMAND:
		err = check_id(payload, p->known_commands,
			       p->commands | ALWAYS);
		return peer_answer(p, hdr, err, NULL, 0);
	case KVMI_VM_CHECK_EVENT:
		err = check_id(payload, p->known_events, p->events);
		return peer_answer(p, hdr, err, NULL, 0);
	case KVMI_VM_GET_INFO:
		return peer_answer(p, hdr, 0, &info, sizeof(info));
	case KVMI_VM_CONTROL_EVENTS:
		return peer_answer(p, hdr, control_events(payload), NULL, 0);
	case KVMI_VM_PAUSE_VCPU:
		return peer_answer(p, hdr, peer_pause(p, payload), NULL, 0);
	case KVMI_VM_CONTROL_CLEANUP:
		return peer_answer(p, hdr, control_cleanup(payload), NULL, 0);
	case KVMI_VM_READ_PHYSICAL:
		err = memory_request(p, payload, &req);
		return peer_answer(p, hdr, err, err ? NULL : p->memory + req.gpa,
			      req.size);
	default:	/* KVMI_VM_WRITE_PHYSICAL */
		err = memory_request(p, payload, &req);
		if (hdr->size < sizeof(req) + req.size)
			return false;
		if (!err)
			memcpy(p->memory + req.gpa, payload + sizeof(req),
			       req.size);
		return peer_answer(p, hdr, err, NULL, 0);
	}
}

/* Until a message is there; false when no event can be sent any more. */
static bool wait_for_message(struct peer *p)
{
	struct pollfd pfd = { .fd = p->fd, .events = POLLIN };

	do {
		if (p->on_idle)
			p->on_idle(p);
		if (!peer_send_events(p))
			return false;
	} while (p->on_idle && !poll(&pfd, 1, 10));
	return true;
}

void *peer_serve(void *arg)
{
	uint8_t payload[KVMI_MAX_MSG_SIZE];
	struct peer *p = arg;
	struct kvmi_msg_hdr hdr;

	for (;;) {
		memset(payload, 0, sizeof(payload));
		if (!wait_for_message(p) ||
		    recv(p->fd, &hdr, sizeof(hdr), MSG_WAITALL) != sizeof(hdr) ||
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
