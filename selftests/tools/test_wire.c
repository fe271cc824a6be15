// SPDX-License-Identifier: GPL-2.0-only
/* The wire layer against a peer that keeps the rules. */
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <kvmic.h>

#include "peer.h"
#include "tap.h"

static struct kvmic_conn *conn;
static struct peer peer;
static int sv[2];

static void open_pair(void)
{
	struct kvmic_err err;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) ||
	    kvmic_open(sv[0], &conn, &err))
		abort();
	kvmic_set_timeout(conn, 5000);
}

static void open_peer(void)
{
	open_pair();
	peer_init(&peer, sv[1]);
	peer_start(&peer);
}

static void close_peer(void)
{
	kvmic_close(conn);
	peer_join(&peer);
}

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void version_and_info(void)
{
	struct kvmi_get_version_reply version;
	struct kvmi_vm_get_info_reply info;

	open_peer();
	CHECK_STR(kvmic_error(conn), "no error");
	CHECK_INT(kvmic_get_version(conn, &version), 0);
	CHECK_INT(version.version, 1);
	CHECK_INT(version.max_msg_size, 8184);
	CHECK_INT(version.features.singlestep, 1);
	CHECK_INT(kvmic_get_info(conn, &info), 0);
	CHECK_INT(info.vcpu_count, 3);
	close_peer();
}

/* The first posted form of the reply has no features. */
static void old_version_reply(void)
{
	uint32_t data[2] = { 1, 8184 };
	struct kvmi_get_version_reply version;

	open_pair();
	memset(&version, 0xff, sizeof(version));
	peer_reply(sv[1], KVMI_GET_VERSION, 1, 0, data, sizeof(data));
	CHECK_INT(kvmic_get_version(conn, &version), 0);
	CHECK_INT(version.max_msg_size, 8184);
	CHECK_INT(version.features.singlestep, 0);
	kvmic_close(conn);
	close(sv[1]);
}

static void wire_errors(void)
{
	open_peer();
	peer.commands = 1u << KVMI_VM_READ_PHYSICAL;
	peer.events = 0;
	CHECK_INT(kvmic_check_command(conn, KVMI_VM_READ_PHYSICAL), 0);
	CHECK_INT(kvmic_check_command(conn, KVMI_VM_GET_INFO), -KVMI_EPERM);
	CHECK_INT(kvmic_check_command(conn, KVMI_VCPU_CONTROL_CR),
		  -KVMI_ENOENT);
	CHECK_INT(kvmic_check_event(conn, KVMI_VM_EVENT_UNHOOK), -KVMI_EPERM);
	CHECK_INT(kvmic_check_event(conn, KVMI_VCPU_EVENT_PF), -KVMI_ENOENT);
	CHECK_INT(kvmic_control_cleanup(conn, 1), -KVMI_EPERM);
	CHECK(strstr(kvmic_error(conn), "KVMI_VM_CONTROL_CLEANUP"));
	CHECK(strstr(kvmic_error(conn), "EPERM"));
	CHECK_INT(kvmic_last_error(conn)->code, -KVMI_EPERM);
	CHECK_INT(kvmic_call(conn, 0x7ffe, NULL, 0, NULL, 0, NULL),
		  -KVMI_ENOSYS);
	CHECK(kvmic_is_wire_error(-KVMI_ENOSYS));
	CHECK(!kvmic_is_wire_error(-KVMIC_ERR_ARG));
	CHECK(!kvmic_is_wire_error(0));
	CHECK_STR(kvmic_wire_error_name(-KVMI_ENOSYS), "ENOSYS");
	CHECK_STR(kvmic_wire_error_name(-777), "E?");
	CHECK_STR(kvmic_strerror(-KVMIC_ERR_TIMEOUT), "timed out");
	CHECK_STR(kvmic_strerror(-0x7fffffff), "unknown error");
	close_peer();
}

