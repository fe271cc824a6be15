/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libkvmic: client library for KVM introspection with kvmi.ko.
 *
 * Three layers: the wire protocol over a connected stream socket
 * (kvmic_open() and the commands), the virtual machines of this host
 * (kvmic_list()), and attaching to one of them without help from its VMM
 * (kvmic_attach()). See libkvmic(3) and kvmi-protocol(7).
 *
 * Return values. 0 or a positive count is success. Failures are negative, in
 * two ranges that never meet:
 *   -1 .. -65535        the kernel answered with an error: the negative of a
 *                       KVMI_E* value of <linux/kvmi.h>, e.g. -KVMI_EPERM;
 *   -65536 and below    the library failed: the negative of a KVMIC_ERR_*
 *                       value below.
 *
 * Threads: a connection may be used by one thread at a time. The library has
 * no global state, so different connections need no locking.
 */
#ifndef KVMIC_H
#define KVMIC_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <linux/kvmi.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- errors */

#define KVMIC_ERR_BASE 0x10000

/* Failures of the library; functions return the negative of these. */
enum kvmic_code {
	/* Bad argument; nothing was sent or changed. */
	KVMIC_ERR_ARG = KVMIC_ERR_BASE,
	/* Out of memory. */
	KVMIC_ERR_NOMEM,
	/* A system call failed; see kvmic_err.sys_errno. */
	KVMIC_ERR_SYSTEM,
	/* Nothing came, or nothing could be sent, in time. */
	KVMIC_ERR_TIMEOUT,
	/* The other side closed the connection. Final. */
	KVMIC_ERR_CLOSED,
	/* The other side broke the protocol. Final. */
	KVMIC_ERR_PROTOCOL,
	/* Unread events have filled the queue; see kvmic_set_event_limit(). */
	KVMIC_ERR_QUEUE_FULL,
	/* KVMIC_MAX_OUTSTANDING commands wait for their replies already. */
	KVMIC_ERR_BUSY,
	/* No such process. */
	KVMIC_ERR_NO_PROCESS,
	/* The process has no VM, or none with this index. */
	KVMIC_ERR_NO_VM,
	/* The process has several VMs and none was chosen. */
	KVMIC_ERR_AMBIGUOUS,
	/* The caller lacks a privilege. */
	KVMIC_ERR_PERMISSION,
	/* kvmi.ko is not loaded, or does not serve this VM. */
	KVMIC_ERR_NO_MODULE,
	/* Another tool, or the VMM, holds the introspection session. */
	KVMIC_ERR_HOOKED,
	/* A confidential VM (SEV-ES, SNP, TDX) cannot be introspected. */
	KVMIC_ERR_CONFIDENTIAL,
	/* The kernel is too old for what was asked. */
	KVMIC_ERR_KERNEL,
	/* The module's status files cannot be found. */
	KVMIC_ERR_NO_STATUS,
	/* The guest has no mapping for this virtual address. */
	KVMIC_ERR_NOT_MAPPED,
};

/**
 * struct kvmic_err - what failed, and what to do about it
 * @code: the value that the failing function returned
 * @sys_errno: errno of the system call that failed, 0 when none did
 * @text: the cause, one line, no newline at the end
 * @hint: the next step for a person, or an empty string
 *
 * Both strings may hold names taken from other processes; escape control
 * characters before printing them.
 */
struct kvmic_err {
	int code;
	int sys_errno;
	char text[256];
	char hint[256];
};

/* Is @r an error that the kernel sent on the wire? */
static inline int kvmic_is_wire_error(int r)
{
	return r < 0 && r > -KVMIC_ERR_BASE;
}

/**
 * kvmic_strerror() - short English text for any return value
 * @r: what a function of this library returned
 *
 * Never NULL, never freed. kvmic_last_error() knows more.
 */
const char *kvmic_strerror(int r);

/**
 * kvmic_wire_error_name() - e.g. "EPERM" for -KVMI_EPERM
 * @r: a wire error
 *
 * "E?" for a value without a name.
 */
