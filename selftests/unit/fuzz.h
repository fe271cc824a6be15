/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef KVMI_UNIT_FUZZ_H
#define KVMI_UNIT_FUZZ_H

#include "mock_vcpu.h"
#include "oracle.h"

#include <stdio.h>
#include <stdlib.h>

#define MUST(condition)							\
	do {								\
		if (!(condition)) {					\
			fprintf(stderr, "%s:%d: violated: %s\n",	\
				__FILE__, __LINE__, #condition);	\
			abort();					\
		}							\
	} while (0)

struct run {
	struct kvmi_session session;
	struct oracle oracle;
	struct oracle_vcpu *vcpus[256];
	u16 last_vcpu;		/* the one that the last message was for */
	struct mock_vm *vm;
	struct mock_stream *stream;
	const u8 *in;		/* what is not consumed yet */
	size_t size;
	unsigned int sends;
	unsigned int good_sends;
	unsigned int reads, writes;
	unsigned int commands, replies, errors, events;
};

extern unsigned long reached[32];

void check_state(struct run *run);

/* fuzz_vcpu.c */
void fuzz_vcpu_start(struct run *run);
void fuzz_vcpu_action(struct run *run, u8 action);
/* Compare the vCPU that the last message was for. */
void fuzz_vcpu_check(struct run *run);
/* Close all, and run them once more. */
void fuzz_vcpu_finish(struct run *run);

#endif /* KVMI_UNIT_FUZZ_H */
