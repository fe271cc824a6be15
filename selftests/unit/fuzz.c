// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer harness. An input is a setup of 12 bytes, then actions and messages
 * in turn: one byte per action (fuzz_vcpu.c), and another behind it while bit 7
 * is set; then what the tool sends, of the size that its header tells.
 *
 *  0  u32  permissions of commands, bit n for id n
 *  4  u32  permissions of events
 *  8  u8   vCPUs
 *  9  u8   two indices to the errors of the VM: bits 0 and 1 for pages with an
 *          odd number, bits 4 and 5 for finding a vCPU
 * 10  u8   sends fail from this one on; 255: never
 * 11  u8   bit 0: an UNHOOK event is asked for before each message;
 *          bit 1: permissions are set back to the initial ones in between;
 *          bits 2, 3, 4: the kernel lacks commands 15, 16, 21;
 *          bit 5: KVM_RUN always has a signal to return for
 *
 * Everything that the core does is compared with the oracle.
 */
#include "fuzz.h"

#define SETUP 12

static const int vm_errors[] = { 0, -2, -95, -12 };

/* Successful commands, to show that the fuzzer gets there; 1: event replies. */
unsigned long reached[32];
static unsigned long closed;

static void print_reached(void)
{
	int id;

	fprintf(stderr, "reached:");
	for (id = 0; id < 32; id++)
		if (reached[id])
			fprintf(stderr, " %d:%lu", id, reached[id]);
	fprintf(stderr, " closed:%lu\n", closed);
}

static void set_permissions(struct run *run, const u8 *setup)
{
	u32 commands, events;
	int id, err;

	memcpy(&commands, setup, 4);
	memcpy(&events, setup + 4, 4);
	for (id = 0; id < 30; id++) {
		bool allow = commands >> id & 1;

		err = kvmi_allow_command(&run->session, id, allow);
		oracle_allow_command(&run->oracle, id, allow);
		MUST(err == (!allow && (id == 2 || id == 4 || id == 6) ?
			     -EPERM : 0));
	}
	for (id = 0; id < 20; id++) {
		MUST(!kvmi_allow_event(&run->session, id, events >> id & 1));
		oracle_allow_event(&run->oracle, id, events >> id & 1);
	}
}

static void reset_permissions(struct run *run)
{
	int id;

	MUST(!kvmi_allow_command(&run->session, -1, 0));
	MUST(!kvmi_allow_event(&run->session, -1, 0));
	for (id = 0; id < 30; id++)
		oracle_allow_command(&run->oracle, id, false);
	for (id = 0; id < 20; id++)
		oracle_allow_event(&run->oracle, id, false);
}

/* The two messages are of exactly the size that the core may use. */
static void start(struct run *run, const u8 *setup)
{
	memset(run, 0, sizeof(*run));
	memset(&mock_traces, 0, sizeof(mock_traces));
	run->vm = mock_vm_new();
	run->stream = mock_stream_new();
	run->session.vm_ops = &mock_vm_ops;
	run->session.vm = run->vm;
	mock_vm_set_session(run->vm, &run->session);
	run->session.stream_ops = &mock_stream_ops;
	run->session.stream = run->stream;
	run->session.rx = malloc(sizeof(struct kvmi_msg));
	run->session.tx = malloc(sizeof(struct kvmi_msg));
	MUST(run->session.rx && run->session.tx);
	memset(run->session.rx, 0xa5, sizeof(struct kvmi_msg));
	memset(run->session.tx, 0xa5, sizeof(struct kvmi_msg));
	kvmi_session_init(&run->session);

	oracle_init(&run->oracle);
	set_permissions(run, setup);
	run->oracle.vcpus = setup[8];
	mock_vm_set_vcpus(run->vm, setup[8]);
	mock_vm_fail_pages(run->vm, 1, vm_errors[setup[9] % 4]);
	run->oracle.find_err = vm_errors[setup[9] >> 4 & 3];
	mock_vm_fail_vcpus(run->vm, run->oracle.find_err);
	run->oracle.missing = (setup[11] >> 2 & 1) << 15 |
			      (setup[11] >> 3 & 1) << 16 |
			      (setup[11] >> 4 & 1) << 21;
	run->session.missing_commands = run->oracle.missing;
	run->oracle.interrupted = setup[11] >> 5 & 1;
	fuzz_vcpu_start(run);
	run->good_sends = setup[10] == 255 ? ~0u : setup[10];
}

static void finish(struct run *run)
{
	fuzz_vcpu_finish(run);
	MUST(mock_alloc_live() == 0);
	free(run->session.rx);
	free(run->session.tx);
	mock_vm_free(run->vm);
	mock_stream_free(run->stream);
}

/* Forget what was sent, and let sending fail when it is time to. */
static void rewind_sent(struct run *run)
{
	mock_stream_forget_sent(run->stream);
	if (run->sends >= run->good_sends)
		mock_stream_fail_sends(run->stream, 0, -EPIPE);
}

static void ask_unhook(struct run *run)
{
	u8 want[16] = { 0, 0, 8, 0 };
	bool fails = run->sends >= run->good_sends;
	const u8 *sent;
	size_t size;
	int err;

	rewind_sent(run);
	err = kvmi_session_send_unhook(&run->session);
	sent = mock_stream_sent(run->stream, &size);
	MUST(!mock_stream_sends(run->stream));
	MUST(mock_stream_bounded_sends(run->stream) ==
	     run->oracle.unhook_enabled);
	if (!run->oracle.unhook_enabled) {
		MUST(err == -ENOENT && !size);
		return;
	}
	run->sends++;
	run->events += !fails;
	run->oracle.event_seq++;
	memcpy(want + 4, &run->oracle.event_seq, 4);
	MUST(err == (fails ? -ENOENT : 0));
	MUST(fails ? size == 0 : size == 16 && !memcmp(sent, want, 16));
}

