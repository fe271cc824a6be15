// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stream to the tool. The file descriptor's owner may keep using it, set
 * time-outs on it or shut it down; none of that may do more than end the
 * session.
 *
 * Contexts: recv in the receiving thread, send there and in ioctls; all may
 * sleep. post in the context of a vCPU: it must not wait for the tool, so what
 * does not fit into the socket is sent by the receiving thread when there is
 * room. send_lock is held across one message, or across all that wait for room
 * and the reply behind them.
 */
#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/jiffies.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/socket.h>
#include <net/sock.h>

#include "socket.h"

/* How long PREUNHOOK tries to get its event to a tool that does not read. */
#define SEND_BOUND HZ
#define RETRY_MS 10
#define RETRY_TIME msecs_to_jiffies(RETRY_MS)

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
	socket->cred = get_current_cred();
	sema_init(&socket->send_lock, 1);
	spin_lock_init(&socket->late_lock);
	INIT_LIST_HEAD(&socket->late);
	socket->wq = sk_sleep(sock->sk);
	return 0;
}

/* A message that waits for room. */
struct late_msg {
	struct list_head link;
	struct kvmi_msg *msg;
};

static struct late_msg *next_late(struct kvmi_socket *socket)
{
	struct late_msg *late;

	spin_lock(&socket->late_lock);
	late = list_first_entry_or_null(&socket->late, struct late_msg, link);
	spin_unlock(&socket->late_lock);
	return late;
}

static void drop_late(struct kvmi_socket *socket, struct late_msg *late)
{
	spin_lock(&socket->late_lock);
	list_del(&late->link);
	WRITE_ONCE(socket->num_late, socket->num_late - 1);
	spin_unlock(&socket->late_lock);
	kvmi_msg_free(late->msg);
	kfree(late);
}

/* HOOK has failed: the connection goes on as if we had never seen it. */
void kvmi_socket_release(struct kvmi_socket *socket)
{
	if (!socket->sock)
		return;
	sockfd_put(socket->sock);
	socket->sock = NULL;
	put_cred(socket->cred);
}

static void drop_all_late(struct kvmi_socket *socket)
{
	struct late_msg *late;

	while ((late = next_late(socket)))
		drop_late(socket, late);
}

/* Both ways where that keeps what was not read: vsock, for one, would drop it. */
void kvmi_socket_leave(struct kvmi_socket *socket)
{
	bool both = socket->sock->sk->sk_family == AF_UNIX;

	WRITE_ONCE(socket->left, true);
	kernel_sock_shutdown(socket->sock, both ? SHUT_RDWR : SHUT_WR);
	drop_all_late(socket);
}

void kvmi_socket_close(struct kvmi_socket *socket)
{
	struct socket *sock = socket->sock;

	if (!sock)
		return;
	down(&socket->send_lock);
	WRITE_ONCE(socket->sock, NULL);
	up(&socket->send_lock);
	spin_lock(&socket->late_lock);
	socket->wq = NULL;
	spin_unlock(&socket->late_lock);
	drop_all_late(socket);

	/* The file descriptor's owner still has it, and sees POLLHUP. */
	kernel_sock_shutdown(sock, SHUT_RDWR);
	sockfd_put(sock);
	put_cred(socket->cred);
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
	schedule_timeout_interruptible(RETRY_TIME);
	return true;
}

/*
 * A vCPU's thread sends as well, which belongs to the VMM. An external session's
 * socket is none of the VMM's, and what confines a VMM may well forbid it: who
 * has brought the socket is who sends.
 */
static int send_some(struct kvmi_socket *socket, const void *buf, size_t size,
		     int flags)
{
	struct kvec vec = { .iov_base = (void *)buf, .iov_len = size };
	struct msghdr msg = { .msg_flags = flags | MSG_NOSIGNAL };
	const struct cred *old = override_creds(socket->cred);
	int ret = kernel_sendmsg(socket->sock, &msg, &vec, 1, size);

	revert_creds(old);
	return ret;
}

/* With send_lock. A message that has begun is not given up but for a signal. */
static int send_all(struct kvmi_socket *socket, const void *buf, size_t size)
{
	int ret;

	while (size) {
		ret = send_some(socket, buf, size, 0);
		if (try_again(ret))
			continue;
		if (ret < 0)
			return ret;
		buf += ret;
		size -= ret;
	}
	return 0;
}

/*
 * With send_lock: send what waits for room, in its order. With MSG_DONTWAIT only
 * as long as there is some, else -EAGAIN.
 */
static int flush_late(struct kvmi_socket *socket, int flags)
{
	struct late_msg *late;
	size_t size;
	int ret;

	while (READ_ONCE(socket->num_late) && (late = next_late(socket))) {
		size = sizeof(late->msg->hdr) + late->msg->hdr.size;
		ret = 0;
		if (flags)
			ret = send_some(socket, late->msg, size, flags);
		if (ret >= 0)
			ret = send_all(socket, (u8 *)late->msg + ret,
				       size - ret);
		if (ret)
			return ret;
		drop_late(socket, late);
	}
	return 0;
}

static void send_late(struct kvmi_socket *socket)
{
	int ret;

	if (socket->left || !READ_ONCE(socket->num_late) ||
	    down_trylock(&socket->send_lock))
		return;
	ret = flush_late(socket, MSG_DONTWAIT);
	up(&socket->send_lock);
	if (ret && ret != -EAGAIN)
		socket->give_up(socket->arg);
}

#define INPUT (EPOLLIN | EPOLLHUP | EPOLLRDHUP)

