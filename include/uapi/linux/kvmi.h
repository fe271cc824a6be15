/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * KVM introspection: ioctls of the VM file descriptor and wire protocol.
 *
 * Two parties use this header. A device manager, or a tool that attaches to a
 * running VM, issues the ioctls on a KVM VM file descriptor. An introspection
 * tool speaks the wire protocol on the other end of the socket that was handed
 * over with KVM_INTROSPECTION_HOOK. See kvmi(4) and kvmi-protocol(7).
 *
 * All integers are in host byte order. No structure has implicit padding.
 * Every field called "padding" must be zero in what is sent to the kernel, and
 * is zero in what the kernel sends.
 */
#ifndef _UAPI__LINUX_KVMI_H
#define _UAPI__LINUX_KVMI_H

#include <linux/ioctl.h>
#include <linux/types.h>
#include <asm/kvm.h>	/* struct kvm_regs, kvm_sregs, kvm_msr_entry */

/* Version of the ABI, as answered by KVM_CHECK_EXTENSION and GET_VERSION. */
#define KVMI_VERSION 1

/* -------------------------------------------------------------- ioctls -- */

/*
 * Capability numbers for KVM_CHECK_EXTENSION; the answer is KVMI_VERSION.
 *
 * KVM_CAP_KVMI is private to this module and answered by it on every kernel.
 * KVM_CAP_INTROSPECTION is the number of the posted series. Linux 5.16 and
 * later gave it another meaning, so it is answered only where the kernel's
 * own headers leave it unused, or with the module parameter legacy_cap=1.
 */
#define KVM_CAP_KVMI 0x4b564d49
#ifndef KVM_CAP_INTROSPECTION
#define KVM_CAP_INTROSPECTION 206
#endif

/**
 * struct kvm_introspection_hook - argument of KVM_INTROSPECTION_HOOK, 24 bytes
 * @fd: connected stream socket; the kernel takes its own reference
 * @padding: must be 0
 * @uuid: name of the VM for logs and the status file, not interpreted
 */
struct kvm_introspection_hook {
	__s32 fd;
	__u32 padding;
	__u8 uuid[16];
};

/**
 * struct kvm_introspection_feature - argument of COMMAND and EVENT, 8 bytes
 * @allow: 1 to allow, 0 to disallow
 * @id: command or event id, or -1 for all
 */
struct kvm_introspection_feature {
	__u32 allow;
	__s32 id;
};

/*
 * Errors common to the five requests, tested in this order: ENOTTY while this
 * module is being loaded or unloaded; EIO when the caller neither owns the VM
 * nor has CAP_SYS_ADMIN in the initial user namespace, or when KVM has declared
 * the VM dead; EFAULT when the argument cannot be read.
 *
 * HOOK starts a session. EINVAL: padding; EIO: the VM's process has ended;
 *   EEXIST: already hooked; ENOMEM; EINVAL: not a socket; EPROTOTYPE: not a
 *   stream; ENOTCONN: not connected; ENODEV: kvm_amd or kvm_intel is being
 *   unloaded; EOPNOTSUPP: confidential VM; ENOMEM: no thread; EEXIST: another
 *   HOOK was faster.
 * UNHOOK ends the session; 0 also when there is none.
 * COMMAND, EVENT set what the tool may use. EINVAL: id or allow out of range;
 *   EFAULT: not hooked; EPERM: disallowing a command that is always allowed.
 * PREUNHOOK asks the tool to leave, with the UNHOOK event. EFAULT: not hooked;
 *   ENOENT: event not enabled by the tool, or not deliverable within a second.
 */
#define KVMI_KVMIO 0xAE
#define KVM_INTROSPECTION_HOOK \
	_IOW(KVMI_KVMIO, 0xc8, struct kvm_introspection_hook)
#define KVM_INTROSPECTION_UNHOOK _IO(KVMI_KVMIO, 0xc9)
#define KVM_INTROSPECTION_COMMAND \
	_IOW(KVMI_KVMIO, 0xca, struct kvm_introspection_feature)
#define KVM_INTROSPECTION_EVENT \
	_IOW(KVMI_KVMIO, 0xcb, struct kvm_introspection_feature)
#define KVM_INTROSPECTION_PREUNHOOK _IO(KVMI_KVMIO, 0xcc)

