/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the vCPU tests share: guests, threads that run vCPUs and count how
 * often KVM_RUN returned, typed commands, and events.
 */
#ifndef KVMI_VCPU_H
#define KVMI_VCPU_H

#include <pthread.h>

#include "kvm_util.h"
#include "processor.h"
#include "kvmi_test.h"

/* ---------------------------------------------------------------- guests -- */

#define GUEST_MAX 20
#define MAX_VCPUS 4

/**
 * struct guest_area - what a guest tells; one for each vCPU
 * @count: grows while the guest is where it was started
 * @other: grows while it is in guest_other
 * @traps: exceptions and interrupts that its handler has seen
 * @vector: of the last one
 * @error: its error code
 * @cr2: CR2 at that time
 * @rip: where it happened
 * @self: its address, which the handler finds by GS
 * @out: for the test's own guest
 * @history: vectors of the last traps, by their number modulo 8
 * @count_then: @count when the last one came
 */
struct guest_area {
	volatile uint64_t count;
	volatile uint64_t other;
	volatile uint64_t traps;
	volatile uint64_t vector;
	volatile uint64_t error;
	volatile uint64_t cr2;
	volatile uint64_t rip;
	volatile uint64_t self;
	volatile uint64_t out[24];
	volatile uint8_t history[8];
	volatile uint64_t count_then;
} __attribute__((aligned(256)));

/* Guests in assembler know it. */
_Static_assert(offsetof(struct guest_area, out) == 64, "out has moved");

extern struct guest_area guest_area[GUEST_MAX];

/*
 * Entry points for vCPUs; RDI is the guest's area. They are in assembler: a
 * test can tell where RIP may be, and no register but RDI is used.
 */
void guest_spin(void);		/* counts; interrupts enabled */
void guest_halt(void);		/* counts, halts, and so on */
void guest_other(void);		/* counts in @other */
extern const char guest_spin_loop[], guest_spin_end[];
extern const char guest_halt_next[], guest_other_end[];

/* The host's view of a guest's area. */
struct guest_area *guest_of(struct kvm_vm *vm, int index);

/* A VM with @nr vCPUs, all at @entry, with an IDT whose handler tells. */
struct kvm_vm *guest_create(int nr, void *entry, struct kvm_vcpu *vcpus[]);

/*
 * The guest has seen these interrupts or exceptions, in this order, and no other.
 * QEMU's VMRUN leaves an interrupt that it has injected where its loop takes it
 * for an exception, if it is called away before the next one: the guest then gets
 * it twice, in 15 of 600 runs with kvmi never loaded. So on AMD, and only there,
 * the same interrupt once more is no error.
 */
void guest_saw_only(const struct guest_area *area, const uint8_t *vectors,
		    int nr);

/* The guest moves, or does not: looked at for a while. */
bool guest_moves(volatile uint64_t *count);
bool guest_still(volatile uint64_t *count);

/*
 * False when the processor mixes up the guest's CR2 with the host's: KVM itself
 * then has a wrong value. Bochs does so with AMD-V.
 */
bool guest_cr2_kept(void);

/* ---------------------------------------------------------- vCPU threads -- */

/**
 * enum runner_mode - what a vCPU's thread does
 * @RUNNER_RUN: calls KVM_RUN again and again
 * @RUNNER_BUSY: loops in user space
 * @RUNNER_BLOCKED: sleeps in a system call
 * @RUNNER_QUIT: ends
 */
enum runner_mode { RUNNER_RUN, RUNNER_BUSY, RUNNER_BLOCKED, RUNNER_QUIT };

/**
 * struct runner - a vCPU and its thread
 * @vcpu: the vCPU
 * @thread: its thread
 * @tid: and that one's number
 * @pipe: wakes it when blocked
 * @want: what it shall do
 * @at: what it does
 * @returns: how often KVM_RUN returned, for whatever reason
 * @err: errno of the last one, 0 when it was an exit
 * @reason: reason of the last exit
 *
 * After an exit the thread is blocked, so that the test can look.
 */
struct runner {
	struct kvm_vcpu *vcpu;
	pthread_t thread;
	volatile pid_t tid;
	int pipe[2];
	volatile enum runner_mode want;
	volatile enum runner_mode at;
	volatile unsigned long returns;
	volatile int err;
	volatile uint32_t reason;
};

