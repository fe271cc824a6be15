// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stream to the tool. The file descriptor's owner may keep using it, set
 * time-outs on it or shut it down; none of that may do more than end the
 * session.
 *
 * Contexts: recv in the receiving thread, send there and in ioctls; all may
 * sleep. send_lock is held across one message.
 */
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/jiffies.h>
#include <linux/sched/signal.h>
#include <linux/socket.h>

#include "socket.h"

/* How long PREUNHOOK tries to get its event to a tool that does not read. */
#define SEND_BOUND HZ
#define RETRY_MS 10

/* sock->state does not tell: AF_UNIX of Linux 7.2 does not keep it. */
static bool has_peer(struct socket *sock)
{
	struct sockaddr_storage addr;

	return kernel_getpeername(sock, (struct sockaddr *)&addr) >= 0;
}

int kvmi_socket_open(struct kvmi_socket *socket, int fd)
{
	struct socket *sock;
	int err;

	sock = sockfd_lookup(fd, &err);
	if (!sock)
		return -EINVAL;

	err = 0;
	if (sock->type != SOCK_STREAM)
		err = -EPROTOTYPE;
	else if (!has_peer(sock))
		err = -ENOTCONN;
	if (err) {
		sockfd_put(sock);
		return err;
	}

	socket->sock = sock;
	sema_init(&socket->send_lock, 1);
	return 0;
}

void kvmi_socket_close(struct kvmi_socket *socket)
{
	struct socket *sock = socket->sock;

	if (!sock)
		return;
	down(&socket->send_lock);
	socket->sock = NULL;
	up(&socket->send_lock);

	/* The file descriptor's owner still has it, and sees POLLHUP. */
	kernel_sock_shutdown(sock, SHUT_RDWR);
	sockfd_put(sock);
}

/*
 * Whether a transfer that failed with @err is to be tried again: a time-out
 * that the descriptor's owner has set is not the end of the session. It may be
 * zero, so wait a little.
 */
static bool try_again(int err)
{
	if (err != -EAGAIN || signal_pending(current))
		return false;
	schedule_timeout_interruptible(msecs_to_jiffies(RETRY_MS));
	return true;
}

static int socket_recv(void *stream, void *buf, size_t size)
{
	struct kvmi_socket *socket = stream;

	while (size) {
		struct kvec vec = { .iov_base = buf, .iov_len = size };
		struct msghdr msg = {};
		int ret;

		ret = kernel_recvmsg(socket->sock, &msg, &vec, 1, size,
				     MSG_WAITALL);
		if (!ret)
			return -ECONNRESET;
		if (try_again(ret))
			continue;
		if (ret < 0)
			return ret;
		buf += ret;
		size -= ret;
	}
	return 0;
}

static int send_some(struct kvmi_socket *socket, const void *buf, size_t size,
		     int flags)
{
	struct kvec vec = { .iov_base = (void *)buf, .iov_len = size };
	struct msghdr msg = { .msg_flags = flags | MSG_NOSIGNAL };

	return kernel_sendmsg(socket->sock, &msg, &vec, 1, size);
}

static int socket_send(void *stream, const void *buf, size_t size)
{
	struct kvmi_socket *socket = stream;
	int ret = 0;

	if (down_killable(&socket->send_lock))
		return -EINTR;
	while (size) {
		ret = send_some(socket, buf, size, 0);
		if (try_again(ret))
			continue;
		if (ret < 0)
			break;
		buf += ret;
		size -= ret;
		ret = 0;
	}
	up(&socket->send_lock);
	return ret;
}

/* A message that went out in part leaves the tool out of step: end it. */
static int send_at_once(struct kvmi_socket *socket, const void *buf,
			size_t size)
{
	int ret;

	if (!socket->sock)
		return -EPIPE;
	ret = send_some(socket, buf, size, MSG_DONTWAIT);
	if (ret < 0)
		return ret;
	if (ret == size)
		return 0;
	kernel_sock_shutdown(socket->sock, SHUT_RDWR);
	return -EPIPE;
}

static int socket_send_bounded(void *stream, const void *buf, size_t size)
{
	unsigned long end = jiffies + SEND_BOUND;
	struct kvmi_socket *socket = stream;
	int ret = -EAGAIN;

	do {
		if (!down_trylock(&socket->send_lock)) {
			ret = send_at_once(socket, buf, size);
			up(&socket->send_lock);
			if (ret != -EAGAIN)
				return ret;
		}
		if (msleep_interruptible(RETRY_MS))
			return -EINTR;
	} while (time_before(jiffies, end));
	return -EAGAIN;
}

const struct kvmi_stream_ops kvmi_socket_ops = {
	.recv = socket_recv,
	.send = socket_send,
	.send_bounded = socket_send_bounded,
};