/* ------------------------------------------------------- message framing -- */

/* VM message n has the id 2n, vCPU message n has the id 2n + 1. */
#define KVMI_VM_MESSAGE_ID(n) ((n) << 1)
#define KVMI_VCPU_MESSAGE_ID(n) (((n) << 1) | 1)

/* VM commands. */
enum {
	KVMI_VM_EVENT = KVMI_VM_MESSAGE_ID(0), /* kernel to tool only */
	KVMI_GET_VERSION = KVMI_VM_MESSAGE_ID(1),
	KVMI_VM_CHECK_COMMAND = KVMI_VM_MESSAGE_ID(2),
	KVMI_VM_CHECK_EVENT = KVMI_VM_MESSAGE_ID(3),
	KVMI_VM_GET_INFO = KVMI_VM_MESSAGE_ID(4),
	KVMI_VM_CONTROL_EVENTS = KVMI_VM_MESSAGE_ID(5),
	KVMI_VM_READ_PHYSICAL = KVMI_VM_MESSAGE_ID(6),
	KVMI_VM_WRITE_PHYSICAL = KVMI_VM_MESSAGE_ID(7),
	KVMI_VM_PAUSE_VCPU = KVMI_VM_MESSAGE_ID(8),
	KVMI_VM_CONTROL_CLEANUP = KVMI_VM_MESSAGE_ID(9),
	KVMI_VM_SET_PAGE_ACCESS = KVMI_VM_MESSAGE_ID(10),
};

/* vCPU commands. */
enum {
	KVMI_VCPU_EVENT = KVMI_VCPU_MESSAGE_ID(0), /* and the event reply */
	KVMI_VCPU_GET_INFO = KVMI_VCPU_MESSAGE_ID(1),
	KVMI_VCPU_CONTROL_EVENTS = KVMI_VCPU_MESSAGE_ID(2),
	KVMI_VCPU_GET_REGISTERS = KVMI_VCPU_MESSAGE_ID(3),
	KVMI_VCPU_SET_REGISTERS = KVMI_VCPU_MESSAGE_ID(4),
	KVMI_VCPU_GET_CPUID = KVMI_VCPU_MESSAGE_ID(5),
	KVMI_VCPU_CONTROL_CR = KVMI_VCPU_MESSAGE_ID(6),
	KVMI_VCPU_INJECT_EXCEPTION = KVMI_VCPU_MESSAGE_ID(7),
	KVMI_VCPU_GET_XCR = KVMI_VCPU_MESSAGE_ID(8),
	KVMI_VCPU_GET_XSAVE = KVMI_VCPU_MESSAGE_ID(9),
	KVMI_VCPU_SET_XSAVE = KVMI_VCPU_MESSAGE_ID(10),
	KVMI_VCPU_GET_MTRR_TYPE = KVMI_VCPU_MESSAGE_ID(11),
	KVMI_VCPU_CONTROL_MSR = KVMI_VCPU_MESSAGE_ID(12),
	KVMI_VCPU_CONTROL_SINGLESTEP = KVMI_VCPU_MESSAGE_ID(13),
	KVMI_VCPU_TRANSLATE_GVA = KVMI_VCPU_MESSAGE_ID(14),
};

/* Events, as named in the event header and in permissions. */
enum {
	KVMI_VM_EVENT_UNHOOK = KVMI_VM_MESSAGE_ID(0),
};

enum {
	KVMI_VCPU_EVENT_PAUSE = KVMI_VCPU_MESSAGE_ID(0),
	KVMI_VCPU_EVENT_HYPERCALL = KVMI_VCPU_MESSAGE_ID(1),
	KVMI_VCPU_EVENT_BREAKPOINT = KVMI_VCPU_MESSAGE_ID(2),
	KVMI_VCPU_EVENT_CR = KVMI_VCPU_MESSAGE_ID(3),
	KVMI_VCPU_EVENT_TRAP = KVMI_VCPU_MESSAGE_ID(4),
	KVMI_VCPU_EVENT_XSETBV = KVMI_VCPU_MESSAGE_ID(5),
	KVMI_VCPU_EVENT_DESCRIPTOR = KVMI_VCPU_MESSAGE_ID(6),
	KVMI_VCPU_EVENT_MSR = KVMI_VCPU_MESSAGE_ID(7),
	KVMI_VCPU_EVENT_PF = KVMI_VCPU_MESSAGE_ID(8),
	KVMI_VCPU_EVENT_SINGLESTEP = KVMI_VCPU_MESSAGE_ID(9),
};

