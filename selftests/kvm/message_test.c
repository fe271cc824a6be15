// SPDX-License-Identifier: GPL-2.0-only
/*
 * Framing: which messages are answered, which close the connection, and that
 * the stream may be cut in any way.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "kvm_util.h"
#include "kvmi_test.h"

static uint8_t zero[8192];

/* A closed connection of the owner: the record is there until UNHOOK. */
static void check_closed(struct kvm_vm *vm, int fd)
{
	int sv[2];

	CHECK(closed_silently(fd), "not closed");
	CHECK(send(fd, "x", 1, MSG_NOSIGNAL) < 0, "still open for sending");
	socket_pair(sv);
	CHECK_EQ(hook(vm, sv[1]), -EEXIST);
	CHECK_EQ(unhook(vm), 0);
	CHECK_EQ(hook(vm, sv[1]), 0);
	check_alive(sv[0]);
	CHECK_EQ(unhook(vm), 0);
	close(sv[0]);
	close(sv[1]);
	close(fd);
}

/* Whatever follows the header is not looked at: it need not even come. */
static void too_long(void)
{
	static const uint16_t ids[] = { KVMI_GET_VERSION, 0, 1, 3, 0xffff };
	static const uint16_t sizes[] = { 8185, 8186, 8192, 0x7fff, 0xffff };
	struct kvm_vm *vm = vm_create_barebones();
	struct kvmi_msg_hdr hdr = { .seq = 1 };
	int i, s, fd;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		for (s = 0; s < ARRAY_SIZE(sizes); s++) {
			fd = session_all(vm);
			hdr.id = ids[i];
			hdr.size = sizes[s];
			CHECK_EQ(send_all(fd, &hdr, sizeof(hdr)), 0);
			check_closed(vm, fd);
		}
	}
}

static void cut_in_header(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvmi_msg_hdr hdr = { .id = KVMI_GET_VERSION, .seq = 1 };
	size_t n;
	int fd;

	for (n = 1; n < sizeof(hdr); n++) {
		fd = session(vm);
		CHECK_EQ(send_all(fd, &hdr, n), 0);
		CHECK(!shutdown(fd, SHUT_WR), "shutdown");
		check_closed(vm, fd);
	}
}

static void cut_in_payload(void)
{
	static const uint16_t have[] = { 0, 1, 7, 8, 99 };
	struct kvm_vm *vm = vm_create_barebones();
	struct kvmi_msg_hdr hdr = { .id = KVMI_GET_VERSION, .size = 100 };
	int fd, i;

	for (i = 0; i < ARRAY_SIZE(have); i++) {
		fd = session(vm);
		CHECK_EQ(send_all(fd, &hdr, sizeof(hdr)), 0);
		CHECK_EQ(send_all(fd, zero, have[i]), 0);
		CHECK(!shutdown(fd, SHUT_WR), "shutdown");
		check_closed(vm, fd);
	}
}

/* Neither what no ABI names, nor commands that feed events only. */
static void unknown_ids(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session_all(vm), id, n;
	static const uint16_t far[] = {
		13, 20, 22, 24, 25, 27, 62, 64, 255, 256, 1000, 32767, 32768,
		65534, 65535,
	};

	__vm_vcpu_add(vm, 0);
	CHECK_EQ(command(fd, 0, NULL, 0, NULL, 0), -KVMI_ENOSYS);
	for (id = 31; id < 600; id += 2) {
		CHECK_EQ(command(fd, id, NULL, 0, NULL, 0), -KVMI_ENOSYS);
		CHECK_EQ(command(fd, id, zero, 64, NULL, 0), -KVMI_ENOSYS);
	}
	for (n = 0; n < ARRAY_SIZE(far); n++)
		CHECK_EQ(command(fd, far[n], zero, 8184, NULL, 0),
			 -KVMI_ENOSYS);
	check_alive(fd);
}

static void sequence_echoed(void)
{
	static const uint32_t seqs[] = {
		0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0, 0, 5, 4,
	};
	struct kvm_vm *vm = vm_create_barebones();
	uint8_t version[16];
	int fd = session(vm), i;

	for (i = 0; i < ARRAY_SIZE(seqs); i++) {
		CHECK_EQ(command_seq(fd, KVMI_GET_VERSION, seqs[i], NULL, 0,
				     version, 16), 0);
		CHECK_EQ(command_seq(fd, 0xffff, seqs[i], NULL, 0, NULL, 0),
			 -KVMI_ENOSYS);
		CHECK_EQ(command_seq(fd, KVMI_VM_GET_INFO, seqs[i], NULL, 0,
				     NULL, 0), -KVMI_EPERM);
	}
}

