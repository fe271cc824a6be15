// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_INTROSPECTION_COMMAND and EVENT: errors in their order, the meaning of
 * id -1, and what the permissions do to the commands of the tool.
 */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kvm_util.h"
#include "kvmi_test.h"

static const uint16_t always[] = {
	KVMI_GET_VERSION, KVMI_VM_CHECK_COMMAND, KVMI_VM_CHECK_EVENT,
};

/* Commands that exist and have to be allowed. */
static const uint16_t governed[] = {
	KVMI_VM_GET_INFO, KVMI_VM_CONTROL_EVENTS, KVMI_VM_READ_PHYSICAL,
	KVMI_VM_WRITE_PHYSICAL, KVMI_VM_CONTROL_CLEANUP, KVMI_VM_PAUSE_VCPU,
	KVMI_VCPU_GET_INFO, KVMI_VCPU_CONTROL_EVENTS, KVMI_VCPU_GET_REGISTERS,
	KVMI_VCPU_SET_REGISTERS, KVMI_VCPU_GET_CPUID,
	KVMI_VCPU_INJECT_EXCEPTION, KVMI_VCPU_GET_XCR, KVMI_VCPU_GET_XSAVE,
	KVMI_VCPU_SET_XSAVE, KVMI_VCPU_GET_MTRR_TYPE, KVMI_VCPU_TRANSLATE_GVA,
};

static bool is_always(int id)
{
	return id == always[0] || id == always[1] || id == always[2];
}

typedef int (*setter)(struct kvm_vm *vm, uint32_t allow, int32_t id);

/* Argument errors, the same whether hooked or not. */
static void bad_arguments(struct kvm_vm *vm, setter set, int limit)
{
	static const int ids[] = { -2, -3, INT32_MIN };
	static const uint32_t allows[] = { 2, 3, 0x100, 0x80000000, 0xffffffff };
	int i, id;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		CHECK_EQ(set(vm, 0, ids[i]), -EINVAL);
		CHECK_EQ(set(vm, 1, ids[i]), -EINVAL);
	}
	for (id = limit; id < limit + 70; id++)
		CHECK_EQ(set(vm, 1, id), -EINVAL);
	CHECK_EQ(set(vm, 1, INT32_MAX), -EINVAL);
	for (i = 0; i < ARRAY_SIZE(allows); i++) {
		CHECK_EQ(set(vm, allows[i], -1), -EINVAL);
		CHECK_EQ(set(vm, allows[i], KVMI_GET_VERSION), -EINVAL);
		CHECK_EQ(set(vm, allows[i], limit - 1), -EINVAL);
	}
}

static void arguments(void)
{
	struct kvm_vm *vm = vm_create_barebones();

	bad_arguments(vm, set_command, KVMI_NUM_COMMANDS);
	bad_arguments(vm, set_event, KVMI_NUM_EVENTS);
	session(vm);
	bad_arguments(vm, set_command, KVMI_NUM_COMMANDS);
	bad_arguments(vm, set_event, KVMI_NUM_EVENTS);
}

static void bad_pointer(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int i;

	for (i = 0; i < 2; i++) {
		CHECK_EQ(ioctl_errno(vm->fd, KVM_INTROSPECTION_COMMAND,
				     (void *)8), -EFAULT);
		CHECK_EQ(ioctl_errno(vm->fd, KVM_INTROSPECTION_EVENT,
				     (void *)8), -EFAULT);
		if (!i)
			session(vm);
	}
}

/* Valid requests need a session; that comes before "always allowed". */
static void not_hooked(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int id;

	for (id = -1; id < KVMI_NUM_COMMANDS; id++) {
		CHECK_EQ(set_command(vm, 1, id), -EFAULT);
		CHECK_EQ(set_command(vm, 0, id), -EFAULT);
	}
	for (id = -1; id < KVMI_NUM_EVENTS; id++) {
		CHECK_EQ(set_event(vm, 1, id), -EFAULT);
		CHECK_EQ(set_event(vm, 0, id), -EFAULT);
	}
}

