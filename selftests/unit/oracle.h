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

/* The state of a session as far as the tool can notice it. */
struct oracle {
	uint32_t commands;	/* permission bits */
	uint32_t events;
	bool unhook_enabled;
	bool cleanup;
	uint32_t vcpus;
	uint32_t event_seq;
};

enum oracle_access { ACCESS_NONE, ACCESS_READ, ACCESS_WRITE };

/* What must come of one message. */
struct oracle_outcome {
	bool close;
	size_t consumed;	/* bytes taken from the stream */
	bool counted;		/* as a command, whatever came of it */
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

void oracle_init(struct oracle *oracle);
void oracle_allow_command(struct oracle *oracle, int id, bool allow);
void oracle_allow_event(struct oracle *oracle, int id, bool allow);

/*
 * Judge the message at the start of @in. An access to memory is judged without
 * its own error, which the caller knows.
 */
void oracle_judge(struct oracle *oracle, const uint8_t *in, size_t size,
		  struct oracle_outcome *out);

#endif /* KVMI_UNIT_ORACLE_H */