/* More payload than a command knows is ignored, up to the limit. */
static void long_payload(void)
{
	static const uint16_t sizes[] = { 1, 8, 9, 4096, 8183, 8184 };
	struct kvm_vm *vm = vm_create_barebones();
	uint8_t junk[8184], reply[16];
	int fd = session_all(vm), i;

	memset(junk, 0xa5, sizeof(junk));
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		CHECK_EQ(command(fd, KVMI_GET_VERSION, junk, sizes[i], reply,
				 16), 0);
		CHECK_EQ(command(fd, KVMI_VM_GET_INFO, junk, sizes[i], reply,
				 16), 0);
	}
	/* The known part must still be right. */
	memset(junk, 0, 8);
	junk[0] = KVMI_VM_GET_INFO;
	CHECK_EQ(command(fd, KVMI_VM_CHECK_COMMAND, junk, 8184, NULL, 0), 0);
	junk[7] = 1;
	CHECK_EQ(command(fd, KVMI_VM_CHECK_COMMAND, junk, 8184, NULL, 0),
		 -KVMI_EINVAL);
}

/* Missing bytes are zero, and never those of an earlier message. */
static void short_payload(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	uint8_t junk[8184];
	int fd = session_all(vm), n;

	memset(junk, 0xff, sizeof(junk));
	for (n = 0; n < 8; n++) {
		CHECK_EQ(command(fd, 0xffff, junk, sizeof(junk), NULL, 0),
			 -KVMI_ENOSYS);
		/* Event 0 with enable 0, cut after n bytes. */
		CHECK_EQ(command(fd, KVMI_VM_CONTROL_EVENTS, zero, n, NULL,
				 0), 0);
		/* Command 0 does not exist. */
		CHECK_EQ(command(fd, KVMI_VM_CHECK_COMMAND, zero, n, NULL, 0),
			 -KVMI_ENOENT);
		CHECK_EQ(command(fd, KVMI_VM_READ_PHYSICAL, zero, n, NULL, 0),
			 -KVMI_EINVAL);
	}
	CHECK_EQ(command(fd, KVMI_VM_CHECK_COMMAND, (uint8_t[]){ 8 }, 1, NULL,
			 0), 0);
}

#define PIPELINED 1000

/* All commands before the first reply is read: in order, none lost. */
static void *pipeline_send(void *arg)
{
	int fd = *(int *)arg, i;

	for (i = 0; i < PIPELINED; i++)
		CHECK_EQ(send_msg(fd, i % 3 ? KVMI_GET_VERSION : 0xfff0 + i % 7,
				  i, zero, i % 257), 0);
	return NULL;
}

static void pipeline_check(int fd)
{
	struct message msg;
	pthread_t sender;
	int i, err;

	CHECK(!pthread_create(&sender, NULL, pipeline_send, &fd), "thread");
	for (i = 0; i < PIPELINED; i++) {
		CHECK_EQ(recv_msg(fd, &msg), i % 3 ? 24 : 8);
		CHECK_EQ(msg.hdr.seq, i);
		CHECK_EQ(msg.hdr.id,
			 i % 3 ? KVMI_GET_VERSION : 0xfff0 + i % 7);
		memcpy(&err, msg.data, 4);
		CHECK_EQ(err, i % 3 ? 0 : -KVMI_ENOSYS);
	}
	pthread_join(sender, NULL);
}

static void pipeline(void)
{
	struct kvm_vm *vm = vm_create_barebones();

	pipeline_check(session_all(vm));
}

/* One send() with many messages, and the last one cut in half. */
static void burst(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvmi_msg_hdr hdr[64];
	struct message msg;
	int fd = session(vm), i;

	memset(hdr, 0, sizeof(hdr));
	for (i = 0; i < 64; i++) {
		hdr[i].id = KVMI_GET_VERSION;
		hdr[i].seq = i;
	}
	CHECK_EQ(send_all(fd, hdr, sizeof(hdr) - 4), 0);
	for (i = 0; i < 64; i++) {
		if (i == 63) {
			/* The half is seen alone. */
			kvmi_sleep_ms(100);
			CHECK_EQ(send_all(fd, (char *)(hdr + 64) - 4, 4), 0);
		}
		CHECK_EQ(recv_msg(fd, &msg), 24);
		CHECK_EQ(msg.hdr.seq, i);
	}
	CHECK_EQ(send_all(fd, hdr, 6), 0);
	close(fd);
	kvmi_sleep_ms(100);
	CHECK_EQ(unhook(vm), 0);
}

