// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tool's side of the vCPU tests: typed commands, and events.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "kvmi_vcpu.h"

/* ----------------------------------------------- events that come between -- */

/* On the heap: what is static is copied into every guest. */
struct kept {
	struct kept *next;
	int fd;
	int size;
	struct message msg;
};

static struct kept *kept_first;

static void keep(int fd, int size, const struct message *msg)
{
	struct kept **last = &kept_first, *k = calloc(1, sizeof(*k));

	CHECK(k, "calloc");
	k->fd = fd;
	k->size = size;
	k->msg = *msg;
	while (*last)
		last = &(*last)->next;
	*last = k;
}

static bool kept_take(int fd, int *size, struct message *msg)
{
	struct kept **at = &kept_first, *k;

	while (*at && (*at)->fd != fd)
		at = &(*at)->next;
	k = *at;
	if (!k)
		return false;
	*at = k->next;
	*size = k->size;
	*msg = k->msg;
	free(k);
	return true;
}

/* An error reply to a bad event reply has the same id, but is short. */
static bool is_event(const struct message *msg, int size)
{
	return size >= (int)(sizeof(struct kvmi_event_hdr) +
			     sizeof(struct kvmi_vcpu_event)) &&
	       msg->hdr.id == KVMI_VCPU_EVENT;
}

/* --------------------------------------------------------------- commands -- */

int reply_recv(int fd, uint16_t id, uint32_t seq, void *reply, size_t size)
{
	struct kvmi_error_code ec;
	struct message msg;
	int got;

	while (is_event(&msg, got = recv_msg(fd, &msg)))
		keep(fd, got, &msg);
	CHECK(got >= (int)sizeof(ec), "no reply to command %u: %d", id, got);
	CHECK_EQ(msg.hdr.id, id);
	CHECK_EQ(msg.hdr.seq, seq);
	memcpy(&ec, msg.data, sizeof(ec));
	CHECK_EQ(ec.padding, 0);
	CHECK(ec.err <= 0, "positive error %d", ec.err);
	CHECK_EQ(got, sizeof(ec) + (ec.err ? 0 : size));
	if (!ec.err && size)
		memcpy(reply, msg.data + sizeof(ec), size);
	return ec.err;
}

static uint32_t next_seq(void)
{
	static uint32_t seq;

	return ++seq * 0x9e3779b1u;
}

int tool_command(int fd, uint16_t id, const void *req, size_t size,
		 void *reply, size_t reply_size)
{
	uint32_t seq = next_seq();

	CHECK_EQ(send_msg(fd, id, seq, req, size), 0);
	return reply_recv(fd, id, seq, reply, reply_size);
}

uint32_t vcpu_send(int fd, int vcpu, uint16_t id, const void *req, size_t size)
{
	struct kvmi_vcpu_hdr hdr = { .vcpu = vcpu };
	uint8_t data[KVMI_MAX_MSG_SIZE];
	uint32_t seq = next_seq();

	memcpy(data, &hdr, sizeof(hdr));
	if (size)
		memcpy(data + sizeof(hdr), req, size);
	CHECK_EQ(send_msg(fd, id, seq, data, sizeof(hdr) + size), 0);
	return seq;
}

int vcpu_command(int fd, int vcpu, uint16_t id, const void *req, size_t size,
		 void *reply, size_t reply_size)
{
	uint32_t seq = vcpu_send(fd, vcpu, id, req, size);

	return reply_recv(fd, id, seq, reply, reply_size);
}

bool command_offered(int fd, uint16_t id)
{
	struct kvmi_vm_check_command req = { .id = id };
	int err = tool_command(fd, KVMI_VM_CHECK_COMMAND, &req, sizeof(req),
			       NULL, 0);

	CHECK(!err || err == -KVMI_ENOENT || err == -KVMI_EPERM, "%d", err);
	return err != -KVMI_ENOENT;
}

int get_info(int fd, int vcpu, uint64_t *tsc_hz)
{
	return vcpu_command(fd, vcpu, KVMI_VCPU_GET_INFO, NULL, 0, tsc_hz, 8);
}

int control_event(int fd, int vcpu, uint16_t event, uint8_t enable)
{
	struct kvmi_vcpu_control_events req = {
		.event_id = event,
		.enable = enable,
	};

	return vcpu_command(fd, vcpu, KVMI_VCPU_CONTROL_EVENTS, &req,
			    sizeof(req), NULL, 0);
}

