// SPDX-License-Identifier: LGPL-2.1-only
/* Connections: life, errors, the event queue. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

int64_t kvmic__now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t kvmic__deadline(int ms)
{
	return ms < 0 ? -1 : kvmic__now() + ms;
}

int kvmic__fail(struct kvmic_err *err, int code, int sys_errno,
		const char *hint, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	err->code = code;
	err->sys_errno = sys_errno;
	snprintf(err->hint, sizeof(err->hint), "%s", hint ? hint : "");
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return code;
}

int kvmic_open(int fd, struct kvmic_conn **out, struct kvmic_err *err)
{
	socklen_t len = sizeof(int);
	struct kvmic_conn *conn;
	int type;

	*out = NULL;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 ||
	    type != SOCK_STREAM)
		return kvmic__fail(err, -KVMIC_ERR_ARG, 0, NULL,
				   "file descriptor %d is not a stream socket",
				   fd);
	conn = calloc(1, sizeof(*conn));
	if (!conn)
		return kvmic__fail(err, -KVMIC_ERR_NOMEM, ENOMEM, NULL,
				   "out of memory");
	conn->fd = fd;
	conn->timeout_ms = KVMIC_TIMEOUT_MS;
	conn->next_seq = 1;
	conn->max_events = KVMIC_EVENT_LIMIT;
	conn->events_tail = &conn->events;
	snprintf(conn->err.text, sizeof(conn->err.text), "no error");
	*out = conn;
	return 0;
}

void kvmic_close(struct kvmic_conn *conn)
{
	struct queued_event *ev;
	unsigned int i;

	if (!conn)
		return;
	close(conn->fd);
	while ((ev = conn->events)) {
		conn->events = ev->next;
		free(ev);
	}
	for (i = 0; i < KVMIC_MAX_OUTSTANDING; i++)
		free(conn->slots[i].data);
	free(conn->root);
	free(conn);
}

int kvmic_fd(const struct kvmic_conn *conn)
{
	return conn->fd;
}

int kvmic_set_timeout(struct kvmic_conn *conn, int ms)
{
	if (ms < -1)
		return kvmic__fail(&conn->err, -KVMIC_ERR_ARG, 0, NULL,
				   "time-out %d is below -1", ms);
	conn->timeout_ms = ms;
	return 0;
}

const char *kvmic_error(const struct kvmic_conn *conn)
{
	return conn->err.text;
}

const struct kvmic_err *kvmic_last_error(const struct kvmic_conn *conn)
{
	return &conn->err;
}

void kvmic_set_event_callback(struct kvmic_conn *conn, kvmic_event_fn *fn,
			      void *arg)
{
	conn->callback = fn;
	conn->callback_arg = arg;
}

int kvmic_set_event_limit(struct kvmic_conn *conn, unsigned int limit)
{
	if (!limit)
		return kvmic__fail(&conn->err, -KVMIC_ERR_ARG, 0, NULL,
				   "an event queue of length 0 is useless");
	conn->max_events = limit;
	return 0;
}

static const struct {
	int code;
	const char *name;
	const char *text;
} wire_errors[] = {
	{ KVMI_EPERM, "EPERM", "not allowed in this session" },
	{ KVMI_ENOENT, "ENOENT", "no such id or guest page" },
	{ KVMI_EAGAIN, "EAGAIN", "vCPU not started yet" },
	{ KVMI_ENOMEM, "ENOMEM", "kernel out of memory" },
	{ KVMI_EBUSY, "EBUSY", "in use, or too many requests pending" },
	{ KVMI_EINVAL, "EINVAL", "argument out of range" },
	{ KVMI_EOPNOTSUPP, "EOPNOTSUPP", "not possible on this host or page" },
	{ KVMI_ENOSYS, "ENOSYS", "command unknown to this kernel" },
};

static const char *const lib_errors[] = {
	[KVMIC_ERR_ARG - KVMIC_ERR_BASE] = "bad argument",
	[KVMIC_ERR_NOMEM - KVMIC_ERR_BASE] = "out of memory",
	[KVMIC_ERR_SYSTEM - KVMIC_ERR_BASE] = "system call failed",
	[KVMIC_ERR_TIMEOUT - KVMIC_ERR_BASE] = "timed out",
	[KVMIC_ERR_CLOSED - KVMIC_ERR_BASE] = "connection closed by the kernel",
	[KVMIC_ERR_PROTOCOL - KVMIC_ERR_BASE] = "protocol broken by the peer",
	[KVMIC_ERR_QUEUE_FULL - KVMIC_ERR_BASE] = "event queue full",
	[KVMIC_ERR_BUSY - KVMIC_ERR_BASE] = "too many commands under way",
	[KVMIC_ERR_NO_PROCESS - KVMIC_ERR_BASE] = "no such process",
	[KVMIC_ERR_NO_VM - KVMIC_ERR_BASE] = "no such virtual machine",
	[KVMIC_ERR_AMBIGUOUS - KVMIC_ERR_BASE] = "several virtual machines",
	[KVMIC_ERR_PERMISSION - KVMIC_ERR_BASE] = "not permitted",
	[KVMIC_ERR_NO_MODULE - KVMIC_ERR_BASE] = "kvmi.ko not loaded",
	[KVMIC_ERR_HOOKED - KVMIC_ERR_BASE] = "already introspected",
	[KVMIC_ERR_CONFIDENTIAL - KVMIC_ERR_BASE] = "confidential VM",
	[KVMIC_ERR_KERNEL - KVMIC_ERR_BASE] = "kernel too old",
	[KVMIC_ERR_NO_STATUS - KVMIC_ERR_BASE] = "no status files",
	[KVMIC_ERR_NOT_MAPPED - KVMIC_ERR_BASE] = "address not mapped",
};

const char *kvmic_strerror(int r)
{
	unsigned int i;

	if (r >= 0)
		return "success";
	for (i = 0; i < sizeof(wire_errors) / sizeof(wire_errors[0]); i++)
		if (r == -wire_errors[i].code)
			return wire_errors[i].text;
	if (kvmic_is_wire_error(r))
		return "unknown error from the kernel";
	i = -(unsigned int)r - KVMIC_ERR_BASE;
	if (i < sizeof(lib_errors) / sizeof(lib_errors[0]))
		return lib_errors[i];
	return "unknown error";
}

const char *kvmic_wire_error_name(int r)
{
	unsigned int i;

	for (i = 0; i < sizeof(wire_errors) / sizeof(wire_errors[0]); i++)
		if (r == -wire_errors[i].code)
			return wire_errors[i].name;
	return "E?";
}
