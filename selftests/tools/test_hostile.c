// SPDX-License-Identifier: GPL-2.0-only
/* The wire layer against a peer that breaks the rules. */
#include <sys/socket.h>
#include <unistd.h>

#include <kvmic.h>

#include "peer.h"
#include "tap.h"

static struct kvmic_conn *conn;
static int sv[2];

static void open_pair(void)
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) ||
	    kvmic_open(sv[0], &conn, NULL))
		abort();
	kvmic_set_timeout(conn, 200);
}

static void close_pair(void)
{
	kvmic_close(conn);
	close(sv[1]);
}

static int get_info(void)
{
	struct kvmi_vm_get_info_reply info;

	return kvmic_get_info(conn, &info);
}

/* After a final error every call fails with the same one, at once. */
static void check_broken(int want)
{
	struct kvmic_event ev;
	uint32_t seq;

	CHECK_INT(get_info(), want);
	CHECK_INT(get_info(), want);
	CHECK_INT(kvmic_send(conn, 20, NULL, 0, &seq), want);
	CHECK_INT(kvmic_next_event(conn, 0, &ev), want);
	CHECK(kvmic_error(conn)[0]);
	close_pair();
}

static void wrong_seq(void)
{
	open_pair();
	peer_reply(sv[1], KVMI_VM_GET_INFO, 2, 0, "0123456789abcdef", 16);
	check_broken(-KVMIC_ERR_PROTOCOL);
}

static void wrong_id(void)
{
	open_pair();
	peer_reply(sv[1], KVMI_GET_VERSION, 1, 0, "0123456789abcdef", 16);
	check_broken(-KVMIC_ERR_PROTOCOL);
}

static void second_reply(void)
{
	uint32_t a, b;

	open_pair();
	CHECK_INT(kvmic_send(conn, 20, NULL, 0, &a), 0);
	CHECK_INT(kvmic_send(conn, 20, NULL, 0, &b), 0);
	peer_reply(sv[1], 20, a, 0, "x", 1);
	peer_reply(sv[1], 20, a, 0, "y", 1);
	CHECK_INT(kvmic_receive(conn, 20, b, NULL, 0, NULL),
		  -KVMIC_ERR_PROTOCOL);
	close_pair();
}

static void oversize(void)
{
	static uint8_t big[65535];

	open_pair();
	peer_send(sv[1], KVMI_VM_GET_INFO, 1, big, KVMI_MAX_MSG_SIZE + 1);
	check_broken(-KVMIC_ERR_PROTOCOL);
	open_pair();
	peer_send(sv[1], KVMI_VCPU_EVENT, 1, big, 65535);
	check_broken(-KVMIC_ERR_PROTOCOL);
}

/* The limit itself is fine, for events and replies. */
static void largest(void)
{
	static uint8_t big[KVMI_MAX_MSG_SIZE], out[KVMI_MAX_MSG_SIZE];
	struct kvmic_event ev;
	uint32_t seq;
	size_t got;
	int i;

	open_pair();
	memset(big + 8, 0xa5, sizeof(big) - 8);
	CHECK_INT(kvmic_send(conn, 20, big, sizeof(big), &seq), 0);
	for (i = 0; i < 5; i++)
		peer_send(sv[1], KVMI_VCPU_EVENT, 9, big, sizeof(big));
	peer_send(sv[1], 20, seq, big, sizeof(big));
	CHECK_INT(kvmic_receive(conn, 20, seq, out, sizeof(out), &got), 0);
	CHECK_INT(got, sizeof(big) - 8);
	CHECK(!memcmp(out, big + 8, got));
	for (i = 0; i < 5; i++) {
		CHECK_INT(kvmic_next_event(conn, 0, &ev), 1);
		CHECK_INT(ev.size, sizeof(big));
		CHECK(!memcmp(ev.payload, big, sizeof(big)));
	}
	close_pair();
}

