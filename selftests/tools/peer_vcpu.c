// SPDX-License-Identifier: GPL-2.0-only
/* Answers vCPU commands, and sends events, by the rules of <linux/kvmi.h>. */
#include <string.h>

#include "peer.h"

struct event_message {
	struct kvmi_event_hdr hdr;
	struct kvmi_vcpu_event common;
	struct kvmi_vcpu_event_trap trap;
};

static void set_segment(struct kvm_segment *s, uint16_t selector, bool code,
			bool l, bool db)
{
	s->selector = selector;
	s->limit = 0xffffffff;
	s->type = code ? 11 : 3;
	s->present = s->s = s->g = 1;
	s->l = l;
	s->db = db;
}

/* vCPU 0 in long mode, 1 in protected mode with PAE, the others in real mode. */
static uint8_t get_sregs(unsigned int vcpu, struct kvm_sregs *s)
{
	memset(s, 0, sizeof(*s));
	s->apic_base = 0xfee00900;
	s->cr2 = 0x7f0000001000ull + vcpu;
	if (vcpu > 1) {
		s->cr0 = 0x60000010;
		set_segment(&s->cs, 0xf000, true, false, false);
		s->cs.base = 0xffff0000;
		return 2;
	}
	s->cr0 = 0x80050033;
	s->cr3 = 0x1aa000 + vcpu;
	s->cr4 = vcpu ? 0x20 : 0x1006b0;
	s->efer = vcpu ? 0 : 0xd01;
	set_segment(&s->cs, 0x10, true, !vcpu, vcpu);
	set_segment(&s->ss, 0x18, false, false, true);
	s->gs.base = 0xffff88807fc00000ull;
	s->fs.unusable = s->ldt.unusable = 1;
	s->idt.base = 0xfffffe0000000000ull;
	s->idt.limit = 0xfff;
	return vcpu ? 4 : 8;
}

void peer_init_vcpus(struct peer *p)
{
	unsigned int v, i;

	for (v = 0; v < PEER_MAX_VCPUS; v++) {
		struct kvm_regs *r = &p->vcpu[v].regs;

		for (i = 0; i < 16; i++)
			(&r->rax)[i] = 0x1111111100000000ull * (v + 1) + i;
		r->rip = 0xffffffff81000000ull + v;
		r->rflags = 0x246;
	}
}

int peer_msr(uint32_t index, __u64 *value)
{
	*value = index * 0x100000001ull;
	return index == 0x10 || (index >= 0x174 && index <= 0x176) ||
	       index == 0x277 || (index >= 0xc0000080 && index <= 0xc0000084) ||
	       (index >= 0xc0000100 && index <= 0xc0000102);
}

uint64_t peer_translate(uint64_t gva)
{
	if (gva < PEER_VIRTUAL || gva >= PEER_VIRTUAL + PEER_MEMORY)
		return ~0ull;
	return (gva - PEER_VIRTUAL) ^ 4096;
}

/* ----------------------------------------------------------------- events */

static bool send_event(struct peer *p, unsigned int vcpu, uint16_t event)
{
	struct peer_vcpu *v = &p->vcpu[vcpu];
	struct event_message msg;
	size_t size = sizeof(msg) - sizeof(msg.trap);

	memset(&msg, 0, sizeof(msg));
	msg.hdr.event = event;
	msg.common.size = sizeof(msg.common);
	msg.common.vcpu = vcpu;
	msg.common.arch.regs = v->regs;
	msg.common.arch.mode = get_sregs(vcpu, &msg.common.arch.sregs);
	peer_msr(0xc0000082, &msg.common.arch.msrs.lstar);
	if (event == KVMI_VCPU_EVENT_TRAP) {
		msg.trap.nr = v->exception.nr;
		msg.trap.error_code = v->exception.error_code;
		msg.trap.address = v->exception.address;
		size = sizeof(msg);
	}
	v->waits_for = ++p->event_seq;
	v->event = event;
	return peer_send(p->fd, KVMI_VCPU_EVENT, v->waits_for, &msg, size);
}

