/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints, in the trace system "kvmi". "vm" is the pid of the VMM. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvmi

#if !defined(KVMI_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define KVMI_TRACE_H

#include <linux/tracepoint.h>
#include <linux/kvmi.h>

TRACE_EVENT(kvmi_hook,
	TP_PROTO(pid_t vm, const u8 *uuid, pid_t by),
	TP_ARGS(vm, uuid, by),
	TP_STRUCT__entry(
		__field(pid_t, vm)
		__field(pid_t, by)
		__array(u8, uuid, 16)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->by = by;
		memcpy(__entry->uuid, uuid, 16);
	),
	TP_printk("vm %d uuid %pUb by %d", __entry->vm, __entry->uuid,
		  __entry->by)
);

TRACE_EVENT(kvmi_unhook,
	TP_PROTO(pid_t vm, const u8 *uuid),
	TP_ARGS(vm, uuid),
	TP_STRUCT__entry(
		__field(pid_t, vm)
		__array(u8, uuid, 16)
	),
	TP_fast_assign(
		__entry->vm = vm;
		memcpy(__entry->uuid, uuid, 16);
	),
	TP_printk("vm %d uuid %pUb", __entry->vm, __entry->uuid)
);

TRACE_EVENT(kvmi_command,
	TP_PROTO(u32 vm, const struct kvmi_msg_hdr *hdr),
	TP_ARGS(vm, hdr),
	TP_STRUCT__entry(
		__field(u32, vm)
		__field(u16, id)
		__field(u16, size)
		__field(u32, seq)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->id = hdr->id;
		__entry->size = hdr->size;
		__entry->seq = hdr->seq;
	),
	TP_printk("vm %u id %u seq %u size %u", __entry->vm, __entry->id,
		  __entry->seq, __entry->size)
);

TRACE_EVENT(kvmi_reply,
	TP_PROTO(u32 vm, const struct kvmi_msg_hdr *hdr, s32 err),
	TP_ARGS(vm, hdr, err),
	TP_STRUCT__entry(
		__field(u32, vm)
		__field(u16, id)
		__field(u16, size)
		__field(u32, seq)
		__field(s32, err)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->id = hdr->id;
		__entry->size = hdr->size;
		__entry->seq = hdr->seq;
		__entry->err = err;
	),
	TP_printk("vm %u id %u seq %u size %u err %d", __entry->vm,
		  __entry->id, __entry->seq, __entry->size, __entry->err)
);

TRACE_EVENT(kvmi_event,
	TP_PROTO(u32 vm, u16 vcpu, u16 event, u32 seq),
	TP_ARGS(vm, vcpu, event, seq),
	TP_STRUCT__entry(
		__field(u32, vm)
		__field(u16, vcpu)
		__field(u16, event)
		__field(u32, seq)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->vcpu = vcpu;
		__entry->event = event;
		__entry->seq = seq;
	),
	TP_printk("vm %u vcpu %u event %u seq %u", __entry->vm,
		  __entry->vcpu, __entry->event, __entry->seq)
);

#endif /* KVMI_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
