// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rules that all vCPU commands share: errors of the header and of what
 * follows it, and their order, permissions, short and long requests, unknown
 * ids, which vCPU an index means, vCPUs that are not started, and the order of
 * replies. The table is run with 1 and with 4 vCPUs, on each of them.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

#include "kvmi_vcpu.h"

/**
 * struct vcmd - a command to a vCPU with a good request
 * @id: the command; a VM command may be one as well, which begins as a header
 *      does and is answered whether the vCPU is started or not
 * @size: of the request behind the header
 * @reply: size of the reply's data
 * @ok: what the good request returns
 * @checked: a request that is too short is an error, not read as zeros
 * @empty: what a request of zeros returns; not sent when above 0
 */
struct vcmd {
	uint16_t id;
	uint16_t size;
	uint16_t reply;
	int ok;
	bool checked;
	int empty;
};

static const struct vcmd vcmds[] = {
	{ KVMI_VCPU_GET_INFO, 0, 8 },
	{ KVMI_VCPU_CONTROL_EVENTS, 8, 0, .empty = -KVMI_EINVAL },
	{ KVMI_VCPU_GET_REGISTERS, 8, 472, .checked = true },
	{ KVMI_VCPU_SET_REGISTERS, 144, 0, -KVMI_EOPNOTSUPP, true,
	  -KVMI_EOPNOTSUPP },
	{ KVMI_VCPU_GET_CPUID, 8, 16 },
	{ KVMI_VCPU_INJECT_EXCEPTION, 16, 0, -KVMI_EINVAL, .empty = 1 },
	{ KVMI_VCPU_GET_XCR, 8, 8 },
	{ KVMI_VCPU_GET_XSAVE, 0, 4096 },
	{ KVMI_VCPU_SET_XSAVE, 4096, 0, .checked = true, .empty = 1 },
	{ KVMI_VCPU_GET_MTRR_TYPE, 8, 8 },
	{ KVMI_VCPU_TRANSLATE_GVA, 8, 8 },
	{ KVMI_VM_PAUSE_VCPU, 0, 0 },
};

/* A good request for @c with its header, or for INJECT one without effect. */
static size_t good(int fd, int vcpu, const struct vcmd *c, uint8_t *data)
{
	struct kvmi_vcpu_hdr hdr = { .vcpu = vcpu };

	memset(data, 0, KVMI_MAX_MSG_SIZE);
	memcpy(data, &hdr, sizeof(hdr));
	if (c->id == KVMI_VCPU_CONTROL_EVENTS)
		data[8] = KVMI_VCPU_EVENT_PAUSE;
	if (c->id == KVMI_VCPU_INJECT_EXCEPTION)
		data[8] = 32;
	if (c->id == KVMI_VCPU_SET_XSAVE)
		CHECK_EQ(get_xsave(fd, vcpu, (void *)(data + 8)), 0);
	return sizeof(hdr) + c->size;
}

static int send_raw(int fd, const struct vcmd *c, const void *data, size_t size)
{
	uint8_t reply[4096];

	return tool_command(fd, c->id, data, size, reply, c->reply);
}

static struct kvm_vcpu *vcpus[MAX_VCPUS];

typedef void (*each_fn)(struct kvm_vm *vm, int fd, int nr, int v,
			const struct vcmd *c);

/* A VM whose vCPUs never run, with the session's end in @fd. */
static struct kvm_vm *create(int nr, int *fd)
{
	struct kvm_vm *vm = guest_create(nr, guest_halt, vcpus);

	*fd = session_all(vm);
	return vm;
}

static void destroy(struct kvm_vm *vm, int fd)
{
	CHECK_EQ(unhook(vm), 0);
	tool_close(fd);
	kvm_vm_free(vm);
}

/* Runs @fn for every command that there is, on each of 1 and of 4 vCPUs. */
static void each(each_fn fn)
{
	struct kvm_vm *vm;
	int nr, v, fd, i;

	for (nr = 1; nr <= MAX_VCPUS; nr += MAX_VCPUS - 1) {
		vm = create(nr, &fd);
		for (i = 0; i < ARRAY_SIZE(vcmds); i++) {
			CHECK(command_offered(fd, vcmds[i].id), "%d is not",
			      vcmds[i].id);
			for (v = 0; v < nr; v++)
				fn(vm, fd, nr, v, &vcmds[i]);
		}
		destroy(vm, fd);
	}
}

