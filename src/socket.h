/* SPDX-License-Identifier: GPL-2.0-only */
/* The connection to the tool: a stream socket handed over by HOOK. */
#ifndef KVMI_SOCKET_H
#define KVMI_SOCKET_H

#include <linux/list.h>
#include <linux/net.h>
#include <linux/semaphore.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "core/core.h"

/**
 * struct kvmi_socket - one connection
 * @sock: the socket with a reference on its file, NULL when closed; changed
 *	under @send_lock by the receiving thread, which may read it without
 * @cred: who has handed it over, in whose name everything is sent
 * @send_lock: one message at a time; a semaphore because PREUNHOOK may only
 *	try, and a mutex is not for trying until a deadline
 * @late_lock: protects @late, @num_late and @wq
 * @late: messages that could not be sent at once, in order
 * @num_late: their number
 * @left: nothing is sent any more; written by the receiving thread
 * @wq: where the receiving thread waits, NULL when closed
 * @chores: called by the receiving thread between messages; returns how many
 *	jiffies it may wait for the next one at most
 * @give_up: called when a message cannot be sent, nor kept: to end the
 *	connection without waiting
 * @arg: for @chores and @give_up
 */
struct kvmi_socket {
	struct socket *sock;
	const struct cred *cred;
	struct semaphore send_lock;
	spinlock_t late_lock;
	struct list_head late;
	unsigned int num_late;
	bool left;
	wait_queue_head_t *wq;
	unsigned long (*chores)(void *arg);
	void (*give_up)(void *arg);
	void *arg;
};

/*
 * Take the socket @fd of the current process. Returns 0, -EINVAL (not a
 * socket), -EPROTOTYPE (not a stream socket) or -ENOTCONN. May sleep on locks
 * that other users of the socket hold.
 */
int kvmi_socket_open(struct kvmi_socket *socket, int fd);

/* Undoes it, as long as nothing else was done with it. */
void kvmi_socket_release(struct kvmi_socket *socket);

/*
 * Nothing more is sent, not even what waits for room. What has come can still be
 * received. For the receiving thread.
 */
void kvmi_socket_leave(struct kvmi_socket *socket);

/*
 * End the connection, both ways, and drop the socket. What a sender has queued
 * in it goes too, such as file descriptors, which may be the VM's own. Only
 * the receiving thread may call this, or nobody else uses the socket.
 */
void kvmi_socket_close(struct kvmi_socket *socket);

extern const struct kvmi_stream_ops kvmi_socket_ops;

#endif /* KVMI_SOCKET_H */
