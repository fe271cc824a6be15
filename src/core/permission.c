// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the device manager lets the tool use. Called from ioctls (changes) and
 * from the receiving thread (tests).
 */
#include "core.h"

/* A tool must always be able to find out what it talks to. */
#define ALWAYS_ALLOWED (BIT(KVMI_GET_VERSION) | \
			BIT(KVMI_VM_CHECK_COMMAND) | \
			BIT(KVMI_VM_CHECK_EVENT))

#define ALL_COMMANDS GENMASK(KVMI_NUM_COMMANDS - 1, 0)
#define ALL_EVENTS GENMASK(KVMI_NUM_EVENTS - 1, 0)

void kvmi_permission_init(struct kvmi_session *session)
{
	BUILD_BUG_ON(KVMI_NUM_COMMANDS > 32 || KVMI_NUM_EVENTS > 32);

	spin_lock_init(&session->lock);
	session->allowed_commands = ALWAYS_ALLOWED;
	session->allowed_events = 0;
}

/* Test the arguments of COMMAND and EVENT; the session is not needed. */
int kvmi_check_feature(s32 id, u32 allow, u32 count)
{
	if (id < -1 || (id >= 0 && (u32)id >= count))
		return -EINVAL;
	if (allow > 1)
		return -EINVAL;
	return 0;
}

static void change_mask(struct kvmi_session *session, u32 *mask, u32 bits,
			u32 allow)
{
	spin_lock(&session->lock);
	WRITE_ONCE(*mask, allow ? *mask | bits : *mask & ~bits);
	spin_unlock(&session->lock);
}

int kvmi_allow_command(struct kvmi_session *session, s32 id, u32 allow)
{
	u32 bits = id == -1 ? ALL_COMMANDS : BIT(id);

	if (!allow) {
		if (id != -1 && (bits & ALWAYS_ALLOWED))
			return -EPERM;
		bits &= ~ALWAYS_ALLOWED;
	}
	change_mask(session, &session->allowed_commands, bits, allow);
	return 0;
}

int kvmi_allow_event(struct kvmi_session *session, s32 id, u32 allow)
{
	u32 bits = id == -1 ? ALL_EVENTS : BIT(id);

	change_mask(session, &session->allowed_events, bits, allow);
	return 0;
}

bool kvmi_command_allowed(const struct kvmi_session *session, u16 id)
{
	return id < KVMI_NUM_COMMANDS &&
	       (READ_ONCE(session->allowed_commands) & BIT(id));
}

bool kvmi_event_allowed(const struct kvmi_session *session, u16 id)
{
	return id < KVMI_NUM_EVENTS &&
	       (READ_ONCE(session->allowed_events) & BIT(id));
}