int get_registers(int fd, int vcpu, int nmsrs, const uint32_t *msrs,
		  struct registers *regs)
{
	struct kvmi_vcpu_get_registers req = { .nmsrs = nmsrs };
	uint8_t data[sizeof(req) + 4 * (KVMI_MAX_MSRS + 1)];
	int err, i, room = nmsrs > KVMI_MAX_MSRS ? 0 : nmsrs;

	memcpy(data, &req, sizeof(req));
	if (nmsrs)
		memcpy(data + sizeof(req), msrs, 4 * nmsrs);
	err = vcpu_command(fd, vcpu, KVMI_VCPU_GET_REGISTERS, data,
			   sizeof(req) + 4 * nmsrs, regs,
			   sizeof(regs->hdr) + 16 * room);
	if (err)
		return err;
	CHECK_EQ(regs->hdr.nmsrs, nmsrs);
	CHECK_EQ(regs->hdr.padding, 0);
	CHECK_EQ(regs->hdr.padding2, 0);
	for (i = 0; i < nmsrs; i++) {
		CHECK_EQ(regs->msrs[i].index, msrs[i]);
		CHECK_EQ(regs->msrs[i].reserved, 0);
	}
	return 0;
}

int set_registers(int fd, int vcpu, const struct kvm_regs *regs)
{
	return vcpu_command(fd, vcpu, KVMI_VCPU_SET_REGISTERS, regs,
			    sizeof(*regs), NULL, 0);
}

int get_cpuid(int fd, int vcpu, uint32_t function, uint32_t index,
	      struct kvmi_vcpu_get_cpuid_reply *reply)
{
	struct kvmi_vcpu_get_cpuid req = { function, index };

	return vcpu_command(fd, vcpu, KVMI_VCPU_GET_CPUID, &req, sizeof(req),
			    reply, sizeof(*reply));
}

int get_xcr(int fd, int vcpu, uint8_t xcr, uint64_t *value)
{
	struct kvmi_vcpu_get_xcr req = { .xcr = xcr };

	return vcpu_command(fd, vcpu, KVMI_VCPU_GET_XCR, &req, sizeof(req),
			    value, 8);
}

int get_xsave(int fd, int vcpu, struct kvmi_vcpu_xsave *xsave)
{
	return vcpu_command(fd, vcpu, KVMI_VCPU_GET_XSAVE, NULL, 0, xsave,
			    sizeof(*xsave));
}

int set_xsave(int fd, int vcpu, const struct kvmi_vcpu_xsave *xsave)
{
	return vcpu_command(fd, vcpu, KVMI_VCPU_SET_XSAVE, xsave,
			    sizeof(*xsave), NULL, 0);
}

int get_mtrr_type(int fd, int vcpu, uint64_t gpa, uint8_t *type)
{
	struct kvmi_vcpu_get_mtrr_type req = { .gpa = gpa };
	struct kvmi_vcpu_get_mtrr_type_reply reply;
	static const uint8_t zero[sizeof(reply.padding)];
	int err;

	err = vcpu_command(fd, vcpu, KVMI_VCPU_GET_MTRR_TYPE, &req,
			   sizeof(req), &reply, sizeof(reply));
	if (err)
		return err;
	CHECK(!memcmp(reply.padding, zero, sizeof(zero)), "not zero");
	*type = reply.type;
	return 0;
}

int translate_gva(int fd, int vcpu, uint64_t gva, uint64_t *gpa)
{
	return vcpu_command(fd, vcpu, KVMI_VCPU_TRANSLATE_GVA, &gva,
			    sizeof(gva), gpa, sizeof(*gpa));
}

int inject(int fd, int vcpu, uint8_t nr, uint32_t error, uint64_t address)
{
	struct kvmi_vcpu_inject_exception req = {
		.nr = nr,
		.error_code = error,
		.address = address,
	};

	return vcpu_command(fd, vcpu, KVMI_VCPU_INJECT_EXCEPTION, &req,
			    sizeof(req), NULL, 0);
}

int pause_vcpu(int fd, int vcpu, uint8_t wait)
{
	struct kvmi_vm_pause_vcpu req = { .vcpu = vcpu, .wait = wait };

	return tool_command(fd, KVMI_VM_PAUSE_VCPU, &req, sizeof(req), NULL,
			    0);
}