bool peer_send_events(struct peer *p)
{
	unsigned int i;

	for (i = 0; i < p->vcpu_count; i++) {
		struct peer_vcpu *v = &p->vcpu[i];

		if (v->waits_for || v->outside || v->unstarted)
			continue;
		if (v->inject) {
			v->inject = false;
			if (!send_event(p, i, KVMI_VCPU_EVENT_TRAP))
				return false;
		} else if (v->pauses) {
			v->pauses--;
			if (!send_event(p, i, KVMI_VCPU_EVENT_PAUSE))
				return false;
		}
	}
	return true;
}

int32_t peer_pause(struct peer *p, const uint8_t *payload)
{
	struct kvmi_vm_pause_vcpu req;

	memcpy(&req, payload, sizeof(req));
	if (req.padding1 || req.padding2 || req.wait > 1)
		return -KVMI_EINVAL;
	if (!(p->events >> KVMI_VCPU_EVENT_PAUSE & 1))
		return -KVMI_EPERM;
	if (req.vcpu >= p->vcpu_count)
		return -KVMI_EINVAL;
	p->vcpu[req.vcpu].pauses++;
	return 0;
}

static bool event_reply(struct peer *p, const struct kvmi_msg_hdr *hdr,
			unsigned int vcpu, const uint8_t *payload)
{
	struct peer_vcpu *v = &p->vcpu[vcpu];
	struct kvmi_vcpu_event_reply reply;

	memcpy(&reply, payload + sizeof(struct kvmi_vcpu_hdr), sizeof(reply));
	if (!v->waits_for || hdr->seq != v->waits_for || hdr->size != 16 ||
	    reply.padding1 || reply.padding2 ||
	    (reply.action != KVMI_EVENT_ACTION_CONTINUE &&
	     reply.action != KVMI_EVENT_ACTION_CRASH))
		return false;
	if (p->on_answer)
		p->on_answer(p, vcpu, v->event, reply.action);
	v->waits_for = 0;
	if (v->set_regs)
		v->regs = v->new_regs;
	v->set_regs = false;
	return true;
}

/* --------------------------------------------------------------- commands */

static bool get_registers(struct peer *p, const struct kvmi_msg_hdr *hdr,
			  unsigned int vcpu, const uint8_t *req)
{
	struct {
		struct kvmi_vcpu_get_registers_reply r;
		struct kvm_msr_entry msrs[KVMI_MAX_MSRS];
	} out;
	struct kvmi_vcpu_get_registers in;
	__u64 value;
	size_t i;

	memset(&out, 0, sizeof(out));
	memcpy(&in, req, sizeof(in));
	if (in.padding1 || in.padding2 || in.nmsrs > KVMI_MAX_MSRS ||
	    16u + 4u * in.nmsrs > hdr->size)
		return peer_answer(p, hdr, -KVMI_EINVAL, NULL, 0);
	out.r.regs = p->vcpu[vcpu].regs;
	out.r.mode = get_sregs(vcpu, &out.r.sregs);
	out.r.nmsrs = in.nmsrs;
	for (i = 0; i < in.nmsrs; i++) {
		memcpy(&out.msrs[i].index, req + sizeof(in) + 4 * i, 4);
		if (!peer_msr(out.msrs[i].index, &value))
			return peer_answer(p, hdr, -KVMI_EINVAL, NULL, 0);
		out.msrs[i].data = value;
	}
	return peer_answer(p, hdr, 0, &out, 472 + 16 * in.nmsrs);
}

