/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libkvmic: the commands and the events of virtual CPUs. Included by kvmic.h,
 * which tells the rules.
 */
#ifndef KVMIC_VCPU_H
#define KVMIC_VCPU_H

#include <kvmic.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --------------------------------------------------------- vCPU commands */

/*
 * As the VM commands: one command is sent, its reply is waited for, and 0, a
 * wire error or a KVMIC_ERR_* is returned. @vcpu is the index, from 0 to
 * kvmi_vm_get_info_reply.vcpu_count - 1. Besides the errors listed at the
 * command in <linux/kvmi.h>, every one may return -KVMI_EPERM, -KVMI_ENOSYS,
 * -KVMI_EINVAL (no such vCPU), -KVMI_EAGAIN (not started by the guest yet),
 * -KVMI_EBUSY (KVMI_MAX_VCPU_COMMANDS or KVMI_MAX_COMMANDS wait for their replies)
 * and -KVMI_ENOMEM.
 *
 * Output arguments are zero when a call fails.
 */

/**
 * kvmic_pause_vcpu() - ask for a KVMI_VCPU_EVENT_PAUSE of a vCPU
 * @wait: nonzero to get the reply only when the vCPU has left the guest
 *
 * A VM command: it does not need the vCPU. Success means that one event
 * follows when the vCPU is in KVM_RUN next; the vCPU stands still from that
 * event to its reply, see kvmic_answer_event().
 */
int kvmic_pause_vcpu(struct kvmic_conn *conn, uint16_t vcpu, int wait);

/**
 * kvmic_vcpu_get_info() - frequency of the TSC that the guest sees
 * @reply: filled on success
 */
int kvmic_vcpu_get_info(struct kvmic_conn *conn, uint16_t vcpu,
			struct kvmi_vcpu_get_info_reply *reply);

/**
 * kvmic_vcpu_control_events() - enable or disable an event of one vCPU
 * @event_id: KVMI_VCPU_EVENT_*
 * @enable: nonzero to enable
 */
int kvmic_vcpu_control_events(struct kvmic_conn *conn, uint16_t vcpu,
			      uint16_t event_id, int enable);

/**
 * kvmic_vcpu_get_registers() - registers, and MSRs of choice
 * @msrs: indices of the MSRs wanted, may be NULL when @nmsrs is 0
 * @nmsrs: how many, at most KVMI_MAX_MSRS
 * @reply: receives all but the MSRs
 * @values: receives @nmsrs values in the order of @msrs, may be NULL when
 *          @nmsrs is 0
 *
 * One MSR that cannot be read fails all of it with -KVMI_EINVAL. Errors: ARG
 * when @nmsrs is too large.
 */
int kvmic_vcpu_get_registers(struct kvmic_conn *conn, uint16_t vcpu,
			     const uint32_t *msrs, size_t nmsrs,
			     struct kvmi_vcpu_get_registers_reply *reply,
			     uint64_t *values);

/**
 * kvmic_vcpu_set_registers() - general registers for after the event
 * @regs: all of them are set
 *
 * Only while the vCPU waits for an event reply, else -KVMI_EOPNOTSUPP.
 */
int kvmic_vcpu_set_registers(struct kvmic_conn *conn, uint16_t vcpu,
			     const struct kvm_regs *regs);

/**
 * kvmic_vcpu_get_cpuid() - what the guest gets from CPUID
 * @function: leaf
 * @index: subleaf, where the leaf has such
 * @reply: filled on success
 */
int kvmic_vcpu_get_cpuid(struct kvmic_conn *conn, uint16_t vcpu,
			 uint32_t function, uint32_t index,
			 struct kvmi_vcpu_get_cpuid_reply *reply);

/**
 * kvmic_vcpu_inject_exception() - raise an exception in the guest
 * @nr: vector
 * @error_code: for a vector that has one
 * @address: CR2, for a page fault
 *
 * Success means that it will be tried: KVMI_VCPU_EVENT_TRAP tells what was
 * injected. See struct kvmi_vcpu_event_trap.
 */
int kvmic_vcpu_inject_exception(struct kvmic_conn *conn, uint16_t vcpu,
				uint8_t nr, uint32_t error_code,
				uint64_t address);

/**
 * kvmic_vcpu_get_xcr() - extended control register
 * @xcr: 0
 * @value: receives the value
 */
int kvmic_vcpu_get_xcr(struct kvmic_conn *conn, uint16_t vcpu, uint8_t xcr,
		       uint64_t *value);

