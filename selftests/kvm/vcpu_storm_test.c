// SPDX-License-Identifier: GPL-2.0-only
/*
 * Four vCPUs and a tool that sends all kinds of commands to all of them
 * without waiting for replies, while the VMM stops and continues its vCPUs,
 * gets and sets their state, resets one, and changes memory slots. Every
 * command has one reply, every pause and injection one event.
 *
 * KVMI_SEED=N repeats the choices of an earlier run.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "kvmi_vcpu.h"

#define WINDOW 48
#define EXITS 1		/* leaves for user space now and then */
#define HALTS 2		/* is halted all the time */
#define RESETS 3	/* is reset by the VMM */

static struct kvm_vm *vm;
static struct kvm_vcpu *vcpus[MAX_VCPUS];
static pthread_t threads[MAX_VCPUS];
static struct kvm_regs first_regs[MAX_VCPUS];
static struct kvm_sregs first_sregs[MAX_VCPUS];
static volatile bool stop, calm;
static unsigned int seed;

void guest_exits(void);

asm(".text\n"
    "guest_exits:\n"
    "	sti\n"
    "1:	incq	(%rdi)\n"
    "	mov	$20000, %ecx\n"
    "2:	dec	%ecx\n"
    "	jnz	2b\n"
    "	outb	%al, $0x80\n"
    "	jmp	1b\n");

static void seed_init(void)
{
	const char *env = getenv("KVMI_SEED");

	seed = env ? strtoul(env, NULL, 0) : time(NULL) ^ getpid();
	kvmi_note("KVMI_SEED=%u", seed);
}

/* ------------------------------------------------------------- the VMM -- */

static void reset(int v)
{
	struct kvm_mp_state state = { KVM_MP_STATE_UNINITIALIZED };

	vcpu_mp_state_set(vcpus[v], &state);
	kvmi_sleep_ms(3);
	vcpu_regs_set(vcpus[v], &first_regs[v]);
	vcpu_sregs_set(vcpus[v], &first_sregs[v]);
	state.mp_state = KVM_MP_STATE_RUNNABLE;
	vcpu_mp_state_set(vcpus[v], &state);
}

/* What a VMM does with a vCPU that is out of KVM_RUN. */
static void disturb(int v, unsigned int *rnd)
{
	struct kvm_vcpu_events events;
	struct kvm_sregs sregs;
	struct kvm_xsave xsave;
	struct kvm_regs regs;

	switch (rand_r(rnd) % 8) {
	case 0:
		vcpu_regs_get(vcpus[v], &regs);
		vcpu_regs_set(vcpus[v], &regs);
		break;
	case 1:
		vcpu_sregs_get(vcpus[v], &sregs);
		vcpu_sregs_set(vcpus[v], &sregs);
		break;
	case 2:
		vcpu_xsave_get(vcpus[v], &xsave);
		vcpu_xsave_set(vcpus[v], &xsave);
		break;
	case 3:
		vcpu_events_get(vcpus[v], &events);
		vcpu_set_msr(vcpus[v], MSR_LSTAR, rand_r(rnd));
		break;
	case 4:
		kvmi_sleep_ms(rand_r(rnd) % 10);
		break;
	case 5:
		if (v == RESETS)
			reset(v);
		break;
	}
}

static __thread struct kvm_run *own_run;

static void on_kick(int sig)
{
	if (own_run)
		own_run->immediate_exit = 1;
}

static void *vcpu_main(void *arg)
{
	unsigned int rnd = seed + (long)arg;
	int v = (long)arg, ret;

	own_run = vcpus[v]->run;
	while (!stop) {
		ret = __vcpu_run(vcpus[v]);
		own_run->immediate_exit = 0;
		if (ret) {
			CHECK(errno == EINTR || errno == EAGAIN, "%s",
			      strerror(errno));
		} else {
			CHECK(own_run->exit_reason == KVM_EXIT_IO,
			      "vCPU %d: exit %u", v, own_run->exit_reason);
			CHECK_EQ(own_run->io.port, 0x80);
		}
		if (!calm)
			disturb(v, &rnd);
	}
	return NULL;
}

static void *kicker_main(void *arg)
{
	unsigned int rnd = seed + 100;

	while (!calm) {
		pthread_kill(threads[rand_r(&rnd) % MAX_VCPUS], SIGUSR1);
		kvmi_sleep_ms(1 + rand_r(&rnd) % 8);
	}
	return NULL;
}

static void *slots_main(void *arg)
{
	int i;

	for (i = 0; !calm; i++) {
		vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS,
					    0x40000000, 10, 16, 0);
		kvmi_sleep_ms(5);
		vm_mem_region_move(vm, 10, 0x50000000);
		kvmi_sleep_ms(5);
		vm_mem_region_delete(vm, 10);
		kvmi_sleep_ms(20);
	}
	return NULL;
}