/* Runs @fn for each of 1 and of 4 vCPUs. */
static void each_vcpu(void (*fn)(struct kvm_vm *vm, int fd, int v))
{
	struct kvm_vm *vm;
	int nr, v, fd;

	for (nr = 1; nr <= MAX_VCPUS; nr += MAX_VCPUS - 1) {
		vm = create(nr, &fd);
		for (v = 0; v < nr; v++)
			fn(vm, fd, v);
		destroy(vm, fd);
	}
}

static void answered_one(struct kvm_vm *vm, int fd, int nr, int v,
			 const struct vcmd *c)
{
	uint8_t data[KVMI_MAX_MSG_SIZE];
	size_t size = good(fd, v, c, data);

	CHECK_EQ(send_raw(fd, c, data, size), c->ok);
}

static void answered(void)
{
	each(answered_one);
}

/*
 * Each of the six bytes of padding, alone and with an index that is wrong. Of
 * a pause, the first is the one that may be 1.
 */
static void padding_one(struct kvm_vm *vm, int fd, int nr, int v,
			const struct vcmd *c)
{
	uint8_t data[KVMI_MAX_MSG_SIZE];
	size_t size = good(fd, v, c, data);
	int i;

	for (i = 2; i < 8; i++) {
		data[i] = 2;
		CHECK_EQ(send_raw(fd, c, data, size), -KVMI_EINVAL);
		data[0] = nr;
		CHECK_EQ(send_raw(fd, c, data, size), -KVMI_EINVAL);
		data[0] = v;
		data[i] = 0;
	}
	CHECK_EQ(send_raw(fd, c, data, size), c->ok);
}

static void padding(void)
{
	each(padding_one);
}

static void index_one(struct kvm_vm *vm, int fd, int nr, int v,
		      const struct vcmd *c)
{
	static const uint16_t far[] = { 255, 256, 1024, 4096, 32768, 65535 };
	uint8_t data[KVMI_MAX_MSG_SIZE];
	size_t size = good(fd, v, c, data);
	uint16_t index;
	int i;

	for (i = 0; i < ARRAY_SIZE(far) + 4; i++) {
		index = i < 4 ? nr + i : far[i - 4];
		memcpy(data, &index, sizeof(index));
		CHECK_EQ(send_raw(fd, c, data, size), -KVMI_EINVAL);
	}
}

static void bad_index(void)
{
	each(index_one);
}

/* Permission comes first, then the header, whatever else is wrong. */
static void permission_one(struct kvm_vm *vm, int fd, int nr, int v,
			   const struct vcmd *c)
{
	uint8_t data[KVMI_MAX_MSG_SIZE];
	size_t size = good(fd, v, c, data);

	CHECK_EQ(set_command(vm, 0, c->id), 0);
	CHECK_EQ(send_raw(fd, c, data, size), -KVMI_EPERM);
	CHECK_EQ(send_raw(fd, c, data, 0), -KVMI_EPERM);
	data[5] = 1;
	CHECK_EQ(send_raw(fd, c, data, size), -KVMI_EPERM);
	memset(data, 0xff, sizeof(data));
	CHECK_EQ(send_raw(fd, c, data, size), -KVMI_EPERM);
	CHECK_EQ(set_command(vm, 1, c->id), 0);
	CHECK_EQ(send_raw(fd, c, data, size), -KVMI_EINVAL);
	size = good(fd, v, c, data);
	CHECK_EQ(send_raw(fd, c, data, size), c->ok);
}

static void permission(void)
{
	each(permission_one);
}

/* Whatever follows the request is not looked at. */
static void long_one(struct kvm_vm *vm, int fd, int nr, int v,
		     const struct vcmd *c)
{
	uint8_t data[KVMI_MAX_MSG_SIZE];
	size_t size = good(fd, v, c, data);

	memset(data + size, 0xff, sizeof(data) - size);
	CHECK_EQ(send_raw(fd, c, data, size + 1), c->ok);
	CHECK_EQ(send_raw(fd, c, data, size + 100), c->ok);
	CHECK_EQ(send_raw(fd, c, data, sizeof(data)), c->ok);
}

static void long_requests(void)
{
	each(long_one);
}