const char *kvmic_wire_error_name(int r);

/* ----------------------------------------------------------------- names */

/**
 * kvmic_command_name() - name of a command, as in <linux/kvmi.h>
 * @id: message id; returns NULL for an id that is no command
 */
const char *kvmic_command_name(unsigned int id);

/**
 * kvmic_event_name() - name of an event, as in <linux/kvmi.h>
 * @id: event id; returns NULL for an id that is no event
 */
const char *kvmic_event_name(unsigned int id);

/* ------------------------------------------------------------ connection */

struct kvmic_conn;

/* Time-out of a new connection, milliseconds. */
#define KVMIC_TIMEOUT_MS 15000
/* Events a new connection holds for the caller. */
#define KVMIC_EVENT_LIMIT 1024
/* Commands that may wait for their replies at the same time. */
#define KVMIC_MAX_OUTSTANDING 64

/**
 * kvmic_open() - speak the protocol on a socket
 * @fd: connected stream socket (AF_UNIX, AF_VSOCK, AF_INET...)
 * @conn: the new connection
 * @err: cause of a failure, may be NULL
 *
 * Sends nothing. On success the connection owns @fd, on failure the caller
 * still does. Errors: ARG (not a stream socket), NOMEM.
 */
int kvmic_open(int fd, struct kvmic_conn **conn, struct kvmic_err *err);

/**
 * kvmic_close() - close the socket and free everything
 * @conn: connection, may be NULL
 *
 * The kernel then ends a session made with kvmic_attach() on its own.
 */
void kvmic_close(struct kvmic_conn *conn);

/**
 * kvmic_fd() - the socket, for poll(2) only
 * @conn: connection
 *
 * The library buffers: when poll(2) reports input, call kvmic_next_event() or
 * kvmic_process() with time-out 0 until they return 0 before polling again.
 */
int kvmic_fd(const struct kvmic_conn *conn);

/**
 * kvmic_set_timeout() - how long a call may wait
 * @conn: connection
 * @ms: milliseconds from the start of the wait, -1 for ever
 *
 * The limit holds for each wait for a reply and for each send; events that
 * arrive meanwhile do not prolong it. Errors: ARG.
 */
int kvmic_set_timeout(struct kvmic_conn *conn, int ms);

/**
 * kvmic_error() - cause of the last failure on this connection
 * @conn: connection
 *
 * Valid until the next call with @conn; "no error" when nothing failed yet.
 */
const char *kvmic_error(const struct kvmic_conn *conn);

/**
 * kvmic_last_error() - as kvmic_error(), with code, errno and hint
 * @conn: connection
 */
const struct kvmic_err *kvmic_last_error(const struct kvmic_conn *conn);

/* ----------------------------------------------------------- VM commands */

/*
 * Each of these sends one command, waits for its reply and returns 0, a wire
 * error or a KVMIC_ERR_*. Errors of the wire are listed in <linux/kvmi.h> at
 * the command. Every one may also return -KVMI_EPERM (not allowed by the one
 * who attached) and -KVMI_ENOSYS (the kernel does not know the command).
 */

/**
 * kvmic_get_version() - protocol version, message size and features
 * @reply: filled on success; features are zero when the kernel sends none
 */
int kvmic_get_version(struct kvmic_conn *conn,
		      struct kvmi_get_version_reply *reply);

/**
 * kvmic_check_command() - can this command be used?
 * @id: message id
 *
 * 0 yes, -KVMI_EPERM known but not allowed, -KVMI_ENOENT unknown.
 */
int kvmic_check_command(struct kvmic_conn *conn, uint16_t id);

/**
 * kvmic_check_event() - can this event be used?
 * @id: event id; returns as kvmic_check_command()
 */
int kvmic_check_event(struct kvmic_conn *conn, uint16_t id);

/**
 * kvmic_get_info() - number of online vCPUs
 * @reply: filled on success
 */
