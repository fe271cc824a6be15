// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ABI as published, byte for byte: every size, offset and number of
 * linux/kvmi.h. Compiling this file is the test; it has no code. Written from
 * the tables of the posted series, not from the header.
 */
#include <stddef.h>
#include <linux/kvmi.h>

#define SIZE(type, size)						\
	_Static_assert(sizeof(struct type) == (size), "sizeof " #type)
#define FIELD(type, field, offset, size)				\
	_Static_assert(offsetof(struct type, field) == (offset) &&	\
		       sizeof(((struct type *)0)->field) == (size),	\
		       #type "." #field)
#define VALUE(name, value)						\
	_Static_assert((name) == (value), #name)

/* ioctls: 1.2, 1.3 */
VALUE(KVM_CAP_INTROSPECTION, 206);
VALUE(KVM_INTROSPECTION_HOOK, 0x4018AEC8);
VALUE(KVM_INTROSPECTION_UNHOOK, 0x0000AEC9);
VALUE(KVM_INTROSPECTION_COMMAND, 0x4008AECA);
VALUE(KVM_INTROSPECTION_EVENT, 0x4008AECB);
VALUE(KVM_INTROSPECTION_PREUNHOOK, 0x0000AECC);

SIZE(kvm_introspection_hook, 24);
FIELD(kvm_introspection_hook, fd, 0, 4);
FIELD(kvm_introspection_hook, padding, 4, 4);
FIELD(kvm_introspection_hook, uuid, 8, 16);

SIZE(kvm_introspection_feature, 8);
FIELD(kvm_introspection_feature, allow, 0, 4);
FIELD(kvm_introspection_feature, id, 4, 4);

/* Permissions: 1.4 */
VALUE(KVMI_NUM_COMMANDS, 30);
VALUE(KVMI_NUM_EVENTS, 20);

/* Framing: 2.1 */
VALUE(KVMI_VERSION, 1);
VALUE(KVMI_MAX_MSG_SIZE, 8184);

SIZE(kvmi_msg_hdr, 8);
FIELD(kvmi_msg_hdr, id, 0, 2);
FIELD(kvmi_msg_hdr, size, 2, 2);
FIELD(kvmi_msg_hdr, seq, 4, 4);

SIZE(kvmi_error_code, 8);
FIELD(kvmi_error_code, err, 0, 4);
FIELD(kvmi_error_code, padding, 4, 4);

SIZE(kvmi_vcpu_hdr, 8);
FIELD(kvmi_vcpu_hdr, vcpu, 0, 2);
FIELD(kvmi_vcpu_hdr, padding1, 2, 2);
FIELD(kvmi_vcpu_hdr, padding2, 4, 4);

/* Error values: 2.7 */
VALUE(KVMI_EPERM, 1);
VALUE(KVMI_ENOENT, 2);
VALUE(KVMI_EAGAIN, 11);
VALUE(KVMI_ENOMEM, 12);
VALUE(KVMI_EBUSY, 16);
VALUE(KVMI_EINVAL, 22);
VALUE(KVMI_EOPNOTSUPP, 95);
VALUE(KVMI_ENOSYS, 1000);

/* Commands: 3 */
VALUE(KVMI_VM_EVENT, 0);
VALUE(KVMI_GET_VERSION, 2);
VALUE(KVMI_VM_CHECK_COMMAND, 4);
VALUE(KVMI_VM_CHECK_EVENT, 6);
VALUE(KVMI_VM_GET_INFO, 8);
VALUE(KVMI_VM_CONTROL_EVENTS, 10);
VALUE(KVMI_VM_READ_PHYSICAL, 12);
VALUE(KVMI_VM_WRITE_PHYSICAL, 14);
VALUE(KVMI_VM_PAUSE_VCPU, 16);
VALUE(KVMI_VM_CONTROL_CLEANUP, 18);
VALUE(KVMI_VM_SET_PAGE_ACCESS, 20);
VALUE(KVMI_VCPU_EVENT, 1);
VALUE(KVMI_VCPU_GET_INFO, 3);
VALUE(KVMI_VCPU_CONTROL_EVENTS, 5);
VALUE(KVMI_VCPU_GET_REGISTERS, 7);
VALUE(KVMI_VCPU_SET_REGISTERS, 9);
VALUE(KVMI_VCPU_GET_CPUID, 11);
VALUE(KVMI_VCPU_CONTROL_CR, 13);
VALUE(KVMI_VCPU_INJECT_EXCEPTION, 15);
VALUE(KVMI_VCPU_GET_XCR, 17);
VALUE(KVMI_VCPU_GET_XSAVE, 19);
VALUE(KVMI_VCPU_SET_XSAVE, 21);
VALUE(KVMI_VCPU_GET_MTRR_TYPE, 23);
VALUE(KVMI_VCPU_CONTROL_MSR, 25);
VALUE(KVMI_VCPU_CONTROL_SINGLESTEP, 27);
VALUE(KVMI_VCPU_TRANSLATE_GVA, 29);

/* Events: 4 */
VALUE(KVMI_VM_EVENT_UNHOOK, 0);
VALUE(KVMI_VCPU_EVENT_PAUSE, 1);
VALUE(KVMI_VCPU_EVENT_HYPERCALL, 3);
VALUE(KVMI_VCPU_EVENT_BREAKPOINT, 5);
VALUE(KVMI_VCPU_EVENT_CR, 7);
VALUE(KVMI_VCPU_EVENT_TRAP, 9);
VALUE(KVMI_VCPU_EVENT_XSETBV, 11);
VALUE(KVMI_VCPU_EVENT_DESCRIPTOR, 13);
VALUE(KVMI_VCPU_EVENT_MSR, 15);
VALUE(KVMI_VCPU_EVENT_PF, 17);
VALUE(KVMI_VCPU_EVENT_SINGLESTEP, 19);

/* GET_VERSION: 3.1 */
SIZE(kvmi_features, 8);
FIELD(kvmi_features, singlestep, 0, 1);
FIELD(kvmi_features, padding, 1, 7);

SIZE(kvmi_get_version_reply, 16);
FIELD(kvmi_get_version_reply, version, 0, 4);
FIELD(kvmi_get_version_reply, max_msg_size, 4, 4);
FIELD(kvmi_get_version_reply, features, 8, 8);

/* VM_CHECK_COMMAND, VM_CHECK_EVENT: 3.2 */
SIZE(kvmi_vm_check_command, 8);
FIELD(kvmi_vm_check_command, id, 0, 2);
FIELD(kvmi_vm_check_command, padding1, 2, 2);
FIELD(kvmi_vm_check_command, padding2, 4, 4);

SIZE(kvmi_vm_check_event, 8);
FIELD(kvmi_vm_check_event, id, 0, 2);
FIELD(kvmi_vm_check_event, padding1, 2, 2);
FIELD(kvmi_vm_check_event, padding2, 4, 4);

/* VM_GET_INFO: 3.3 */
SIZE(kvmi_vm_get_info_reply, 16);
FIELD(kvmi_vm_get_info_reply, vcpu_count, 0, 4);
FIELD(kvmi_vm_get_info_reply, padding, 4, 12);

/* VM_CONTROL_EVENTS: 3.4 */
SIZE(kvmi_vm_control_events, 8);
FIELD(kvmi_vm_control_events, event_id, 0, 2);
FIELD(kvmi_vm_control_events, enable, 2, 1);
FIELD(kvmi_vm_control_events, padding1, 3, 1);
FIELD(kvmi_vm_control_events, padding2, 4, 4);

/* VM_READ_PHYSICAL: 3.5 */
SIZE(kvmi_vm_read_physical, 16);
FIELD(kvmi_vm_read_physical, gpa, 0, 8);
FIELD(kvmi_vm_read_physical, size, 8, 2);
FIELD(kvmi_vm_read_physical, padding1, 10, 2);
FIELD(kvmi_vm_read_physical, padding2, 12, 4);

/* VM_WRITE_PHYSICAL: 3.6; the data that follows has no size of its own. */
SIZE(kvmi_vm_write_physical, 16);
FIELD(kvmi_vm_write_physical, gpa, 0, 8);
FIELD(kvmi_vm_write_physical, size, 8, 2);
FIELD(kvmi_vm_write_physical, padding1, 10, 2);
FIELD(kvmi_vm_write_physical, padding2, 12, 4);
_Static_assert(offsetof(struct kvmi_vm_write_physical, data) == 16,
	       "kvmi_vm_write_physical.data");

/* VM_CONTROL_CLEANUP: 3.8 */
SIZE(kvmi_vm_control_cleanup, 8);
FIELD(kvmi_vm_control_cleanup, enable, 0, 1);
FIELD(kvmi_vm_control_cleanup, padding, 1, 7);

/* VM event: 4.1 */
SIZE(kvmi_event_hdr, 8);
FIELD(kvmi_event_hdr, event, 0, 2);
FIELD(kvmi_event_hdr, padding, 2, 6);

/* PAUSE_VCPU: 3.7 */
SIZE(kvmi_vm_pause_vcpu, 8);
FIELD(kvmi_vm_pause_vcpu, vcpu, 0, 2);
FIELD(kvmi_vm_pause_vcpu, wait, 2, 1);
FIELD(kvmi_vm_pause_vcpu, padding1, 3, 1);
FIELD(kvmi_vm_pause_vcpu, padding2, 4, 4);
VALUE(KVMI_MAX_PAUSES, 1002);

/* vCPU commands: 3.10 to 3.23, without the 8 bytes of kvmi_vcpu_hdr */
SIZE(kvmi_vcpu_get_info_reply, 8);
FIELD(kvmi_vcpu_get_info_reply, tsc_speed, 0, 8);

SIZE(kvmi_vcpu_control_events, 8);
FIELD(kvmi_vcpu_control_events, event_id, 0, 2);
FIELD(kvmi_vcpu_control_events, enable, 2, 1);
FIELD(kvmi_vcpu_control_events, padding1, 3, 1);
FIELD(kvmi_vcpu_control_events, padding2, 4, 4);

SIZE(kvmi_vcpu_get_registers, 8);
FIELD(kvmi_vcpu_get_registers, nmsrs, 0, 2);
FIELD(kvmi_vcpu_get_registers, padding1, 2, 2);
FIELD(kvmi_vcpu_get_registers, padding2, 4, 4);
_Static_assert(offsetof(struct kvmi_vcpu_get_registers, msrs_idx) == 8,
	       "kvmi_vcpu_get_registers.msrs_idx");

SIZE(kvmi_vcpu_get_registers_reply, 472);
FIELD(kvmi_vcpu_get_registers_reply, mode, 0, 4);
FIELD(kvmi_vcpu_get_registers_reply, padding, 4, 4);
FIELD(kvmi_vcpu_get_registers_reply, regs, 8, 144);
FIELD(kvmi_vcpu_get_registers_reply, sregs, 152, 312);
FIELD(kvmi_vcpu_get_registers_reply, nmsrs, 464, 4);
FIELD(kvmi_vcpu_get_registers_reply, padding2, 468, 4);
_Static_assert(offsetof(struct kvmi_vcpu_get_registers_reply, msrs) == 472,
	       "kvmi_vcpu_get_registers_reply.msrs");
SIZE(kvm_msr_entry, 16);
VALUE(KVMI_MAX_MSRS, (8184 - 8 - 472) / 16);

SIZE(kvmi_vcpu_set_registers, 144);
FIELD(kvmi_vcpu_set_registers, regs, 0, 144);

SIZE(kvmi_vcpu_get_cpuid, 8);
FIELD(kvmi_vcpu_get_cpuid, function, 0, 4);
FIELD(kvmi_vcpu_get_cpuid, index, 4, 4);
SIZE(kvmi_vcpu_get_cpuid_reply, 16);
FIELD(kvmi_vcpu_get_cpuid_reply, eax, 0, 4);
FIELD(kvmi_vcpu_get_cpuid_reply, ebx, 4, 4);
FIELD(kvmi_vcpu_get_cpuid_reply, ecx, 8, 4);
FIELD(kvmi_vcpu_get_cpuid_reply, edx, 12, 4);

SIZE(kvmi_vcpu_inject_exception, 16);
FIELD(kvmi_vcpu_inject_exception, nr, 0, 1);
FIELD(kvmi_vcpu_inject_exception, padding1, 1, 1);
FIELD(kvmi_vcpu_inject_exception, padding2, 2, 2);
FIELD(kvmi_vcpu_inject_exception, error_code, 4, 4);
FIELD(kvmi_vcpu_inject_exception, address, 8, 8);

SIZE(kvmi_vcpu_get_xcr, 8);
FIELD(kvmi_vcpu_get_xcr, xcr, 0, 1);
FIELD(kvmi_vcpu_get_xcr, padding, 1, 7);
SIZE(kvmi_vcpu_get_xcr_reply, 8);
FIELD(kvmi_vcpu_get_xcr_reply, value, 0, 8);

SIZE(kvmi_vcpu_xsave, 4096);
FIELD(kvmi_vcpu_xsave, region, 0, 4096);

SIZE(kvmi_vcpu_get_mtrr_type, 8);
FIELD(kvmi_vcpu_get_mtrr_type, gpa, 0, 8);
SIZE(kvmi_vcpu_get_mtrr_type_reply, 8);
FIELD(kvmi_vcpu_get_mtrr_type_reply, type, 0, 1);
FIELD(kvmi_vcpu_get_mtrr_type_reply, padding, 1, 7);

SIZE(kvmi_vcpu_translate_gva, 8);
FIELD(kvmi_vcpu_translate_gva, gva, 0, 8);
SIZE(kvmi_vcpu_translate_gva_reply, 8);
FIELD(kvmi_vcpu_translate_gva_reply, gpa, 0, 8);

/* vCPU events: 4.2, 4.3, 4.5, 5.1 */
SIZE(kvmi_vcpu_event_msrs, 72);
FIELD(kvmi_vcpu_event_msrs, sysenter_cs, 0, 8);
FIELD(kvmi_vcpu_event_msrs, sysenter_esp, 8, 8);
FIELD(kvmi_vcpu_event_msrs, sysenter_eip, 16, 8);
FIELD(kvmi_vcpu_event_msrs, efer, 24, 8);
FIELD(kvmi_vcpu_event_msrs, star, 32, 8);
FIELD(kvmi_vcpu_event_msrs, lstar, 40, 8);
FIELD(kvmi_vcpu_event_msrs, cstar, 48, 8);
FIELD(kvmi_vcpu_event_msrs, pat, 56, 8);
FIELD(kvmi_vcpu_event_msrs, shadow_gs, 64, 8);

SIZE(kvmi_vcpu_event_arch, 536);
FIELD(kvmi_vcpu_event_arch, mode, 0, 1);
FIELD(kvmi_vcpu_event_arch, padding, 1, 7);
FIELD(kvmi_vcpu_event_arch, regs, 8, 144);
FIELD(kvmi_vcpu_event_arch, sregs, 152, 312);
FIELD(kvmi_vcpu_event_arch, msrs, 464, 72);

SIZE(kvmi_vcpu_event, 544);
FIELD(kvmi_vcpu_event, size, 0, 2);
FIELD(kvmi_vcpu_event, vcpu, 2, 2);
FIELD(kvmi_vcpu_event, padding, 4, 4);
FIELD(kvmi_vcpu_event, arch, 8, 536);

VALUE(KVMI_EVENT_ACTION_CONTINUE, 0);
VALUE(KVMI_EVENT_ACTION_RETRY, 1);
VALUE(KVMI_EVENT_ACTION_CRASH, 2);
SIZE(kvmi_vcpu_event_reply, 8);
FIELD(kvmi_vcpu_event_reply, action, 0, 1);
FIELD(kvmi_vcpu_event_reply, event, 1, 1);
FIELD(kvmi_vcpu_event_reply, padding1, 2, 2);
FIELD(kvmi_vcpu_event_reply, padding2, 4, 4);

SIZE(kvmi_vcpu_event_trap, 16);
FIELD(kvmi_vcpu_event_trap, nr, 0, 1);
FIELD(kvmi_vcpu_event_trap, padding1, 1, 1);
FIELD(kvmi_vcpu_event_trap, padding2, 2, 2);
FIELD(kvmi_vcpu_event_trap, error_code, 4, 4);
FIELD(kvmi_vcpu_event_trap, address, 8, 8);