/* What is sent, byte by byte. */
static void request_bytes(void)
{
	static const uint8_t want[] = {
		10, 0, 8, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0,
		18, 0, 8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		4, 0, 8, 0, 3, 0, 0, 0, 29, 0, 0, 0, 0, 0, 0, 0,
		6, 0, 8, 0, 4, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0,
		14, 0, 17, 0, 5, 0, 0, 0,
		0xff, 0xef, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xaa,
	};
	uint8_t have[sizeof(want) + 1], data[2] = { 0xaa, 0xbb };

	open_pair();
	peer_reply(sv[1], 10, 1, 0, NULL, 0);
	CHECK_INT(kvmic_control_events(conn, KVMI_VM_EVENT_UNHOOK, 7), 0);
	peer_reply(sv[1], 18, 2, 0, NULL, 0);
	CHECK_INT(kvmic_control_cleanup(conn, 0), 0);
	peer_reply(sv[1], 4, 3, 0, NULL, 0);
	CHECK_INT(kvmic_check_command(conn, 29), 0);
	peer_reply(sv[1], 6, 4, 0, NULL, 0);
	CHECK_INT(kvmic_check_event(conn, 17), 0);
	peer_reply(sv[1], 14, 5, -KVMI_ENOENT, NULL, 0);
	CHECK_INT(kvmic_write_physical(conn, 0xefff, data, 2, NULL),
		  -KVMI_ENOENT);
	/* One byte up to the page border, none behind it after the error. */
	CHECK_INT(recv(sv[1], have, sizeof(have), MSG_DONTWAIT), sizeof(want));
	CHECK(!memcmp(have, want, sizeof(want)));
	kvmic_close(conn);
	close(sv[1]);
}

static void check_pattern(const uint8_t *buf, uint64_t gpa, size_t len)
{
	size_t i;

	for (i = 0; i < len && buf[i] == peer_byte(gpa + i); i++)
		;
	CHECK_INT(i, len);
}

static void read_memory(void)
{
	static const struct { uint64_t gpa; size_t len; } cases[] = {
		{ 0, 1 }, { 0xfff, 2 }, { 0x1ffd, 4099 }, { 5, 4096 },
		{ 0, 4096 }, { 0x1000, 8192 }, { 0x123, 400000 },
	};
	static uint8_t buf[400001];
	size_t i, done;

	open_peer();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(buf, 0x55, sizeof(buf));
		CHECK_INT(kvmic_read_physical(conn, cases[i].gpa, buf,
					      cases[i].len, &done), 0);
		CHECK_INT(done, cases[i].len);
		check_pattern(buf, cases[i].gpa, cases[i].len);
		CHECK_INT(buf[cases[i].len], 0x55);
	}
	CHECK_INT(kvmic_read_physical(conn, 0, buf, 0, &done), 0);
	CHECK_INT(kvmic_read_physical(conn, ~0ull, buf, 2, &done),
		  -KVMIC_ERR_ARG);
	CHECK_INT(kvmic_read_physical(conn, ~0ull, buf, 1, &done),
		  -KVMI_ENOENT);
	close_peer();
}

struct bad {
	unsigned int count;
	uint64_t first, bytes;
	int error;
};

static void note_bad(uint64_t gpa, size_t len, int error, void *arg)
{
	struct bad *bad = arg;

	if (!bad->count++)
		bad->first = gpa;
	bad->bytes += len;
	bad->error = error;
}