void runner_start(struct runner *r, struct kvm_vcpu *vcpu);
void runner_park(struct runner *r, enum runner_mode mode);
void runner_go(struct runner *r);
void runner_quit(struct runner *r);

/* A signal; waits until KVM_RUN has returned because of it. */
void runner_kick(struct runner *r);

/* The thread sleeps in the kernel. */
bool runner_sleeps(struct runner *r);

/* Waits for an exit and returns its reason. */
uint32_t runner_exit(struct runner *r);

/* Waits until guest_halt, or one like it, has halted for the @nth time. */
void guest_wait_halted(struct guest_area *area, struct runner *r, int nth);

/* --------------------------------------------------------------- commands -- */

/*
 * As command() and recv_error(), but events that come before the reply are
 * kept for event_recv().
 */
int tool_command(int fd, uint16_t id, const void *req, size_t size,
		 void *reply, size_t reply_size);
int vcpu_command(int fd, int vcpu, uint16_t id, const void *req, size_t size,
		 void *reply, size_t reply_size);
uint32_t vcpu_send(int fd, int vcpu, uint16_t id, const void *req, size_t size);
int reply_recv(int fd, uint16_t id, uint32_t seq, void *reply, size_t size);

/* 0 or an error; also false when the kernel does not offer the command. */
bool command_offered(int fd, uint16_t id);

struct registers {
	struct kvmi_vcpu_get_registers_reply hdr;
	struct kvm_msr_entry msrs[KVMI_MAX_MSRS];
};

int get_info(int fd, int vcpu, uint64_t *tsc_hz);
int control_event(int fd, int vcpu, uint16_t event, uint8_t enable);
int get_registers(int fd, int vcpu, int nmsrs, const uint32_t *msrs,
		  struct registers *regs);
int set_registers(int fd, int vcpu, const struct kvm_regs *regs);
int get_cpuid(int fd, int vcpu, uint32_t function, uint32_t index,
	      struct kvmi_vcpu_get_cpuid_reply *reply);
int get_xcr(int fd, int vcpu, uint8_t xcr, uint64_t *value);
int get_xsave(int fd, int vcpu, struct kvmi_vcpu_xsave *xsave);
int set_xsave(int fd, int vcpu, const struct kvmi_vcpu_xsave *xsave);
int get_mtrr_type(int fd, int vcpu, uint64_t gpa, uint8_t *type);
int translate_gva(int fd, int vcpu, uint64_t gva, uint64_t *gpa);
int inject(int fd, int vcpu, uint8_t nr, uint32_t error, uint64_t address);
int pause_vcpu(int fd, int vcpu, uint8_t wait);

/*
 * Every command, with all that can be said about the answers of any vCPU;
 * SET_REGISTERS, of what was read, is expected to return @set. Returns RIP.
 */
uint64_t ask_all(int fd, struct kvm_vm *vm, int vcpu, int set);

/* ----------------------------------------------------------------- events -- */

/**
 * struct event - an event as it came
 * @seq: its sequence number
 * @event: which one
 * @common: the part that all events have
 * @own: what this one has in addition
 * @own_size: bytes of it
 */
struct event {
	uint32_t seq;
	uint16_t event;
	struct kvmi_vcpu_event common;
	uint8_t own[24];
	int own_size;
};

/* The next event; its layout is checked. */
void event_recv(int fd, struct event *ev);

/* The same when it must be this event of this vCPU. */
void event_expect(int fd, struct event *ev, uint16_t event, int vcpu);

/* No event comes for a while, and none has come before. */
bool event_none(int fd);

/* Closes the tool's end, and forgets the events that were not looked at. */
void tool_close(int fd);

/* Answers an event. The raw form sends @size bytes of header and reply. */
struct event_answer {
	struct kvmi_vcpu_hdr hdr;
	struct kvmi_vcpu_event_reply reply;
	uint8_t more[64];
};

int event_reply(int fd, const struct event *ev, uint8_t action);
int event_reply_raw(int fd, uint32_t seq, const struct event_answer *answer,
		    size_t size);

/* Pauses a vCPU and takes the event. */
void pause_now(int fd, int vcpu, struct event *ev);

#endif /* KVMI_VCPU_H */
