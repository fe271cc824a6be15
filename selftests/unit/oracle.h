/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the core must do, told by a second implementation that shares nothing
 * with it: written from the ABI's tables, with the ABI's numbers and offsets.
 */
#ifndef KVMI_UNIT_ORACLE_H
#define KVMI_UNIT_ORACLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a vCPU answers, for the oracle to compose replies of. */
struct oracle_backend {
	bool (*msr)(void *vcpu, uint32_t index, uint64_t *value);
	bool (*cpuid)(void *vcpu, uint32_t function, uint32_t index,
		      uint32_t entry[4]);
	void (*xsave)(void *vcpu, uint8_t *buf);
	int (*translate)(uint64_t gva, uint64_t *gpa);
};

struct oracle_job {
	struct oracle_job *next;
	uint16_t id;
	uint32_t seq;
	size_t size;
	uint8_t payload[8184];	/* zero behind its size */
};

/* The state of a vCPU; what it answers is constant but regs and cr2. */
struct oracle_vcpu {
	void *backend;
	uint16_t index;
	uint8_t regs[144], sregs[312];
	uint64_t cr2, tsc_khz, xcr0;
	bool ready, undelivered, closed;
	struct oracle_job *first, *last;
	unsigned int commands;
	bool waiting, replied;
	uint32_t seq;
	unsigned int pauses;
	uint32_t enabled;
	bool trap_pending, crash, has_regs;
	uint8_t trap_nr;
	uint32_t trap_code;
	uint8_t new_regs[144];
	unsigned int kicks, wait_exits, actions;
	char last_action;
};

/* The state of a session as far as the tool can notice it. */
struct oracle {
	uint32_t commands;	/* permission bits */
	uint32_t events;
	bool unhook_enabled;
	bool cleanup;
	uint32_t vcpus;
	uint32_t event_seq;
	uint32_t missing;	/* commands that the kernel lacks */
	int find_err;
	unsigned int backlog, queued;
	int alloc_left;		/* allocations before the one that fails */
	bool interrupted;	/* KVM_RUN returns for a signal */
	const struct oracle_backend *backend;
	struct oracle_vcpu *(*vcpu)(struct oracle *oracle, uint16_t index);
};

enum oracle_access { ACCESS_NONE, ACCESS_READ, ACCESS_WRITE };

/* What must come of one message. */
struct oracle_outcome {
	bool close;
	size_t consumed;	/* bytes taken from the stream */
	bool counted;		/* as a command, whatever came of it */
	bool queued;		/* nothing is answered now */
	uint16_t id;
	uint32_t seq;
	int32_t err;
	size_t data_size;	/* of a reply without error */
	uint8_t data[16];	/* except for ACCESS_READ */
	enum oracle_access access;
	uint64_t gpa;
	uint16_t size;
	const uint8_t *written;
};

/* What must come of running a vCPU. */
struct oracle_run {
	uint8_t *sent;		/* room for everything */
	size_t size;
	unsigned int posts, replies, errors, events, ended;
	uint32_t done;		/* ids of what succeeded; 1: an event ended */
	bool hold;
};

void oracle_init(struct oracle *oracle);
void oracle_allow_command(struct oracle *oracle, int id, bool allow);
void oracle_allow_event(struct oracle *oracle, int id, bool allow);

/*
 * Judge the message at the start of @in. An access to memory is judged without
 * its own error, which the caller knows.
 */
void oracle_judge(struct oracle *oracle, const uint8_t *in, size_t size,
		  struct oracle_outcome *out);

/* oracle_vcpu.c: the same for the messages of vCPUs. */
bool oracle_vcpu_command(uint16_t id);
void oracle_act(struct oracle_vcpu *vcpu, char action);
int32_t oracle_judge_pause(struct oracle *oracle, const uint8_t *args);
void oracle_judge_vcpu(struct oracle *oracle, const uint8_t *args,
		       const uint8_t *payload, size_t size,
		       struct oracle_outcome *out);
void oracle_run_vcpu(struct oracle *oracle, struct oracle_vcpu *vcpu,
		     bool entering, struct oracle_run *run);
void oracle_close_vcpu(struct oracle_vcpu *vcpu);

/* oracle_reply.c: the answer of a command: its error, or its data. */
int32_t oracle_command(struct oracle *oracle, struct oracle_vcpu *vcpu,
		       const struct oracle_job *job, uint8_t *data,
		       size_t *size);
uint8_t oracle_mode(const struct oracle_vcpu *vcpu);
bool oracle_event_known(const struct oracle *oracle, uint16_t id);

uint16_t get16(const uint8_t *p);
uint32_t get32(const uint8_t *p);
uint64_t get64(const uint8_t *p);
bool zero(const uint8_t *args, size_t first, size_t last);

#endif /* KVMI_UNIT_ORACLE_H */