static void read_holes(void)
{
	static uint8_t buf[0x20000];
	struct bad bad = { 0 };
	uint32_t seq[48];
	size_t done, i;

	open_peer();
	for (i = 0; i < 8; i++) {
		CHECK_INT(kvmic_read_physical(conn, PEER_HOLE - 0x5010, buf,
					      sizeof(buf), &done),
			  -KVMI_ENOENT);
		CHECK_INT(done, 0x5010);
		check_pattern(buf, PEER_HOLE - 0x5010, done);
	}
	/* The replies that were given up take no room and disturb nothing. */
	for (i = 0; i < 48; i++)
		CHECK_INT(kvmic_send(conn, KVMI_GET_VERSION, NULL, 0, &seq[i]),
			  0);
	for (i = 0; i < 48; i++)
		CHECK_INT(kvmic_receive(conn, KVMI_GET_VERSION, seq[i], NULL,
					0, NULL), 0);
	memset(buf, 0x55, sizeof(buf));
	CHECK_INT(kvmic_read_sparse(conn, PEER_HOLE - 0x5010, buf,
				    sizeof(buf), note_bad, &bad), 2);
	CHECK_INT(bad.count, 2);
	CHECK_INT(bad.first, PEER_HOLE);
	CHECK_INT(bad.bytes, 0x2000);
	CHECK_INT(bad.error, -KVMI_ENOENT);
	check_pattern(buf, PEER_HOLE - 0x5010, 0x5010);
	for (i = 0x5010; i < 0x7010; i++)
		if (buf[i])
			break;
	CHECK_INT(i, 0x7010);
	check_pattern(buf + 0x7010, PEER_HOLE_END, sizeof(buf) - 0x7010);
	close_peer();
}

static void write_memory(void)
{
	static uint8_t buf[10000], back[10000];
	size_t done, i;

	open_peer();
	for (i = 0; i < sizeof(buf); i++)
		buf[i] = i * 31;
	CHECK_INT(kvmic_write_physical(conn, 0x200ffe, buf, sizeof(buf),
				       &done), 0);
	CHECK_INT(done, sizeof(buf));
	CHECK_INT(kvmic_read_physical(conn, 0x200ffe, back, sizeof(back),
				      NULL), 0);
	CHECK(!memcmp(buf, back, sizeof(buf)));
	CHECK_INT(kvmic_write_physical(conn, PEER_HOLE - 100, buf, 5000, &done),
		  -KVMI_ENOENT);
	CHECK_INT(done, 100);
	close_peer();
}

static void replies_in_any_order(void)
{
	uint32_t seq[KVMIC_MAX_OUTSTANDING], extra, value;
	size_t got;
	int i;

	open_pair();
	for (i = 0; i < KVMIC_MAX_OUTSTANDING; i++)
		CHECK_INT(kvmic_send(conn, 20, NULL, 0, &seq[i]), 0);
	CHECK_INT(kvmic_send(conn, 20, NULL, 0, &extra), -KVMIC_ERR_BUSY);
	for (i = KVMIC_MAX_OUTSTANDING - 1; i >= 0; i--) {
		value = i * 3;
		peer_reply(sv[1], 20, seq[i], 0, &value, sizeof(value));
	}
	for (i = 0; i < KVMIC_MAX_OUTSTANDING; i++) {
		CHECK_INT(kvmic_receive(conn, 20, seq[i], &value, 4, &got), 0);
		CHECK_INT(got, 4);
		CHECK_INT(value, i * 3);
	}
	CHECK_INT(kvmic_receive(conn, 20, seq[0], NULL, 0, NULL),
		  -KVMIC_ERR_ARG);
	/* More data than room: cut, and told. */
	CHECK_INT(kvmic_send(conn, 20, NULL, 0, &extra), 0);
	peer_reply(sv[1], 20, extra, 0, "abcdefgh", 8);
	value = 0;
	CHECK_INT(kvmic_receive(conn, 20, extra, &value, 2, &got), 0);
	CHECK_INT(got, 8);
	CHECK_INT(value, 'a' | 'b' << 8);
	CHECK_INT(kvmic_send(conn, KVMI_VM_EVENT, NULL, 0, &extra),
		  -KVMIC_ERR_ARG);
	CHECK_INT(kvmic_send(conn, KVMI_VCPU_EVENT, NULL, 0, &extra),
		  -KVMIC_ERR_ARG);
	CHECK_INT(kvmic_send(conn, 20, seq, KVMI_MAX_MSG_SIZE + 1, &extra),
		  -KVMIC_ERR_ARG);
	kvmic_close(conn);
	close(sv[1]);
}