static int32_t set_state(struct peer *p, const struct kvmi_msg_hdr *hdr,
			 unsigned int vcpu, const uint8_t *req)
{
	struct kvmi_vcpu_control_events ce;
	struct peer_vcpu *v = &p->vcpu[vcpu];

	switch (hdr->id) {
	case KVMI_VCPU_SET_REGISTERS:
		if (hdr->size < 8 + sizeof(v->new_regs))
			return -KVMI_EINVAL;
		if (!v->waits_for)
			return -KVMI_EOPNOTSUPP;
		memcpy(&v->new_regs, req, sizeof(v->new_regs));
		v->set_regs = true;
		return 0;
	case KVMI_VCPU_SET_XSAVE:
		if (hdr->size < 8 + sizeof(v->xsave))
			return -KVMI_EINVAL;
		memcpy(&v->xsave, req, sizeof(v->xsave));
		return 0;
	case KVMI_VCPU_INJECT_EXCEPTION:
		memcpy(&v->exception, req, sizeof(v->exception));
		if (v->exception.padding1 || v->exception.padding2 ||
		    v->exception.nr > 31 || v->exception.nr == 2)
			return -KVMI_EINVAL;
		if (v->inject)
			return -KVMI_EBUSY;
		v->inject = true;
		return 0;
	default:	/* KVMI_VCPU_CONTROL_EVENTS */
		memcpy(&ce, req, sizeof(ce));
		if (ce.padding1 || ce.padding2 || ce.enable > 1 ||
		    ce.event_id > 31 || !(ce.event_id & 1) ||
		    !(p->known_events >> ce.event_id & 1))
			return -KVMI_EINVAL;
		v->enabled = (v->enabled & ~(1u << ce.event_id)) |
			     (uint32_t)ce.enable << ce.event_id;
		return 0;
	}
}

static bool get_small(struct peer *p, const struct kvmi_msg_hdr *hdr,
		      const uint8_t *req)
{
	uint32_t leaf[4] = { 0 };
	uint64_t value;

	memcpy(&value, req, sizeof(value));
	memcpy(leaf, req, 8);
	switch (hdr->id) {
	case KVMI_VCPU_GET_INFO:
		value = 2400000000u;
		return peer_answer(p, hdr, 0, &value, 8);
	case KVMI_VCPU_GET_CPUID:
		leaf[2] = 0xc;
		leaf[3] = 0xd;
		return peer_answer(p, hdr, leaf[0] > 7 ? -KVMI_ENOENT : 0,
				   leaf, 16);
	case KVMI_VCPU_GET_XCR:
		if (value)
			return peer_answer(p, hdr, -KVMI_EINVAL, NULL, 0);
		value = 7;
		return peer_answer(p, hdr, 0, &value, 8);
	case KVMI_VCPU_GET_MTRR_TYPE:
		value = value < PEER_MEMORY ? 6 : 0;
		return peer_answer(p, hdr, 0, &value, 8);
	default:	/* KVMI_VCPU_TRANSLATE_GVA */
		value = peer_translate(value);
		return peer_answer(p, hdr, 0, &value, 8);
	}
}

bool peer_vcpu_message(struct peer *p, const struct kvmi_msg_hdr *hdr,
		       const uint8_t *payload)
{
	const uint8_t *req = payload + sizeof(struct kvmi_vcpu_hdr);
	struct kvmi_vcpu_hdr vh;

	memcpy(&vh, payload, sizeof(vh));
	if (vh.padding1 || vh.padding2 || vh.vcpu >= p->vcpu_count)
		return peer_answer(p, hdr, -KVMI_EINVAL, NULL, 0);
	if (p->vcpu[vh.vcpu].unstarted)
		return peer_answer(p, hdr, -KVMI_EAGAIN, NULL, 0);
	switch (hdr->id) {
	case KVMI_VCPU_EVENT:
		return event_reply(p, hdr, vh.vcpu, payload);
	case KVMI_VCPU_GET_REGISTERS:
		return get_registers(p, hdr, vh.vcpu, req);
	case KVMI_VCPU_GET_XSAVE:
		return peer_answer(p, hdr, 0, &p->vcpu[vh.vcpu].xsave, 4096);
	case KVMI_VCPU_SET_REGISTERS:
	case KVMI_VCPU_SET_XSAVE:
	case KVMI_VCPU_INJECT_EXCEPTION:
	case KVMI_VCPU_CONTROL_EVENTS:
		return peer_answer(p, hdr, set_state(p, hdr, vh.vcpu, req),
				   NULL, 0);
	default:
		return get_small(p, hdr, req);
	}
}
