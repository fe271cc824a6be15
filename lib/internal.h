/* SPDX-License-Identifier: LGPL-2.1-only */
/* What the files of libkvmic share with each other and not with users. */
#ifndef KVMIC_INTERNAL_H
#define KVMIC_INTERNAL_H

#include <stdbool.h>

#include "kvmic.h"

#ifndef __printf
#define __printf(a, b) __attribute__((format(printf, a, b)))
#endif

#define KVMIC_VM_LINK "anon_inode:kvm-vm"
#define KVMIC_VCPU_LINK "anon_inode:kvm-vcpu:"

/* Whole messages, header included; the kernel's limit. */
#define KVMIC_MSG_MAX (sizeof(struct kvmi_msg_hdr) + KVMI_MAX_MSG_SIZE)
/* Room for one message that is being read and what came behind it. */
#define KVMIC_RX_SIZE (2 * KVMIC_MSG_MAX)

enum slot_state {
	SLOT_FREE,
	SLOT_WAITING,	/* sent, no reply yet */
	SLOT_DONE,	/* reply in data */
	SLOT_FORGOTTEN,	/* sent, reply to be dropped */
};

/* A command that was sent. */
struct slot {
	enum slot_state state;
	uint16_t id;
	uint16_t size;
	uint32_t seq;
	int err;
	uint8_t *data;
};

struct queued_event {
	struct queued_event *next;
	uint16_t id;
	uint16_t size;
	uint32_t seq;
	uint8_t payload[];
};

struct kvmic_conn {
	int fd;
	int timeout_ms;
	int broken;		/* 0, or the error every call returns */
	uint32_t next_seq;
	bool no_callback;	/* in a callback, or a message is half sent */
	kvmic_event_fn *callback;
	void *callback_arg;
	struct queued_event *events, **events_tail;
	unsigned int num_events, max_events;
	struct slot slots[KVMIC_MAX_OUTSTANDING];
	struct kvmic_err err;
	/* Of an attached session, for kvmic_detach(). */
	pid_t vmm;
	uint8_t uuid[16];
	char *root;
	/* Input that was not dispatched yet: rx[rx_off .. rx_off + rx_len). */
	size_t rx_off, rx_len;
	uint8_t rx[KVMIC_RX_SIZE];
	uint8_t tx[KVMIC_MSG_MAX];
};

/* Monotonic clock, milliseconds. Deadline -1 is never. */
int64_t kvmic__now(void);
int64_t kvmic__deadline(int ms);

/* Record a failure and return its code. @err may be NULL. */
int kvmic__fail(struct kvmic_err *err, int code, int sys_errno,
		const char *hint, const char *fmt, ...) __printf(5, 6);

/* wire.c: one step of input, at least one message or a failure. */
int kvmic__pump(struct kvmic_conn *conn, int64_t deadline);
int kvmic__transmit(struct kvmic_conn *conn, uint16_t id, uint32_t seq,
		    const void *payload, size_t size);
struct slot *kvmic__find_slot(struct kvmic_conn *conn, uint16_t id,
			      uint32_t seq);

/* command.c: ranges, and replies that are too short. */
#define KVMIC_PAGE 4096u
/* Bytes from @addr to the end of its page, at most @len. */
size_t kvmic__piece(uint64_t addr, size_t len);
int kvmic__check_range(struct kvmic_conn *conn, uint64_t addr, size_t len);
int kvmic__bad_reply(struct kvmic_conn *conn, uint16_t id, size_t got);

/* files.c: paths below a root, bounded reading. */
int kvmic__path(char *buf, size_t size, const char *root, const char *fmt, ...)
	__printf(4, 5);
/* Whole file plus a NUL; NULL with errno on failure or above @max bytes. */
char *kvmic__read_file(const char *path, size_t max, size_t *len);
bool kvmic__exists(const char *root, const char *path);
bool kvmic__has_capability(const char *root, int cap);

/* cmdline.c: what a VMM's command line tells. */
struct vm_config {
	char name[256];
	uint64_t memory;
	bool has_uuid;
	uint8_t uuid[16];
};

void kvmic__parse_cmdline(const char *comm, const char *args, size_t len,
			  struct vm_config *config);
int kvmic__parse_uuid(const char *text, uint8_t uuid[16]);
void kvmic__format_uuid(const uint8_t uuid[16], char text[37]);

#endif /* KVMIC_INTERNAL_H */