/* Ids that the permission ioctls accept: 0 to these numbers, exclusive. */
#define KVMI_NUM_COMMANDS 30
#define KVMI_NUM_EVENTS 20

/**
 * struct kvmi_msg_hdr - first 8 bytes of every message
 * @id: message id
 * @size: payload bytes behind this header, at most KVMI_MAX_MSG_SIZE
 * @seq: chosen by the sender of a command and echoed in its reply; counted
 *       from 1 by the kernel for events
 */
struct kvmi_msg_hdr {
	__u16 id;
	__u16 size;
	__u32 seq;
};

/* Largest payload in bytes: an 8 KiB message less its header. */
#define KVMI_MAX_MSG_SIZE (8192 - 8)

/*
 * Errors on the wire are the negative of these. The first six are errno
 * values; the rest has no header elsewhere that all clients could include.
 */
#define KVMI_EPERM 1		/* disallowed by the device manager */
#define KVMI_ENOENT 2		/* unknown id in CHECK_*; no such guest page */
#define KVMI_EAGAIN 11		/* vCPU not started yet, or no page tables came */
#define KVMI_ENOMEM 12		/* allocation failed */
#define KVMI_EBUSY 16		/* in use, or too many requests pending */
#define KVMI_EINVAL 22		/* argument out of range, padding not zero */
#define KVMI_EOPNOTSUPP 95	/* not possible here: host, page, or state */
#define KVMI_ENOSYS 1000	/* unknown message id */

/**
 * struct kvmi_error_code - first 8 bytes of every command reply's payload
 * @err: 0, or the negative of a KVMI_E* value; reply data follows only on 0
 * @padding: 0
 */
struct kvmi_error_code {
	__s32 err;
	__u32 padding;
};

/**
 * struct kvmi_vcpu_hdr - first 8 bytes of a vCPU command or event reply
 * @vcpu: index of the vCPU, from 0 to the number of online vCPUs - 1
 */
struct kvmi_vcpu_hdr {
	__u16 vcpu;
	__u16 padding1;
	__u32 padding2;
};

/* ------------------------------------------------------------- commands -- */

/**
 * struct kvmi_features - what the host offers beyond the basic protocol
 * @singlestep: 1 when KVMI_VCPU_CONTROL_SINGLESTEP works
 */
struct kvmi_features {
	__u8 singlestep;
	__u8 padding[7];
};

/**
 * struct kvmi_get_version_reply - KVMI_GET_VERSION; no request data, no error
 * @version: KVMI_VERSION
 * @max_msg_size: KVMI_MAX_MSG_SIZE
 * @features: see struct kvmi_features
 */
struct kvmi_get_version_reply {
	__u32 version;
	__u32 max_msg_size;
	struct kvmi_features features;
};

/**
 * struct kvmi_vm_check_command - KVMI_VM_CHECK_COMMAND; no reply data
 * @id: the command asked for
 *
 * Errors: EINVAL padding; ENOENT not offered by this kernel; EPERM disallowed.
 */
struct kvmi_vm_check_command {
	__u16 id;
	__u16 padding1;
	__u32 padding2;
};

/**
 * struct kvmi_vm_check_event - KVMI_VM_CHECK_EVENT; no reply data
 * @id: the event asked for
 *
 * Errors: as KVMI_VM_CHECK_COMMAND.
 */
struct kvmi_vm_check_event {
	__u16 id;
	__u16 padding1;
	__u32 padding2;
};

/**
 * struct kvmi_vm_get_info_reply - KVMI_VM_GET_INFO; no request data, no error
 * @vcpu_count: number of online vCPUs
 */
struct kvmi_vm_get_info_reply {
	__u32 vcpu_count;
	__u32 padding[3];
};

/**
 * struct kvmi_vm_control_events - KVMI_VM_CONTROL_EVENTS; no reply data
 * @event_id: KVMI_VM_EVENT_UNHOOK
 * @enable: 1 to enable, 0 to disable
 *
 * Errors: EINVAL padding, @enable above 1, not a VM event; EPERM disallowed.
 */