/* Room is given back when the reply comes, before or after forgetting. */
static void forgotten_replies(void)
{
	uint32_t seq[KVMIC_MAX_OUTSTANDING];
	int i, round;

	open_pair();
	for (round = 0; round < 2; round++) {
		for (i = 0; i < KVMIC_MAX_OUTSTANDING; i++)
			CHECK_INT(kvmic_send(conn, 20, NULL, 0, &seq[i]), 0);
		for (i = 0; round && i < KVMIC_MAX_OUTSTANDING; i++)
			kvmic_forget(conn, 20, seq[i]);
		for (i = 0; i < KVMIC_MAX_OUTSTANDING; i++)
			peer_reply(sv[1], 20, seq[i], 0, "data", 4);
		while (kvmic_process(conn, 0) > 0)
			;
		for (i = 0; !round && i < KVMIC_MAX_OUTSTANDING; i++)
			kvmic_forget(conn, 20, seq[i]);
	}
	CHECK_INT(kvmic_send(conn, 20, NULL, 0, seq), 0);
	kvmic_close(conn);
	close(sv[1]);
}

static void events_before_reply(void)
{
	struct kvmi_vm_get_info_reply info;
	struct kvmic_event ev;
	unsigned int i;

	open_peer();
	peer.flood = 500;
	CHECK_INT(kvmic_get_info(conn, &info), 0);
	CHECK_INT(info.vcpu_count, 3);
	for (i = 1; i <= 500; i++) {
		CHECK_INT(kvmic_next_event(conn, 0, &ev), 1);
		CHECK_INT(ev.id, KVMI_VM_EVENT);
		CHECK_INT(ev.event, KVMI_VM_EVENT_UNHOOK);
		CHECK_INT(ev.seq, i);
		CHECK_INT(ev.size, 8);
		CHECK_INT(ev.error, 0);
	}
	CHECK_INT(kvmic_next_event(conn, 0, &ev), 0);
	close_peer();
}

static void queue_full(void)
{
	struct kvmi_vm_get_info_reply info;
	struct kvmic_event ev;
	uint32_t seq;
	int i;

	open_peer();
	peer.flood = 10;
	CHECK_INT(kvmic_set_event_limit(conn, 0), -KVMIC_ERR_ARG);
	CHECK_INT(kvmic_set_event_limit(conn, 4), 0);
	CHECK_INT(kvmic_send(conn, KVMI_VM_GET_INFO, NULL, 0, &seq), 0);
	for (i = 0; i < 10; i++) {
		if (i % 4 == 0 && i < 8)
			CHECK_INT(kvmic_receive(conn, KVMI_VM_GET_INFO, seq,
						&info, sizeof(info), NULL),
				  -KVMIC_ERR_QUEUE_FULL);
		CHECK_INT(kvmic_next_event(conn, 1000, &ev), 1);
		CHECK_INT(ev.seq, i + 1);
	}
	CHECK_INT(kvmic_receive(conn, KVMI_VM_GET_INFO, seq, &info,
				sizeof(info), NULL), 0);
	CHECK_INT(info.vcpu_count, 3);
	close_peer();
}

static unsigned int called, nested;

static void on_event(struct kvmic_conn *c, const struct kvmic_event *ev,
		     void *arg)
{
	struct kvmi_vm_get_info_reply info;

	CHECK(arg == &called);
	CHECK_INT(nested, 0);
	CHECK_INT(ev->seq, ++called);
	nested++;
	if (called < 20)
		CHECK_INT(kvmic_get_info(c, &info), 0);
	nested--;
}