static void byte_by_byte(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct message msg = { .hdr = { .id = KVMI_VM_CHECK_COMMAND,
					.size = 8, .seq = 77 } };
	int fd = session(vm), i;

	msg.data[0] = KVMI_VM_GET_INFO;
	for (i = 0; i < 16; i++) {
		CHECK_EQ(send_all(fd, (char *)&msg + i, 1), 0);
		kvmi_sleep_ms(i % 4);
	}
	CHECK_EQ(recv_error(fd, KVMI_VM_CHECK_COMMAND, 77), -KVMI_EPERM);
	check_alive(fd);
}

/* Largest messages back to back, with the largest replies. */
static void largest(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvmi_vm_read_physical req = { .gpa = 0x10000, .size = 4096 };
	uint8_t payload[8184] = { 0 }, page[4096];
	int fd = session_all(vm), i;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, 0x10000, 1, 1,
				    0);
	memset(addr_gpa2hva(vm, 0x10000), 0x5a, 4096);
	memcpy(payload, &req, sizeof(req));
	for (i = 0; i < kvmi_count(50, 1000); i++) {
		memset(page, 0, sizeof(page));
		CHECK_EQ(command(fd, KVMI_VM_READ_PHYSICAL, payload, 8184,
				 page, 4096), 0);
		CHECK(page[0] == 0x5a && !memcmp(page, page + 1, 4095), "data");
	}
}

/* Loopback is down in a bare VM. */
static void loopback_up(void)
{
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	CHECK(fd >= 0, "no IPv4");
	CHECK(!ioctl(fd, SIOCSIFFLAGS, &ifr), "lo: %s", strerror(errno));
	close(fd);
}

