// SPDX-License-Identifier: GPL-2.0-only
/* Messages for vCPUs, and what comes of running one. */
#include "oracle.h"

#include <stdlib.h>
#include <string.h>

bool oracle_vcpu_command(uint16_t id)
{
	switch (id) {
	case 3: case 5: case 7: case 9: case 11: case 15: case 17: case 19:
	case 21: case 23: case 29:
		return true;
	}
	return false;
}

void oracle_act(struct oracle_vcpu *vcpu, char action)
{
	vcpu->actions++;
	vcpu->last_action = action;
}

static bool alloc(struct oracle *oracle)
{
	if (oracle->alloc_left < 0)
		return true;
	return oracle->alloc_left-- > 0;
}

int32_t oracle_judge_pause(struct oracle *oracle, const uint8_t *args)
{
	uint16_t index = get16(args);
	struct oracle_vcpu *vcpu;

	if (args[2] > 1 || !zero(args, 3, 7))
		return -22;
	if (!(oracle->events >> 1 & 1))
		return -1;
	if (index >= oracle->vcpus)
		return -22;
	if (oracle->find_err)
		return oracle->find_err;
	vcpu = oracle->vcpu(oracle, index);
	if (vcpu->pauses >= 1002)
		return -16;
	vcpu->pauses += !vcpu->closed;
	vcpu->kicks++;
	vcpu->wait_exits += args[2];
	return 0;
}

static bool good_reply(const struct oracle_vcpu *vcpu, const uint8_t *args,
		       size_t size, uint32_t seq)
{
	return vcpu->waiting && !vcpu->replied && seq == vcpu->seq &&
	       size == 16 && zero(args, 10, 15) &&
	       (args[8] == 0 || args[8] == 2);
}

static void enqueue(struct oracle_vcpu *vcpu, const uint8_t *payload,
		    size_t size, const struct oracle_outcome *out)
{
	struct oracle_job *job = calloc(1, sizeof(*job));

	if (!job)
		abort();
	job->id = out->id;
	job->seq = out->seq;
	job->size = size;
	if (size)
		memcpy(job->payload, payload, size);
	if (vcpu->last)
		vcpu->last->next = job;
	else
		vcpu->first = job;
	vcpu->last = job;
}

/* An error to be told, or 0 when all is well so far. */
static int32_t judge_header(struct oracle *oracle, const uint8_t *args)
{
	struct oracle_vcpu *vcpu;

	if (!zero(args, 2, 7) || get16(args) >= oracle->vcpus)
		return -22;
	if (oracle->find_err)
		return oracle->find_err;
	vcpu = oracle->vcpu(oracle, get16(args));
	return !vcpu->ready && !vcpu->waiting ? -11 : 0;
}

static void judge_reply(struct oracle *oracle, struct oracle_vcpu *vcpu,
			const uint8_t *args, const uint8_t *payload,
			size_t size, struct oracle_outcome *out)
{
	if (!good_reply(vcpu, args, size, out->seq) ||
	    oracle->backlog >= 1024 || !alloc(oracle)) {
		out->close = true;
		return;
	}
	enqueue(vcpu, payload, size, out);
	vcpu->replied = true;
	vcpu->kicks++;
	out->queued = true;
}

static int32_t judge_vcpu_command(struct oracle *oracle,
				  struct oracle_vcpu *vcpu,
				  const uint8_t *payload, size_t size,
				  struct oracle_outcome *out)
{
	if (oracle->queued + oracle->backlog >= 1024)
		return -16;
	if (!alloc(oracle))
		return -12;
	out->close = vcpu->closed;
	if (out->close)
		return 0;
	if (vcpu->commands >= 64)
		return -16;
	enqueue(vcpu, payload, size, out);
	vcpu->commands++;
	oracle->queued++;
	vcpu->kicks++;
	out->queued = true;
	return 0;
}

void oracle_judge_vcpu(struct oracle *oracle, const uint8_t *args,
		       const uint8_t *payload, size_t size,
		       struct oracle_outcome *out)
{
	struct oracle_vcpu *vcpu;

	out->err = judge_header(oracle, args);
	if (out->err)
		return;
	vcpu = oracle->vcpu(oracle, get16(args));
	if (out->id == 1)
		judge_reply(oracle, vcpu, args, payload, size, out);
	else
		out->err = judge_vcpu_command(oracle, vcpu, payload, size, out);
}

static uint8_t *message(struct oracle_run *run, uint16_t id, uint32_t seq,
			uint16_t size)
{
	uint8_t *p = run->sent + run->size;

	memset(p, 0, 8 + size);
	memcpy(p, &id, 2);
	memcpy(p + 2, &size, 2);
	memcpy(p + 4, &seq, 4);
	run->size += 8 + size;
	run->posts++;
	return p + 8;
}