int kvmic_get_info(struct kvmic_conn *conn,
		   struct kvmi_vm_get_info_reply *reply);

/**
 * kvmic_control_events() - enable or disable a VM event
 * @event_id: KVMI_VM_EVENT_UNHOOK
 * @enable: nonzero to enable
 */
int kvmic_control_events(struct kvmic_conn *conn, uint16_t event_id,
			 int enable);

/**
 * kvmic_control_cleanup() - undo interceptions when the session ends?
 * @enable: nonzero (the default of a session) to undo them
 */
int kvmic_control_cleanup(struct kvmic_conn *conn, int enable);

/**
 * kvmic_read_physical() - read guest memory
 * @gpa: guest physical address, any alignment
 * @buf: receives @len bytes
 * @len: any number of bytes; 0 does nothing
 * @done: receives the number of bytes read from the start, may be NULL
 *
 * Split at page borders, several requests under way at a time. Stops at the
 * first page that fails and returns its wire error; @buf behind *@done is then
 * undefined. The guest runs meanwhile: the pages are no snapshot.
 * Errors: ARG when @gpa + @len exceeds 64 bits.
 */
int kvmic_read_physical(struct kvmic_conn *conn, uint64_t gpa, void *buf,
			size_t len, size_t *done);

/**
 * kvmic_bad_range_fn - told about memory that cannot be read
 * @gpa: its guest physical address
 * @len: bytes, at most one page
 * @error: the wire error
 * @arg: as given to kvmic_read_sparse()
 */
typedef void kvmic_bad_range_fn(uint64_t gpa, size_t len, int error,
				void *arg);

/**
 * kvmic_read_sparse() - read guest memory that has holes
 * @bad: called for each part that cannot be read, which is zeroed in @buf;
 *       must not use the connection; may be NULL
 * @arg: for @bad
 *
 * Otherwise as kvmic_read_physical(), but goes on after wire errors. Returns
 * the number of parts that could not be read, or a KVMIC_ERR_*.
 */
int kvmic_read_sparse(struct kvmic_conn *conn, uint64_t gpa, void *buf,
		      size_t len, kvmic_bad_range_fn *bad, void *arg);

/**
 * kvmic_write_physical() - write guest memory
 * @gpa: guest physical address, any alignment
 * @buf: what to write
 * @len: any number of bytes; 0 does nothing
 * @done: receives the number of bytes written from the start, may be NULL
 *
 * Split at page borders, one page after the other. Stops at the first page
 * that fails: nothing behind *@done was written. After KVMIC_ERR_TIMEOUT the
 * page at *@done may or may not have been written.
 */
int kvmic_write_physical(struct kvmic_conn *conn, uint64_t gpa,
			 const void *buf, size_t len, size_t *done);

/* ---------------------------------------------------------- raw messages */

/**
 * kvmic_send() - send any command without waiting
 * @id: message id, not KVMI_VM_EVENT or KVMI_VCPU_EVENT
 * @payload: what follows the message header, may be NULL when @size is 0
 * @size: bytes, at most KVMI_MAX_MSG_SIZE
 * @seq: receives the number under which to ask for the reply
 *
 * Each command sent needs one kvmic_receive() or kvmic_forget().
 * Errors: ARG, BUSY, NOMEM, TIMEOUT (final when a part was sent), CLOSED.
 */
int kvmic_send(struct kvmic_conn *conn, uint16_t id, const void *payload,
	       size_t size, uint32_t *seq);

/**
 * kvmic_receive() - wait for the reply to one command
 * @id: as given to kvmic_send()
 * @seq: as returned by kvmic_send()
 * @data: receives the reply data, behind struct kvmi_error_code; may be NULL
 * @size: room at @data in bytes; data beyond it is dropped
 * @got: receives the number of bytes that the kernel sent, which may be more
 *       than @size; may be NULL
 *
 * Replies may be fetched in any order. Returns the wire error of the reply.
 * After TIMEOUT and QUEUE_FULL the reply can still be waited for. Errors: ARG
 * when no such command is under way.
 */