static void check_access(struct run *run, struct oracle_outcome *out)
{
	run->reads += out->access == ACCESS_READ;
	run->writes += out->access == ACCESS_WRITE;
	MUST(mock_vm_reads(run->vm) == run->reads);
	MUST(mock_vm_writes(run->vm) == run->writes);
	MUST(!mock_vm_violations(run->vm));
	if (out->access == ACCESS_NONE)
		return;
	MUST(mock_vm_last_gpa(run->vm) == out->gpa);
	MUST(mock_vm_last_size(run->vm) == out->size);
	if (out->access == ACCESS_WRITE)
		MUST(!memcmp(mock_vm_last_written(run->vm), out->written,
			     out->size));
	out->err = mock_vm_page_error(run->vm, out->gpa);
}

static void check_reply(struct run *run, const struct oracle_outcome *out)
{
	u16 size = 8 + (out->err ? 0 : out->data_size);
	u8 want[16 + 4096] = { 0 };
	const u8 *sent;
	size_t count;

	memcpy(want, &out->id, 2);
	memcpy(want + 2, &size, 2);
	memcpy(want + 4, &out->seq, 4);
	memcpy(want + 8, &out->err, 4);
	if (!out->err && out->access == ACCESS_READ)
		mock_vm_bytes(out->gpa, want + 16, out->size);
	else if (!out->err)
		memcpy(want + 16, out->data, out->data_size);

	sent = mock_stream_sent(run->stream, &count);
	MUST(count == 8u + size);
	MUST(!memcmp(sent, want, count));
	run->replies++;
	run->errors += out->err != 0;
	if (!out->err)
		reached[out->id]++;
	MUST(mock_traces.reply.id == out->id);
	MUST(mock_traces.err == out->err);
}

void check_state(struct run *run)
{
	const struct kvmi_session *session = &run->session;

	MUST(session->allowed_commands == run->oracle.commands);
	MUST(session->allowed_events == run->oracle.events);
	MUST(session->enabled_vm_events == run->oracle.unhook_enabled);
	MUST(session->cleanup == run->oracle.cleanup);
	MUST(session->stats.commands == run->commands);
	MUST(atomic64_read(&session->stats.replies) == run->replies);
	MUST(atomic64_read(&session->stats.errors) == run->errors);
	MUST((u32)atomic_read(&session->events) == run->events);
	MUST(mock_traces.commands == run->commands);
	MUST(mock_traces.replies == run->replies);
	MUST((u32)atomic_read(&session->event_seq) == run->oracle.event_seq);
	MUST((u32)atomic_read(&session->queued) == run->oracle.queued);
}

/*
 * The message that comes next, and a little of what follows it, which the core
 * must leave alone. Returns how much that is.
 */
static size_t feed(struct run *run)
{
	size_t size = run->size;
	u16 payload;

	if (size >= 8) {
		memcpy(&payload, run->in + 2, 2);
		if (size > 8u + payload + 64)
			size = 8 + payload + 64;
	}
	mock_stream_reset(run->stream);
	mock_stream_feed(run->stream, run->in, size);
	return size;
}

/* One message. Returns whether there may be another. */
static bool step(struct run *run)
{
	bool fails = run->sends >= run->good_sends;
	struct oracle_outcome out;
	size_t count, fed;
	bool answered;
	int err;

	fed = feed(run);
	rewind_sent(run);
	oracle_judge(&run->oracle, run->in, fed, &out);
	answered = !out.close && !out.queued;
	err = kvmi_session_step(&run->session);

	MUST(err <= 0);
	MUST((err < 0) == out.close);
	MUST(mock_stream_unread(run->stream) == fed - out.consumed);
	MUST(mock_stream_sends(run->stream) == answered);
	MUST(!mock_stream_bounded_sends(run->stream));
	MUST(!mock_stream_posts(run->stream) && !mock_stream_ended(run->stream));
	run->commands += out.counted;
	run->sends += answered;
	check_access(run, &out);
	mock_stream_sent(run->stream, &count);
	if (answered && !fails)
		check_reply(run, &out);
	else
		MUST(count == 0);
	check_state(run);
	fuzz_vcpu_check(run);
	closed += out.close;
	run->in += out.consumed;
	run->size -= out.consumed;
	return !err;
}

static void act(struct run *run)
{
	u8 action;

	do {
		if (!run->size)
			return;
		action = *run->in++;
		run->size--;
		fuzz_vcpu_action(run, action);
	} while (action & 0x80);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	static bool registered;
	struct run run;
	bool odd = false;

	if (size < SETUP)
		return 0;
	if (!registered)
		registered = !atexit(print_reached);
	start(&run, data);
	run.in = data + SETUP;
	run.size = size - SETUP;
	do {
		if (data[11] & 1)
			ask_unhook(&run);
		if ((data[11] & 2) && odd)
			reset_permissions(&run);
		else if (data[11] & 2)
			set_permissions(&run, data);
		odd = !odd;
		act(&run);
	} while (step(&run));
	finish(&run);
	return 0;
}
