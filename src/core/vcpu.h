/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The vCPUs of a session: commands for them are queued by the receiving thread
 * and run in the context of the vCPU, that is by whoever holds it for himself
 * with its state loaded. Nothing here waits: an event that has no reply yet is
 * a state, in which the caller keeps the vCPU out of the guest.
 */
#ifndef KVMI_CORE_VCPU_H
#define KVMI_CORE_VCPU_H

#include "core.h"

/**
 * struct kvmi_vcpu_ops - what the core asks of a vCPU, in its context
 * @get_regs: general registers
 * @get_sregs: segment and control registers
 * @get_msr: value of an MSR as its VMM reads it; 0 or anything else
 * @get_cpuid: entry of the table that the VMM has set; false when there is none
 * @get_xcr0: XCR0
 * @get_xsave: fill 4096 bytes as KVM_GET_XSAVE does
 * @set_xsave: set state as KVM_SET_XSAVE does; may change the buffer
 * @get_tsc_khz: frequency of the guest's TSC, 0 when the host cannot scale it
 * @translate: guest physical address, or all ones
 * @set_regs: set general registers; keeps a pending exception
 * @inject: queue an exception, with its error code if it @has_code, unless
 *	there is something to deliver already; @trap tells what will be
 * @delivered: nothing is left to be delivered
 * @unhalt: have it enter the guest although it halts
 * @get_cr2: CR2
 * @make_runnable: have the next KVM_RUN come to entering the guest, whatever the
 *	vCPU waits for
 * @interrupted: this KVM_RUN is going to return, without entering the guest
 * @crash: have this KVM_RUN return KVM_EXIT_SHUTDOWN; outside of it the next one
 *
 * Those that return int return 0 or the negative of a KVMI_E* value.
 */
struct kvmi_vcpu_ops {
	void (*get_regs)(void *ctx, struct kvm_regs *regs);
	void (*get_sregs)(void *ctx, struct kvm_sregs *sregs);
	int (*get_msr)(void *ctx, u32 index, u64 *value);
	bool (*get_cpuid)(void *ctx, u32 function, u32 index,
			  struct kvmi_vcpu_get_cpuid_reply *entry);
	u64 (*get_xcr0)(void *ctx);
	int (*get_xsave)(void *ctx, void *buf);
	int (*set_xsave)(void *ctx, void *buf);
	u64 (*get_tsc_khz)(void *ctx);
	int (*translate)(void *ctx, u64 gva, u64 *gpa);
	void (*set_regs)(void *ctx, const struct kvm_regs *regs);
	void (*inject)(void *ctx, const struct kvmi_vcpu_inject_exception *req,
		       bool has_code, struct kvmi_vcpu_event_trap *trap);
	bool (*delivered)(void *ctx);
	void (*unhalt)(void *ctx);
	u64 (*get_cr2)(void *ctx);
	void (*make_runnable)(void *ctx);
	bool (*interrupted)(void *ctx);
	void (*crash)(void *ctx);
};

/* What an event does with the answer of the tool. */
struct kvmi_event {
	u16 id;
	u8 actions;		/* bit n: KVMI_EVENT_ACTION_n is supported */
	size_t size;		/* bytes of its own data */
	size_t reply_size;	/* bytes of its own data in the reply */
};

/**
 * struct kvmi_vcpu - one vCPU of a session
 * @session: the session
 * @ops: operations on @ctx
 * @ctx: the vCPU
 * @index: its number
 * @lock: protects what follows up to @spare
 * @jobs: messages to be handled, in order
 * @commands: commands among them
 * @handling: one that was among them is being handled
 * @closed: the connection has ended; nothing is queued any more
 * @event: the event that waits for its reply, or NULL
 * @event_seq: its sequence number
 * @replied: its reply is among @jobs
 * @pauses: PAUSE events to be sent
 * @spare: a message for the next reply or event, or NULL
 * @enabled_events: bit n is set when event id n is enabled by the tool
 * @new_regs: registers to be set when the event is over
 * @has_new_regs: there are such
 * @trap: what was injected
 * @trap_pending: the TRAP event is still to be sent
 * @crash: the tool wants the vCPU to crash
 *
 * From @enabled_events on, and for clearing @event, only the context of the
 * vCPU writes. Beside it kvmi_vcpu_close() clears @event and @trap_pending,
 * kvmi_vcpu_drop() clears @event and sets @crash, kvmi_vcpu_take_crash() clears
 * that.
 */