/**
 * kvmic_vcpu_get_xsave() - FPU and vector registers
 * @xsave: filled on success, as struct kvm_xsave of KVM_GET_XSAVE
 */
int kvmic_vcpu_get_xsave(struct kvmic_conn *conn, uint16_t vcpu,
			 struct kvmi_vcpu_xsave *xsave);

/**
 * kvmic_vcpu_set_xsave() - the same the other way; takes effect at once
 * @xsave: what to set
 */
int kvmic_vcpu_set_xsave(struct kvmic_conn *conn, uint16_t vcpu,
			 const struct kvmi_vcpu_xsave *xsave);

/**
 * kvmic_vcpu_get_mtrr_type() - memory type of an address by the MTRRs
 * @gpa: guest physical address
 * @type: receives 0 UC, 1 WC, 4 WT, 5 WP or 6 WB
 */
int kvmic_vcpu_get_mtrr_type(struct kvmic_conn *conn, uint16_t vcpu,
			     uint64_t gpa, uint8_t *type);

/* What kvmic_vcpu_translate_gva() gives for an address without mapping. */
#define KVMIC_NOT_MAPPED UINT64_MAX

/**
 * kvmic_vcpu_translate_gva() - walk the guest's current page tables
 * @gva: guest virtual address
 * @gpa: receives the guest physical address, or KVMIC_NOT_MAPPED, which is
 *       success as well
 */
int kvmic_vcpu_translate_gva(struct kvmic_conn *conn, uint16_t vcpu,
			     uint64_t gva, uint64_t *gpa);

/**
 * kvmic_read_virtual() - read guest memory by virtual address
 * @gva: guest virtual address, any alignment
 * @buf: receives @len bytes
 * @len: any number of bytes; 0 does nothing
 * @done: receives the number of bytes read from the start, may be NULL
 *
 * Translates page by page, with the page tables that @vcpu has then, and reads
 * with KVMI_VM_READ_PHYSICAL. Unless the vCPU is paused, its page tables may
 * change in between. Stops at the first page that fails. Errors: NOT_MAPPED;
 * ARG when @gva + @len exceeds 64 bits; those of kvmic_read_physical().
 */
int kvmic_read_virtual(struct kvmic_conn *conn, uint16_t vcpu, uint64_t gva,
		       void *buf, size_t len, size_t *done);

/* ----------------------------------------------------------- vCPU events */

/**
 * struct kvmic_vcpu_event - a vCPU event, taken apart
 * @event: KVMI_VCPU_EVENT_*
 * @vcpu: index of the vCPU that waits for the reply
 * @seq: sequence number that the reply repeats
 * @known: bytes of @arch that the kernel has sent; the rest is zero. Less than
 *         its size with an older kernel
 * @arch: registers at the event
 * @data_size: bytes of the event's own data that the kernel has sent
 * @data: they, or the start of them; zero behind @data_size
 * @trap: the same for KVMI_VCPU_EVENT_TRAP
 */
struct kvmic_vcpu_event {
	uint16_t event;
	uint16_t vcpu;
	uint32_t seq;
	uint32_t known;
	struct kvmi_vcpu_event_arch arch;
	uint32_t data_size;
	union {
		uint8_t data[64];
		struct kvmi_vcpu_event_trap trap;
	};
};

/**
 * kvmic_decode_event() - take a vCPU event apart
 * @event: from kvmic_next_event() or the callback
 * @out: filled on success
 * @err: cause of a failure, may be NULL
 *
 * Finds the event's own data by the size that the kernel has put into the
 * common part, so that this part may grow or shrink. Errors: ARG (an event of
 * the VM, or the refusal of a reply: see kvmic_event.error), PROTOCOL (cannot
 * be right; the connection stays usable).
 */
int kvmic_decode_event(const struct kvmic_event *event,
		       struct kvmic_vcpu_event *out, struct kvmic_err *err);

/**
 * kvmic_answer_event() - let the vCPU go on
 * @event: the event to answer, once
 * @action: KVMI_EVENT_ACTION_*
 * @data: reply data of the event, may be NULL when @size is 0
 * @size: their size; the kernel takes what is missing for zero
 *
 * The kernel confirms nothing: a refusal comes as an event whose error is set.
 * It closes the connection on a reply that does not fit, so that an action or
 * a size that an event known to this library does not have is refused here
 * with ARG.
 */
int kvmic_answer_event(struct kvmic_conn *conn,
		       const struct kvmic_vcpu_event *event, uint8_t action,
		       const void *data, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* KVMIC_VCPU_H */
