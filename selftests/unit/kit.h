/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A session between the two mocks, and what the tests do with it. Message ids,
 * errors and layouts are written here and in the tests as numbers of the ABI,
 * so that a wrong constant in the header is found too.
 */
#ifndef KVMI_UNIT_KIT_H
#define KVMI_UNIT_KIT_H

#include "mock.h"
#include "tap.h"

#define MAX_PAYLOAD 8184
#define TAG 4711

enum {
	GET_VERSION = 2,
	CHECK_COMMAND = 4,
	CHECK_EVENT = 6,
	GET_INFO = 8,
	CONTROL_EVENTS = 10,
	READ_PHYSICAL = 12,
	WRITE_PHYSICAL = 14,
	CONTROL_CLEANUP = 18,
};

enum {
	E_PERM = -1,
	E_NOENT = -2,
	E_AGAIN = -11,
	E_NOMEM = -12,
	E_BUSY = -16,
	E_INVAL = -22,
	E_NOTSUPP = -95,
	E_NOSYS = -1000,
};

struct kit {
	struct kvmi_session session;
	struct mock_vm *vm;
	struct mock_stream *stream;
};

extern const u16 known_commands[8];

/* A session with the permissions that it has after the hook. */
void kit_open(struct kit *kit);
/* The same, with everything allowed. */
void kit_open_all(struct kit *kit);
void kit_close(struct kit *kit);

/* Forget earlier messages; send a command and handle it. */
int kit_step(struct kit *kit, u16 id, u32 seq, const void *payload, u16 size);

/* Send a command and check that its reply is exactly this one. */
void kit_expect(struct kit *kit, u16 id, const void *payload, u16 size, s32 err,
		const void *data, size_t data_size);
/* The same, for a reply without data. */
void kit_expect_err(struct kit *kit, u16 id, const void *payload, u16 size,
		    s32 err);
/* The same, when the connection is to be closed with this errno. */
void kit_expect_close(struct kit *kit, u16 id, const void *payload, u16 size,
		      int err);

/* Payloads. */
void put_u16(u8 *p, u16 value);
void put_u32(u8 *p, u32 value);
void put_u64(u8 *p, u64 value);
size_t put_physical(u8 *p, u64 gpa, u16 size);

/*
 * A payload that makes each known command succeed, with no data of its own
 * beyond what is needed. Returns its size.
 */
size_t good_payload(u16 id, u8 *payload);

extern const struct tap_test permission_tests[];
extern const struct tap_test message_tests[];
extern const struct tap_test payload_tests[];
extern const struct tap_test command_tests[];
extern const struct tap_test physical_tests[];
extern const struct tap_test stream_tests[];
extern const struct tap_test event_tests[];

#endif /* KVMI_UNIT_KIT_H */
