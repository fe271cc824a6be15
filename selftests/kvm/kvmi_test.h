/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frame of the kvmi selftests: cases, TAP output, sessions, messages, counts.
 *
 * A program is a table of cases. Every case runs in a child of its own, which
 * creates its VMs itself and so is their VMM, and which plays the tool on the
 * other end of the socket too. A case that asserts, crashes or hangs is one
 * "not ok"; the following cases still run.
 */
#ifndef KVMI_TEST_H
#define KVMI_TEST_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include <linux/kvmi.h>

struct kvm_vm;

/* ------------------------------------------------------------- the frame -- */

/**
 * struct kvmi_case - one line of TAP
 * @name: printed behind the number
 * @fn: runs in a child; returns on success, otherwise ends in CHECK()
 * @planned: when set and false at start, the case does not exist here, which is
 *           told: for what the running kernel does not offer at all
 */
struct kvmi_case {
	const char *name;
	void (*fn)(void);
	bool (*planned)(void);
};

int kvmi_main(int argc, char **argv, const struct kvmi_case *cases, size_t nr);

/* True with -f: full counts instead of quick ones. */
extern bool kvmi_full;

static inline int kvmi_count(int quick, int full)
{
	return kvmi_full ? full : quick;
}

__attribute__((noreturn, format(printf, 3, 4)))
void kvmi_fail(const char *file, int line, const char *fmt, ...);

/* Ends the case as skipped. The runner knows which skips to expect. */
__attribute__((noreturn, format(printf, 1, 2)))
void kvmi_skip(const char *fmt, ...);

__attribute__((format(printf, 1, 2)))
void kvmi_note(const char *fmt, ...);

#define CHECK(cond, fmt, ...)						\
	do {								\
		if (!(cond))						\
			kvmi_fail(__FILE__, __LINE__, "%s: " fmt, #cond,\
				  ##__VA_ARGS__);			\
	} while (0)

#define CHECK_EQ(got, want)						\
	do {								\
		long long _got = (long long)(got);			\
		long long _want = (long long)(want);			\
									\
		if (_got != _want)					\
			kvmi_fail(__FILE__, __LINE__,			\
				  "%s is %lld, expected %s = %lld",	\
				  #got, _got, #want, _want);		\
	} while (0)

/* Repeats @cond until it holds, for at most @seconds; false when it never did. */
#define WAIT_FOR(cond, seconds)						\
	({								\
		uint64_t _end = kvmi_now_ms() + (seconds) * 1000ull;	\
		bool _held;						\
									\
		while (!(_held = !!(cond)) && kvmi_now_ms() < _end)	\
			kvmi_sleep_ms(5);				\
		_held;							\
	})

uint64_t kvmi_now_ms(void);
void kvmi_sleep_ms(unsigned int ms);

/* --------------------------------------------------------------- ioctls -- */

/* All of these return 0 or a negative errno. */
int ioctl_errno(int fd, unsigned long cmd, void *arg);
int hook_raw(int vm_fd, int sock, uint32_t padding);
int feature_raw(int vm_fd, unsigned long cmd, uint32_t allow, int32_t id);
int hook(struct kvm_vm *vm, int sock);
int unhook(struct kvm_vm *vm);
int set_command(struct kvm_vm *vm, uint32_t allow, int32_t id);
int set_event(struct kvm_vm *vm, uint32_t allow, int32_t id);
int preunhook(struct kvm_vm *vm);

/* A connected pair of stream sockets; receiving gives up after 60 seconds. */
void socket_pair(int sv[2]);

/*
 * Hooks @vm and returns the tool's end. The VMM's end is closed, since the
 * kernel has its own reference. session_all() allows everything as well.
 */
int session(struct kvm_vm *vm);
int session_all(struct kvm_vm *vm);

/* ------------------------------------------------------------- messages -- */

#define MSG_EOF	(-1)		/* connection closed at a message boundary */
#define MSG_CUT	(-2)		/* connection closed inside a message */
#define MSG_LATE (-3)		/* nothing came in time */

struct message {
	struct kvmi_msg_hdr hdr;
	uint8_t data[8192];
};

int send_all(int fd, const void *data, size_t size);
int send_msg(int fd, uint16_t id, uint32_t seq, const void *data, size_t size);

/* Payload size, or one of MSG_*. */
int recv_msg(int fd, struct message *msg);

/*
 * Sends a command and takes its reply: id, sequence number, padding and size
 * are checked. Returns the error of the reply; @reply holds @reply_size bytes
 * of data when that is 0.
 */
int command(int fd, uint16_t id, const void *data, size_t size,
	    void *reply, size_t reply_size);
int command_seq(int fd, uint16_t id, uint32_t seq, const void *data,
		size_t size, void *reply, size_t reply_size);

/* Error of the reply to command @seq of which only the errno matters. */
int recv_error(int fd, uint16_t id, uint32_t seq);

/* The kernel closed the connection without sending anything before. */
bool closed_silently(int fd);

/* A complete GET_VERSION exchange: the session is alive and well. */
void check_alive(int fd);

/* Enables or disables the UNHOOK event. */
int event_unhook(int fd, uint8_t enable);

/*
 * Sends commands whose replies nobody reads, until the socket takes no more:
 * the kernel is then stuck in sending. Makes @fd non-blocking.
 */
void stuff_socket(int fd);

/* --------------------------------------------------------------- counts -- */

/* The number in a file; -1 when there is none. */
long read_number(const char *path);

/**
 * struct kvmi_counts - what must be the same before and after
 * @messages: objects in the slab cache kvmi_msg
 * @threads: kernel threads kvmi-recv
 * @refs: users of the module
 * @vms: lines in the status file
 */
struct kvmi_counts {
	long messages;
	long threads;
	long refs;
	long vms;
};

#define KVMI_VMS_FILE "/sys/kernel/debug/kvmi/vms"

void counts_read(struct kvmi_counts *counts);

/* The receiving thread of the only session. */
pid_t receiver_pid(void);

/*
 * 1 where the kernel cannot take a task work back: one that is queued for a thread
 * which does not come to it then holds the module.
 */
int works_kept(void);

/* Waits until the counts are as they were, fails the case otherwise. */
void counts_check(const struct kvmi_counts *before);

/*
 * Objects of the kernel's general caches, everybody's. Afterwards, when something
 * was done @times times, there is not one more for nearly each time; if these
 * are few, that is only told.
 */
long objects_read(void);
void objects_check(long before, int times);

/* Lines of the status file for VMs of process @pid; all with pid 0. */
int vms_of(pid_t pid);

/* Column @name of the line of @pid's VM into @out; false when there is none. */
bool vms_field(pid_t pid, const char *name, char *out, size_t size);

/* ------------------------------------------------------------ processes -- */

/* Runs @fn in a child and returns its exit status; -signal when killed. */
int in_child(int (*fn)(void *arg), void *arg);
pid_t spawn(int (*fn)(void *arg), void *arg);
int reap(pid_t pid);

#endif /* KVMI_TEST_H */