static void vmm_start(pthread_t *helpers)
{
	static void *entries[] = { guest_spin, guest_exits, guest_halt,
				   guest_spin };
	struct sigaction act = { .sa_handler = on_kick };
	long v;

	seed_init();
	vm = guest_create(MAX_VCPUS, guest_spin, vcpus);
	sigaction(SIGUSR1, &act, NULL);
	for (v = 0; v < MAX_VCPUS; v++) {
		vcpu_regs_get(vcpus[v], &first_regs[v]);
		vcpu_sregs_get(vcpus[v], &first_sregs[v]);
		first_regs[v].rip = (uintptr_t)entries[v];
		vcpu_regs_set(vcpus[v], &first_regs[v]);
		pthread_create(&threads[v], NULL, vcpu_main, (void *)v);
		CHECK(WAIT_FOR(guest_of(vm, v)->count, 20), "no guest %ld", v);
	}
	pthread_create(&helpers[0], NULL, kicker_main, NULL);
	pthread_create(&helpers[1], NULL, slots_main, NULL);
}

static void vmm_stop(pthread_t *helpers)
{
	int v;

	calm = true;
	pthread_join(helpers[0], NULL);
	pthread_join(helpers[1], NULL);
	for (v = 0; v < MAX_VCPUS; v++)
		CHECK(v == HALTS || guest_moves(&guest_of(vm, v)->count),
		      "vCPU %d hangs", v);
	stop = true;
	for (v = 0; v < MAX_VCPUS; v++) {
		pthread_kill(threads[v], SIGUSR1);
		pthread_join(threads[v], NULL);
	}
}

/* ------------------------------------------------------------ the tool -- */

/**
 * struct storm - what the tool has sent and not seen answered
 * @fd: its socket
 * @seq: of the last command
 * @sent: commands, by sequence number modulo WINDOW; id 0 is none
 * @open: how many there are
 * @last: sequence number of the last reply of a vCPU
 * @pauses: accepted and not seen as events
 * @traps: the same for injections
 * @waits: events that are not answered yet, one for each vCPU
 * @commands: replies that came
 * @events: events that came
 */
struct storm {
	int fd;
	uint32_t seq;
	struct { uint16_t id; int vcpu; } sent[WINDOW];
	int open;
	uint32_t last[MAX_VCPUS];
	int pauses;
	int traps;
	struct event waits[MAX_VCPUS];
	bool waiting[MAX_VCPUS];
	unsigned long commands;
	unsigned long events;
};

static const struct { uint16_t id; uint16_t size; uint16_t reply; } kinds[] = {
	{ KVMI_VCPU_GET_INFO, 0, 8 }, { KVMI_VCPU_GET_REGISTERS, 8, 472 },
	{ KVMI_VCPU_GET_CPUID, 8, 16 }, { KVMI_VCPU_GET_XCR, 8, 8 },
	{ KVMI_VCPU_GET_XSAVE, 0, 4096 }, { KVMI_VCPU_TRANSLATE_GVA, 8, 8 },
	{ KVMI_VCPU_CONTROL_EVENTS, 8, 0 }, { KVMI_GET_VERSION, 0, 16 },
	{ KVMI_VM_PAUSE_VCPU, 0, 0 }, { KVMI_VCPU_INJECT_EXCEPTION, 16, 0 },
	{ KVMI_VCPU_GET_REGISTERS, 8, 472 }, { KVMI_VCPU_GET_INFO, 0, 8 },
};

static int kind_of(uint16_t id)
{
	int k = 0;

	while (kinds[k].id != id)
		k++;
	return k;
}

static bool storm_send(struct storm *s)
{
	int v = rand_r(&seed) % MAX_VCPUS, k, slot = (s->seq + 1) % WINDOW;
	uint8_t data[24] = { v };

	k = rand_r(&seed) % ARRAY_SIZE(kinds);
	if (s->sent[slot].id)
		return false;
	/* Few pauses and injections, or nothing else would happen. */
	if (kinds[k].id == KVMI_VM_PAUSE_VCPU ||
	    kinds[k].id == KVMI_VCPU_INJECT_EXCEPTION)
		k = rand_r(&seed) % 8 ? 0 : k;
	if (kinds[k].id == KVMI_VM_PAUSE_VCPU)
		data[2] = rand_r(&seed) % 2;
	if (kinds[k].id == KVMI_VCPU_CONTROL_EVENTS)
		data[8] = KVMI_VCPU_EVENT_PAUSE;
	if (kinds[k].id == KVMI_VCPU_INJECT_EXCEPTION)
		data[8] = 6;
	s->sent[slot].id = kinds[k].id;
	s->sent[slot].vcpu = v;
	s->open++;
	return send_msg(s->fd, kinds[k].id, ++s->seq, data,
			8 + kinds[k].size) == 0;
}