struct kvmi_vcpu {
	struct kvmi_session *session;
	const struct kvmi_vcpu_ops *ops;
	void *ctx;
	u16 index;
	spinlock_t lock;
	struct list_head jobs;
	unsigned int commands;
	bool handling;
	bool closed;
	const struct kvmi_event *event;
	u32 event_seq;
	bool replied;
	unsigned int pauses;
	struct kvmi_msg *spare;
	u32 enabled_events;
	struct kvm_regs new_regs;
	bool has_new_regs;
	struct kvmi_vcpu_event_trap trap;
	bool trap_pending;
	bool crash;
};

/* A message for a vCPU. */
struct kvmi_job {
	struct list_head link;
	struct kvmi_msg_hdr hdr;
	u8 payload[];	/* as received, and zero up to its command's structure */
};

/* What the vCPU shall do after kvmi_vcpu_run(). */
enum kvmi_vcpu_next {
	KVMI_VCPU_GO,	/* enter the guest */
	KVMI_VCPU_HOLD,	/* stay out of it, and call again on news */
};

/* vcpu.c: messages in, context of the vCPU out. */
void kvmi_vcpu_init(struct kvmi_vcpu *vcpu, struct kvmi_session *session,
		    u16 index);
int kvmi_vcpu_message(struct kvmi_session *session, const struct kvmi_msg *msg);
int kvmi_vcpu_pause(struct kvmi_session *session,
		    const struct kvmi_vm_pause_vcpu *req);

/*
 * Do what there is to do for the vCPU. The caller is its context. With
 * @entering the vCPU is on its way into the guest: only then events are sent.
 */
enum kvmi_vcpu_next kvmi_vcpu_run(struct kvmi_vcpu *vcpu, bool entering);

/* There are messages to be handled, or one is being handled. */
bool kvmi_vcpu_busy(struct kvmi_vcpu *vcpu);
/* Something is to be done before the vCPU enters the guest; lockless. */
bool kvmi_vcpu_attention(const struct kvmi_vcpu *vcpu);
/* It has still to crash, and whoever is told so sees to it. Any thread. */
bool kvmi_vcpu_take_crash(struct kvmi_vcpu *vcpu);
/* The tool's answer is CRASH, and it has still to be heeded. Any thread. */
bool kvmi_vcpu_crash_due(struct kvmi_vcpu *vcpu);
/* After kvmi_vcpu_close(): the tool's last answer has still to be heeded. */
bool kvmi_vcpu_answered(struct kvmi_vcpu *vcpu);
/* Likewise, when it cannot be: nothing is left of it but CRASH. */
void kvmi_vcpu_drop(struct kvmi_vcpu *vcpu);
/*
 * An event is to be sent as soon as the vCPU is on its way into the guest (a
 * pause), or has been there (an injection); lockless.
 */
bool kvmi_vcpu_event_due(const struct kvmi_vcpu *vcpu);

/*
 * In the context of the vCPU: a message to be filled, or NULL, and its way out.
 */
struct kvmi_msg *kvmi_vcpu_msg_get(struct kvmi_vcpu *vcpu);
void kvmi_vcpu_msg_put(struct kvmi_vcpu *vcpu, struct kvmi_msg *msg);
void kvmi_vcpu_post(struct kvmi_vcpu *vcpu, struct kvmi_msg *msg);

/*
 * The connection has ended: let the vCPU go, and drop all but its last answer, with
 * the changes before it.
 */
void kvmi_vcpu_close(struct kvmi_vcpu *vcpu);

/* vcpu_command.c */
bool kvmi_vcpu_command_known(u16 id);
size_t kvmi_vcpu_command_size(u16 id);
int kvmi_vcpu_command_run(struct kvmi_vcpu *vcpu, const struct kvmi_job *job,
			  struct kvmi_reply *reply);

/* event.c; the first two in the context of the vCPU. */
extern const struct kvmi_event kvmi_event_pause;
extern const struct kvmi_event kvmi_event_trap;
int kvmi_event_send(struct kvmi_vcpu *vcpu, const struct kvmi_event *event,
		    const void *data);
void kvmi_event_finish(struct kvmi_vcpu *vcpu, const struct kvmi_job *job);
int kvmi_event_check_reply(struct kvmi_vcpu *vcpu, const struct kvmi_msg *msg);
void kvmi_event_mode(const struct kvm_sregs *sregs, u32 *mode);

/* mtrr.c */
u8 kvmi_mtrr_type(struct kvmi_vcpu *vcpu, u64 gpa);

#endif /* KVMI_CORE_VCPU_H */
