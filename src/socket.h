/* SPDX-License-Identifier: GPL-2.0-only */
/* The connection to the tool: a stream socket handed over by HOOK. */
#ifndef KVMI_SOCKET_H
#define KVMI_SOCKET_H

#include <linux/net.h>
#include <linux/semaphore.h>

#include "core/core.h"

/**
 * struct kvmi_socket - one connection
 * @sock: the socket; a reference on its file is held
 * @send_lock: one message at a time; a semaphore because PREUNHOOK may only
 *	try, and a mutex is owned
 */
struct kvmi_socket {
	struct socket *sock;
	struct semaphore send_lock;
};

/*
 * Take the socket @fd of the current process. Returns 0, -EINVAL (not a
 * socket), -EPROTOTYPE (not a stream socket) or -ENOTCONN.
 */
int kvmi_socket_open(struct kvmi_socket *socket, int fd);

/* End the connection both ways: wakes every sleeper in it, now and later. */
void kvmi_socket_shutdown(struct kvmi_socket *socket);

/* Drop the socket; nobody may use it any more. */
void kvmi_socket_close(struct kvmi_socket *socket);

extern const struct kvmi_stream_ops kvmi_socket_ops;

#endif /* KVMI_SOCKET_H */
