// SPDX-License-Identifier: GPL-2.0-only
/*
 * The message loop: read a message, run it, answer. Everything here runs in
 * the receiving thread of the session, except kvmi_session_send_unhook().
 *
 * A message ends in a reply, in being queued for a vCPU (vcpu.c), or in closing
 * the connection when the stream can no longer be trusted to be in step.
 *
 * A tool may send its last messages and go: those that change the guest are run
 * although nobody reads the replies any more, above all its answer to an event.
 */
#include "core.h"

void kvmi_session_init(struct kvmi_session *session)
{
	BUILD_BUG_ON(sizeof(struct kvmi_msg) != 8192);

	kvmi_permission_init(session);
	session->dirty = KVMI_MAX_MSG_SIZE;
	session->enabled_vm_events = 0;
	session->cleanup = true;
	session->leaving = false;
	atomic_set(&session->event_seq, 0);
	atomic_set(&session->events, 0);
	atomic_set(&session->queued, 0);
	session->missing_commands = 0;
	session->stats.commands = 0;
	atomic64_set(&session->stats.replies, 0);
	atomic64_set(&session->stats.errors, 0);
}

/*
 * A payload shorter than the command's structure reads as zeros behind its
 * end, so what the message before has left is cleared first. To clear all 8 KiB
 * each time would be a twentieth of a small command's cost.
 */
static int receive_message(struct kvmi_session *session)
{
	struct kvmi_msg *msg = session->rx;
	int err;

	err = session->stream_ops->recv(session->stream, &msg->hdr,
					sizeof(msg->hdr));
	if (err)
		return err;
	if (msg->hdr.size > KVMI_MAX_MSG_SIZE)
		return -EMSGSIZE;

	memset(msg->payload, 0, session->dirty);
	session->dirty = msg->hdr.size;
	if (!msg->hdr.size)
		return 0;
	return session->stream_ops->recv(session->stream, msg->payload,
					 msg->hdr.size);
}

void kvmi_session_count_reply(struct kvmi_session *session,
			      const struct kvmi_msg_hdr *hdr, s32 error)
{
	kvmi_trace_reply(session->tag, hdr, error);
	atomic64_inc(&session->stats.replies);
	if (error)
		atomic64_inc(&session->stats.errors);
}

static void send_reply(struct kvmi_session *session, s32 error, size_t size)
{
	struct kvmi_error_code code = { .err = error };
	struct kvmi_msg *msg = session->tx;

	msg->hdr.id = session->rx->hdr.id;
	msg->hdr.seq = session->rx->hdr.seq;
	msg->hdr.size = sizeof(code) + (error ? 0 : size);
	memcpy(msg->payload, &code, sizeof(code));

	if (!session->stream_ops->send(session->stream, msg,
				       sizeof(msg->hdr) + msg->hdr.size))
		kvmi_session_count_reply(session, &msg->hdr, error);
}

/*
 * Handle the next message of the tool. Returns 0, or a negative errno when the
 * connection is to be closed.
 */
int kvmi_session_step(struct kvmi_session *session)
{
	struct kvmi_reply reply = {
		.data = session->tx->payload + sizeof(struct kvmi_error_code),
	};
	bool queued;
	int err;

	err = receive_message(session);
	if (err)
		return err;

	if (kvmi_session_leaving(session) &&
	    !kvmi_command_changes_guest(session->rx->hdr.id))
		return 0;

	kvmi_trace_command(session->tag, &session->rx->hdr);
	WRITE_ONCE(session->stats.commands, session->stats.commands + 1);

	err = kvmi_command_run(session, session->rx, &reply, &queued);
	if (err == KVMI_CLOSE)
		return -EPROTO;
	if (!queued)
		send_reply(session, err, reply.size);
	return 0;
}

void kvmi_session_leave(struct kvmi_session *session)
{
	WRITE_ONCE(session->leaving, true);
}

bool kvmi_session_leaving(const struct kvmi_session *session)
{
	return READ_ONCE(session->leaving);
}

/*
 * Ask the tool to leave. Called by the device manager, which must not be held
 * up by a tool that does not read: hence the bounded send.
 */
int kvmi_session_send_unhook(struct kvmi_session *session)
{
	struct {
		struct kvmi_msg_hdr hdr;
		struct kvmi_event_hdr event;
	} msg = {
		.hdr.id = KVMI_VM_EVENT,
		.hdr.size = sizeof(msg.event),
		.event.event = KVMI_VM_EVENT_UNHOOK,
	};

	if (!(READ_ONCE(session->enabled_vm_events) &
	      BIT(KVMI_VM_EVENT_UNHOOK)))
		return -ENOENT;

	/* One that is not sent leaves a gap: tools only compare for equality. */
	msg.hdr.seq = atomic_inc_return(&session->event_seq);
	if (session->stream_ops->send_bounded(session->stream, &msg,
					      sizeof(msg)))
		return -ENOENT;
	atomic_inc(&session->events);
	return 0;
}
