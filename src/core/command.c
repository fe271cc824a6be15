// SPDX-License-Identifier: GPL-2.0-only
/*
 * The commands. A handler gets a message whose payload is zero-filled behind
 * its end, so it may read its structure whole. It returns 0, the negative of a
 * KVMI_E* value that the tool gets as error, or KVMI_CLOSE.
 */
#include "vcpu.h"

#define PAGE_BYTES 4096

static int get_version(struct kvmi_session *session,
		       const struct kvmi_msg *msg, struct kvmi_reply *reply)
{
	struct kvmi_get_version_reply data = {
		.version = KVMI_VERSION,
		.max_msg_size = KVMI_MAX_MSG_SIZE,
	};

	memcpy(reply->data, &data, sizeof(data));
	reply->size = sizeof(data);
	return 0;
}

static int check_command(struct kvmi_session *session,
			 const struct kvmi_msg *msg, struct kvmi_reply *reply)
{
	const struct kvmi_vm_check_command *req = (const void *)msg->payload;

	if (req->padding1 || req->padding2)
		return -KVMI_EINVAL;
	if (!kvmi_command_known(session, req->id))
		return -KVMI_ENOENT;
	return kvmi_command_allowed(session, req->id) ? 0 : -KVMI_EPERM;
}

static int check_event(struct kvmi_session *session,
		       const struct kvmi_msg *msg, struct kvmi_reply *reply)
{
	const struct kvmi_vm_check_event *req = (const void *)msg->payload;

	if (req->padding1 || req->padding2)
		return -KVMI_EINVAL;
	if (!kvmi_event_known(session, req->id))
		return -KVMI_ENOENT;
	return kvmi_event_allowed(session, req->id) ? 0 : -KVMI_EPERM;
}

static int get_info(struct kvmi_session *session, const struct kvmi_msg *msg,
		    struct kvmi_reply *reply)
{
	struct kvmi_vm_get_info_reply data = {
		.vcpu_count = session->vm_ops->vcpu_count(session->vm),
	};

	memcpy(reply->data, &data, sizeof(data));
	reply->size = sizeof(data);
	return 0;
}

static int control_events(struct kvmi_session *session,
			  const struct kvmi_msg *msg, struct kvmi_reply *reply)
{
	const struct kvmi_vm_control_events *req = (const void *)msg->payload;
	u32 enabled = session->enabled_vm_events;

	if (req->padding1 || req->padding2 || req->enable > 1)
		return -KVMI_EINVAL;
	if (req->event_id != KVMI_VM_EVENT_UNHOOK)
		return -KVMI_EINVAL;
	if (!kvmi_event_allowed(session, req->event_id))
		return -KVMI_EPERM;

	/* Only the receiving thread writes; PREUNHOOK reads. */
	if (req->enable)
		enabled |= BIT(req->event_id);
	else
		enabled &= ~BIT(req->event_id);
	WRITE_ONCE(session->enabled_vm_events, enabled);
	return 0;
}

static bool range_valid(u64 gpa, u16 size)
{
	return size && size <= PAGE_BYTES &&
	       (gpa & (PAGE_BYTES - 1)) + size <= PAGE_BYTES;
}

static int read_physical(struct kvmi_session *session,
			 const struct kvmi_msg *msg, struct kvmi_reply *reply)
{
	const struct kvmi_vm_read_physical *req = (const void *)msg->payload;

	BUILD_BUG_ON(PAGE_BYTES > KVMI_MAX_REPLY_DATA);

	if (req->padding1 || req->padding2 || !range_valid(req->gpa, req->size))
		return -KVMI_EINVAL;

	reply->size = req->size;
	return session->vm_ops->read_physical(session->vm, req->gpa,
					      reply->data, req->size);
}

static int write_physical(struct kvmi_session *session,
			  const struct kvmi_msg *msg, struct kvmi_reply *reply)
{
	const struct kvmi_vm_write_physical *req = (const void *)msg->payload;

	/* The tool and we disagree on where the next message starts. */
	if (sizeof(*req) + req->size > msg->hdr.size)
		return KVMI_CLOSE;
	if (req->padding1 || req->padding2 || !range_valid(req->gpa, req->size))
		return -KVMI_EINVAL;

	return session->vm_ops->write_physical(session->vm, req->gpa,
					       req->data, req->size);
}