struct kvmi_vm_control_events {
	__u16 event_id;
	__u8 enable;
	__u8 padding1;
	__u32 padding2;
};

/**
 * struct kvmi_vm_read_physical - KVMI_VM_READ_PHYSICAL; reply: @size bytes
 * @gpa: guest physical address
 * @size: bytes, 1 to 4096, not crossing a 4096-byte boundary
 *
 * Errors: EINVAL padding or @size; ENOENT no memory slot, page not accessible
 * or not there within 10 seconds, or device memory; EOPNOTSUPP confidential VM
 * or private memory.
 */
struct kvmi_vm_read_physical {
	__u64 gpa;
	__u16 size;
	__u16 padding1;
	__u32 padding2;
};

/**
 * struct kvmi_vm_write_physical - KVMI_VM_WRITE_PHYSICAL; no reply data
 * @gpa: guest physical address
 * @size: bytes, as for KVMI_VM_READ_PHYSICAL
 * @data: what to write
 *
 * The page is marked in KVM's dirty log. Errors: as KVMI_VM_READ_PHYSICAL;
 * ENOENT also for a read-only memory slot; EOPNOTSUPP also while the VM logs
 * dirty pages of that slot in a dirty ring without bitmap. A message shorter
 * than 16 + @size closes the connection.
 */
struct kvmi_vm_write_physical {
	__u64 gpa;
	__u16 size;
	__u16 padding1;
	__u32 padding2;
	__u8 data[];
};

/**
 * struct kvmi_vm_control_cleanup - KVMI_VM_CONTROL_CLEANUP; no reply data
 * @enable: 1 (default) to undo interceptions when the session ends, 0 to leave
 *
 * Errors: EINVAL padding, @enable above 1.
 */
struct kvmi_vm_control_cleanup {
	__u8 enable;
	__u8 padding[7];
};

/**
 * struct kvmi_vm_pause_vcpu - KVMI_VM_PAUSE_VCPU; no reply data
 * @vcpu: index of the vCPU
 * @wait: 1 to get the reply when the vCPU is out of guest mode, or a second has passed
 *
 * One KVMI_VCPU_EVENT_PAUSE follows per accepted command, as soon as the vCPU
 * is in KVM_RUN. A VM command: it is answered whatever the vCPU does. Errors:
 * EINVAL padding, @wait above 1; EPERM the PAUSE event is disallowed; EINVAL no
 * such vCPU; EOPNOTSUPP a hook was refused (see kvmi(4)), or the vCPU's state is
 * protected; ENOMEM; EBUSY KVMI_MAX_PAUSES of this vCPU are pending.
 */
struct kvmi_vm_pause_vcpu {
	__u16 vcpu;
	__u8 wait;
	__u8 padding1;
	__u32 padding2;
};

#define KVMI_MAX_PAUSES 1002	/* that may be pending on one vCPU */

/*
 * vCPU commands. The request starts with struct kvmi_vcpu_hdr; the structures
 * below are what follows it. A command runs with the state of its vCPU loaded,
 * whatever the vCPU does: in guest mode, halted, between two KVM_RUN, never
 * run, or waiting for an event reply. Commands to one vCPU are answered in
 * their order; those to several vCPUs, and VM commands, may overtake.
 *
 * Errors of each: EPERM disallowed; EINVAL padding of the header, no such vCPU;
 * EOPNOTSUPP as for a pause; EAGAIN the guest has not started the vCPU; EBUSY
 * KVMI_MAX_VCPU_COMMANDS of this vCPU were not run yet, or KVMI_MAX_COMMANDS of the
 * session were not, unread replies among them; ENOMEM.
 */
#define KVMI_MAX_VCPU_COMMANDS 64
#define KVMI_MAX_COMMANDS 1024

/*
 * Reply of KVMI_VCPU_GET_INFO, which has no request data: frequency of the
 * guest's TSC in Hz; 0 when the host cannot scale it, so that it is the host's.
 */
struct kvmi_vcpu_get_info_reply {
	__u64 tsc_speed;
};

