// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the tool can ask about the session: GET_VERSION, CHECK_COMMAND,
 * CHECK_EVENT, GET_INFO; and CONTROL_CLEANUP.
 */
#include <stdlib.h>
#include <unistd.h>

#include "kvm_util.h"
#include "kvmi_test.h"

/* Everything this version offers. Nothing else may ever be "supported". */
static bool offered(uint32_t id)
{
	switch (id) {
	case KVMI_GET_VERSION:
	case KVMI_VM_CHECK_COMMAND:
	case KVMI_VM_CHECK_EVENT:
	case KVMI_VM_GET_INFO:
	case KVMI_VM_CONTROL_EVENTS:
	case KVMI_VM_READ_PHYSICAL:
	case KVMI_VM_WRITE_PHYSICAL:
	case KVMI_VM_PAUSE_VCPU:
	case KVMI_VM_CONTROL_CLEANUP:
	case KVMI_VCPU_GET_INFO:
	case KVMI_VCPU_CONTROL_EVENTS:
	case KVMI_VCPU_GET_REGISTERS:
	case KVMI_VCPU_SET_REGISTERS:
	case KVMI_VCPU_GET_CPUID:
	case KVMI_VCPU_INJECT_EXCEPTION:
	case KVMI_VCPU_GET_XCR:
	case KVMI_VCPU_GET_XSAVE:
	case KVMI_VCPU_SET_XSAVE:
	case KVMI_VCPU_GET_MTRR_TYPE:
	case KVMI_VCPU_TRANSLATE_GVA:
		return true;
	}
	return false;
}

static bool event_offered(uint32_t id)
{
	return id == KVMI_VM_EVENT_UNHOOK || id == KVMI_VCPU_EVENT_PAUSE ||
	       id == KVMI_VCPU_EVENT_TRAP;
}

static bool always_allowed(uint32_t id)
{
	return id == KVMI_GET_VERSION || id == KVMI_VM_CHECK_COMMAND ||
	       id == KVMI_VM_CHECK_EVENT;
}

/* The whole message, byte by byte. */
static void version_bytes(void)
{
	static const uint8_t want[] = {
		2, 0, 24, 0, 0x78, 0x56, 0x34, 0x12,	/* id, size, seq */
		0, 0, 0, 0, 0, 0, 0, 0,			/* error, padding */
		1, 0, 0, 0, 0xf8, 0x1f, 0, 0,		/* version, size */
		0, 0, 0, 0, 0, 0, 0, 0,			/* features */
	};
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session(vm);
	struct message msg;

	CHECK_EQ(send_msg(fd, KVMI_GET_VERSION, 0x12345678, NULL, 0), 0);
	CHECK_EQ(recv_msg(fd, &msg), 24);
	CHECK(!memcmp(&msg, want, sizeof(want)), "wrong bytes");
}

static void version_always(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session(vm);

	check_alive(fd);
	CHECK_EQ(set_command(vm, 1, -1), 0);
	check_alive(fd);
	CHECK_EQ(set_command(vm, 0, -1), 0);
	check_alive(fd);
}

static int check_id(int fd, uint16_t what, uint16_t id)
{
	struct kvmi_vm_check_command req = { .id = id };

	return command(fd, what, &req, sizeof(req), NULL, 0);
}

/* Every id that fits the field; sparse in the middle when quick. */
static void every_id(int fd, uint16_t what, int (*want)(uint32_t id))
{
	uint32_t id, step;
	int got;

	for (id = 0; id <= 0xffff; id += step) {
		step = id < 128 || id > 0xffe0 || kvmi_full ? 1 : 127;
		got = check_id(fd, what, id);
		CHECK(got == want(id), "id %u: %d, not %d", id, got, want(id));
	}
}

static int command_disallowed(uint32_t id)
{
	if (!offered(id))
		return -KVMI_ENOENT;
	return always_allowed(id) ? 0 : -KVMI_EPERM;
}

static int command_allowed(uint32_t id)
{
	return offered(id) ? 0 : -KVMI_ENOENT;
}

static int event_disallowed(uint32_t id)
{
	return event_offered(id) ? -KVMI_EPERM : -KVMI_ENOENT;
}

static int event_allowed(uint32_t id)
{
	return event_offered(id) ? 0 : -KVMI_ENOENT;
}

static void check_command(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session(vm);

	every_id(fd, KVMI_VM_CHECK_COMMAND, command_disallowed);
	CHECK_EQ(set_command(vm, 1, -1), 0);
	every_id(fd, KVMI_VM_CHECK_COMMAND, command_allowed);
}

static void check_event(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session(vm);

	every_id(fd, KVMI_VM_CHECK_EVENT, event_disallowed);
	CHECK_EQ(set_event(vm, 1, -1), 0);
	every_id(fd, KVMI_VM_CHECK_EVENT, event_allowed);
}

