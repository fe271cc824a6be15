// SPDX-License-Identifier: GPL-2.0-only
/*
 * What happens to vCPUs between two messages. An action is a byte: bits 0-2 what,
 * bits 3-4 the vCPU, bits 5-6 a parameter, bit 7 that there is one more.
 */
#include "fuzz.h"

enum { NOTHING, RUN, CLOSE, READY, DELIVERED, FAIL_ALLOC, BACKLOG, PAUSES };

static bool backend_msr(void *vcpu, uint32_t index, uint64_t *value)
{
	u64 v;
	bool there = mock_vcpu_msr(vcpu, index, &v);

	*value = there ? v : 0;
	return there;
}

static bool backend_cpuid(void *vcpu, uint32_t function, uint32_t index,
			  uint32_t entry[4])
{
	return mock_vcpu_cpuid(vcpu, function, index, entry);
}

static void backend_xsave(void *vcpu, uint8_t *buf)
{
	mock_vcpu_xsave(vcpu, buf);
}

static int backend_translate(uint64_t gva, uint64_t *gpa)
{
	u64 v = 0;
	int err = mock_vcpu_translate(gva, &v);

	*gpa = v;
	return err;
}

static const struct oracle_backend backend = {
	.msr = backend_msr,
	.cpuid = backend_cpuid,
	.xsave = backend_xsave,
	.translate = backend_translate,
};

/* The core must ask for the same vCPUs as the oracle does. */
static struct oracle_vcpu *find(struct oracle *oracle, uint16_t index)
{
	struct run *run = container_of(oracle, struct run, oracle);
	struct mock_vcpu *mock = mock_vm_vcpu(run->vm, index);
	struct oracle_vcpu *vcpu = run->vcpus[index];

	run->last_vcpu = index;
	if (vcpu)
		return vcpu;
	vcpu = calloc(1, sizeof(*vcpu));
	MUST(vcpu);
	run->vcpus[index] = vcpu;
	vcpu->backend = mock;
	vcpu->index = index;
	vcpu->ready = mock->ready;
	mock->interrupted = oracle->interrupted;
	memcpy(vcpu->regs, &mock->regs, sizeof(vcpu->regs));
	memcpy(vcpu->sregs, &mock->sregs, sizeof(vcpu->sregs));
	vcpu->cr2 = mock->cr2;
	vcpu->tsc_khz = mock->tsc_khz;
	vcpu->xcr0 = mock->xcr0;
	return vcpu;
}

void fuzz_vcpu_start(struct run *run)
{
	run->oracle.backend = &backend;
	run->oracle.vcpu = find;
	mock_alloc_fail(-1);
}

static void check(struct run *run, u16 index)
{
	const struct oracle_vcpu *vcpu = run->vcpus[index];
	struct mock_vcpu *mock = mock_vm_vcpu(run->vm, index);

	MUST(mock->ready == vcpu->ready);
	MUST(mock->kicks == vcpu->kicks);
	MUST(mock->wait_exits == vcpu->wait_exits);
	MUST(mock->actions == vcpu->actions);
	if (vcpu->actions)
		MUST(mock->log[(vcpu->actions - 1) % (MOCK_LOG - 1)] ==
		     vcpu->last_action);
	MUST(!memcmp(&mock->regs, vcpu->regs, sizeof(vcpu->regs)));
	MUST(mock->cr2 == vcpu->cr2);
	MUST(mock->core.commands == vcpu->commands || vcpu->closed);
	MUST(mock->core.enabled_events == vcpu->enabled);
	MUST(mock->core.pauses == vcpu->pauses);
	MUST(kvmi_vcpu_busy(&mock->core) == !!vcpu->first);
	MUST(kvmi_vcpu_event_due(&mock->core) ==
	     (vcpu->trap_pending || (vcpu->pauses && !vcpu->waiting)));
	MUST(kvmi_vcpu_attention(&mock->core) ==
	     (vcpu->waiting || vcpu->pauses || vcpu->crash ||
	      vcpu->trap_pending));
}

