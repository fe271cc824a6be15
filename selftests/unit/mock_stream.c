// SPDX-License-Identifier: GPL-2.0-only
#include "mock.h"

#include <pthread.h>
#include <stdlib.h>

struct mock_stream {
	u8 *in;
	size_t in_size;
	size_t in_room;
	size_t in_pos;
	int end;
	u8 *out;
	size_t out_room;
	size_t out_size;
	unsigned int sends;
	unsigned int bounded_sends;
	unsigned int good_sends;
	int send_err;
	unsigned int posts;
	bool gives_back;
	unsigned int ended;
	unsigned int backlog;
};

/* Sending and tracing is done by any thread. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

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
	free(stream->out);
	free(stream);
}

void mock_stream_reset(struct mock_stream *stream)
{
	stream->in_size = 0;
	stream->in_pos = 0;
	stream->end = -ECONNRESET;
	stream->send_err = 0;
	stream->ended = 0;
	mock_stream_forget_sent(stream);
}

void mock_stream_forget_sent(struct mock_stream *stream)
{
	stream->out_size = 0;
	stream->sends = 0;
	stream->bounded_sends = 0;
	stream->posts = 0;
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

void mock_stream_give_back(struct mock_stream *stream)
{
	stream->gives_back = true;
}

unsigned int mock_stream_posts(const struct mock_stream *stream)
{
	return stream->posts;
}

unsigned int mock_stream_ended(const struct mock_stream *stream)
{
	return stream->ended;
}

void mock_stream_set_backlog(struct mock_stream *stream, unsigned int backlog)
{
	stream->backlog = backlog;
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
	if (size > stream->out_room - stream->out_size) {
		stream->out_room = 2 * (stream->out_size + size);
		stream->out = realloc(stream->out, stream->out_room);
		if (!stream->out)
			abort();
	}
	memcpy(stream->out + stream->out_size, buf, size);
	stream->out_size += size;
	return 0;
}

static int send_script(void *data, const void *buf, size_t size)
{
	struct mock_stream *stream = data;
	int err;

	pthread_mutex_lock(&lock);
	stream->sends++;
	err = append(stream, buf, size);
	pthread_mutex_unlock(&lock);
	return err;
}

static int send_bounded_script(void *data, const void *buf, size_t size)
{
	struct mock_stream *stream = data;
	int err;

	pthread_mutex_lock(&lock);
	stream->bounded_sends++;
	err = append(stream, buf, size);
	pthread_mutex_unlock(&lock);
	return err;
}

/* Sent at once; what cannot be sent is as good as sent, too. */
static bool post_script(void *data, struct kvmi_msg *msg)
{
	struct mock_stream *stream = data;

	pthread_mutex_lock(&lock);
	if (msg) {
		stream->posts++;
		append(stream, msg, sizeof(msg->hdr) + msg->hdr.size);
	} else {
		stream->ended++;
	}
	pthread_mutex_unlock(&lock);
	if (stream->gives_back)
		return true;
	kvmi_msg_free(msg);
	return false;
}

static unsigned int backlog_script(void *data)
{
	struct mock_stream *stream = data;

	return stream->backlog;
}

const struct kvmi_stream_ops mock_stream_ops = {
	.recv = recv_script,
	.send = send_script,
	.send_bounded = send_bounded_script,
	.post = post_script,
	.backlog = backlog_script,
};

void kvmi_trace_command(u32 tag, const struct kvmi_msg_hdr *hdr)
{
	pthread_mutex_lock(&lock);
	mock_traces.commands++;
	mock_traces.tag = tag;
	mock_traces.command = *hdr;
	pthread_mutex_unlock(&lock);
}

void kvmi_trace_reply(u32 tag, const struct kvmi_msg_hdr *hdr, s32 err)
{
	pthread_mutex_lock(&lock);
	mock_traces.replies++;
	mock_traces.tag = tag;
	mock_traces.reply = *hdr;
	mock_traces.err = err;
	pthread_mutex_unlock(&lock);
}

void kvmi_trace_event(u32 tag, u16 vcpu, u16 event, u32 seq)
{
	pthread_mutex_lock(&lock);
	mock_traces.events++;
	mock_traces.tag = tag;
	mock_traces.vcpu = vcpu;
	mock_traces.event = event;
	mock_traces.seq = seq;
	pthread_mutex_unlock(&lock);
}