/* What CHECK_COMMAND calls supported is there: it is never ENOSYS. */
static void check_is_true(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	uint8_t zero[64] = { 0 };
	int fd = session_all(vm), id, err;
	struct message msg;

	for (id = 0; id < 256; id++) {
		CHECK_EQ(send_msg(fd, id, id, zero, sizeof(zero)), 0);
		CHECK(recv_msg(fd, &msg) >= 8, "id %d", id);
		CHECK_EQ(msg.hdr.seq, id);
		memcpy(&err, msg.data, 4);
		/* An event reply is known, and no command. */
		if (id == KVMI_VCPU_EVENT) {
			CHECK_EQ(err, -KVMI_EINVAL);
			continue;
		}
		CHECK((err == -KVMI_ENOSYS) ==
		      (check_id(fd, KVMI_VM_CHECK_COMMAND, id) == -KVMI_ENOENT),
		      "id %d: error %d", id, err);
	}
}

/* Padding is seen first, whatever the id is. */
static void check_padding(void)
{
	static const uint16_t what[] = {
		KVMI_VM_CHECK_COMMAND, KVMI_VM_CHECK_EVENT,
	};
	static const uint16_t ids[] = { 0, 2, 3, 8, 999 };
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session(vm), i, byte, w;
	uint8_t req[8];

	for (w = 0; w < 2; w++) {
		for (i = 0; i < ARRAY_SIZE(ids); i++) {
			for (byte = 2; byte < 8; byte++) {
				memset(req, 0, sizeof(req));
				memcpy(req, &ids[i], 2);
				req[byte] = 0x80;
				CHECK_EQ(command(fd, what[w], req, sizeof(req),
						 NULL, 0), -KVMI_EINVAL);
			}
		}
	}
}

static void get_info(void)
{
	struct kvmi_vm_get_info_reply info;
	struct kvm_vm *vm;
	int fd, n, i;

	for (n = 0; n <= 4; n++) {
		vm = vm_create_barebones();
		for (i = 0; i < n; i++)
			__vm_vcpu_add(vm, i);
		fd = session_all(vm);
		memset(&info, 0xff, sizeof(info));
		CHECK_EQ(command(fd, KVMI_VM_GET_INFO, NULL, 0, &info,
				 sizeof(info)), 0);
		CHECK_EQ(info.vcpu_count, n);
		CHECK(!info.padding[0] && !info.padding[1] && !info.padding[2],
		      "padding of GET_INFO");
		kvm_vm_free(vm);
		close(fd);
	}
}

/* It counts the vCPUs, not their ids. */
static void get_info_sparse(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvmi_vm_get_info_reply info;
	int fd;

	__vm_vcpu_add(vm, 7);
	__vm_vcpu_add(vm, 100);
	fd = session_all(vm);
	CHECK_EQ(command(fd, KVMI_VM_GET_INFO, NULL, 0, &info, sizeof(info)),
		 0);
	CHECK_EQ(info.vcpu_count, 2);
}

static void cleanup_command(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	uint8_t req[8] = { 0 };
	int fd = session(vm), i, value;

	CHECK_EQ(command(fd, KVMI_VM_CONTROL_CLEANUP, req, 8, NULL, 0),
		 -KVMI_EPERM);
	CHECK_EQ(set_command(vm, 1, KVMI_VM_CONTROL_CLEANUP), 0);
	for (value = 0; value < 256; value++) {
		req[0] = value;
		CHECK_EQ(command(fd, KVMI_VM_CONTROL_CLEANUP, req, 8, NULL, 0),
			 value > 1 ? -KVMI_EINVAL : 0);
	}
	for (i = 1; i < 8; i++) {
		memset(req, 0, sizeof(req));
		req[i] = 1;
		CHECK_EQ(command(fd, KVMI_VM_CONTROL_CLEANUP, req, 8, NULL, 0),
			 -KVMI_EINVAL);
	}
	CHECK_EQ(command(fd, KVMI_VM_CONTROL_CLEANUP, req, 0, NULL, 0), 0);
	CHECK_EQ(unhook(vm), 0);
}

static const struct kvmi_case cases[] = {
	{ "GET_VERSION, every byte", version_bytes },
	{ "GET_VERSION is always allowed", version_always },
	{ "CHECK_COMMAND for every id", check_command },
	{ "CHECK_EVENT for every id", check_event },
	{ "CHECK_COMMAND never promises what is not there", check_is_true },
	{ "padding of CHECK_COMMAND and CHECK_EVENT", check_padding },
	{ "GET_INFO with 0 to 4 vCPUs", get_info },
	{ "GET_INFO counts vCPUs with sparse ids", get_info_sparse },
	{ "CONTROL_CLEANUP", cleanup_command },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