/* What is missing is zero, but for those that look at the length. */
static void short_one(struct kvm_vm *vm, int fd, int nr, int v,
		      const struct vcmd *c)
{
	uint8_t data[KVMI_MAX_MSG_SIZE] = { v };
	size_t full = sizeof(struct kvmi_vcpu_hdr) + c->size, size;
	size_t step = full > 200 ? 509 : 1;

	if (c->checked) {
		for (size = 0; size < full; size += step)
			CHECK_EQ(send_raw(fd, c, data, size), -KVMI_EINVAL);
		CHECK_EQ(send_raw(fd, c, data, full - 1), -KVMI_EINVAL);
	}
	for (size = c->checked ? full : 0; c->empty < 1 && size <= full; size++)
		CHECK_EQ(send_raw(fd, c, data, size), c->empty);
}

static void short_requests(void)
{
	each(short_one);
}

/**
 * struct wrong - bytes that are an error, each alone, in an otherwise good request
 * @id: the command
 * @from: the first such byte, behind the header
 * @to: the last one
 * @value: what is written there
 * @err: what comes of it
 */
struct wrong {
	uint16_t id;
	uint16_t from, to;
	uint8_t value;
	int err;
};

static const struct wrong wrongs[] = {
	/* An event of the VM, two that are none, one of a later version. */
	{ KVMI_VCPU_CONTROL_EVENTS, 0, 0, KVMI_VM_EVENT_UNHOOK, -KVMI_EINVAL },
	{ KVMI_VCPU_CONTROL_EVENTS, 0, 0, 2, -KVMI_EINVAL },
	{ KVMI_VCPU_CONTROL_EVENTS, 1, 1, 1, -KVMI_EINVAL },
	{ KVMI_VCPU_CONTROL_EVENTS, 0, 0, 21, -KVMI_EINVAL },
	{ KVMI_VCPU_CONTROL_EVENTS, 2, 2, 2, -KVMI_EINVAL },
	{ KVMI_VCPU_CONTROL_EVENTS, 2, 2, 255, -KVMI_EINVAL },
	{ KVMI_VCPU_CONTROL_EVENTS, 3, 7, 1, -KVMI_EINVAL },
	/* More MSRs than are sent. */
	{ KVMI_VCPU_GET_REGISTERS, 0, 1, 1, -KVMI_EINVAL },
	{ KVMI_VCPU_GET_REGISTERS, 2, 7, 1, -KVMI_EINVAL },
	/* Leaves that are not there. */
	{ KVMI_VCPU_GET_CPUID, 3, 3, 0x12, -KVMI_ENOENT },
	{ KVMI_VCPU_GET_CPUID, 1, 2, 0x77, -KVMI_ENOENT },
	{ KVMI_VCPU_INJECT_EXCEPTION, 0, 0, 2, -KVMI_EINVAL },
	{ KVMI_VCPU_INJECT_EXCEPTION, 0, 0, 32, -KVMI_EINVAL },
	{ KVMI_VCPU_INJECT_EXCEPTION, 0, 0, 255, -KVMI_EINVAL },
	{ KVMI_VCPU_INJECT_EXCEPTION, 1, 3, 1, -KVMI_EINVAL },
	{ KVMI_VCPU_GET_XCR, 0, 0, 1, -KVMI_EINVAL },
	{ KVMI_VCPU_GET_XCR, 0, 0, 255, -KVMI_EINVAL },
	{ KVMI_VCPU_GET_XCR, 1, 7, 1, -KVMI_EINVAL },
	/* The last byte of XSTATE_BV. */
	{ KVMI_VCPU_SET_XSAVE, 519, 519, 0x10, -KVMI_EINVAL },
};

static void wrong_one(struct kvm_vm *vm, int fd, int nr, int v,
		      const struct vcmd *c)
{
	uint8_t data[KVMI_MAX_MSG_SIZE], old;
	size_t size = good(fd, v, c, data);
	const struct wrong *w;
	int at;

	if (c->id == KVMI_VCPU_INJECT_EXCEPTION)
		data[8] = 6;
	for (w = wrongs; w < wrongs + ARRAY_SIZE(wrongs); w++) {
		for (at = 8 + w->from; w->id == c->id && at <= 8 + w->to; at++) {
			old = data[at];
			data[at] = w->value;
			CHECK(send_raw(fd, c, data, size) == w->err,
			      "vCPU %d of %d, command %d, byte %d", v, nr,
			      c->id, at);
			data[at] = old;
		}
	}
}

static void wrong(void)
{
	each(wrong_one);
}