void fuzz_vcpu_check(struct run *run)
{
	if (run->vcpus[run->last_vcpu])
		check(run, run->last_vcpu);
}

static void run_one(struct run *run, u16 index, bool entering)
{
	static u8 want[1 << 20];	/* 64 replies and an event */
	struct oracle_run expected = { .sent = want };
	struct oracle_vcpu *vcpu = find(&run->oracle, index);
	unsigned int ended = mock_stream_ended(run->stream);
	enum kvmi_vcpu_next next;
	const u8 *sent;
	size_t size;
	int id;

	oracle_run_vcpu(&run->oracle, vcpu, entering, &expected);
	mock_stream_forget_sent(run->stream);
	mock_stream_fail_sends(run->stream, 0, 0);
	next = kvmi_vcpu_run(&mock_vm_vcpu(run->vm, index)->core, entering);

	MUST(next == (expected.hold ? KVMI_VCPU_HOLD : KVMI_VCPU_GO));
	sent = mock_stream_sent(run->stream, &size);
	MUST(size == expected.size);
	MUST(!size || !memcmp(sent, want, size));
	MUST(mock_stream_posts(run->stream) == expected.posts);
	MUST(!mock_stream_sends(run->stream));
	MUST(!mock_stream_bounded_sends(run->stream));
	MUST(mock_stream_ended(run->stream) - ended == expected.ended);
	run->replies += expected.replies;
	run->errors += expected.errors;
	run->events += expected.events;
	for (id = 0; id < 32; id++)
		reached[id] += expected.done >> id & 1;
	check_state(run);
	check(run, index);
}

static void close_one(struct run *run, u16 index)
{
	oracle_close_vcpu(find(&run->oracle, index));
	kvmi_vcpu_close(&mock_vm_vcpu(run->vm, index)->core);
	check(run, index);
}

/* Nearly as many as there may be, which no input could ask for. */
static void set_pauses(struct oracle_vcpu *vcpu, struct mock_vcpu *mock,
		       unsigned int pauses)
{
	if (vcpu->closed)
		return;
	vcpu->pauses = pauses;
	mock->core.pauses = pauses;
}

void fuzz_vcpu_action(struct run *run, u8 action)
{
	static const unsigned int backlogs[] = { 0, 1, 1023, 1024 };
	u16 index = action >> 3 & 3;
	unsigned int param = action >> 5 & 3;
	struct mock_vcpu *mock = mock_vm_vcpu(run->vm, index);
	struct oracle_vcpu *vcpu = find(&run->oracle, index);

	switch (action & 7) {
	case RUN:
		run_one(run, index, param & 1);
		break;
	case CLOSE:
		close_one(run, index);
		break;
	case READY:
		vcpu->ready = mock->ready = !vcpu->ready;
		break;
	case DELIVERED:
		vcpu->undelivered = mock->undelivered = !vcpu->undelivered;
		break;
	case FAIL_ALLOC:
		run->oracle.alloc_left = param;
		mock_alloc_fail(param);
		break;
	case BACKLOG:
		run->oracle.backlog = backlogs[param];
		mock_stream_set_backlog(run->stream, backlogs[param]);
		break;
	case PAUSES:
		set_pauses(vcpu, mock, 1002 - param);
		break;
	}
}

void fuzz_vcpu_finish(struct run *run)
{
	u32 i;

	run->oracle.interrupted = false;
	for (i = 0; i < 256; i++) {
		if (!run->vcpus[i])
			continue;
		close_one(run, i);
		mock_vm_vcpu(run->vm, i)->interrupted = false;
		run_one(run, i, true);
		run_one(run, i, true);
		MUST(!kvmi_vcpu_attention(&mock_vm_vcpu(run->vm, i)->core));
		free(run->vcpus[i]);
	}
}
