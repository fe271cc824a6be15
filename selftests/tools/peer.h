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

struct peer {
	int fd;
	uint32_t commands, events;	/* allowed */
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

/* One raw message to a socket; false when it could not be sent. */
bool peer_send(int fd, uint16_t id, uint32_t seq, const void *payload,
	       uint16_t size);
/* The same with an error code in front of the data. */
bool peer_reply(int fd, uint16_t id, uint32_t seq, int32_t err,
		const void *data, uint16_t size);

#endif /* PEER_H */