static void no_error_code(void)
{
	open_pair();
	peer_send(sv[1], KVMI_VM_GET_INFO, 1, "\0\0\0\0\0\0\0", 7);
	check_broken(-KVMIC_ERR_PROTOCOL);
	open_pair();
	peer_send(sv[1], KVMI_VM_GET_INFO, 1, NULL, 0);
	check_broken(-KVMIC_ERR_PROTOCOL);
	/* Also to a command whose reply has no data to miss. */
	open_pair();
	peer_send(sv[1], KVMI_VM_CONTROL_CLEANUP, 1, "\0\0\0\0\0\0\0", 7);
	CHECK_INT(kvmic_control_cleanup(conn, 1), -KVMIC_ERR_PROTOCOL);
	close_pair();
}

static void impossible_error(void)
{
	static const int32_t bad[] = { 1, 0x7fffffff, -KVMIC_ERR_TIMEOUT,
				       -0x7fffffff - 1, -KVMIC_ERR_BASE };
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		open_pair();
		peer_reply(sv[1], KVMI_VM_GET_INFO, 1, bad[i], NULL, 0);
		check_broken(-KVMIC_ERR_PROTOCOL);
	}
	open_pair();
	peer_reply(sv[1], KVMI_VM_GET_INFO, 1, -65535, NULL, 0);
	CHECK_INT(get_info(), -65535);
	close_pair();
}

static void event_without_header(void)
{
	open_pair();
	peer_send(sv[1], KVMI_VM_EVENT, 1, "1234567", 7);
	check_broken(-KVMIC_ERR_PROTOCOL);
}

static void short_data(void)
{
	struct kvmi_get_version_reply version;
	uint8_t buf[16];

	open_pair();
	peer_reply(sv[1], KVMI_VM_GET_INFO, 1, 0, "0123456789abcde", 15);
	check_broken(-KVMIC_ERR_PROTOCOL);
	open_pair();
	peer_reply(sv[1], KVMI_GET_VERSION, 1, 0, "0123456", 7);
	CHECK_INT(kvmic_get_version(conn, &version), -KVMIC_ERR_PROTOCOL);
	close_pair();
	open_pair();
	peer_reply(sv[1], KVMI_VM_READ_PHYSICAL, 1, 0, "0123456", 7);
	CHECK_INT(kvmic_read_physical(conn, 0, buf, 8, NULL),
		  -KVMIC_ERR_PROTOCOL);
	close_pair();
}

/* A reply longer than the buffer that waits for it. */
static void long_data(void)
{
	static uint8_t big[8000];
	uint8_t *buf = malloc(16);	/* ASan guards its end */
	size_t done = 99;

	open_pair();
	memset(big, 1, sizeof(big));
	peer_reply(sv[1], KVMI_VM_READ_PHYSICAL, 1, 0, big, sizeof(big));
	CHECK_INT(kvmic_read_physical(conn, 0, buf, 16, &done),
		  -KVMIC_ERR_PROTOCOL);
	CHECK_INT(done, 0);
	close_pair();
	free(buf);
}

static void ends_in_message(void)
{
	static const uint8_t part[] = { 8, 0, 24, 0, 1, 0, 0, 0, 0, 0, 0, 0 };
	size_t n;

	for (n = 0; n <= sizeof(part); n++) {
		open_pair();
		if (n)
			CHECK_INT(send(sv[1], part, n, 0), n);
		shutdown(sv[1], SHUT_WR);
		check_broken(-KVMIC_ERR_CLOSED);
	}
}

static void ends_after_reply(void)
{
	struct kvmic_event ev;

	open_pair();
	peer_send(sv[1], KVMI_VM_EVENT, 1, "\0\0\0\0\0\0\0", 8);
	peer_reply(sv[1], KVMI_VM_GET_INFO, 1, 0, "0123456789abcdef", 16);
	shutdown(sv[1], SHUT_WR);
	CHECK_INT(get_info(), 0);
	CHECK_INT(kvmic_next_event(conn, 0, &ev), 1);
	check_broken(-KVMIC_ERR_CLOSED);
}

/* The process must survive writing to a socket that nobody reads. */
static void peer_gone(void)
{
	open_pair();
	close(sv[1]);
	sv[1] = -1;
	check_broken(-KVMIC_ERR_CLOSED);
}

