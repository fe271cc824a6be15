// SPDX-License-Identifier: GPL-2.0-only
/*
 * Four vCPUs and a tool that sends every command to all of them without waiting
 * for replies, while the VMM stops and continues its vCPUs, one or all, gets
 * and sets their state, resets one or all, and changes memory slots
 * (vcpu_storm_vmm.c). Every command has one reply, with the value that it must
 * have, every pause and injection one event, and no guest runs during its event.
 *
 * KVMI_SEED=N repeats the choices of an earlier run.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "vcpu_storm_vmm.h"

#define WINDOW 48

/* In XMM0 of a vCPU: who has set it, which one, and by which command. */
#define XSTATE_BV 512
#define XMM0 160
#define MARK(v) (0xfee1000ull + (v))

/* ------------------------------------------------------------ the tool -- */

/**
 * struct sent - a command that was sent and is not answered yet
 * @id: which one, 0 is none
 * @vcpu: to which vCPU
 * @waits: that vCPU waited for the reply to an event
 * @events: how many events of it had been seen
 * @fleeting: the memory comes and goes
 * @value: to be read there
 */
struct sent {
	uint16_t id;
	int vcpu;
	bool waits;
	unsigned long events;
	bool fleeting;
	uint64_t value;
};

/**
 * struct storm - what the tool has sent and not seen answered
 * @fd: its socket
 * @seq: of the last command
 * @sent: commands, by sequence number modulo WINDOW
 * @open: how many there are
 * @last: sequence number of the last reply of a vCPU
 * @pauses: accepted and not seen as events
 * @traps: the same for injections
 * @waits: events that are not answered yet, one for each vCPU
 * @waiting: there is one
 * @count: how far the guest was then
 * @words: what is, or will be, in the memory of vmm.words
 * @commands: replies that came
 * @refused: of those, EAGAIN: a vCPU that was being reset
 * @events: events that came, of each vCPU
 */
struct storm {
	int fd;
	uint32_t seq;
	struct sent sent[WINDOW];
	int open;
	uint32_t last[MAX_VCPUS];
	int pauses;
	int traps;
	struct event waits[MAX_VCPUS];
	bool waiting[MAX_VCPUS];
	uint64_t count[MAX_VCPUS];
	uint64_t words[WORDS];
	unsigned long commands;
	unsigned long refused;
	unsigned long events[MAX_VCPUS];
};

static const struct { uint16_t id; uint16_t size; uint16_t reply; } kinds[] = {
	{ KVMI_VCPU_GET_INFO, 0, 8 }, { KVMI_VCPU_GET_REGISTERS, 16, 504 },
	{ KVMI_VCPU_GET_CPUID, 8, 16 }, { KVMI_VCPU_GET_XCR, 8, 8 },
	{ KVMI_VCPU_GET_XSAVE, 0, 4096 }, { KVMI_VCPU_TRANSLATE_GVA, 8, 8 },
	{ KVMI_VCPU_CONTROL_EVENTS, 8, 0 }, { KVMI_GET_VERSION, 0, 16 },
	{ KVMI_VM_PAUSE_VCPU, 0, 0 }, { KVMI_VCPU_INJECT_EXCEPTION, 16, 0 },
	{ KVMI_VCPU_SET_REGISTERS, 144, 0 }, { KVMI_VCPU_SET_XSAVE, 4096, 0 },
	{ KVMI_VCPU_GET_MTRR_TYPE, 8, 8 }, { KVMI_VM_READ_PHYSICAL, 8, 8 },
	{ KVMI_VM_WRITE_PHYSICAL, 16, 0 }, { KVMI_VCPU_GET_INFO, 0, 8 },
};

/* One that is among the registers too, and one that nobody changes. */
static const uint32_t msrs[2] = { MSR_EFER, MSR_IA32_CR_PAT };

static int kind_of(uint16_t id)
{
	int k = 0;

	while (kinds[k].id != id)
		k++;
	return k;
}

static unsigned int choose(unsigned int nr)
{
	return rand_r(&vmm.seed) % nr;
}

/* VM commands are done in the order in which they are sent. */
static void fill_physical(struct storm *s, struct sent *c, uint8_t *data)
{
	struct kvmi_vm_read_physical req = { .size = sizeof(uint64_t) };
	int word = choose(WORDS);

	c->fleeting = c->id == KVMI_VM_READ_PHYSICAL && !choose(4);
	req.gpa = vmm.words_gpa + 8 * word;
	if (c->fleeting)
		req.gpa = (choose(2) ? SLOT_HERE : SLOT_THERE) + 8 * word;
	if (c->id == KVMI_VM_WRITE_PHYSICAL)
		s->words[word] = (uint64_t)s->seq << 32 | word;
	c->value = s->words[word];
	memcpy(data, &req, sizeof(req));
	memcpy(data + sizeof(req), &c->value, sizeof(c->value));
}