static void send_event(struct oracle *oracle, struct oracle_vcpu *vcpu,
		       uint16_t id, struct oracle_run *run)
{
	static const uint32_t msrs[] = {
		0x174, 0x175, 0x176, 0xc0000080, 0xc0000081, 0xc0000082,
		0xc0000083, 0x277, 0xc0000102,
	};
	const uint16_t size = 544;
	uint64_t value;
	uint8_t *p;
	size_t i;

	if (!alloc(oracle)) {
		run->ended++;
		return;
	}
	p = message(run, 1, ++oracle->event_seq, id == 9 ? 568 : 552);
	memcpy(p, &id, 2);
	memcpy(p + 8, &size, 2);
	memcpy(p + 10, &vcpu->index, 2);
	p[16] = oracle_mode(vcpu);
	memcpy(p + 24, vcpu->regs, 144);
	memcpy(p + 168, vcpu->sregs, 312);
	for (i = 0; i < 9; i++)
		if (oracle->backend->msr(vcpu->backend, msrs[i], &value))
			memcpy(p + 480 + 8 * i, &value, 8);
	if (id == 9) {
		p[552] = vcpu->trap_nr;
		memcpy(p + 556, &vcpu->trap_code, 4);
		memcpy(p + 560, &vcpu->cr2, 8);
	}
	run->events++;
	vcpu->waiting = true;
	vcpu->replied = false;
	vcpu->seq = oracle->event_seq;
}

static void end_event(struct oracle_vcpu *vcpu, const struct oracle_job *job,
		      struct oracle_run *run)
{
	if (vcpu->has_regs) {
		memcpy(vcpu->regs, vcpu->new_regs, 144);
		oracle_act(vcpu, 'R');
		vcpu->has_regs = false;
	}
	vcpu->crash |= job->payload[8] == 2;
	vcpu->waiting = false;
	run->done |= 1 << 1;
}

static void answer(struct oracle *oracle, struct oracle_vcpu *vcpu,
		   const struct oracle_job *job, struct oracle_run *run)
{
	static uint8_t data[8184];
	size_t size = 0;
	int32_t err;
	uint8_t *p;

	vcpu->commands--;
	oracle->queued--;
	if (!alloc(oracle)) {
		run->ended++;
		return;
	}
	memset(data, 0, sizeof(data));
	err = oracle_command(oracle, vcpu, job, data, &size);
	p = message(run, job->id, job->seq, 8 + (err ? 0 : size));
	memcpy(p, &err, 4);
	if (err)
		run->errors++;
	else
		memcpy(p + 8, data, size);
	run->replies++;
	if (!err)
		run->done |= 1u << job->id;
}

static void run_jobs(struct oracle *oracle, struct oracle_vcpu *vcpu,
		     struct oracle_run *run)
{
	struct oracle_job *job;

	while ((job = vcpu->first)) {
		vcpu->first = job->next;
		if (!vcpu->first)
			vcpu->last = NULL;
		if (job->id == 1)
			end_event(vcpu, job, run);
		else
			answer(oracle, vcpu, job, run);
		free(job);
	}
}

/* A crash is left to the next time when KVM_RUN returns for a signal anyway. */
static void enter(struct oracle *oracle, struct oracle_vcpu *vcpu,
		  struct oracle_run *run)
{
	if (vcpu->crash) {
		if (oracle->interrupted)
			return;
		vcpu->crash = false;
		oracle_act(vcpu, 'C');
	} else if (vcpu->trap_pending) {
		vcpu->trap_pending = vcpu->undelivered;
		if (!vcpu->undelivered)
			send_event(oracle, vcpu, 9, run);
	} else if (vcpu->pauses) {
		vcpu->pauses--;
		send_event(oracle, vcpu, 1, run);
	}
}

void oracle_run_vcpu(struct oracle *oracle, struct oracle_vcpu *vcpu,
		     bool entering, struct oracle_run *run)
{
	run_jobs(oracle, vcpu, run);
	if (!vcpu->waiting && entering) {
		enter(oracle, vcpu, run);
	} else if (!vcpu->waiting && vcpu->crash && !vcpu->ready) {
		/* It would not come to entering. */
		vcpu->ready = true;
		oracle_act(vcpu, 'M');
	}
	run->hold = vcpu->waiting;
}

/*
 * The commands that are dropped are never answered: they still count. A reply to
 * the event is kept, with what has changed the vCPU before it, and the vCPU waits
 * until it has taken it.
 */
void oracle_close_vcpu(struct oracle_vcpu *vcpu)
{
	struct oracle_job *job, *reply, *next;

	for (reply = vcpu->first; reply && reply->id != 1; reply = reply->next)
		;
	job = vcpu->first;
	vcpu->first = vcpu->last = NULL;
	vcpu->waiting = reply;
	for (; job; job = next) {
		next = job->next;
		job->next = NULL;
		if (!reply || (job->id != 1 && job->id != 9 &&
			       job->id != 15 && job->id != 21)) {
			free(job);
			continue;
		}
		if (vcpu->last)
			vcpu->last->next = job;
		else
			vcpu->first = job;
		vcpu->last = job;
		if (job == reply)
			reply = NULL;
	}
	vcpu->closed = true;
	vcpu->pauses = 0;
	vcpu->trap_pending = false;
}
