# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The list for mutants.sh: what is broken, file, how (sed).

mutant 'id equal to the count is accepted' permission.c \
	's/(u32)id >= count/(u32)id > count/'
mutant 'id -2 is accepted' permission.c 's/id < -1/id < -2/'
mutant 'allow 2 is accepted' permission.c 's/allow > 1/allow > 2/'
mutant 'always-allowed commands can be disallowed' permission.c \
	's/return -EPERM;/return 0;/'
mutant 'id -1 disallows the always-allowed commands too' permission.c \
	'/bits &= ~ALWAYS_ALLOWED;/d'
mutant 'CHECK_EVENT is not always allowed' permission.c \
	's/BIT(KVMI_VM_CHECK_EVENT))/0)/'
mutant 'command id -1 leaves the highest id out' permission.c \
	's/GENMASK(KVMI_NUM_COMMANDS - 1, 0)/GENMASK(KVMI_NUM_COMMANDS - 2, 0)/'
mutant 'event permission wraps at 32' permission.c \
	's/return id < KVMI_NUM_EVENTS \&\&/return/; s/BIT(id));$/BIT(id \& 31));/'
mutant 'masks change without the lock' permission.c \
	'/spin_lock(&/d; /spin_unlock(&/d'

mutant 'CHECK_COMMAND ignores padding2' command.c \
	'0,/req->padding1 || req->padding2/s//req->padding1/'
mutant 'CHECK_EVENT asks for the permission of the command' command.c \
	's/return kvmi_event_allowed(/return kvmi_command_allowed(/'
mutant 'CHECK_EVENT: EPERM before ENOENT' command.c \
	's/!kvmi_event_known(session, req->id)/kvmi_event_allowed(session, req->id) \&\& &/'
mutant 'CONTROL_EVENTS ignores padding1' command.c \
	's/req->padding1 || req->padding2 || req->enable/req->padding2 || req->enable/'
mutant 'CONTROL_EVENTS accepts enable 2' command.c \
	's/|| req->enable > 1/|| req->enable > 2/'
mutant 'CONTROL_EVENTS: EPERM not tested' command.c \
	's/!kvmi_event_allowed(session, req->event_id)/0/'
mutant 'CONTROL_EVENTS cannot disable' command.c '/enabled &= ~BIT/d; /^\telse$/d'
mutant 'GET_VERSION reports 8192' command.c \
	's/max_msg_size = KVMI_MAX_MSG_SIZE/max_msg_size = 8192/'
mutant 'size 0 is a valid range' command.c 's/return size \&\&/return/'
mutant 'a range must not touch the end of its page' command.c \
	's/+ size <= PAGE_BYTES;/+ size < PAGE_BYTES;/'
mutant 'a range may cross its page by one byte' command.c \
	's/+ size <= PAGE_BYTES;/+ size <= PAGE_BYTES + 1;/'
mutant 'WRITE_PHYSICAL closes when the data just fits' command.c \
	's/> msg->hdr.size/>= msg->hdr.size/'
mutant 'WRITE_PHYSICAL forgets its own 16 bytes' command.c \
	's/if (sizeof(\*req) + req->size >/if (req->size >/'
mutant 'WRITE_PHYSICAL too short is EINVAL' command.c \
	's/return KVMI_CLOSE;/return -KVMI_EINVAL;/'
mutant 'CONTROL_CLEANUP ignores its last padding byte' command.c \
	's/sizeof(req->padding)))/sizeof(req->padding) - 1))/'
mutant 'CONTROL_CLEANUP is inverted' command.c \
	's/cleanup = req->enable/cleanup = !req->enable/'
mutant 'unknown ids are EPERM when disallowed' command.c \
	's/if (!handler ||/if ((!handler \&\& kvmi_command_allowed(session, msg->hdr.id)) ||/'
mutant 'permission is not tested' command.c \
	's/if (!kvmi_command_allowed(session, msg->hdr.id))/if (0)/'

mutant 'size 8184 closes' session.c 's/size > KVMI_MAX/size >= KVMI_MAX/'
mutant 'size 8185 is accepted' session.c \
	's/size > KVMI_MAX_MSG_SIZE/size > KVMI_MAX_MSG_SIZE + 1/'
mutant 'payload is not zero-filled' session.c '/memset(msg->payload/d'
mutant 'the first payload is not zero-filled' session.c 's/dirty = KVMI_MAX_MSG_SIZE/dirty = 0/'
mutant 'later payloads are not zero-filled' session.c 's/dirty = msg->hdr.size/dirty = 0/'
mutant 'seq is not echoed' session.c \
	's/hdr.seq = session->rx->hdr.seq/hdr.seq = session->rx->hdr.seq + 1/'
mutant 'error replies carry the data along' session.c 's/error ? 0 : size/size/'
mutant 'replies count although not sent' session.c \
	's/if (!session->stream_ops->send(/if (!0 + session->stream_ops->send(/'
mutant 'what follows a reply that was not sent is lost' session.c \
	's/^\t\tkvmi_session_count_reply(.*/&\n\telse\n\t\twhile (!session->stream_ops->recv(session->stream, msg, 1))\n\t\t\t;/'
mutant 'what only asks is run when nobody reads' session.c 's/if (kvmi_session_leaving(session) \&\&$/if (0 \&\&/'
mutant 'a new session is at its end' session.c '/session->leaving = false;/d'
mutant 'an answer is lost when nobody reads' command.c '/^\tcase KVMI_VCPU_EVENT:$/d'
mutant 'registers are lost when nobody reads' command.c '/^\tcase KVMI_VCPU_SET_REGISTERS:$/d'
mutant 'the XSAVE area is lost when nobody reads' command.c '/^\tcase KVMI_VCPU_SET_XSAVE:$/d'
mutant 'an exception is lost when nobody reads' command.c '/^\tcase KVMI_VCPU_INJECT_EXCEPTION:$/d'
mutant 'memory is not written when nobody reads' command.c '/^\tcase KVMI_VM_WRITE_PHYSICAL:$/d'
mutant 'errors are not counted' session.c '/atomic64_inc(&session->stats.errors/d; /^\tif (error)$/d'
mutant 'events count from 0' session.c \
	's/atomic_inc_return(&session->event_seq)/atomic_inc_return(\&session->event_seq) - 1/'
mutant 'UNHOOK is sent although not enabled' session.c \
	'/if (!(READ_ONCE(session->enabled_vm_events)/,/return -ENOENT;/d'
mutant 'UNHOOK may block' session.c \
	's/stream_ops->send_bounded(/stream_ops->send(/'
mutant 'cleanup is off at first' session.c 's/cleanup = true/cleanup = false/'
mutant 'events count although not sent' session.c \
	'/atomic_inc(&session->events);/d; s/msg.hdr.seq = atomic_inc_return/atomic_inc(\&session->events); &/'
mutant 'a new session inherits the enabled events' session.c \
	'/session->enabled_vm_events = 0;/d'
mutant 'a new session inherits the counters' session.c \
	'/atomic64_set(&session->stats/d'

# shellcheck source=mutations_vcpu.sh
. ./mutations_vcpu.sh