/* Where it waits, and if it does not wait but in a moment will, to its start. */
static void fill_registers(struct storm *s, const struct sent *c, uint8_t *body)
{
	memcpy(body, c->waits ? &s->waits[c->vcpu].common.arch.regs :
	       &vmm.regs[c->vcpu], sizeof(struct kvm_regs));
}

static void fill_xsave(const struct storm *s, const struct sent *c,
		       uint8_t *body)
{
	uint64_t mark = MARK(c->vcpu) << 32 | s->seq;

	memcpy(body, &vmm.xsave[c->vcpu], sizeof(struct kvm_xsave));
	body[XSTATE_BV] |= 3;
	memcpy(body + XMM0, &mark, sizeof(mark));
}

static void fill_msrs(uint8_t *body)
{
	const struct kvmi_vcpu_get_registers req = { .nmsrs = ARRAY_SIZE(msrs) };

	memcpy(body, &req, sizeof(req));
	memcpy(body + sizeof(req), msrs, sizeof(msrs));
}

static void fill(struct storm *s, struct sent *c, uint8_t *data)
{
	uint8_t *body = data + sizeof(struct kvmi_vcpu_hdr);
	uint64_t gva = (uint64_t)&guest_area[c->vcpu];

	data[0] = c->vcpu;
	switch (c->id) {
	case KVMI_VM_PAUSE_VCPU:
		data[2] = choose(2);
		break;
	case KVMI_VCPU_CONTROL_EVENTS:
		body[0] = KVMI_VCPU_EVENT_PAUSE;
		break;
	case KVMI_VCPU_GET_REGISTERS:
		fill_msrs(body);
		break;
	case KVMI_VCPU_INJECT_EXCEPTION:
		body[0] = 6;
		break;
	case KVMI_VCPU_TRANSLATE_GVA:
		memcpy(body, &gva, sizeof(gva));
		break;
	case KVMI_VCPU_SET_REGISTERS:
		fill_registers(s, c, body);
		break;
	case KVMI_VCPU_SET_XSAVE:
		fill_xsave(s, c, body);
		break;
	case KVMI_VM_READ_PHYSICAL:
	case KVMI_VM_WRITE_PHYSICAL:
		fill_physical(s, c, data);
		break;
	}
}

static bool storm_send(struct storm *s)
{
	struct sent *c = &s->sent[(s->seq + 1) % WINDOW];
	uint8_t data[KVMI_MAX_MSG_SIZE] = { 0 };
	int v = choose(MAX_VCPUS), k = choose(ARRAY_SIZE(kinds));

	if (c->id)
		return false;
	/* Few pauses and injections, or nothing else would happen. */
	if (kinds[k].id == KVMI_VM_PAUSE_VCPU ||
	    kinds[k].id == KVMI_VCPU_INJECT_EXCEPTION)
		k = choose(8) ? 0 : k;
	s->seq++;
	*c = (struct sent){ .id = kinds[k].id, .vcpu = v,
			    .waits = s->waiting[v], .events = s->events[v] };
	fill(s, c, data);
	s->open++;
	return send_msg(s->fd, c->id, s->seq, data, 8 + kinds[k].size) == 0;
}

static void check_error(struct storm *s, const struct sent *c, int err)
{
	if (err == -KVMI_EBUSY && c->id == KVMI_VCPU_INJECT_EXCEPTION)
		return;
	/* Whoever waits for a reply has been started. */
	if (err == -KVMI_EAGAIN && c->id & 1 && c->vcpu != BOOTS && !c->waits) {
		s->refused++;
		return;
	}
	if (c->id == KVMI_VCPU_SET_REGISTERS && !c->waits) {
		CHECK(err == -KVMI_EOPNOTSUPP ||
		      (!err && s->events[c->vcpu] > c->events),
		      "error %d without an event", err);
		return;
	}
	if (c->fleeting && err == -KVMI_ENOENT)
		return;
	CHECK(!err, "error %d of %u", err, c->id);
}

