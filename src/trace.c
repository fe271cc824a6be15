// SPDX-License-Identifier: GPL-2.0-only
/* Instances of the tracepoints, and the core's way to them. */
#include "core/core.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

void kvmi_trace_command(u32 tag, const struct kvmi_msg_hdr *hdr)
{
	trace_kvmi_command(tag, hdr);
}

void kvmi_trace_reply(u32 tag, const struct kvmi_msg_hdr *hdr, s32 err)
{
	trace_kvmi_reply(tag, hdr, err);
}

void kvmi_trace_event(u32 tag, u16 vcpu, u16 event, u32 seq)
{
	trace_kvmi_event(tag, vcpu, event, seq);
}
