// SPDX-License-Identifier: GPL-2.0-only
/* Commands that name a vCPU: what is sent, what is made of the reply. */
#include <sys/socket.h>
#include <unistd.h>

#include <kvmic.h>

#include "peer.h"
#include "tap.h"

static struct kvmic_conn *conn;
static struct peer peer;
static int sv[2];

static void open_pair(void)
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sv) ||
	    kvmic_open(sv[0], &conn, NULL))
		abort();
	kvmic_set_timeout(conn, 5000);
}

static void close_pair(void)
{
	kvmic_close(conn);
	close(sv[1]);
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

/* ------------------------------------------------ the same for every call */

static const uint32_t two_msrs[] = { 0xc0000082, 0x174 };
static struct kvmi_vcpu_xsave xsave_in;
static struct kvm_regs regs_in;

/* What a call has filled. */
static union {
	uint8_t bytes[4096];
	uint64_t value;
	struct kvmi_vcpu_get_info_reply info;
	struct kvmi_vcpu_get_registers_reply regs;
	struct kvmi_vcpu_get_cpuid_reply cpuid;
	struct kvmi_vcpu_xsave xsave;
} out;
static uint64_t msr_values[2];

static int do_pause(void) { return kvmic_pause_vcpu(conn, 2, 1); }
static int do_info(void) { return kvmic_vcpu_get_info(conn, 2, &out.info); }

static int do_events(void)
{
	return kvmic_vcpu_control_events(conn, 2, KVMI_VCPU_EVENT_TRAP, 8);
}

static int do_get_regs(void)
{
	return kvmic_vcpu_get_registers(conn, 2, two_msrs, 2, &out.regs,
					msr_values);
}

static int do_set_regs(void)
{
	return kvmic_vcpu_set_registers(conn, 2, &regs_in);
}

static int do_cpuid(void)
{
	return kvmic_vcpu_get_cpuid(conn, 2, 7, 1, &out.cpuid);
}

static int do_inject(void)
{
	return kvmic_vcpu_inject_exception(conn, 2, 14, 0x12345678, 0xabcd);
}

static int do_xcr(void) { return kvmic_vcpu_get_xcr(conn, 2, 0, &out.value); }

static int do_get_xsave(void)
{
	return kvmic_vcpu_get_xsave(conn, 2, &out.xsave);
}

static int do_set_xsave(void)
{
	return kvmic_vcpu_set_xsave(conn, 2, &xsave_in);
}

static int do_mtrr(void)
{
	return kvmic_vcpu_get_mtrr_type(conn, 2, 0x1234, out.bytes);
}

static int do_translate(void)
{
	return kvmic_vcpu_translate_gva(conn, 2, 0x5678, &out.value);
}

/* @request starts behind the message header; the vCPU's header is in it. */
static const struct call {
	int (*run)(void);
	uint16_t id;
	uint16_t request_size, reply_size;
	uint8_t request[32];
} calls[] = {
	{ do_pause, 16, 8, 0, { 2, 0, 1 } },
	{ do_info, 3, 8, 8, { 2 } },
	{ do_events, 5, 16, 0, { 2, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1 } },
	{ do_get_regs, 7, 24, 472 + 32, { 2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0,
		0, 0, 0, 0, 0x82, 0, 0, 0xc0, 0x74, 1 } },
	{ do_set_regs, 9, 152, 0, { 2, 0, 0, 0, 0, 0, 0, 0, 0x77 } },
	{ do_cpuid, 11, 16, 16, { 2, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1 } },
	{ do_inject, 15, 24, 0, { 2, 0, 0, 0, 0, 0, 0, 0, 14, 0, 0, 0, 0x78,
		0x56, 0x34, 0x12, 0xcd, 0xab } },
	{ do_xcr, 17, 16, 8, { 2 } },
	{ do_get_xsave, 19, 8, 4096, { 2 } },
	{ do_set_xsave, 21, 4104, 0, { 2, 0, 0, 0, 0, 0, 0, 0, 0x99 } },
	{ do_mtrr, 23, 16, 8, { 2, 0, 0, 0, 0, 0, 0, 0, 0x34, 0x12 } },
	{ do_translate, 29, 16, 8, { 2, 0, 0, 0, 0, 0, 0, 0, 0x78, 0x56 } },
};
#define NUM_CALLS (sizeof(calls) / sizeof(calls[0]))

static void start_call(void)
{
	open_pair();
	memset(&out, 0x55, sizeof(out));
	memset(msr_values, 0x55, sizeof(msr_values));
	regs_in.rax = 0x77;
	xsave_in.region[0] = 0x99;
}

/* Reply data as the kernel would send them, @size bytes of them. */
static void queue_reply(const struct call *c, size_t size)
{
	uint8_t data[8000];

	memset(data, 0xa5, sizeof(data));
	if (c->id == KVMI_VCPU_GET_REGISTERS) {
		memcpy(data + 464, &(uint32_t){ 2 }, 4);
		memcpy(data + 472, &two_msrs[0], 4);
		memcpy(data + 488, &two_msrs[1], 4);
	}
	peer_reply(sv[1], c->id, 1, 0, data, size);
}

static bool is_zero(const void *p, size_t size)
{
	const uint8_t *b = p;

	while (size && !*b) {
		b++;
		size--;
	}
	return !size;
}

/* Output is zero, as far as this call has output. */
static void check_nothing_filled(const struct call *c)
{
	size_t size = c->reply_size;

	if (c->id == KVMI_VCPU_GET_MTRR_TYPE)
		size = 1;
	if (c->id == KVMI_VCPU_GET_REGISTERS) {
		size = 472;
		CHECK(is_zero(msr_values, sizeof(msr_values)));
	}
	CHECK(is_zero(&out, size));
}

static void request_bytes(void)
{
	uint8_t have[8192], zero[8192] = { 0 };
	struct kvmi_msg_hdr hdr;
	const struct call *c;
	size_t n;

	for (c = calls; c < calls + NUM_CALLS; c++) {
		start_call();
		queue_reply(c, c->reply_size);
		CHECK_INT(c->run(), 0);
		CHECK_INT(recv(sv[1], have, sizeof(have), MSG_DONTWAIT),
			  8 + c->request_size);
		memcpy(&hdr, have, sizeof(hdr));
		CHECK_INT(hdr.id, c->id);
		CHECK_INT(hdr.size, c->request_size);
		n = c->request_size < 32 ? c->request_size : 32;
		CHECK(!memcmp(have + 8, c->request, n));
		CHECK(!memcmp(have + 8 + n, zero, c->request_size - n));
		close_pair();
	}
}

static void any_wire_error(void)
{
	const struct call *c;

	for (c = calls; c < calls + NUM_CALLS; c++) {
		start_call();
		peer_reply(sv[1], c->id, 1, -KVMI_EAGAIN, NULL, 0);
		CHECK_INT(c->run(), -KVMI_EAGAIN);
		CHECK(strstr(kvmic_error(conn), kvmic_command_name(c->id)));
		CHECK(strstr(kvmic_last_error(conn)->hint, "has started"));
		check_nothing_filled(c);
		peer_reply(sv[1], c->id, 2, -KVMI_ENOSYS, NULL, 0);
		CHECK_INT(c->run(), -KVMI_ENOSYS);
		CHECK(strstr(kvmic_last_error(conn)->hint, "kvmictl version"));
		close_pair();
	}
}

static void short_reply(void)
{
	const struct call *c;

	for (c = calls; c < calls + NUM_CALLS; c++) {
		if (!c->reply_size)
			continue;
		start_call();
		queue_reply(c, c->reply_size - 1);
		CHECK_INT(c->run(), -KVMIC_ERR_PROTOCOL);
		check_nothing_filled(c);
		CHECK_INT(c->run(), -KVMIC_ERR_PROTOCOL);
		close_pair();
	}
}

/* A newer kernel may append something. */
static void long_reply(void)
{
	const struct call *c;

	for (c = calls; c < calls + NUM_CALLS; c++) {
		start_call();
		queue_reply(c, c->reply_size + 64);
		CHECK_INT(c->run(), 0);
		CHECK(!c->reply_size || !is_zero(&out, 1));
		CHECK_INT(out.bytes[4095], c->reply_size > 472 + 32 ? 0xa5 :
			  0x55);
		close_pair();
	}
}

/* ----------------------------------------------------------- with a peer */

static void answers(void)
{
	struct kvmi_vcpu_get_info_reply info;
	struct kvmi_vcpu_get_cpuid_reply cpuid;
	static struct kvmi_vcpu_xsave in, back;
	uint64_t value;
	uint8_t type;

	open_peer();
	CHECK_INT(kvmic_vcpu_get_info(conn, 0, &info), 0);
	CHECK_INT(info.tsc_speed, 2400000000u);
	CHECK_INT(kvmic_vcpu_get_info(conn, 3, &info), -KVMI_EINVAL);
	CHECK_INT(kvmic_vcpu_get_cpuid(conn, 0, 7, 1, &cpuid), 0);
	CHECK_INT(cpuid.eax, 7);
	CHECK_INT(cpuid.ebx, 1);
	CHECK_INT(cpuid.ecx, 0xc);
	CHECK_INT(cpuid.edx, 0xd);
	CHECK_INT(kvmic_vcpu_get_cpuid(conn, 0, 8, 0, &cpuid), -KVMI_ENOENT);
	CHECK_INT(kvmic_vcpu_get_xcr(conn, 0, 0, &value), 0);
	CHECK_INT(value, 7);
	CHECK_INT(kvmic_vcpu_get_xcr(conn, 0, 1, &value), -KVMI_EINVAL);
	CHECK_INT(kvmic_vcpu_get_mtrr_type(conn, 0, 0, &type), 0);
	CHECK_INT(type, 6);
	CHECK_INT(kvmic_vcpu_translate_gva(conn, 0, PEER_VIRTUAL + 5, &value),
		  0);
	CHECK_INT(value, 4096 + 5);
	CHECK_INT(kvmic_vcpu_translate_gva(conn, 0, 5, &value), 0);
	CHECK(value == KVMIC_NOT_MAPPED);
	memset(&in, 0x3c, sizeof(in));
	CHECK_INT(kvmic_vcpu_set_xsave(conn, 1, &in), 0);
	CHECK_INT(kvmic_vcpu_get_xsave(conn, 1, &back), 0);
	CHECK(!memcmp(&in, &back, sizeof(in)));
	CHECK_INT(kvmic_vcpu_control_events(conn, 1, KVMI_VCPU_EVENT_TRAP, 1),
		  0);
	CHECK_INT(peer.vcpu[1].enabled, 1 << KVMI_VCPU_EVENT_TRAP);
	CHECK_INT(kvmic_vcpu_control_events(conn, 1, KVMI_VCPU_EVENT_PF, 1),
		  -KVMI_EINVAL);
	close_peer();
}

static void registers(void)
{
	struct kvmi_vcpu_get_registers_reply r;
	uint32_t msrs[KVMI_MAX_MSRS + 1];
	uint64_t values[KVMI_MAX_MSRS + 1];
	size_t i;

	open_peer();
	CHECK_INT(kvmic_vcpu_get_registers(conn, 0, NULL, 0, &r, NULL), 0);
	CHECK_INT(r.mode, 8);
	CHECK_INT(r.regs.rbx, 0x1111111100000001);
	CHECK_INT(r.regs.r15, 0x111111110000000f);
	CHECK_INT(r.regs.rflags, 0x246);
	CHECK_INT(r.sregs.efer, 0xd01);
	CHECK_INT(r.sregs.cs.selector, 0x10);
	CHECK_INT(r.nmsrs, 0);
	for (i = 0; i < KVMI_MAX_MSRS + 1; i++)
		msrs[i] = 0xc0000080 + i % 5;
	memset(values, 0x55, sizeof(values));
	CHECK_INT(kvmic_vcpu_get_registers(conn, 1, msrs, KVMI_MAX_MSRS, &r,
					   values), 0);
	CHECK_INT(r.mode, 4);
	for (i = 0; i < KVMI_MAX_MSRS; i++)
		CHECK_INT(values[i], msrs[i] * 0x100000001ull);
	CHECK_INT(values[KVMI_MAX_MSRS], 0x5555555555555555);
	CHECK_INT(kvmic_vcpu_get_registers(conn, 0, msrs, KVMI_MAX_MSRS + 1,
					   &r, values), -KVMIC_ERR_ARG);
	msrs[1] = 0x12345;
	CHECK_INT(kvmic_vcpu_get_registers(conn, 0, msrs, 2, &r, values),
		  -KVMI_EINVAL);
	CHECK_INT(values[0], 0);
	CHECK_INT(kvmic_vcpu_set_registers(conn, 0, &r.regs),
		  -KVMI_EOPNOTSUPP);
	close_peer();
}

/* Other MSRs than asked for, or another number of them. */
static void registers_of_liar(void)
{
	uint8_t data[472 + 32] = { 0 };
	int i;

	for (i = 0; i < 3; i++) {
		start_call();
		memcpy(data + 464, &(uint32_t){ i == 0 ? 1 : 2 }, 4);
		memcpy(data + 472, &two_msrs[i == 1], 4);
		memcpy(data + 488, &two_msrs[i != 1], 4);
		data[0] = 8;
		data[480] = 1;
		peer_reply(sv[1], KVMI_VCPU_GET_REGISTERS, 1, 0, data,
			   sizeof(data));
		CHECK_INT(do_get_regs(), i < 2 ? -KVMIC_ERR_PROTOCOL : 0);
		if (i < 2)
			check_nothing_filled(&calls[3]);
		else
			CHECK_INT(msr_values[0], 1);
		close_pair();
	}
}

static void read_virtual(void)
{
	static uint8_t buf[20000];
	size_t done, i;

	open_peer();
	CHECK_INT(kvmic_read_virtual(conn, 0, PEER_VIRTUAL + 0xff0, buf,
				     sizeof(buf), &done), 0);
	CHECK_INT(done, sizeof(buf));
	for (i = 0; i < done; i++)
		if (buf[i] != peer_byte((0xff0 + i) ^ 4096))
			break;
	CHECK_INT(i, sizeof(buf));
	CHECK_INT(kvmic_read_virtual(conn, 0, PEER_VIRTUAL, buf, 0, &done), 0);
	CHECK_INT(done, 0);
	CHECK_INT(kvmic_read_virtual(conn, 0, PEER_VIRTUAL + PEER_MEMORY - 100,
				     buf, 200, &done), -KVMIC_ERR_NOT_MAPPED);
	CHECK_INT(done, 100);
	CHECK(strstr(kvmic_error(conn), "0xffff888000400000"));
	CHECK_INT(kvmic_read_virtual(conn, 0, PEER_VIRTUAL + PEER_HOLE - 9,
				     buf, 20, &done), -KVMI_ENOENT);
	CHECK_INT(done, 9);
	CHECK_INT(kvmic_read_virtual(conn, 9, PEER_VIRTUAL, buf, 20, &done),
		  -KVMI_EINVAL);
	CHECK_INT(kvmic_read_virtual(conn, 0, ~0ull, buf, 2, NULL),
		  -KVMIC_ERR_ARG);
	CHECK_STR(kvmic_strerror(-KVMIC_ERR_NOT_MAPPED), "address not mapped");
	close_peer();
}

int main(void)
{
	static const struct tap_test tests[] = {
		TEST(request_bytes), TEST(any_wire_error), TEST(short_reply),
		TEST(long_reply), TEST(answers), TEST(registers),
		TEST(registers_of_liar), TEST(read_virtual),
	};

	return tap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