static void storm_reply(struct storm *s, const struct message *msg, int size)
{
	int slot = msg->hdr.seq % WINDOW, v = s->sent[slot].vcpu;
	struct kvmi_error_code ec;

	CHECK_EQ(msg->hdr.id, s->sent[slot].id);
	CHECK(s->seq - msg->hdr.seq < WINDOW, "a reply to %u", msg->hdr.seq);
	memcpy(&ec, msg->data, sizeof(ec));
	CHECK(size == 8 + (ec.err ? 0 : kinds[kind_of(msg->hdr.id)].reply),
	      "%d bytes for command %u", size, msg->hdr.id);
	CHECK(!ec.err || ec.err == -KVMI_EBUSY ||
	      (ec.err == -KVMI_EAGAIN && v == RESETS), "error %d of %u",
	      ec.err, msg->hdr.id);
	if (!ec.err && msg->hdr.id & 1) {
		CHECK((int32_t)(msg->hdr.seq - s->last[v]) > 0,
		      "reply %u comes after %u", msg->hdr.seq, s->last[v]);
		s->last[v] = msg->hdr.seq;
	}
	s->pauses += !ec.err && msg->hdr.id == KVMI_VM_PAUSE_VCPU;
	s->traps += !ec.err && msg->hdr.id == KVMI_VCPU_INJECT_EXCEPTION;
	s->sent[slot].id = 0;
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
	ev->common.vcpu = v;
	CHECK(ev->event == KVMI_VCPU_EVENT_PAUSE ||
	      ev->event == KVMI_VCPU_EVENT_TRAP, "event %u", ev->event);
	CHECK_EQ(size, ev->event == KVMI_VCPU_EVENT_PAUSE ? 552 : 568);
	s->pauses -= ev->event == KVMI_VCPU_EVENT_PAUSE;
	s->traps -= ev->event == KVMI_VCPU_EVENT_TRAP;
	s->waiting[v] = true;
	s->events++;
}

/* Answers some of the events, or with @all those that wait. */
static void storm_answer(struct storm *s, bool all)
{
	int v;

	for (v = 0; v < MAX_VCPUS; v++) {
		if (!s->waiting[v] || (!all && rand_r(&seed) % 4))
			continue;
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

static bool was_storm(const struct storm *s)
{
	return s->commands > 200 && s->events > 10;
}

/* On a slow machine it takes longer until enough has happened. */
static bool goes_on(const struct storm *s, uint64_t end)
{
	uint64_t now = kvmi_now_ms();

	return now < end || (!was_storm(s) && now < end + 60000);
}

static void storm(void)
{
	uint64_t end;
	pthread_t helpers[2];
	struct storm s = { 0 };
	struct event ev;
	int v;

	vmm_start(helpers);
	s.fd = session_all(vm);
	end = kvmi_now_ms() + kvmi_count(6000, 240000);
	while (goes_on(&s, end)) {
		while (s.open < WINDOW && storm_send(&s))
			;
		storm_take(&s, s.open == WINDOW && !(s.waiting[0] |
			   s.waiting[1] | s.waiting[2] | s.waiting[3]));
		storm_answer(&s, false);
	}
	calm = true;
	while (s.open || s.pauses > 0 || s.traps > 0) {
		storm_answer(&s, true);
		storm_take(&s, true);
	}
	storm_answer(&s, true);
	CHECK_EQ(s.pauses, 0);
	CHECK_EQ(s.traps, 0);
	CHECK(event_none(s.fd), "something came too often");
	kvmi_note("%lu commands, %lu events", s.commands, s.events);
	CHECK(was_storm(&s), "that was no storm");
	for (v = 0; v < MAX_VCPUS; v++) {
		pause_now(s.fd, v, &ev);
		CHECK_EQ(event_reply(s.fd, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	}
	CHECK_EQ(unhook(vm), 0);
	vmm_stop(helpers);
}

/* Sessions that end at any moment, whatever is queued, sent or waited for. */
static void sessions(void)
{
	struct kvmi_counts before;
	pthread_t helpers[2];
	uint64_t end;
	int i, n = 0;

	vmm_start(helpers);
	counts_read(&before);
	end = kvmi_now_ms() + kvmi_count(4000, 120000);
	while (kvmi_now_ms() < end) {
		struct storm s = { .fd = session_all(vm) };

		for (i = rand_r(&seed) % 12; i > 0; i--) {
			while (s.open < WINDOW && storm_send(&s))
				;
			storm_take(&s, false);
			storm_answer(&s, false);
		}
		if (rand_r(&seed) % 2)
			CHECK_EQ(unhook(vm), 0);
		tool_close(s.fd);
		CHECK_EQ(unhook(vm), 0);
		n++;
	}
	kvmi_note("%d sessions", n);
	vmm_stop(helpers);
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