int kvmic_receive(struct kvmic_conn *conn, uint16_t id, uint32_t seq,
		  void *data, size_t size, size_t *got);

/**
 * kvmic_forget() - drop the reply to a command, whenever it comes
 * @id: as given to kvmic_send()
 * @seq: as returned by kvmic_send()
 */
void kvmic_forget(struct kvmic_conn *conn, uint16_t id, uint32_t seq);

/**
 * kvmic_call() - kvmic_send() and kvmic_receive() in one
 *
 * When the wait fails the reply is forgotten.
 */
int kvmic_call(struct kvmic_conn *conn, uint16_t id, const void *payload,
	       size_t size, void *data, size_t room, size_t *got);

/* ---------------------------------------------------------------- events */

/**
 * struct kvmic_event - an event, or the refusal of an event reply
 * @id: KVMI_VM_EVENT or KVMI_VCPU_EVENT
 * @event: KVMI_VM_EVENT_* or KVMI_VCPU_EVENT_*; 0 when @error is set
 * @seq: what the reply to a vCPU event must repeat
 * @error: 0, or the wire error with which the kernel refused an earlier
 *         kvmic_send_event_reply() of this @seq; its vCPU still waits
 * @size: bytes in @payload
 * @payload: the message behind its header; starts with struct kvmi_event_hdr
 */
struct kvmic_event {
	uint16_t id;
	uint16_t event;
	uint32_t seq;
	int32_t error;
	uint32_t size;
	uint8_t payload[KVMI_MAX_MSG_SIZE];
};

/**
 * kvmic_event_fn - called for each event
 *
 * Runs inside whichever call reads from the socket, after that call has let
 * go of its buffers: it may send and call commands. Events that arrive
 * meanwhile are delivered after it returns. It must not close @conn.
 */
typedef void kvmic_event_fn(struct kvmic_conn *conn,
			    const struct kvmic_event *event, void *arg);

/**
 * kvmic_set_event_callback() - deliver events to a function
 * @fn: function, or NULL (the default) to queue them for kvmic_next_event()
 * @arg: for @fn
 */
void kvmic_set_event_callback(struct kvmic_conn *conn, kvmic_event_fn *fn,
			      void *arg);

/**
 * kvmic_set_event_limit() - length of the event queue
 * @limit: events, at least 1; each takes up to 8 KiB
 *
 * When the queue is full, waiting for a reply fails with QUEUE_FULL, and
 * nothing is lost: take events out and wait again. Errors: ARG.
 */
int kvmic_set_event_limit(struct kvmic_conn *conn, unsigned int limit);

/**
 * kvmic_next_event() - take the next event
 * @ms: longest wait in milliseconds, 0 not to wait, -1 for ever
 * @event: filled when 1 is returned
 *
 * 1 event, 0 none in time, or a KVMIC_ERR_*.
 */
int kvmic_next_event(struct kvmic_conn *conn, int ms,
		     struct kvmic_event *event);

/**
 * kvmic_process() - read what has arrived; for users of a callback
 * @ms: longest wait for the first message, as in kvmic_next_event()
 *
 * Number of messages taken from the socket, 0 for none, or a KVMIC_ERR_*.
 */
int kvmic_process(struct kvmic_conn *conn, int ms);

/**
 * kvmic_send_event_reply() - answer a vCPU event, in any form
 * @seq: of the event
 * @payload: the reply, starting with struct kvmi_vcpu_hdr
 * @size: bytes, at most KVMI_MAX_MSG_SIZE
 *
 * The kernel confirms nothing, and closes the connection on a reply that
 * does not fit the event; kvmic_answer_event() looks first.
 */
int kvmic_send_event_reply(struct kvmic_conn *conn, uint32_t seq,
			   const void *payload, size_t size);

#ifdef __cplusplus
}
#endif

#include <kvmic_host.h>
#include <kvmic_vcpu.h>

#endif /* KVMIC_H */
