// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the cases share: the ioctls, sessions and messages.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "kvmi_test.h"
#ifndef KVMI_RAW
#include "kvm_util.h"
#endif

#define RECV_SECONDS 60

/* --------------------------------------------------------------- ioctls -- */

int ioctl_errno(int fd, unsigned long cmd, void *arg)
{
	int ret = ioctl(fd, cmd, arg);

	return ret < 0 ? -errno : ret;
}

int hook_raw(int vm_fd, int sock, uint32_t padding)
{
	struct kvm_introspection_hook arg = {
		.fd = sock,
		.padding = padding,
		.uuid = { 0x6b, 0x76, 0x6d, 0x69, 0, 1, 0x40, 2, 0x80, 3, 4, 5,
			  6, 7, 8, 9 },
	};

	return ioctl_errno(vm_fd, KVM_INTROSPECTION_HOOK, &arg);
}

int feature_raw(int vm_fd, unsigned long cmd, uint32_t allow, int32_t id)
{
	struct kvm_introspection_feature arg = { .allow = allow, .id = id };

	return ioctl_errno(vm_fd, cmd, &arg);
}

#ifndef KVMI_RAW
int hook(struct kvm_vm *vm, int sock)
{
	return hook_raw(vm->fd, sock, 0);
}

int unhook(struct kvm_vm *vm)
{
	return ioctl_errno(vm->fd, KVM_INTROSPECTION_UNHOOK, NULL);
}

int set_command(struct kvm_vm *vm, uint32_t allow, int32_t id)
{
	return feature_raw(vm->fd, KVM_INTROSPECTION_COMMAND, allow, id);
}

int set_event(struct kvm_vm *vm, uint32_t allow, int32_t id)
{
	return feature_raw(vm->fd, KVM_INTROSPECTION_EVENT, allow, id);
}

int preunhook(struct kvm_vm *vm)
{
	return ioctl_errno(vm->fd, KVM_INTROSPECTION_PREUNHOOK, NULL);
}

int session(struct kvm_vm *vm)
{
	int sv[2];

	socket_pair(sv);
	CHECK_EQ(hook(vm, sv[1]), 0);
	close(sv[1]);
	return sv[0];
}

int session_all(struct kvm_vm *vm)
{
	int fd = session(vm);

	CHECK_EQ(set_command(vm, 1, -1), 0);
	CHECK_EQ(set_event(vm, 1, -1), 0);
	return fd;
}
#endif

void socket_pair(int sv[2])
{
	struct timeval limit = { .tv_sec = RECV_SECONDS };

	CHECK(!socketpair(AF_UNIX, SOCK_STREAM, 0, sv), "%s", strerror(errno));
	CHECK(!setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)),
	      "%s", strerror(errno));
}

/* ------------------------------------------------------------- messages -- */

int send_all(int fd, const void *data, size_t size)
{
	const char *next = data;
	ssize_t sent;

	while (size) {
		sent = send(fd, next, size, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return -errno;
		next += sent;
		size -= sent;
	}
	return 0;
}

int send_msg(int fd, uint16_t id, uint32_t seq, const void *data, size_t size)
{
	struct message msg = { .hdr = { .id = id, .size = size, .seq = seq } };

	CHECK(size <= sizeof(msg.data), "%zu", size);
	if (size)
		memcpy(msg.data, data, size);
	return send_all(fd, &msg, sizeof(msg.hdr) + size);
}

/* Bytes that came before the end of the stream, or MSG_LATE. */
static ssize_t recv_all(int fd, void *data, size_t size)
{
	size_t have = 0;
	ssize_t got;

	while (have < size) {
		got = recv(fd, (char *)data + have, size - have, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return MSG_LATE;
		if (got <= 0)
			break;
		have += got;
	}
	return have;
}

int recv_msg(int fd, struct message *msg)
{
	ssize_t got = recv_all(fd, &msg->hdr, sizeof(msg->hdr));

	if (got == MSG_LATE)
		return MSG_LATE;
	if (got == 0)
		return MSG_EOF;
	if (got != sizeof(msg->hdr))
		return MSG_CUT;
	CHECK(msg->hdr.size <= KVMI_MAX_MSG_SIZE, "%u", msg->hdr.size);
	got = recv_all(fd, msg->data, msg->hdr.size);
	if (got == MSG_LATE)
		return MSG_LATE;
	return got == msg->hdr.size ? got : MSG_CUT;
}

static int check_reply(const struct message *msg, int size, uint16_t id,
		       uint32_t seq)
{
	struct kvmi_error_code ec;

	CHECK(size >= 0, "no reply to command %u: %d", id, size);
	CHECK_EQ(msg->hdr.id, id);
	CHECK_EQ(msg->hdr.seq, seq);
	CHECK(size >= (int)sizeof(ec), "short reply of %d bytes", size);
	memcpy(&ec, msg->data, sizeof(ec));
	CHECK_EQ(ec.padding, 0);
	CHECK(ec.err <= 0, "positive error %d", ec.err);
	if (ec.err)
		CHECK_EQ(size, sizeof(ec));
	return ec.err;
}

int recv_error(int fd, uint16_t id, uint32_t seq)
{
	struct message msg;
	int size = recv_msg(fd, &msg);

	return check_reply(&msg, size, id, seq);
}

int command_seq(int fd, uint16_t id, uint32_t seq, const void *data,
		size_t size, void *reply, size_t reply_size)
{
	struct message msg;
	int got, err;

	CHECK_EQ(send_msg(fd, id, seq, data, size), 0);
	got = recv_msg(fd, &msg);
	err = check_reply(&msg, got, id, seq);
	if (err)
		return err;
	CHECK_EQ(got, sizeof(struct kvmi_error_code) + reply_size);
	if (reply_size)
		memcpy(reply, msg.data + sizeof(struct kvmi_error_code),
		       reply_size);
	return 0;
}

int command(int fd, uint16_t id, const void *data, size_t size,
	    void *reply, size_t reply_size)
{
	static uint32_t seq;

	return command_seq(fd, id, ++seq * 0x9e3779b1u, data, size, reply,
			   reply_size);
}

bool closed_silently(int fd)
{
	struct message msg;
	int got = recv_msg(fd, &msg);

	if (got != MSG_EOF)
		kvmi_note("expected the end of the connection, got %d", got);
	return got == MSG_EOF;
}

void check_alive(int fd)
{
	struct kvmi_get_version_reply version;

	CHECK_EQ(command(fd, KVMI_GET_VERSION, NULL, 0, &version,
			 sizeof(version)), 0);
	CHECK_EQ(version.version, KVMI_VERSION);
}

int event_unhook(int fd, uint8_t enable)
{
	struct kvmi_vm_control_events req = {
		.event_id = KVMI_VM_EVENT_UNHOOK,
		.enable = enable,
	};

	return command(fd, KVMI_VM_CONTROL_EVENTS, &req, sizeof(req), NULL, 0);
}

void stuff_socket(int fd)
{
	struct kvmi_msg_hdr hdr = { .id = 0xffff, .seq = 1 };
	int quiet = 0;

	CHECK(!fcntl(fd, F_SETFL, O_NONBLOCK), "fcntl");
	while (quiet < 20) {
		if (send(fd, &hdr, sizeof(hdr), MSG_NOSIGNAL) > 0) {
			quiet = 0;
			continue;
		}
		CHECK_EQ(errno, EAGAIN);
		kvmi_sleep_ms(20);
		quiet++;
	}
}