static int pause_vcpu(struct kvmi_session *session, const struct kvmi_msg *msg,
		      struct kvmi_reply *reply)
{
	const struct kvmi_vm_pause_vcpu *req = (const void *)msg->payload;

	if (req->wait > 1 || req->padding1 || req->padding2)
		return -KVMI_EINVAL;
	if (!kvmi_event_allowed(session, KVMI_VCPU_EVENT_PAUSE))
		return -KVMI_EPERM;
	if (req->vcpu >= session->vm_ops->vcpu_count(session->vm))
		return -KVMI_EINVAL;
	return kvmi_vcpu_pause(session, req);
}

static int control_cleanup(struct kvmi_session *session,
			   const struct kvmi_msg *msg, struct kvmi_reply *reply)
{
	const struct kvmi_vm_control_cleanup *req = (const void *)msg->payload;

	if (memchr_inv(req->padding, 0, sizeof(req->padding)))
		return -KVMI_EINVAL;
	if (req->enable > 1)
		return -KVMI_EINVAL;

	session->cleanup = req->enable;
	return 0;
}

typedef int (*command_handler)(struct kvmi_session *session,
			       const struct kvmi_msg *msg,
			       struct kvmi_reply *reply);

static const command_handler handlers[KVMI_NUM_COMMANDS] = {
	[KVMI_GET_VERSION] = get_version,
	[KVMI_VM_CHECK_COMMAND] = check_command,
	[KVMI_VM_CHECK_EVENT] = check_event,
	[KVMI_VM_GET_INFO] = get_info,
	[KVMI_VM_CONTROL_EVENTS] = control_events,
	[KVMI_VM_READ_PHYSICAL] = read_physical,
	[KVMI_VM_WRITE_PHYSICAL] = write_physical,
	[KVMI_VM_PAUSE_VCPU] = pause_vcpu,
	[KVMI_VM_CONTROL_CLEANUP] = control_cleanup,
};

/* The id is the tool's: no speculative load behind the table either. */
static command_handler find_handler(u16 id)
{
	if (id >= KVMI_NUM_COMMANDS)
		return NULL;
	return handlers[array_index_nospec(id, KVMI_NUM_COMMANDS)];
}

static bool command_missing(const struct kvmi_session *session, u16 id)
{
	return id < KVMI_NUM_COMMANDS && (session->missing_commands & BIT(id));
}

bool kvmi_command_known(const struct kvmi_session *session, u16 id)
{
	return (find_handler(id) || kvmi_vcpu_command_known(id)) &&
	       !command_missing(session, id);
}

/* All others ask, or prepare for what comes later. */
bool kvmi_command_changes_guest(u16 id)
{
	switch (id) {
	case KVMI_VCPU_EVENT:
	case KVMI_VM_WRITE_PHYSICAL:
	case KVMI_VCPU_SET_REGISTERS:
	case KVMI_VCPU_SET_XSAVE:
	case KVMI_VCPU_INJECT_EXCEPTION:
		return true;
	default:
		return false;
	}
}

/* An event is there when the command that makes it is. */
bool kvmi_event_known(const struct kvmi_session *session, u16 id)
{
	switch (id) {
	case KVMI_VM_EVENT_UNHOOK:
		return true;
	case KVMI_VCPU_EVENT_PAUSE:
		return kvmi_command_known(session, KVMI_VM_PAUSE_VCPU);
	case KVMI_VCPU_EVENT_TRAP:
		return kvmi_command_known(session, KVMI_VCPU_INJECT_EXCEPTION);
	default:
		return false;
	}
}

/*
 * An unknown id is told as such whether or not its bit is allowed. Sets
 * *@queued when the reply will come from the context of a vCPU.
 */
int kvmi_command_run(struct kvmi_session *session, const struct kvmi_msg *msg,
		     struct kvmi_reply *reply, bool *queued)
{
	command_handler handler = find_handler(msg->hdr.id);
	int err;

	*queued = false;
	if (msg->hdr.id == KVMI_VCPU_EVENT || kvmi_vcpu_command_known(msg->hdr.id)) {
		if (command_missing(session, msg->hdr.id))
			return -KVMI_ENOSYS;
		err = kvmi_vcpu_message(session, msg);
		*queued = !err;
		return err;
	}
	if (!handler || command_missing(session, msg->hdr.id))
		return -KVMI_ENOSYS;
	if (!kvmi_command_allowed(session, msg->hdr.id))
		return -KVMI_EPERM;
	return handler(session, msg, reply);
}