static void callback_sends_commands(void)
{
	struct kvmi_get_version_reply version;

	open_peer();
	called = nested = 0;
	peer.flood = 2;
	kvmic_set_event_callback(conn, on_event, &called);
	CHECK_INT(kvmic_get_version(conn, &version), 0);
	CHECK_INT(version.version, 1);
	/* 2 events, and 2 more for each of the 19 commands of the callback. */
	while (called < 40 && kvmic_process(conn, 1000) > 0)
		;
	CHECK_INT(called, 40);
	CHECK_INT(kvmic_process(conn, 0), 0);
	close_peer();
}

static void event_replies(void)
{
	struct kvmi_vcpu_hdr reply = { .vcpu = 1 };
	uint8_t event[64] = { KVMI_VCPU_EVENT_PAUSE }, have[64];
	struct kvmi_msg_hdr hdr;
	struct kvmic_event ev;

	open_pair();
	peer_send(sv[1], KVMI_VCPU_EVENT, 77, event, sizeof(event));
	CHECK_INT(kvmic_next_event(conn, 1000, &ev), 1);
	CHECK_INT(ev.id, KVMI_VCPU_EVENT);
	CHECK_INT(ev.size, 64);
	CHECK_INT(kvmic_send_event_reply(conn, ev.seq, &reply, sizeof(reply)),
		  0);
	CHECK_INT(recv(sv[1], have, sizeof(have), MSG_DONTWAIT), 16);
	memcpy(&hdr, have, sizeof(hdr));
	CHECK_INT(hdr.id, KVMI_VCPU_EVENT);
	CHECK_INT(hdr.seq, 77);
	CHECK_INT(hdr.size, 8);
	CHECK(!memcmp(have + 8, &reply, 8));
	/* The kernel refuses it: an error reply with the id of an event. */
	peer_reply(sv[1], KVMI_VCPU_EVENT, 77, -KVMI_EINVAL, NULL, 0);
	CHECK_INT(kvmic_next_event(conn, 1000, &ev), 1);
	CHECK_INT(ev.error, -KVMI_EINVAL);
	CHECK_INT(ev.event, 0);
	CHECK_INT(ev.seq, 77);
	kvmic_close(conn);
	close(sv[1]);
}

static void bytewise_replies(void)
{
	struct kvmi_get_version_reply version;
	uint8_t buf[64];

	open_peer();
	peer.bytewise = true;
	peer.flood = 1;
	CHECK_INT(kvmic_get_version(conn, &version), 0);
	CHECK_INT(version.max_msg_size, 8184);
	CHECK_INT(kvmic_read_physical(conn, 4090, buf, sizeof(buf), NULL), 0);
	check_pattern(buf, 4090, sizeof(buf));
	close_peer();
}

static void slow_reply(void)
{
	struct kvmi_get_version_reply version;
	long start = now_ms(), took;
	int i;

	open_peer();
	peer.delay_ms = 300;
	CHECK_INT(kvmic_set_timeout(conn, -2), -KVMIC_ERR_ARG);
	CHECK_INT(kvmic_set_timeout(conn, 100), 0);
	CHECK_INT(kvmic_get_version(conn, &version), -KVMIC_ERR_TIMEOUT);
	took = now_ms() - start;
	CHECK(took >= 99 && took < 290);
	CHECK(strstr(kvmic_error(conn), "KVMI_GET_VERSION"));
	/* The late reply is dropped, and the connection is as good as new. */
	CHECK_INT(kvmic_set_timeout(conn, 5000), 0);
	peer.delay_ms = 0;
	for (i = 0; i < KVMIC_MAX_OUTSTANDING + 1; i++)
		CHECK_INT(kvmic_get_version(conn, &version), 0);
	close_peer();
}

static void *flood_events(void *arg)
{
	uint64_t event = KVMI_VM_EVENT_UNHOOK;
	int i;

	(void)arg;
	for (i = 1; i < 3000; i++) {
		if (!peer_send(sv[1], KVMI_VM_EVENT, i, &event, 8))
			break;
		usleep(1000);
	}
	return NULL;
}