uint64_t ask_all(int fd, struct kvm_vm *vm, int vcpu, int set)
{
	static const uint32_t msrs[] = { MSR_EFER, MSR_LSTAR };
	struct kvmi_vcpu_get_cpuid_reply leaf;
	struct kvmi_vcpu_xsave xsave;
	struct registers regs;
	uint64_t value;
	uint8_t type;

	CHECK_EQ(get_info(fd, vcpu, &value), 0);
	CHECK_EQ(control_event(fd, vcpu, KVMI_VCPU_EVENT_PAUSE, 1), 0);
	CHECK_EQ(get_registers(fd, vcpu, 2, msrs, &regs), 0);
	CHECK_EQ(regs.hdr.mode, 8);
	CHECK_EQ(regs.hdr.sregs.cr3, vm->pgd);
	CHECK_EQ(regs.msrs[0].data, regs.hdr.sregs.efer);
	CHECK_EQ(set_registers(fd, vcpu, &regs.hdr.regs), set);
	CHECK_EQ(get_cpuid(fd, vcpu, 0, 0, &leaf), 0);
	CHECK(leaf.eax > 0, "no leaf");
	CHECK_EQ(get_xcr(fd, vcpu, 0, &value), 0);
	CHECK(value & 1, "no x87 in XCR0");
	CHECK_EQ(get_xsave(fd, vcpu, &xsave), 0);
	CHECK_EQ(set_xsave(fd, vcpu, &xsave), 0);
	CHECK_EQ(get_mtrr_type(fd, vcpu, 0x1000, &type), 0);
	CHECK_EQ(translate_gva(fd, vcpu, (uint64_t)&guest_area[vcpu], &value),
		 0);
	CHECK_EQ(value, addr_gva2gpa(vm, (vm_vaddr_t)&guest_area[vcpu]));
	return regs.hdr.regs.rip;
}

/* ----------------------------------------------------------------- events -- */

static void event_parse(struct event *ev, const struct message *msg, int size)
{
	static const uint8_t zero[8];
	struct kvmi_event_hdr hdr;

	CHECK(is_event(msg, size), "no event: id %u, %d bytes", msg->hdr.id,
	      size);
	memcpy(&hdr, msg->data, sizeof(hdr));
	memcpy(&ev->common, msg->data + sizeof(hdr), sizeof(ev->common));
	CHECK(!memcmp(hdr.padding, zero, sizeof(hdr.padding)), "not zero");
	CHECK_EQ(ev->common.size, 544);
	CHECK_EQ(ev->common.padding, 0);
	CHECK(!memcmp(ev->common.arch.padding, zero, 7), "not zero");
	ev->own_size = size - sizeof(hdr) - ev->common.size;
	CHECK(ev->own_size >= 0 && ev->own_size <= sizeof(ev->own), "%d bytes",
	      size);
	memcpy(ev->own, msg->data + sizeof(hdr) + ev->common.size,
	       ev->own_size);
	ev->seq = msg->hdr.seq;
	ev->event = hdr.event;
}

void event_recv(int fd, struct event *ev)
{
	struct message msg;
	int size;

	if (!kept_take(fd, &size, &msg))
		size = recv_msg(fd, &msg);
	event_parse(ev, &msg, size);
}

void event_expect(int fd, struct event *ev, uint16_t event, int vcpu)
{
	event_recv(fd, ev);
	CHECK_EQ(ev->event, event);
	CHECK_EQ(ev->common.vcpu, vcpu);
	CHECK_EQ(ev->own_size, event == KVMI_VCPU_EVENT_TRAP ? 16 : 0);
}

bool event_none(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct kept *k;

	for (k = kept_first; k; k = k->next) {
		if (k->fd == fd)
			return false;
	}
	return poll(&p, 1, 150) == 0;
}

void tool_close(int fd)
{
	struct message msg;
	int size;

	while (kept_take(fd, &size, &msg))
		;
	close(fd);
}

int event_reply_raw(int fd, uint32_t seq, const struct event_answer *answer,
		    size_t size)
{
	return send_msg(fd, KVMI_VCPU_EVENT, seq, answer, size);
}

int event_reply(int fd, const struct event *ev, uint8_t action)
{
	struct event_answer answer = {
		.hdr = { .vcpu = ev->common.vcpu },
		.reply = { .action = action, .event = ev->event },
	};

	return event_reply_raw(fd, ev->seq, &answer, 16);
}

void pause_now(int fd, int vcpu, struct event *ev)
{
	CHECK_EQ(pause_vcpu(fd, vcpu, 0), 0);
	event_expect(fd, ev, KVMI_VCPU_EVENT_PAUSE, vcpu);
}