/* Every id in range is accepted, also those that name nothing. */
static void every_id(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int id;

	session(vm);
	for (id = -1; id < KVMI_NUM_COMMANDS; id++) {
		CHECK_EQ(set_command(vm, 1, id), 0);
		CHECK_EQ(set_command(vm, 0, id), is_always(id) ? -EPERM : 0);
	}
	for (id = -1; id < KVMI_NUM_EVENTS; id++) {
		CHECK_EQ(set_event(vm, 1, id), 0);
		CHECK_EQ(set_event(vm, 0, id), 0);
	}
}

static int check_id(int fd, uint16_t what, uint16_t id)
{
	struct kvmi_vm_check_command req = { .id = id };

	return command(fd, what, &req, sizeof(req), NULL, 0);
}

/* CHECK_COMMAND and the commands themselves agree on what is allowed. */
static void check_commands(int fd, bool (*allowed)(uint16_t id))
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(always); i++)
		CHECK_EQ(check_id(fd, KVMI_VM_CHECK_COMMAND, always[i]), 0);
	check_alive(fd);
	for (i = 0; i < ARRAY_SIZE(governed); i++)
		CHECK_EQ(check_id(fd, KVMI_VM_CHECK_COMMAND, governed[i]),
			 allowed(governed[i]) ? 0 : -KVMI_EPERM);
}

static bool none(uint16_t id)
{
	return false;
}

static bool all(uint16_t id)
{
	return true;
}

static bool only_info(uint16_t id)
{
	return id == KVMI_VM_GET_INFO;
}

static bool not_info(uint16_t id)
{
	return id != KVMI_VM_GET_INFO;
}

static void defaults(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session(vm);

	check_commands(fd, none);
	CHECK_EQ(check_id(fd, KVMI_VM_CHECK_EVENT, KVMI_VM_EVENT_UNHOOK),
		 -KVMI_EPERM);
}

static void one_by_one(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session(vm);
	size_t i;

	CHECK_EQ(set_command(vm, 1, KVMI_VM_GET_INFO), 0);
	check_commands(fd, only_info);
	CHECK_EQ(set_command(vm, 0, KVMI_VM_GET_INFO), 0);
	check_commands(fd, none);
	for (i = 0; i < ARRAY_SIZE(governed); i++)
		CHECK_EQ(set_command(vm, 1, governed[i]), 0);
	check_commands(fd, all);
	CHECK_EQ(set_command(vm, 0, KVMI_VM_GET_INFO), 0);
	check_commands(fd, not_info);
}

/* -1 sets all; clearing all keeps the three silently. */
static void all_at_once(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session(vm);

	CHECK_EQ(set_command(vm, 1, -1), 0);
	check_commands(fd, all);
	CHECK_EQ(set_command(vm, 0, -1), 0);
	check_commands(fd, none);
	CHECK_EQ(set_event(vm, 1, -1), 0);
	CHECK_EQ(check_id(fd, KVMI_VM_CHECK_EVENT, 0), 0);
	check_commands(fd, none);
	CHECK_EQ(set_event(vm, 0, -1), 0);
	CHECK_EQ(check_id(fd, KVMI_VM_CHECK_EVENT, 0), -KVMI_EPERM);
}

/* A refused request changes nothing. */
static void refused_changes_nothing(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session(vm);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(always); i++)
		CHECK_EQ(set_command(vm, 0, always[i]), -EPERM);
	CHECK_EQ(set_command(vm, 2, -1), -EINVAL);
	CHECK_EQ(set_command(vm, 1, 30), -EINVAL);
	CHECK_EQ(set_event(vm, 2, -1), -EINVAL);
	check_commands(fd, none);
	CHECK_EQ(set_command(vm, 1, -1), 0);
	CHECK_EQ(set_command(vm, 2, -1), -EINVAL);
	CHECK_EQ(set_command(vm, 0, KVMI_GET_VERSION), -EPERM);
	check_commands(fd, all);
}

