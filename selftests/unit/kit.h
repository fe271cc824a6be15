/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A session between the two mocks, and what the tests do with it. Message ids,
 * errors and layouts are written here and in the tests as numbers of the ABI,
 * so that a wrong constant in the header is found too.
 */
#ifndef KVMI_UNIT_KIT_H
#define KVMI_UNIT_KIT_H

#include "mock_vcpu.h"
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
	PAUSE_VCPU = 16,
	CONTROL_CLEANUP = 18,
};

/* Of vCPUs. */
enum {
	VCPU_EVENT = 1,
	VCPU_GET_INFO = 3,
	VCPU_CONTROL_EVENTS = 5,
	VCPU_GET_REGISTERS = 7,
	VCPU_SET_REGISTERS = 9,
	VCPU_GET_CPUID = 11,
	VCPU_INJECT = 15,
	VCPU_GET_XCR = 17,
	VCPU_GET_XSAVE = 19,
	VCPU_SET_XSAVE = 21,
	VCPU_GET_MTRR_TYPE = 23,
	VCPU_TRANSLATE_GVA = 29,
};

enum { EVENT_PAUSE = 1, EVENT_TRAP = 9 };
enum { CONTINUE = 0, RETRY = 1, CRASH = 2 };

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

/* VM commands, and the commands of a vCPU. */
extern const u16 known_commands[9];
extern const u16 vcpu_commands[11];
bool is_vcpu_command(u32 id);

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

/* --- the same with a vCPU: what is sent comes from kvmi_vcpu_run() --- */

/* Send a command that must be queued, without any reply. */
void kit_queue(struct kit *kit, u16 id, u32 seq, const void *payload,
	       u16 size);
/* kvmi_vcpu_run(), after having forgotten what was sent. */
enum kvmi_vcpu_next kit_run(struct kit *kit, u16 index, bool entering);
/* Check that nothing else was sent than this one reply. */
void kit_sent_reply(struct kit *kit, u16 id, u32 seq, s32 err, const void *data,
		    size_t data_size);
/* The same for an event of the vCPU, with its own data. */
void kit_sent_event(struct kit *kit, u16 index, u16 event, u32 seq,
		    const void *data, size_t data_size);
void kit_sent_nothing(struct kit *kit);

/* kit_expect() of a vCPU command, with the index in its payload. */
void kit_expect_vcpu(struct kit *kit, u16 id, const void *payload, u16 size,
		     s32 err, const void *data, size_t data_size);
void kit_expect_vcpu_err(struct kit *kit, u16 id, const void *payload,
			 u16 size, s32 err);

/* PAUSE the vCPU and have its event sent. Returns the event's number. */
u32 kit_pause(struct kit *kit, u16 index);
/* Queue the reply to an event. */
void kit_reply(struct kit *kit, u16 index, u32 seq, u8 action);
/* Queue it and take it from the queue. */
void kit_answer(struct kit *kit, u16 index, u32 seq, u8 action);

static inline struct mock_vcpu *kit_vcpu(struct kit *kit, u16 index)
{
	return mock_vm_vcpu(kit->vm, index);
}

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
/* The same for a vCPU command: what its structure has, up to 4104 bytes. */
size_t good_vcpu_payload(u16 id, u16 index, u8 *payload);

extern const struct tap_test permission_tests[];
extern const struct tap_test message_tests[];
extern const struct tap_test payload_tests[];
extern const struct tap_test command_tests[];
extern const struct tap_test physical_tests[];
extern const struct tap_test stream_tests[];
extern const struct tap_test event_tests[];
extern const struct tap_test vcpu_tests[];
extern const struct tap_test vcpu_limit_tests[];
extern const struct tap_test vcpu_command_tests[];
extern const struct tap_test vcpu_payload_tests[];
extern const struct tap_test vcpu_event_tests[];
extern const struct tap_test vcpu_reply_tests[];
extern const struct tap_test vcpu_thread_tests[];
extern const struct tap_test mtrr_tests[];

#endif /* KVMI_UNIT_KIT_H */