static void tcp_pair(int sv[2])
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) },
	};
	socklen_t len = sizeof(addr);
	struct timeval limit = { .tv_sec = 60 };
	int server = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	CHECK(!bind(server, (void *)&addr, len), "%s", strerror(errno));
	CHECK(!listen(server, 1), "%s", strerror(errno));
	CHECK(!getsockname(server, (void *)&addr, &len), "getsockname");
	sv[0] = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(!connect(sv[0], (void *)&addr, len), "%s", strerror(errno));
	sv[1] = accept(server, NULL, NULL);
	CHECK(sv[1] >= 0, "%s", strerror(errno));
	close(server);
	setsockopt(sv[0], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(sv[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
}

static void over_tcp(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvmi_msg_hdr bad = { .id = KVMI_GET_VERSION, .size = 9000 };
	int sv[2];

	loopback_up();
	tcp_pair(sv);
	CHECK_EQ(hook(vm, sv[1]), 0);
	close(sv[1]);
	check_alive(sv[0]);
	pipeline_check(sv[0]);
	CHECK_EQ(send_all(sv[0], &bad, sizeof(bad)), 0);
	CHECK(closed_silently(sv[0]), "not closed");
	CHECK_EQ(unhook(vm), 0);
}

/* A tool that does not read its TCP connection delays nobody either. */
static void full_tcp(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvmi_counts before;
	uint64_t start;
	int sv[2], small = 4096, events = 0, err, i;

	loopback_up();
	counts_read(&before);
	tcp_pair(sv);
	for (i = 0; i < 2; i++) {
		setsockopt(sv[i], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
		setsockopt(sv[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	}
	CHECK_EQ(hook(vm, sv[1]), 0);
	CHECK_EQ(set_command(vm, 1, -1), 0);
	CHECK_EQ(set_event(vm, 1, -1), 0);
	close(sv[1]);
	CHECK_EQ(event_unhook(sv[0], 1), 0);
	stuff_socket(sv[0]);
	/* What TCP still takes after a pause, events fill up. */
	do {
		start = kvmi_now_ms();
		err = preunhook(vm);
	} while (!err && ++events < 1000000);
	CHECK_EQ(err, -ENOENT);
	CHECK_EQ(unhook(vm), 0);
	CHECK(kvmi_now_ms() - start < 4000, "took %llu ms",
	      (unsigned long long)(kvmi_now_ms() - start));
	close(sv[0]);
	counts_check(&before);
}

/* Nothing but the end of the connection is waited for. */
static int wait_hangup(int fd, int ms)
{
	struct pollfd p = { .fd = fd };

	if (!poll(&p, 1, ms))
		return 0;
	CHECK(p.revents & POLLHUP, "%#x", p.revents);
	return 1;
}

enum way { TOOL_CLOSES, TOOL_ERRS, UNHOOKED };

/* But for the first, nobody else ends the connection, as both ends stay open. */
static void end_connection(struct kvm_vm *vm, int fd, enum way way)
{
	struct kvmi_msg_hdr bad = { .id = KVMI_GET_VERSION, .size = 9000 };

	if (way == TOOL_CLOSES)
		close(fd);
	else if (way == TOOL_ERRS)
		CHECK_EQ(send_all(fd, &bad, sizeof(bad)), 0);
	else
		CHECK_EQ(unhook(vm), 0);
}

/* The VMM's copy of the socket tells it that the connection is over. */
static void vmm_sees(void (*pair)(int sv[2]))
{
	struct kvm_vm *vm = vm_create_barebones();
	enum way way;
	int sv[2];
	char byte;

	for (way = TOOL_CLOSES; way <= UNHOOKED; way++) {
		pair(sv);
		CHECK_EQ(hook(vm, sv[1]), 0);
		check_alive(sv[0]);
		CHECK_EQ(wait_hangup(sv[1], 100), 0);
		end_connection(vm, sv[0], way);
		CHECK(wait_hangup(sv[1], 20000), "no hang-up, way %d", way);
		CHECK_EQ(recv(sv[1], &byte, 1, MSG_DONTWAIT), 0);
		if (way != TOOL_CLOSES) {
			CHECK(closed_silently(sv[0]), "the tool's end is open");
			close(sv[0]);
		}
		CHECK_EQ(unhook(vm), 0);
		close(sv[1]);
	}
}

static void vmm_sees_hangup(void)
{
	vmm_sees(socket_pair);
}

static void vmm_sees_hangup_tcp(void)
{
	loopback_up();
	vmm_sees(tcp_pair);
}

/* Its owner's settings of the socket do not end the session. */
static void vmm_timeouts(void)
{
	struct timeval limit = { .tv_usec = 5000 };
	struct kvm_vm *vm = vm_create_barebones();
	struct kvmi_msg_hdr hdr = { .id = KVMI_GET_VERSION, .seq = 3 };
	struct message msg;
	int sv[2], i;

	socket_pair(sv);
	setsockopt(sv[1], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(sv[1], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	CHECK_EQ(hook(vm, sv[1]), 0);
	for (i = 0; i < 3; i++) {
		kvmi_sleep_ms(50);
		CHECK_EQ(send_all(sv[0], &hdr, 5), 0);
		kvmi_sleep_ms(50);
		CHECK_EQ(send_all(sv[0], (char *)&hdr + 5, 3), 0);
		CHECK_EQ(recv_msg(sv[0], &msg), 24);
	}
	CHECK_EQ(unhook(vm), 0);
}

static bool have_ipv4(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static const struct kvmi_case cases[] = {
	{ "a size above 8184 closes the connection", too_long },
	{ "an end inside the header closes it", cut_in_header },
	{ "an end inside the payload closes it", cut_in_payload },
	{ "unknown ids are answered with ENOSYS", unknown_ids },
	{ "the sequence number is echoed", sequence_echoed },
	{ "a longer payload is ignored", long_payload },
	{ "a shorter payload is filled with zeros", short_payload },
	{ "a thousand commands before the first reply is read", pipeline },
	{ "many messages in one send, half a message and close", burst },
	{ "a message byte by byte", byte_by_byte },
	{ "largest commands and replies", largest },
	{ "all of it over TCP", over_tcp, have_ipv4 },
	{ "a TCP tool that does not read", full_tcp, have_ipv4 },
	{ "the VMM sees a hang-up", vmm_sees_hangup },
	{ "the VMM sees a hang-up of TCP", vmm_sees_hangup_tcp, have_ipv4 },
	{ "time-outs that the VMM sets on the socket", vmm_timeouts },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