static void ignore_event(struct kvmic_conn *c, const struct kvmic_event *ev,
			 void *arg)
{
	(void)c;
	(void)ev;
	++*(int *)arg;
}

static void flood_does_not_prolong(void)
{
	struct kvmi_get_version_reply version;
	long start = now_ms();
	pthread_t thread;
	int count = 0;

	open_pair();
	kvmic_set_timeout(conn, 200);
	kvmic_set_event_callback(conn, ignore_event, &count);
	if (pthread_create(&thread, NULL, flood_events, NULL))
		abort();
	CHECK_INT(kvmic_get_version(conn, &version), -KVMIC_ERR_TIMEOUT);
	CHECK(now_ms() - start < 1500);
	CHECK(count > 5);
	kvmic_close(conn);
	pthread_join(thread, NULL);
	close(sv[1]);
}

static void deaf_peer(void)
{
	static uint8_t page[4096];
	int size = 4096, i, r = 0;
	long start;
	uint32_t seq;

	open_pair();
	setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	kvmic_set_timeout(conn, 100);
	start = now_ms();
	for (i = 0; !r && i < KVMIC_MAX_OUTSTANDING; i++)
		r = kvmic_send(conn, 20, page, sizeof(page), &seq);
	CHECK_INT(r, -KVMIC_ERR_TIMEOUT);
	CHECK(now_ms() - start < 1500);
	kvmic_close(conn);
	close(sv[1]);
}

/* The peer writes more than fits before it reads: nobody may get stuck. */
static void *write_then_read(void *arg)
{
	static uint8_t event[4000];
	int i;

	(void)arg;
	for (i = 1; i <= 100; i++)
		peer_send(sv[1], KVMI_VCPU_EVENT, i, event, sizeof(event));
	peer_serve(&peer);
	return NULL;
}

static void no_deadlock(void)
{
	struct kvmic_event ev;
	static uint8_t page[8000];
	uint32_t seq[20];
	int size = 4096, i;

	open_pair();
	setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(sv[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	peer_init(&peer, sv[1]);
	if (pthread_create(&peer.thread, NULL, write_then_read, NULL))
		abort();
	for (i = 0; i < 20; i++)
		CHECK_INT(kvmic_send(conn, 20, page, sizeof(page), &seq[i]),
			  0);
	for (i = 0; i < 20; i++)
		CHECK_INT(kvmic_receive(conn, 20, seq[i], NULL, 0, NULL),
			  -KVMI_ENOSYS);
	for (i = 1; i <= 100; i++) {
		CHECK_INT(kvmic_next_event(conn, 0, &ev), 1);
		CHECK_INT(ev.seq, i);
	}
	close_peer();
}

static void not_a_stream(void)
{
	struct kvmic_err err;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, fds))
		abort();
	CHECK_INT(kvmic_open(fds[0], &conn, &err), -KVMIC_ERR_ARG);
	CHECK(!conn);
	CHECK_INT(err.code, -KVMIC_ERR_ARG);
	CHECK_INT(kvmic_open(-1, &conn, NULL), -KVMIC_ERR_ARG);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	static const struct tap_test tests[] = {
		TEST(version_and_info), TEST(old_version_reply),
		TEST(wire_errors), TEST(request_bytes), TEST(read_memory),
		TEST(read_holes), TEST(write_memory),
		TEST(replies_in_any_order), TEST(forgotten_replies),
		TEST(events_before_reply),
		TEST(queue_full), TEST(callback_sends_commands),
		TEST(event_replies), TEST(bytewise_replies), TEST(slow_reply),
		TEST(flood_does_not_prolong), TEST(deaf_peer),
		TEST(no_deadlock), TEST(not_a_stream),
	};

	return tap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