static bool may_go_on(struct kvmi_socket *socket, __poll_t *mask)
{
	*mask = vfs_poll(socket->sock->file, NULL);
	return (*mask & INPUT) ||
	       (READ_ONCE(socket->num_late) && (*mask & EPOLLOUT));
}

/*
 * Wait for input, for room when there is something to be sent, for post(), or
 * for the time to try again what could not be done before. Returns whether
 * there is input, or -EINTR when there is none that is older than the signal.
 */
static int wait_for_news(struct kvmi_socket *socket, unsigned long limit)
{
	DEFINE_WAIT_FUNC(wait, woken_wake_function);
	__poll_t mask = 0;
	bool interrupted;
	int ret = 0;

	add_wait_queue(socket->wq, &wait);
	while (limit) {
		interrupted = signal_pending(current);
		if (may_go_on(socket, &mask) &&
		    (!interrupted || (mask & INPUT)))
			break;
		if (interrupted) {
			ret = -EINTR;
			break;
		}
		limit = wait_woken(&wait, TASK_INTERRUPTIBLE, limit);
	}
	remove_wait_queue(socket->wq, &wait);
	return ret ?: !!(mask & INPUT);
}

/* Between messages. Returns how long there is nothing else to do. */
static unsigned long do_chores(struct kvmi_socket *socket)
{
	return socket->chores ? socket->chores(socket->arg) :
				MAX_SCHEDULE_TIMEOUT;
}

static int socket_recv(void *stream, void *buf, size_t size)
{
	struct kvmi_socket *socket = stream;
	int announced = 0;

	while (size) {
		struct kvec vec = { .iov_base = buf, .iov_len = size };
		struct msghdr msg = {};
		unsigned long limit;
		int ret;

		/* Also when input never ends: the tool may wait for these. */
		send_late(socket);
		limit = do_chores(socket);
		ret = kernel_recvmsg(socket->sock, &msg, &vec, 1, size,
				     MSG_DONTWAIT);
		if (!ret)
			return -ECONNRESET;
		if (ret == -EAGAIN) {
			/* Input that is none, as out of band: do not spin. */
			if (announced && signal_pending(current))
				return -EINTR;
			if (announced)
				schedule_timeout_interruptible(RETRY_TIME);
			announced = wait_for_news(socket, limit);
			if (announced < 0)
				return announced;
			continue;
		}
		if (ret < 0)
			return ret;
		announced = 0;
		buf += ret;
		size -= ret;
	}
	return 0;
}

static int socket_send(void *stream, const void *buf, size_t size)
{
	struct kvmi_socket *socket = stream;
	int ret;

	if (socket->left)
		return -EPIPE;
	ret = down_killable(&socket->send_lock);
	if (!ret) {
		/* They came first; and a tool that reads slowly has room for one only. */
		ret = flush_late(socket, 0);
		if (!ret)
			ret = send_all(socket, buf, size);
		up(&socket->send_lock);
	}
	if (ret)
		socket->give_up(socket->arg);
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

/* For the receiving thread. */
static bool post_late(struct kvmi_socket *socket, struct kvmi_msg *msg)
{
	struct late_msg *late = kmalloc(sizeof(*late), GFP_KERNEL_ACCOUNT);
	bool open;

	if (!late)
		return false;
	late->msg = msg;
	spin_lock(&socket->late_lock);
	open = socket->wq;
	if (open) {
		list_add_tail(&late->link, &socket->late);
		WRITE_ONCE(socket->num_late, socket->num_late + 1);
		wake_up_interruptible(socket->wq);
	}
	spin_unlock(&socket->late_lock);
	if (!open)
		kfree(late);
	return open;
}

/*
 * A message of this size goes into the socket as a whole or not at all. Others
 * may have to be waited for half-way.
 */
static bool is_atomic(const struct socket *sock, size_t size)
{
	return sock->sk->sk_family == AF_UNIX &&
	       size <= (READ_ONCE(sock->sk->sk_sndbuf) >> 1) - 64;
}

/* With send_lock. True when the message is settled, false to send it late. */
static bool post_now(struct kvmi_socket *socket, struct kvmi_msg *msg)
{
	size_t size = sizeof(msg->hdr) + msg->hdr.size;
	int ret;

	/* Not before those that wait already. */
	if (READ_ONCE(socket->num_late) || !is_atomic(socket->sock, size))
		return false;
	ret = send_some(socket, msg, size, MSG_DONTWAIT);
	if (ret == -EAGAIN)
		return false;
	if (ret != size)
		kernel_sock_shutdown(socket->sock, SHUT_RDWR);
	return true;
}

static bool socket_post(void *stream, struct kvmi_msg *msg)
{
	struct kvmi_socket *socket = stream;
	bool settled = false;

	if (!msg) {
		socket->give_up(socket->arg);
		return true;
	}
	if (READ_ONCE(socket->left))
		return true;
	if (!down_trylock(&socket->send_lock)) {
		settled = !socket->sock || post_now(socket, msg);
		up(&socket->send_lock);
	}
	if (settled)
		return true;
	if (post_late(socket, msg))
		return false;
	socket->give_up(socket->arg);
	return true;
}

static unsigned int socket_backlog(void *stream)
{
	struct kvmi_socket *socket = stream;

	return READ_ONCE(socket->num_late);
}

const struct kvmi_stream_ops kvmi_socket_ops = {
	.recv = socket_recv,
	.send = socket_send,
	.send_bounded = socket_send_bounded,
	.post = socket_post,
	.backlog = socket_backlog,
};