/**
 * struct kvmi_vcpu_control_events - KVMI_VCPU_CONTROL_EVENTS; no reply data
 * @event_id: KVMI_VCPU_EVENT_*
 * @enable: 1 to enable, 0 to disable, on this vCPU
 *
 * PAUSE and TRAP are accepted without effect: they need no enabling. Errors:
 * EINVAL padding, @enable above 1, not a vCPU event of this kernel; EPERM
 * disallowed.
 */
struct kvmi_vcpu_control_events {
	__u16 event_id;
	__u8 enable;
	__u8 padding1;
	__u32 padding2;
};

/**
 * struct kvmi_vcpu_get_registers - KVMI_VCPU_GET_REGISTERS
 * @nmsrs: number of MSRs, at most KVMI_MAX_MSRS
 * @msrs_idx: their indices
 *
 * Errors: EINVAL padding, a request shorter than it says, @nmsrs too large, an
 * MSR that cannot be read.
 */
struct kvmi_vcpu_get_registers {
	__u16 nmsrs;
	__u16 padding1;
	__u32 padding2;
	__u32 msrs_idx[];
};

#define KVMI_MAX_MSRS 481	/* that one reply has room for */

/**
 * struct kvmi_vcpu_get_registers_reply - reply, 472 + 16 * @nmsrs bytes
 * @mode: bytes of the default operand of the code segment: 2, 4 or 8
 * @regs: general registers
 * @sregs: segment and control registers
 * @nmsrs: as requested
 * @msrs: their values, in the order of the request
 */
struct kvmi_vcpu_get_registers_reply {
	__u32 mode;
	__u32 padding;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	__u32 nmsrs;
	__u32 padding2;
	struct kvm_msr_entry msrs[];
};

/**
 * struct kvmi_vcpu_set_registers - KVMI_VCPU_SET_REGISTERS; no reply data
 * @regs: general registers, instruction pointer and flags
 *
 * They are set when the vCPU goes on after its event; of several, the last.
 * Errors: EINVAL shorter than this; EOPNOTSUPP the vCPU does not wait for an
 * event reply.
 */
struct kvmi_vcpu_set_registers {
	struct kvm_regs regs;
};

/**
 * struct kvmi_vcpu_get_cpuid - KVMI_VCPU_GET_CPUID
 * @function: leaf
 * @index: subleaf, where the leaf has such
 * Asks the table that the VMM has set. Errors: ENOENT no such entry.
 */
struct kvmi_vcpu_get_cpuid {
	__u32 function;
	__u32 index;
};

struct kvmi_vcpu_get_cpuid_reply {
	__u32 eax;
	__u32 ebx;
	__u32 ecx;
	__u32 edx;
};

/**
 * struct kvmi_vcpu_inject_exception - KVMI_VCPU_INJECT_EXCEPTION; no reply data
 * @nr: vector
 * @error_code: for a vector that has one
 * @address: for a page fault: goes to CR2
 *
 * KVMI_VCPU_EVENT_TRAP tells afterwards what was really injected: when KVM has
 * an interrupt or exception to deliver already, that one, and this is dropped.
 * Errors: EPERM the TRAP event is disallowed; EINVAL padding, @nr is 2 (NMI)
 * or above 31; EBUSY the last injection's event was not sent yet.
 */
struct kvmi_vcpu_inject_exception {
	__u8 nr;
	__u8 padding1;
	__u16 padding2;
	__u32 error_code;
	__u64 address;
};

/* Request of KVMI_VCPU_GET_XCR. Errors: EINVAL padding, @xcr not 0. */
struct kvmi_vcpu_get_xcr {
	__u8 xcr;
	__u8 padding[7];
};
struct kvmi_vcpu_get_xcr_reply {
	__u64 value;
};

/**
 * struct kvmi_vcpu_xsave - reply data of KVMI_VCPU_GET_XSAVE, which has no
 * request data, and request of KVMI_VCPU_SET_XSAVE, which has no reply data
 * @region: as struct kvm_xsave of KVM_GET_XSAVE and KVM_SET_XSAVE
 *
 * What does not fit (AMX) is not read, and is reset by SET. Errors of SET:
 * EINVAL shorter than this, or refused by KVM, such as a state component that
 * the guest does not have.
 */
struct kvmi_vcpu_xsave {
	__u32 region[1024];
};