static void half_message_then_silence(void)
{
	open_pair();
	CHECK_INT(send(sv[1], "\x08\0\x18\0\1\0\0", 7, 0), 7);
	CHECK_INT(get_info(), -KVMIC_ERR_TIMEOUT);
	/* Not final: the rest may still come. */
	CHECK_INT(send(sv[1], "\0" "\0\0\0\0\0\0\0\0" "0123456789abcdef",
		       25, 0), 25);
	peer_reply(sv[1], KVMI_VM_GET_INFO, 2, 0, "0123456789abcdef", 16);
	CHECK_INT(get_info(), 0);
	close_pair();
}

static void never_replies(void)
{
	int i, r = 0;

	open_pair();
	kvmic_set_timeout(conn, 1);
	for (i = 0; i <= KVMIC_MAX_OUTSTANDING && r != -KVMIC_ERR_BUSY; i++)
		r = get_info();
	CHECK_INT(i, KVMIC_MAX_OUTSTANDING + 1);
	CHECK_INT(r, -KVMIC_ERR_BUSY);
	close_pair();
}

/* More events than anyone should hold: memory stays bounded. */
static void endless_events(void)
{
	int i;

	open_pair();
	for (i = 0; i < 1400; i++)
		if (send(sv[1], "\0\0\x08\0\1\0\0\0\0\0\0\0\0\0\0\0", 16,
			 MSG_DONTWAIT) != 16)
			break;
	kvmic_set_event_limit(conn, i - 5);
	CHECK(i > 100);
	CHECK_INT(get_info(), -KVMIC_ERR_QUEUE_FULL);
	CHECK_INT(get_info(), -KVMIC_ERR_QUEUE_FULL);
	close_pair();
}

static unsigned int rnd(void)
{
	static uint64_t state = 88172645463325252ull;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state >> 16;
}

/* Nearly valid streams, in pieces; ASan and UBSan are the judges. */
static void random_streams(void)
{
	static uint8_t stream[40000];
	struct kvmic_event *ev = malloc(sizeof(*ev));
	unsigned int round, i, n, len;
	uint8_t buf[100];

	for (round = 0; round < 3000; round++) {
		struct kvmi_msg_hdr hdr;

		open_pair();
		kvmic_set_timeout(conn, 0);
		kvmic_set_event_limit(conn, 1 + rnd() % 8);
		for (n = 0, len = 0; n < 6; n++) {
			hdr.id = rnd() % 3 ? KVMI_VM_READ_PHYSICAL : rnd() % 2;
			hdr.seq = n + 1;
			hdr.size = rnd() % 8 ? 8 + rnd() % 120 : rnd() % 6000;
			memcpy(stream + len, &hdr, sizeof(hdr));
			len += sizeof(hdr);
			memset(stream + len, 0, hdr.size);
			len += hdr.size;
		}
		for (i = rnd() % 4; i; i--)
			stream[rnd() % len] = rnd();
		for (i = 0; i < len; i += n) {
			n = 1 + rnd() % 5000;
			if (n > len - i)
				n = len - i;
			if (send(sv[1], stream + i, n,
				 MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
				break;
			kvmic_read_physical(conn, 4000, buf, sizeof(buf), NULL);
			kvmic_read_sparse(conn, 0, buf, sizeof(buf), NULL, NULL);
			kvmic_next_event(conn, 0, ev);
		}
		close_pair();
	}
	free(ev);
}

int main(void)
{
	static const struct tap_test tests[] = {
		TEST(wrong_seq), TEST(wrong_id), TEST(second_reply),
		TEST(oversize), TEST(largest), TEST(no_error_code),
		TEST(impossible_error), TEST(event_without_header),
		TEST(short_data), TEST(long_data), TEST(ends_in_message),
		TEST(ends_after_reply), TEST(peer_gone),
		TEST(half_message_then_silence), TEST(never_replies),
		TEST(endless_events), TEST(random_streams),
	};

	return tap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