/* An event that is disallowed, before or after what else is wrong. */
static void events_one(struct kvm_vm *vm, int fd, int v)
{
	CHECK_EQ(set_event(vm, 0, KVMI_VCPU_EVENT_PAUSE), 0);
	CHECK_EQ(control_event(fd, v, KVMI_VCPU_EVENT_PAUSE, 1), -KVMI_EPERM);
	CHECK_EQ(control_event(fd, v, KVMI_VCPU_EVENT_PAUSE, 2), -KVMI_EINVAL);
	CHECK_EQ(control_event(fd, v, KVMI_VCPU_EVENT_TRAP, 1), 0);
	CHECK_EQ(pause_vcpu(fd, v, 1), -KVMI_EPERM);
	CHECK_EQ(pause_vcpu(fd, v, 2), -KVMI_EINVAL);
	CHECK_EQ(pause_vcpu(fd, MAX_VCPUS, 0), -KVMI_EPERM);
	CHECK_EQ(set_event(vm, 1, KVMI_VCPU_EVENT_PAUSE), 0);
	CHECK_EQ(set_event(vm, 0, KVMI_VCPU_EVENT_TRAP), 0);
	CHECK_EQ(control_event(fd, v, KVMI_VCPU_EVENT_TRAP, 0), -KVMI_EPERM);
	CHECK_EQ(inject(fd, v, 6, 0, 0), -KVMI_EPERM);
	CHECK_EQ(inject(fd, v, 32, 0, 0), -KVMI_EPERM);
	CHECK_EQ(set_event(vm, 1, KVMI_VCPU_EVENT_TRAP), 0);
	CHECK_EQ(control_event(fd, v, KVMI_VCPU_EVENT_TRAP, 0), 0);
}

static void disallowed_events(void)
{
	each_vcpu(events_one);
}

/* One injection, as many pauses and as many MSRs as there may be. */
static void limits_one(struct kvm_vm *vm, int fd, int v)
{
	uint32_t msrs[KVMI_MAX_MSRS + 1];
	struct registers regs;
	int i;

	CHECK_EQ(inject(fd, v, 6, 0, 0), 0);
	CHECK_EQ(inject(fd, v, 6, 0, 0), -KVMI_EBUSY);
	CHECK_EQ(inject(fd, v, 2, 0, 0), -KVMI_EINVAL);
	for (i = 0; i < KVMI_MAX_PAUSES; i++)
		CHECK_EQ(pause_vcpu(fd, v, i & 1), 0);
	CHECK_EQ(pause_vcpu(fd, v, 0), -KVMI_EBUSY);
	CHECK_EQ(pause_vcpu(fd, v, 1), -KVMI_EBUSY);
	CHECK_EQ(pause_vcpu(fd, v, 2), -KVMI_EINVAL);
	for (i = 0; i <= KVMI_MAX_MSRS; i++)
		msrs[i] = MSR_EFER;
	CHECK_EQ(get_registers(fd, v, KVMI_MAX_MSRS, msrs, &regs), 0);
	CHECK_EQ(get_registers(fd, v, KVMI_MAX_MSRS + 1, msrs, &regs),
		 -KVMI_EINVAL);
	msrs[1] = 0xdeadbeef;
	CHECK_EQ(get_registers(fd, v, 2, msrs, &regs), -KVMI_EINVAL);
}

static void limits(void)
{
	each_vcpu(limits_one);
}

/* SET_REGISTERS succeeds in an event, and on that vCPU alone. */
static void set_in_event(int nr)
{
	struct kvm_vm *vm = guest_create(nr, guest_spin, vcpus);
	int fd = session_all(vm), v;
	struct runner r[MAX_VCPUS];
	struct event ev[MAX_VCPUS];
	struct registers regs;

	for (v = 0; v < nr; v++)
		runner_start(&r[v], vcpus[v]);
	for (v = 0; v < nr; v++) {
		CHECK(guest_moves(&guest_of(vm, v)->count), "no guest");
		pause_now(fd, v, &ev[v]);
		ev[v].common.arch.regs.r15 = 0xf15000 + v;
		CHECK_EQ(set_registers(fd, v, &ev[v].common.arch.regs), 0);
		CHECK_EQ(vcpu_command(fd, v, KVMI_VCPU_SET_REGISTERS, &regs,
				      143, NULL, 0), -KVMI_EINVAL);
	}
	for (v = 0; v < nr; v++) {
		CHECK_EQ(event_reply(fd, &ev[v], KVMI_EVENT_ACTION_CONTINUE),
			 0);
		CHECK_EQ(get_registers(fd, v, 0, NULL, &regs), 0);
		CHECK_EQ(regs.hdr.regs.r15, 0xf15000 + v);
		CHECK(guest_moves(&guest_of(vm, v)->count), "it hangs");
		runner_quit(&r[v]);
	}
	destroy(vm, fd);
}

