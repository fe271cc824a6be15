// SPDX-License-Identifier: GPL-2.0-only
#include "mock.h"

#include <stdlib.h>

struct mock_stream {
	u8 *in;
	size_t in_size;
	size_t in_room;
	size_t in_pos;
	int end;
	u8 out[1 << 16];
	size_t out_size;
	unsigned int sends;
	unsigned int bounded_sends;
	unsigned int good_sends;
	int send_err;
};

struct mock_traces mock_traces;

struct mock_stream *mock_stream_new(void)
{
	struct mock_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		abort();
	mock_stream_reset(stream);
	return stream;
}

void mock_stream_free(struct mock_stream *stream)
{
	free(stream->in);
	free(stream);
}

void mock_stream_reset(struct mock_stream *stream)
{
	stream->in_size = 0;
	stream->in_pos = 0;
	stream->end = -ECONNRESET;
	stream->send_err = 0;
	mock_stream_forget_sent(stream);
}

void mock_stream_forget_sent(struct mock_stream *stream)
{
	stream->out_size = 0;
	stream->sends = 0;
	stream->bounded_sends = 0;
}

void mock_stream_feed(struct mock_stream *stream, const void *buf, size_t size)
{
	if (!size)
		return;
	if (stream->in_size + size > stream->in_room) {
		stream->in_room = 2 * (stream->in_size + size);
		stream->in = realloc(stream->in, stream->in_room);
		if (!stream->in)
			abort();
	}
	memcpy(stream->in + stream->in_size, buf, size);
	stream->in_size += size;
}

void mock_stream_feed_msg(struct mock_stream *stream, u16 id, u32 seq,
			  const void *payload, u16 size)
{
	struct kvmi_msg_hdr hdr = { .id = id, .size = size, .seq = seq };

	mock_stream_feed(stream, &hdr, sizeof(hdr));
	mock_stream_feed(stream, payload, size);
}

size_t mock_stream_unread(const struct mock_stream *stream)
{
	return stream->in_size - stream->in_pos;
}

void mock_stream_set_end(struct mock_stream *stream, int err)
{
	stream->end = err;
}

void mock_stream_fail_sends(struct mock_stream *stream, unsigned int good,
			    int err)
{
	stream->good_sends = good;
	stream->send_err = err;
}

const u8 *mock_stream_sent(const struct mock_stream *stream, size_t *size)
{
	*size = stream->out_size;
	return stream->out;
}

unsigned int mock_stream_sends(const struct mock_stream *stream)
{
	return stream->sends;
}

unsigned int mock_stream_bounded_sends(const struct mock_stream *stream)
{
	return stream->bounded_sends;
}

/* As a socket: what there is arrives, even when it is not enough. */
static int recv_script(void *data, void *buf, size_t size)
{
	struct mock_stream *stream = data;
	size_t left = mock_stream_unread(stream);
	size_t part = size < left ? size : left;

	if (part)
		memcpy(buf, stream->in + stream->in_pos, part);
	stream->in_pos += part;
	return part < size ? stream->end : 0;
}

static int append(struct mock_stream *stream, const void *buf, size_t size)
{
	if (stream->send_err &&
	    stream->sends + stream->bounded_sends > stream->good_sends)
		return stream->send_err;
	if (size > sizeof(stream->out) - stream->out_size)
		abort();
	memcpy(stream->out + stream->out_size, buf, size);
	stream->out_size += size;
	return 0;
}

static int send_script(void *data, const void *buf, size_t size)
{
	struct mock_stream *stream = data;

	stream->sends++;
	return append(stream, buf, size);
}

static int send_bounded_script(void *data, const void *buf, size_t size)
{
	struct mock_stream *stream = data;

	stream->bounded_sends++;
	return append(stream, buf, size);
}

const struct kvmi_stream_ops mock_stream_ops = {
	.recv = recv_script,
	.send = send_script,
	.send_bounded = send_bounded_script,
};

void kvmi_trace_command(u32 tag, const struct kvmi_msg_hdr *hdr)
{
	mock_traces.commands++;
	mock_traces.tag = tag;
	mock_traces.command = *hdr;
}

void kvmi_trace_reply(u32 tag, const struct kvmi_msg_hdr *hdr, s32 err)
{
	mock_traces.replies++;
	mock_traces.tag = tag;
	mock_traces.reply = *hdr;
	mock_traces.err = err;
}
