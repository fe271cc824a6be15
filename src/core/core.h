/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The introspection core: one session between a VM and a tool. It parses
 * messages, checks permissions, runs commands and sends replies and events.
 * It reaches the VM and the tool only through the two operation tables below,
 * so it compiles in user space for unit tests and fuzzing.
 */
#ifndef KVMI_CORE_H
#define KVMI_CORE_H

#include "port.h"
#include <linux/kvmi.h>

struct kvmi_session;
struct kvmi_vcpu;
struct kvmi_msg;

/**
 * struct kvmi_vm_ops - what the core asks of the VM
 * @vcpu_count: number of online vCPUs
 * @read_physical: copy @size bytes at @gpa to @buf; the range lies in one page
 * @write_physical: copy @size bytes from @buf to @gpa, same rule
 * @vcpu_find: the record of the vCPU with an index below @vcpu_count, made at
 *	the first use, so that vCPUs that nobody asks about cost nothing
 * @vcpu_ready: the vCPU has been started; any thread, does not sleep
 * @vcpu_kick: have kvmi_vcpu_run() called for this vCPU, soon
 * @vcpu_wait_exit: wait until the vCPU, kicked before, is out of guest mode
 *
 * All others run in the receiving thread and may sleep. Those that return int return
 * 0 or the negative of a KVMI_E* value.
 */
struct kvmi_vm_ops {
	u32 (*vcpu_count)(void *vm);
	int (*read_physical)(void *vm, u64 gpa, void *buf, size_t size);
	int (*write_physical)(void *vm, u64 gpa, const void *buf, size_t size);
	int (*vcpu_find)(void *vm, u16 index, struct kvmi_vcpu **vcpu);
	bool (*vcpu_ready)(struct kvmi_vcpu *vcpu);
	void (*vcpu_kick)(struct kvmi_vcpu *vcpu);
	void (*vcpu_wait_exit)(struct kvmi_vcpu *vcpu);
};

/**
 * struct kvmi_stream_ops - what the core asks of the connection to the tool
 * @recv: fill @buf with exactly @size bytes; fails when the connection has
 *	ended and everything that had come before was read
 * @send: send exactly @size bytes, waiting for the tool as long as it takes;
 *	fails when the connection has ended
 * @send_bounded: the same, but give up with -EAGAIN after a bounded time and
 *	then have sent nothing
 * @post: send a message from kvmi_msg_alloc() without waiting, now or later:
 *	true gives it back to the caller, false when it is kept until it is sent;
 *	NULL, because there is no memory, ends the connection
 * @backlog: messages that @post has still to send
 *
 * @recv, @send and @send_bounded may sleep and return 0 or a negative errno.
 * @recv is called by one thread, the others by any; a message is never mixed
 * with another.
 */
struct kvmi_stream_ops {
	int (*recv)(void *stream, void *buf, size_t size);
	int (*send)(void *stream, const void *buf, size_t size);
	int (*send_bounded)(void *stream, const void *buf, size_t size);
	bool (*post)(void *stream, struct kvmi_msg *msg);
	unsigned int (*backlog)(void *stream);
};

/* One message as it is on the wire: 8 KiB. */
struct kvmi_msg {
	struct kvmi_msg_hdr hdr;
	u8 payload[KVMI_MAX_MSG_SIZE];
};

/* Counters for the status file. */
struct kvmi_stats {
	u64 commands;	/* written by the receiving thread only */
	atomic64_t replies;
	atomic64_t errors;
};

/**
 * struct kvmi_session - one session
 * @vm_ops: operations on @vm
 * @stream_ops: operations on @stream
 * @rx: the command being handled; owned by the receiving thread
 * @tx: its reply; owned by the receiving thread
 * @dirty: how many bytes at the start of @rx's payload may not be zero
 * @tag: names the VM in traces: the pid of its VMM
 * @lock: protects the permission masks against concurrent ioctls
 * @allowed_commands: bit n is set when command id n is allowed
 * @allowed_events: bit n is set when event id n is allowed
 * @missing_commands: bit n is set when this kernel cannot do command id n
 * @enabled_vm_events: bit n is set when VM event id n is enabled by the tool
 * @cleanup: undo interceptions when the session ends
 * @leaving: the session ends, and what only asks is not run any more
 * @event_seq: sequence number of the last event
 * @events: events sent, for the status file
 * @queued: vCPU commands that have not been run yet
 * @stats: counters
 *
 * Masks are read without @lock: each is a single word, and a command may run
 * just before or just after a concurrent change of its permission.
 */
struct kvmi_session {
	const struct kvmi_vm_ops *vm_ops;
	void *vm;
	const struct kvmi_stream_ops *stream_ops;
	void *stream;
	struct kvmi_msg *rx;
	struct kvmi_msg *tx;
	size_t dirty;
	u32 tag;
	spinlock_t lock;
	u32 allowed_commands;
	u32 allowed_events;
	u32 missing_commands;
	u32 enabled_vm_events;
	bool cleanup;
	bool leaving;
	atomic_t event_seq;
	atomic_t events;
	atomic_t queued;
	struct kvmi_stats stats;
};

/* What a handler returns to have the connection closed instead of a reply. */
#define KVMI_CLOSE 1

/* Reply data of a command, to be filled by its handler. */
struct kvmi_reply {
	void *data;	/* room for KVMI_MAX_REPLY_DATA bytes */
	size_t size;	/* bytes filled; ignored when the handler fails */
};

#define KVMI_MAX_REPLY_DATA \
	(KVMI_MAX_MSG_SIZE - sizeof(struct kvmi_error_code))

/* session.c */
void kvmi_session_init(struct kvmi_session *session);
int kvmi_session_step(struct kvmi_session *session);
/*
 * From now on only messages that make a difference to the guest are handled. Any
 * thread.
 */
void kvmi_session_leave(struct kvmi_session *session);
bool kvmi_session_leaving(const struct kvmi_session *session);
int kvmi_session_send_unhook(struct kvmi_session *session);
void kvmi_session_count_reply(struct kvmi_session *session,
			      const struct kvmi_msg_hdr *hdr, s32 error);

/* permission.c */
void kvmi_permission_init(struct kvmi_session *session);
int kvmi_allow_command(struct kvmi_session *session, s32 id, u32 allow);
int kvmi_allow_event(struct kvmi_session *session, s32 id, u32 allow);
int kvmi_check_feature(s32 id, u32 allow, u32 count);
bool kvmi_command_allowed(const struct kvmi_session *session, u16 id);
bool kvmi_event_allowed(const struct kvmi_session *session, u16 id);

/* command.c */
bool kvmi_command_known(const struct kvmi_session *session, u16 id);
bool kvmi_event_known(const struct kvmi_session *session, u16 id);
bool kvmi_command_changes_guest(u16 id);
int kvmi_command_run(struct kvmi_session *session, const struct kvmi_msg *msg,
		     struct kvmi_reply *reply, bool *queued);

/* Supplied by the environment: messages, charged to the caller. */
struct kvmi_msg *kvmi_msg_alloc(void);
void kvmi_msg_free(struct kvmi_msg *msg);

/* Supplied by the environment: tracepoints, or nothing. */
void kvmi_trace_command(u32 tag, const struct kvmi_msg_hdr *hdr);
void kvmi_trace_reply(u32 tag, const struct kvmi_msg_hdr *hdr, s32 err);
void kvmi_trace_event(u32 tag, u16 vcpu, u16 event, u32 seq);

#endif /* KVMI_CORE_H */