static void check_registers(const struct kvmi_vcpu_get_registers_reply *regs)
{
	const struct kvm_msr_entry *msr = (const void *)(regs + 1);

	CHECK_EQ(regs->mode, 8);
	CHECK_EQ(regs->nmsrs, ARRAY_SIZE(msrs));
	CHECK_EQ(msr[0].index, MSR_EFER);
	CHECK_EQ(msr[0].data, regs->sregs.efer);
	CHECK_EQ(msr[1].index, MSR_IA32_CR_PAT);
	CHECK_EQ(msr[1].data, vmm.pat);
	CHECK_EQ(regs->sregs.cr3, vmm.vm->pgd);
	CHECK_EQ(regs->sregs.efer & EFER_LMA, EFER_LMA);
}

/* The VMM may have set again what was there before. */
static void check_xsave(const struct storm *s, int v, const uint8_t *image)
{
	uint64_t mark;

	memcpy(&mark, image + XMM0, sizeof(mark));
	CHECK(!mark || mark >> 32 == MARK(v), "vCPU %d has the mark %#llx", v,
	      (unsigned long long)mark);
}

static void check_value(const struct storm *s, const struct sent *c,
			const uint8_t *data)
{
	uint64_t value;

	memcpy(&value, data, sizeof(value));
	switch (c->id) {
	case KVMI_GET_VERSION:
		CHECK_EQ((uint32_t)value, KVMI_VERSION);
		break;
	case KVMI_VCPU_GET_CPUID:
		CHECK((uint32_t)value > 0, "no leaf");
		break;
	case KVMI_VCPU_GET_XCR:
		CHECK_EQ(value, 1);
		break;
	case KVMI_VCPU_GET_MTRR_TYPE:
		CHECK_EQ(value, 0);
		break;
	case KVMI_VCPU_TRANSLATE_GVA:
		CHECK_EQ(value, vmm.area_gpa[c->vcpu]);
		break;
	case KVMI_VM_READ_PHYSICAL:
		if (!c->fleeting)
			CHECK_EQ(value, c->value);
		break;
	case KVMI_VCPU_GET_REGISTERS:
		check_registers((const void *)data);
		break;
	case KVMI_VCPU_GET_XSAVE:
		check_xsave(s, c->vcpu, data);
		break;
	}
}

static void storm_reply(struct storm *s, const struct message *msg, int size)
{
	struct sent *c = &s->sent[msg->hdr.seq % WINDOW];
	struct kvmi_error_code ec;

	CHECK_EQ(msg->hdr.id, c->id);
	CHECK(s->seq - msg->hdr.seq < WINDOW, "a reply to %u", msg->hdr.seq);
	memcpy(&ec, msg->data, sizeof(ec));
	CHECK(size == 8 + (ec.err ? 0 : kinds[kind_of(msg->hdr.id)].reply),
	      "%d bytes for command %u", size, msg->hdr.id);
	check_error(s, c, ec.err);
	if (!ec.err)
		check_value(s, c, msg->data + sizeof(ec));
	if (!ec.err && msg->hdr.id & 1) {
		CHECK((int32_t)(msg->hdr.seq - s->last[c->vcpu]) > 0,
		      "reply %u comes after %u", msg->hdr.seq,
		      s->last[c->vcpu]);
		s->last[c->vcpu] = msg->hdr.seq;
	}
	s->pauses += !ec.err && msg->hdr.id == KVMI_VM_PAUSE_VCPU;
	s->traps += !ec.err && msg->hdr.id == KVMI_VCPU_INJECT_EXCEPTION;
	c->id = 0;
	s->open--;
	s->commands++;
}

static void storm_event(struct storm *s, const struct message *msg, int size)
{
	struct event *ev;
	int v = msg->data[10] | msg->data[11] << 8;

	CHECK(v < MAX_VCPUS && !s->waiting[v], "vCPU %d has two events", v);
	ev = &s->waits[v];
	ev->event = msg->data[0];
	ev->seq = msg->hdr.seq;
	memcpy(&ev->common, msg->data + sizeof(struct kvmi_event_hdr),
	       sizeof(ev->common));
	CHECK(ev->event == KVMI_VCPU_EVENT_PAUSE ||
	      ev->event == KVMI_VCPU_EVENT_TRAP, "event %u", ev->event);
	CHECK_EQ(size, ev->event == KVMI_VCPU_EVENT_PAUSE ? 552 : 568);
	s->pauses -= ev->event == KVMI_VCPU_EVENT_PAUSE;
	s->traps -= ev->event == KVMI_VCPU_EVENT_TRAP;
	s->waiting[v] = true;
	s->count[v] = vmm.area[v]->count;
	s->events[v]++;
}

/*
 * Answers some of the events, or with @all those that wait. None while the VMM
 * stops the VM: that must not depend on it.
 */