/*
 * KVMI_VCPU_GET_MTRR_TYPE: memory type of the page by the guest's MTRRs, 0 UC,
 * 1 WC, 4 WT, 5 WP, 6 WB.
 */
struct kvmi_vcpu_get_mtrr_type {
	__u64 gpa;
};

struct kvmi_vcpu_get_mtrr_type_reply {
	__u8 type;
	__u8 padding[7];
};

/*
 * Request of KVMI_VCPU_TRANSLATE_GVA: the supervisor's view by the page tables in use,
 * no test of access. Reply: all ones when not mapped. EAGAIN: no answer in 10 seconds.
 */
struct kvmi_vcpu_translate_gva {
	__u64 gva;
};
struct kvmi_vcpu_translate_gva_reply {
	__u64 gpa;
};

/* --------------------------------------------------------------- events -- */

/**
 * struct kvmi_event_hdr - first 8 bytes of every event's payload
 * @event: KVMI_VM_EVENT_* or KVMI_VCPU_EVENT_*
 *
 * KVMI_VM_EVENT_UNHOOK consists of this header alone and takes no reply: the
 * tool closes its socket when it is ready.
 */
struct kvmi_event_hdr {
	__u16 event;
	__u16 padding[3];
};

/* 0 when one cannot be read */
struct kvmi_vcpu_event_msrs {
	__u64 sysenter_cs;
	__u64 sysenter_esp;
	__u64 sysenter_eip;
	__u64 efer;
	__u64 star;
	__u64 lstar;
	__u64 cstar;
	__u64 pat;
	__u64 shadow_gs;
};

/**
 * struct kvmi_vcpu_event_arch - registers of the vCPU at the event, 536 bytes
 * @mode: as in struct kvmi_vcpu_get_registers_reply
 * @regs: general registers
 * @sregs: segment and control registers
 * @msrs: MSRs that tools nearly always want
 */
struct kvmi_vcpu_event_arch {
	__u8 mode;
	__u8 padding[7];
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvmi_vcpu_event_msrs msrs;
};

/**
 * struct kvmi_vcpu_event - follows struct kvmi_event_hdr in every vCPU event
 * @size: bytes of this structure; the event's own data follow it
 * @vcpu: index of the vCPU
 * @arch: registers
 * The vCPU waits for the reply, and serves its commands meanwhile.
 */
struct kvmi_vcpu_event {
	__u16 size;
	__u16 vcpu;
	__u32 padding;
	struct kvmi_vcpu_event_arch arch;
};

#define KVMI_EVENT_ACTION_CONTINUE 0	/* go on as without introspection */
#define KVMI_EVENT_ACTION_RETRY 1	/* enter the guest again */
#define KVMI_EVENT_ACTION_CRASH 2	/* KVM_RUN returns KVM_EXIT_SHUTDOWN */

/**
 * struct kvmi_vcpu_event_reply - follows struct kvmi_vcpu_hdr in the reply
 * @action: KVMI_EVENT_ACTION_*, one that the event supports
 * @event: id of the event; not compared
 *
 * The message has the id KVMI_VCPU_EVENT and the event's sequence number. The
 * connection is closed when that number is not the one the vCPU waits for, or
 * the vCPU waits for none, on padding, an action that the event does not
 * support, a message shorter than 16 bytes or longer than the event's reply, and
 * while KVMI_MAX_COMMANDS replies are unread. A bad header gets an error as answer.
 */
struct kvmi_vcpu_event_reply {
	__u8 action;
	__u8 event;
	__u16 padding1;
	__u32 padding2;
};

/**
 * struct kvmi_vcpu_event_trap - own data of KVMI_VCPU_EVENT_TRAP
 * @nr: vector that was injected
 * @error_code: its error code, or 0
 * @address: CR2
 *
 * Sent once after each KVMI_VCPU_INJECT_EXCEPTION, before any other event of
 * that vCPU. KVMI_VCPU_EVENT_PAUSE has no data of its own. Both support
 * CONTINUE and CRASH.
 */
struct kvmi_vcpu_event_trap {
	__u8 nr;
	__u8 padding1;
	__u16 padding2;
	__u32 error_code;
	__u64 address;
};

#endif /* _UAPI__LINUX_KVMI_H */