/* A disallowed command is refused before its arguments are looked at. */
static void on_the_wire(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	uint8_t junk[32];
	int fd = session(vm);
	size_t i;

	memset(junk, 0xff, sizeof(junk));
	for (i = 0; i < ARRAY_SIZE(governed); i++)
		CHECK_EQ(command(fd, governed[i], junk, sizeof(junk), NULL, 0),
			 -KVMI_EPERM);
	/* A write that is longer than its message closes only when allowed. */
	CHECK_EQ(command(fd, KVMI_VM_WRITE_PHYSICAL, junk, sizeof(junk), NULL,
			 0), -KVMI_EPERM);
	CHECK_EQ(set_command(vm, 1, KVMI_VM_GET_INFO), 0);
	CHECK_EQ(command(fd, KVMI_VM_GET_INFO, NULL, 0, junk, 16), 0);
	CHECK_EQ(set_command(vm, 0, KVMI_VM_GET_INFO), 0);
	CHECK_EQ(command(fd, KVMI_VM_GET_INFO, NULL, 0, junk, 16),
		 -KVMI_EPERM);
}

/* Unknown ids are ENOSYS whether allowed or not. */
static void unknown_is_enosys(void)
{
	static const uint16_t ids[] = { 0, 22, 24, 28, 30, 0x7ffe, 0xfffe };
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session(vm), round;
	size_t i;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < ARRAY_SIZE(ids); i++)
			CHECK_EQ(command(fd, ids[i], NULL, 0, NULL, 0),
				 -KVMI_ENOSYS);
		CHECK_EQ(set_command(vm, round == 0, -1), 0);
	}
}

static void gone_with_unhook(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session_all(vm);

	check_commands(fd, all);
	CHECK_EQ(unhook(vm), 0);
	CHECK_EQ(set_command(vm, 1, -1), -EFAULT);
	CHECK_EQ(set_event(vm, 1, -1), -EFAULT);
	close(fd);
	fd = session(vm);
	check_commands(fd, none);
	CHECK_EQ(check_id(fd, KVMI_VM_CHECK_EVENT, 0), -KVMI_EPERM);
}

/* Two VMs of one process have permissions of their own. */
static void per_vm(void)
{
	struct kvm_vm *one = vm_create_barebones();
	struct kvm_vm *two = vm_create_barebones();
	int fd1 = session(one), fd2 = session(two);

	CHECK_EQ(set_command(one, 1, -1), 0);
	CHECK_EQ(set_event(one, 1, -1), 0);
	check_commands(fd1, all);
	check_commands(fd2, none);
	CHECK_EQ(check_id(fd2, KVMI_VM_CHECK_EVENT, 0), -KVMI_EPERM);
}

/* The record outlives the connection, and so do the two requests. */
static void without_connection(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session(vm);

	close(fd);
	kvmi_sleep_ms(200);
	CHECK_EQ(set_command(vm, 1, -1), 0);
	CHECK_EQ(set_command(vm, 0, KVMI_GET_VERSION), -EPERM);
	CHECK_EQ(set_event(vm, 1, -1), 0);
	CHECK_EQ(set_event(vm, 1, KVMI_NUM_EVENTS), -EINVAL);
	CHECK_EQ(unhook(vm), 0);
	CHECK_EQ(set_command(vm, 1, -1), -EFAULT);
}

static const struct kvmi_case cases[] = {
	{ "ids and allow out of range are EINVAL", arguments },
	{ "a bad pointer is EFAULT", bad_pointer },
	{ "without a session it is EFAULT", not_hooked },
	{ "every id in range, EPERM for the three", every_id },
	{ "defaults after HOOK", defaults },
	{ "allowing and disallowing single commands", one_by_one },
	{ "id -1 means all", all_at_once },
	{ "a refused request changes nothing", refused_changes_nothing },
	{ "a disallowed command is answered with EPERM", on_the_wire },
	{ "an unknown command is ENOSYS, allowed or not", unknown_is_enosys },
	{ "permissions end with the session", gone_with_unhook },
	{ "permissions belong to one VM", per_vm },
	{ "permissions can be set without a connection", without_connection },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