static void set_registers_in_event(void)
{
	set_in_event(1);
	set_in_event(MAX_VCPUS);
}

/* All odd ids: what CHECK_COMMAND knows is done, and nothing else. */
static void unknown_ids(void)
{
	struct kvm_vm *vm = guest_create(1, guest_halt, vcpus);
	struct kvmi_vcpu_hdr hdr = { .vcpu = 1 };
	int fd = session_all(vm), id, known, err;

	for (id = 3; id <= 0xffff; id = id < 99 ? id + 2 : id * 2 - 1) {
		known = command_offered(fd, id);
		CHECK(known || id >= 30 || id == KVMI_VCPU_CONTROL_CR ||
		      id == KVMI_VCPU_CONTROL_MSR ||
		      id == KVMI_VCPU_CONTROL_SINGLESTEP,
		      "%d is not offered", id);
		err = tool_command(fd, id, &hdr, sizeof(hdr), NULL, 0);
		CHECK(err == (known ? -KVMI_EINVAL : -KVMI_ENOSYS),
		      "command %d: error %d", id, err);
	}
	/* Not being allowed does not make them known. */
	CHECK_EQ(set_command(vm, 0, -1), 0);
	CHECK_EQ(tool_command(fd, 31, &hdr, sizeof(hdr), NULL, 0),
		 -KVMI_ENOSYS);
	CHECK_EQ(tool_command(fd, 0xffff, &hdr, sizeof(hdr), NULL, 0),
		 -KVMI_ENOSYS);
	check_alive(fd);
}

static void set_state(struct kvm_vcpu *vcpu, uint32_t state)
{
	struct kvm_mp_state mp_state = { .mp_state = state };

	vcpu_mp_state_set(vcpu, &mp_state);
}

/* A vCPU that is not started; arguments are not looked at then. */
static void not_started_one(struct kvm_vm *vm, int fd, int nr, int v,
			    const struct vcmd *c)
{
	int again = c->id & 1 ? -KVMI_EAGAIN : c->ok;
	uint8_t data[KVMI_MAX_MSG_SIZE];
	size_t size = good(fd, v, c, data);

	set_state(vcpus[v], KVM_MP_STATE_UNINITIALIZED);
	CHECK_EQ(send_raw(fd, c, data, size), again);
	CHECK_EQ(send_raw(fd, c, data, 8), again);
	data[2] = 2;
	CHECK_EQ(send_raw(fd, c, data, size), -KVMI_EINVAL);
	data[2] = 0;
	CHECK_EQ(set_command(vm, 0, c->id), 0);
	CHECK_EQ(send_raw(fd, c, data, size), -KVMI_EPERM);
	CHECK_EQ(set_command(vm, 1, c->id), 0);
	if (nr > 1) {
		data[0] = (v + 1) % nr;
		CHECK_EQ(send_raw(fd, c, data, size), c->ok);
		data[0] = v;
	}
	set_state(vcpus[v], KVM_MP_STATE_RUNNABLE);
	CHECK_EQ(send_raw(fd, c, data, size), c->ok);
}

static void not_started(void)
{
	each(not_started_one);
}

/* KVM's own state of an AP, and the VMM's thread already in KVM_RUN. */
static void not_started_in_run(void)
{
	struct kvm_vm *vm = guest_create(1, guest_halt, vcpus);
	struct runner r;
	uint64_t tsc;
	int fd;

	vcpus[1] = __vm_vcpu_add(vm, 1);
	fd = session_all(vm);
	CHECK_EQ(get_info(fd, 1, &tsc), -KVMI_EAGAIN);
	runner_start(&r, vcpus[1]);
	CHECK(WAIT_FOR(runner_sleeps(&r), 20), "it does not sleep");
	CHECK_EQ(get_info(fd, 1, &tsc), -KVMI_EAGAIN);
	CHECK_EQ(get_info(fd, 0, &tsc), 0);
	runner_quit(&r);
}

