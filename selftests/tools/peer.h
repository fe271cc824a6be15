/* SPDX-License-Identifier: GPL-2.0-only */
/* A stand-in for the kernel's end of an introspection socket. */
#ifndef PEER_H
#define PEER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <linux/kvmi.h>

#define PEER_MEMORY (4u << 20)
/* Two pages without memory. */
#define PEER_HOLE 0x100000u
#define PEER_HOLE_END 0x102000u

/* Guest virtual addresses: see peer_translate(). */
#define PEER_VIRTUAL 0xffff888000000000ull
/* More than the library queues events if nothing else is said. */
#define PEER_MAX_VCPUS 1200u
/* Commands and events of a kernel that has none of vCPUs. */
#define PEER_OLD_COMMANDS 0x00045554u
#define PEER_OLD_EVENTS 0x1u

struct peer_vcpu {
	bool unstarted;		/* commands answer EAGAIN */
	bool outside;		/* not in KVM_RUN: events do not come */
	unsigned int pauses;	/* accepted, event not sent yet */
	bool inject;
	struct kvmi_vcpu_inject_exception exception;
	uint32_t waits_for;	/* sequence number, 0 when running */
	uint16_t event;		/* which one it waits in */
	bool set_regs;
	struct kvm_regs regs, new_regs;
	struct kvmi_vcpu_xsave xsave;
	uint32_t enabled;	/* events */
};

struct peer {
	int fd;
	uint32_t commands, events;	/* allowed */
	uint32_t known_commands, known_events;
	uint64_t private_page;		/* answers EOPNOTSUPP, 0 for none */
	unsigned int vcpu_count;
	struct peer_vcpu vcpu[PEER_MAX_VCPUS];
	/* Called every few milliseconds, and for each event reply. */
	void (*on_idle)(struct peer *p);
	void (*on_answer)(struct peer *p, unsigned int vcpu, uint16_t event,
			  uint8_t action);
	unsigned int flood;		/* events sent before each reply */
	unsigned int delay_ms;		/* before each reply */
	bool bytewise;			/* replies one byte per send */
	uint32_t event_seq;
	unsigned long requests;
	uint8_t *memory;
	void (*on_message)(struct peer *p);
	void (*on_end)(struct peer *p);
	pthread_t thread;
};

/* Everything allowed, memory filled with peer_byte(). */
void peer_init(struct peer *p, int fd);
/* Serve until the end of the stream, here or in a thread. */
void *peer_serve(void *peer);
void peer_start(struct peer *p);
/* Wait for the thread, which ends with the stream; free everything. */
void peer_join(struct peer *p);
uint8_t peer_byte(uint64_t gpa);
/* Pages are swapped in pairs; ~0 where nothing is mapped. */
uint64_t peer_translate(uint64_t gva);
/* 1 if the MSR can be read. */
int peer_msr(uint32_t index, __u64 *value);

/* peer_vcpu.c: a command or event reply that names a vCPU; false: hang up. */
bool peer_vcpu_message(struct peer *p, const struct kvmi_msg_hdr *hdr,
		       const uint8_t *payload);
int32_t peer_pause(struct peer *p, const uint8_t *payload);
void peer_init_vcpus(struct peer *p);
/* Send what is due; false when it cannot be sent. */
bool peer_send_events(struct peer *p);
/* Reply to a command, with what the peer's fields say in front of it. */
bool peer_answer(struct peer *p, const struct kvmi_msg_hdr *hdr, int32_t err,
		 const void *data, size_t size);

/* One raw message to a socket; false when it could not be sent. */
bool peer_send(int fd, uint16_t id, uint32_t seq, const void *payload,
	       uint16_t size);
/* The same with an error code in front of the data. */
bool peer_reply(int fd, uint16_t id, uint32_t seq, int32_t err,
		const void *data, uint16_t size);

#endif /* PEER_H */
