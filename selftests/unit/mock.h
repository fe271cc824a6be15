/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the core talks to in the tests: a VM, a connection and the tracepoints,
 * all of which record how they were used.
 */
#ifndef KVMI_UNIT_MOCK_H
#define KVMI_UNIT_MOCK_H

#include "core.h"

/* --- a VM whose memory reads as mock_vm_byte() --- */

struct mock_vm;	/* its vCPUs are in mock_vcpu.h */
extern const struct kvmi_vm_ops mock_vm_ops;

struct mock_vm *mock_vm_new(void);
void mock_vm_free(struct mock_vm *vm);
void mock_vm_set_session(struct mock_vm *vm, struct kvmi_session *session);
void mock_vm_set_vcpus(struct mock_vm *vm, u32 count);

/* What finding a vCPU comes to: 0 or a KVMI_E*, negative. */
void mock_vm_fail_vcpus(struct mock_vm *vm, int find_err);

/*
 * Accesses fail with @err when all bits of @mask are set in the page number:
 * all of them with a mask of 0, none with an error of 0.
 */
void mock_vm_fail_pages(struct mock_vm *vm, u64 mask, int err);
int mock_vm_page_error(const struct mock_vm *vm, u64 gpa);

u8 mock_vm_byte(u64 gpa);
void mock_vm_bytes(u64 gpa, u8 *buf, size_t size);

unsigned int mock_vm_reads(const struct mock_vm *vm);
unsigned int mock_vm_writes(const struct mock_vm *vm);
u64 mock_vm_last_gpa(const struct mock_vm *vm);
size_t mock_vm_last_size(const struct mock_vm *vm);
const u8 *mock_vm_last_written(const struct mock_vm *vm);

/* How often the core passed a range that it must never pass. */
unsigned int mock_vm_violations(const struct mock_vm *vm);

/* --- a connection whose other end is a script --- */

struct mock_stream;
extern const struct kvmi_stream_ops mock_stream_ops;

struct mock_stream *mock_stream_new(void);
void mock_stream_free(struct mock_stream *stream);

/* Forget what was neither received nor looked at, and all failures. */
void mock_stream_reset(struct mock_stream *stream);
/* The same, of what was sent only. */
void mock_stream_forget_sent(struct mock_stream *stream);

/* What the core will receive; behind it, the connection is reset. */
void mock_stream_feed(struct mock_stream *stream, const void *buf, size_t size);
void mock_stream_feed_msg(struct mock_stream *stream, u16 id, u32 seq,
			  const void *payload, u16 size);
size_t mock_stream_unread(const struct mock_stream *stream);

/* The error that receiving gives when there is too little left. */
void mock_stream_set_end(struct mock_stream *stream, int err);

/* Let sends fail, all from the one after @good others. */
void mock_stream_fail_sends(struct mock_stream *stream, unsigned int good,
			    int err);

const u8 *mock_stream_sent(const struct mock_stream *stream, size_t *size);
unsigned int mock_stream_sends(const struct mock_stream *stream);
unsigned int mock_stream_bounded_sends(const struct mock_stream *stream);
unsigned int mock_stream_posts(const struct mock_stream *stream);

/* From now on posted messages are given back; before, they are kept and freed. */
void mock_stream_give_back(struct mock_stream *stream);
/* How often the connection was ended by posting NULL; reset forgets it. */
unsigned int mock_stream_ended(const struct mock_stream *stream);
/* Replies that the tool does not read; reset leaves it. */
void mock_stream_set_backlog(struct mock_stream *stream, unsigned int backlog);

/* --- tracepoints --- */

struct mock_traces {
	unsigned int commands;
	unsigned int replies;
	u32 tag;			/* of the last one */
	struct kvmi_msg_hdr command;	/* of the last one */
	struct kvmi_msg_hdr reply;
	s32 err;
	unsigned int events;
	u16 vcpu, event;		/* of the last one */
	u32 seq;
};

extern struct mock_traces mock_traces;

/* --- memory --- */

/* Let the allocation after @good others fail; none with -1. */
void mock_alloc_fail(int good);
int mock_alloc_live(void);

#endif /* KVMI_UNIT_MOCK_H */