/* The index counts vCPUs as they were made; their ids do not matter. */
static void index_is_not_id(void)
{
	static const int ids[] = { 5, 2, 7 };
	struct kvm_vm *vm = vm_create(3);
	struct registers regs;
	struct kvm_vcpu *vcpu;
	int fd, i;

	for (i = 0; i < 3; i++) {
		vcpu = vm_vcpu_add(vm, ids[i], guest_spin);
		vcpu_args_set(vcpu, 1, 100 + ids[i]);
	}
	fd = session_all(vm);
	for (i = 0; i < 3; i++) {
		CHECK_EQ(get_registers(fd, i, 0, NULL, &regs), 0);
		CHECK_EQ(regs.hdr.regs.rdi, 100 + ids[i]);
	}
	CHECK_EQ(get_registers(fd, 5, 0, NULL, &regs), -KVMI_EINVAL);
}

/* A vCPU that is made when the session is there already. */
static void later_vcpu(void)
{
	struct kvm_vm *vm = vm_create(2);
	struct kvm_vcpu *vcpu;
	struct registers regs;
	int fd = session_all(vm);

	CHECK_EQ(get_registers(fd, 0, 0, NULL, &regs), -KVMI_EINVAL);
	vcpu = vm_vcpu_add(vm, 0, guest_spin);
	vcpu_args_set(vcpu, 1, 77);
	CHECK_EQ(get_registers(fd, 0, 0, NULL, &regs), 0);
	CHECK_EQ(regs.hdr.regs.rdi, 77);
	CHECK_EQ(get_registers(fd, 1, 0, NULL, &regs), -KVMI_EINVAL);
	vcpu = vm_vcpu_add(vm, 1, guest_spin);
	vcpu_args_set(vcpu, 1, 78);
	CHECK_EQ(get_registers(fd, 1, 0, NULL, &regs), 0);
	CHECK_EQ(regs.hdr.regs.rdi, 78);
}

#define PER_VCPU 40

/* Takes replies in whatever order, each vCPU's own in theirs. */
static void take_in_order(int fd, int nr, uint32_t seq[][PER_VCPU])
{
	int next[MAX_VCPUS] = { 0 }, i, v;
	struct message msg;

	for (i = 0; i < nr * PER_VCPU; i++) {
		CHECK(recv_msg(fd, &msg) >= 8, "no reply");
		for (v = 0; v < nr; v++) {
			if (next[v] < PER_VCPU &&
			    seq[v][next[v]] == msg.hdr.seq)
				break;
		}
		CHECK(v < nr, "reply %u is out of order", msg.hdr.seq);
		next[v]++;
	}
}

static void order(void)
{
	static const uint16_t ids[] = { KVMI_VCPU_GET_INFO, KVMI_VCPU_GET_XCR,
					KVMI_VCPU_GET_XSAVE };
	uint32_t seq[MAX_VCPUS][PER_VCPU];
	struct kvm_vm *vm = guest_create(MAX_VCPUS, guest_spin, vcpus);
	struct runner r[MAX_VCPUS];
	int fd = session_all(vm), round, i, v;

	/* A spinning, a halted, a stopped one, and one that never ran. */
	for (v = 0; v < MAX_VCPUS - 1; v++)
		runner_start(&r[v], vcpus[v]);
	runner_park(&r[2], RUNNER_BLOCKED);
	for (round = 0; round < kvmi_count(3, 300); round++) {
		for (i = 0; i < PER_VCPU; i++) {
			for (v = 0; v < MAX_VCPUS; v++)
				seq[v][i] = vcpu_send(fd, v, ids[(i + v) % 3],
						      &(uint64_t){ 0 }, 8);
		}
		take_in_order(fd, MAX_VCPUS, seq);
	}
}

static const struct kvmi_case cases[] = {
	{ "every command is answered", answered },
	{ "padding of the header is EINVAL", padding },
	{ "an index that is no vCPU is EINVAL", bad_index },
	{ "what is disallowed is EPERM before all else", permission },
	{ "long requests", long_requests },
	{ "short requests", short_requests },
	{ "errors behind the header", wrong },
	{ "events that are disallowed", disallowed_events },
	{ "as many as there may be", limits },
	{ "SET_REGISTERS in an event", set_registers_in_event },
	{ "unknown ids are ENOSYS, as CHECK_COMMAND says", unknown_ids },
	{ "a vCPU that is not started is EAGAIN", not_started },
	{ "a vCPU that waits for its start is EAGAIN", not_started_in_run },
	{ "the index is not the id", index_is_not_id },
	{ "vCPUs made after HOOK", later_vcpu },
	{ "the replies of a vCPU are in order", order },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