static void storm_answer(struct storm *s, bool all)
{
	int v;

	if (vmm.stopped && !all)
		return;
	for (v = 0; v < MAX_VCPUS; v++) {
		if (!s->waiting[v] || (!all && choose(4)))
			continue;
		CHECK(vmm.area[v]->count == s->count[v],
		      "vCPU %d runs during its event", v);
		s->waiting[v] = false;
		CHECK_EQ(event_reply(s->fd, &s->waits[v],
				     KVMI_EVENT_ACTION_CONTINUE), 0);
	}
}

/* Takes what is there; waits for it when @wait. */
static void storm_take(struct storm *s, bool wait)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	struct message msg;
	int size;

	while (poll(&p, 1, wait ? 60000 : s->open == WINDOW) > 0) {
		wait = false;
		size = recv_msg(s->fd, &msg);
		CHECK(size >= 8, "the connection: %d", size);
		if (msg.hdr.id == KVMI_VCPU_EVENT && size >= 552)
			storm_event(s, &msg, size);
		else
			storm_reply(s, &msg, size);
	}
	CHECK(!wait, "nothing came; %d commands, %d pauses, %d traps are open",
	      s->open, s->pauses, s->traps);
}

static unsigned long num_events(const struct storm *s)
{
	return s->events[0] + s->events[1] + s->events[2] + s->events[3];
}

static bool was_storm(const struct storm *s)
{
	return s->commands > 200 && s->refused && num_events(s) > 10 &&
	       vmm.stops > 3 && vmm.resets[BOOTS] > 1 && vmm.moves > 10 &&
	       vmm.resets[RESETS] > vmm.resets[BOOTS];
}

/* On a slow machine it takes longer until enough has happened. */
static bool goes_on(const struct storm *s, uint64_t end)
{
	uint64_t now = kvmi_now_ms();

	return now < end || (!was_storm(s) && now < end + 60000);
}

static void storm_begin(struct storm *s)
{
	memset(s, 0, sizeof(*s));
	memcpy(s->words, vmm.words, sizeof(s->words));
	s->fd = session_all(vmm.vm);
}

static void storm(void)
{
	struct storm s;
	struct event ev;
	uint64_t end;
	int v;

	vmm_start();
	storm_begin(&s);
	end = kvmi_now_ms() + kvmi_count(6000, 240000);
	while (goes_on(&s, end)) {
		while (s.open < WINDOW && storm_send(&s))
			;
		storm_take(&s, s.open == WINDOW && !(s.waiting[0] |
			   s.waiting[1] | s.waiting[2] | s.waiting[3]));
		storm_answer(&s, false);
	}
	vmm.calm = true;
	while (s.open || s.pauses > 0 || s.traps > 0) {
		storm_answer(&s, true);
		storm_take(&s, true);
	}
	storm_answer(&s, true);
	CHECK_EQ(s.pauses, 0);
	CHECK_EQ(s.traps, 0);
	CHECK(event_none(s.fd), "something came too often");
	kvmi_note("%lu commands, %lu EAGAIN, %lu events, %u stops, %u resets, %u of one vCPU, %u moves of memory",
		  s.commands, s.refused, num_events(&s), vmm.stops,
		  vmm.resets[BOOTS], vmm.resets[RESETS], vmm.moves);
	CHECK(was_storm(&s), "that was no storm");
	CHECK(!memcmp(s.words, vmm.words, sizeof(s.words)), "what was written");
	for (v = 0; v < MAX_VCPUS; v++) {
		pause_now(s.fd, v, &ev);
		CHECK_EQ(event_reply(s.fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	}
	CHECK_EQ(unhook(vmm.vm), 0);
	vmm_end();
}

/* Sessions that end at any moment, whatever is queued, sent or waited for. */
static void sessions(void)
{
	struct kvmi_counts before;
	struct storm s;
	uint64_t end;
	int i, n = 0;

	vmm_start();
	counts_read(&before);
	end = kvmi_now_ms() + kvmi_count(4000, 120000);
	while (kvmi_now_ms() < end) {
		storm_begin(&s);
		for (i = choose(12); i > 0; i--) {
			while (s.open < WINDOW && storm_send(&s))
				;
			storm_take(&s, false);
			storm_answer(&s, false);
		}
		if (choose(2))
			CHECK_EQ(unhook(vmm.vm), 0);
		tool_close(s.fd);
		CHECK_EQ(unhook(vmm.vm), 0);
		n++;
	}
	kvmi_note("%d sessions", n);
	vmm_end();
	counts_check(&before);
}

static const struct kvmi_case cases[] = {
	{ "a storm of commands", storm },
	{ "a storm of sessions", sessions },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
