// SPDX-License-Identifier: GPL-2.0-only
/* The commands without memory access (abi.md 3.1-3.4, 3.8). */
#include "kit.h"

#include <limits.h>

static void get_version(void)
{
	static const u8 data[16] = { 1, 0, 0, 0, 0xf8, 0x1f };
	struct kit kit;

	kit_open(&kit);
	kit_expect(&kit, GET_VERSION, NULL, 0, 0, data, sizeof(data));
	kit_expect(&kit, GET_VERSION, "\377", 1, 0, data, sizeof(data));
	kit_close(&kit);
}

static bool offered(u32 id)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known_commands); i++)
		if (known_commands[i] == id)
			return true;
	return is_vcpu_command(id);
}

static void check_command(void)
{
	u8 payload[8] = { 0 };
	struct kit kit;
	s32 err;
	u32 id;

	kit_open(&kit);
	for (id = 0; id <= USHRT_MAX; id++) {
		tap_context("id %u", id);
		put_u16(payload, id);
		err = id == 2 || id == 4 || id == 6 ? 0 :
		      offered(id) ? E_PERM : E_NOENT;
		kit_expect_err(&kit, CHECK_COMMAND, payload, 8, err);
	}
	kvmi_allow_command(&kit.session, -1, 1);
	for (id = 0; id <= USHRT_MAX; id++) {
		tap_context("id %u, all allowed", id);
		put_u16(payload, id);
		err = offered(id) ? 0 : E_NOENT;
		kit_expect_err(&kit, CHECK_COMMAND, payload, 8, err);
	}
	kit_close(&kit);
}

static void check_event(void)
{
	u8 payload[8] = { 0 };
	struct kit kit;
	bool there;
	int allow;
	u32 id;

	kit_open(&kit);
	/* Permissions of commands mean nothing for events. */
	kvmi_allow_command(&kit.session, -1, 1);
	for (allow = 0; allow <= 1; allow++) {
		kvmi_allow_event(&kit.session, -1, allow);
		for (id = 0; id <= USHRT_MAX; id++) {
			tap_context("id %u, allow %d", id, allow);
			put_u16(payload, id);
			there = id == 0 || id == EVENT_PAUSE ||
				id == EVENT_TRAP;
			kit_expect_err(&kit, CHECK_EVENT, payload, 8,
				       !there ? E_NOENT : allow ? 0 : E_PERM);
			CHECK_EQ(kvmi_event_known(&kit.session, id), there);
		}
	}
	kit_close(&kit);
}

/* What a kernel lacks is not there for the tool, with its event. */
static void missing(void)
{
	u8 payload[8] = { 0 };
	struct kit kit;
	size_t i, j;

	kit_open_all(&kit);
	for (i = 0; i < ARRAY_SIZE(known_commands); i++) {
		kit.session.missing_commands = 1u << known_commands[i];
		for (j = 0; j < ARRAY_SIZE(known_commands); j++) {
			tap_context("%u, without %u", known_commands[j],
				    known_commands[i]);
			CHECK_EQ(kvmi_command_known(&kit.session,
						    known_commands[j]), i != j);
		}
		if (known_commands[i] == CHECK_EVENT)
			continue;
		kit_expect_err(&kit, known_commands[i], payload, 8, E_NOSYS);
		put_u16(payload, EVENT_PAUSE);
		kit_expect_err(&kit, CHECK_EVENT, payload, 8,
			       known_commands[i] == PAUSE_VCPU ? E_NOENT : 0);
		put_u16(payload, EVENT_TRAP);
		kit_expect_err(&kit, CHECK_EVENT, payload, 8, 0);
		put_u16(payload, 0);
		kit_expect_err(&kit, CHECK_EVENT, payload, 8, 0);
	}
	kit.session.missing_commands = ~0u;
	kit_expect_err(&kit, 34, payload, 8, E_NOSYS);
	kit_close(&kit);
}

/* Padding before unknown before disallowed. */
static void check_order(void)
{
	u8 payload[8] = { 0xff, 0xff, 1 };
	struct kit kit;

	kit_open(&kit);
	kit_expect_err(&kit, CHECK_COMMAND, payload, 8, E_INVAL);
	kit_expect_err(&kit, CHECK_EVENT, payload, 8, E_INVAL);
	put_u16(payload, GET_INFO);
	kit_expect_err(&kit, CHECK_COMMAND, payload, 8, E_INVAL);
	put_u16(payload, 0);
	kit_expect_err(&kit, CHECK_EVENT, payload, 8, E_INVAL);
	kit_close(&kit);
}

static void get_info(void)
{
	static const u32 counts[] = { 1, 2, 0, 288, 4096, 0x12345678, ~0u };
	u8 data[16] = { 0 };
	struct kit kit;
	size_t i;

	kit_open_all(&kit);
	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		mock_vm_set_vcpus(kit.vm, counts[i]);
		put_u32(data, counts[i]);
		kit_expect(&kit, GET_INFO, NULL, 0, 0, data, sizeof(data));
	}
	kit_close(&kit);
}

static void control_events(void)
{
	u8 on[8] = { 0, 0, 1 }, off[8] = { 0 };
	struct kit kit;

	kit_open_all(&kit);
	CHECK_EQ(kit.session.enabled_vm_events, 0);
	kit_expect_err(&kit, CONTROL_EVENTS, off, 8, 0);
	CHECK_EQ(kit.session.enabled_vm_events, 0);
	kit_expect_err(&kit, CONTROL_EVENTS, on, 8, 0);
	CHECK_EQ(kit.session.enabled_vm_events, 1);
	kit_expect_err(&kit, CONTROL_EVENTS, on, 8, 0);
	CHECK_EQ(kit.session.enabled_vm_events, 1);
	kit_expect_err(&kit, CONTROL_EVENTS, off, 8, 0);
	CHECK_EQ(kit.session.enabled_vm_events, 0);
	kit_close(&kit);
}

/* EINVAL for arguments before EPERM, which is for disabling as well. */
static void control_events_errors(void)
{
	u8 payload[8] = { 0 };
	struct kit kit;
	int allow;
	u32 i;

	kit_open_all(&kit);
	kit.session.enabled_vm_events = 1;
	for (allow = 1; allow >= 0; allow--) {
		kvmi_allow_event(&kit.session, -1, allow);
		for (i = 2; i <= 255; i++) {
			payload[2] = i;
			kit_expect_err(&kit, CONTROL_EVENTS, payload, 8,
				       E_INVAL);
		}
		for (i = 1; i <= USHRT_MAX; i++) {
			tap_context("event %u, allow %d", i, allow);
			put_u16(payload, i);
			payload[2] = i % 2;
			kit_expect_err(&kit, CONTROL_EVENTS, payload, 8,
				       E_INVAL);
		}
		memset(payload, 0, sizeof(payload));
		payload[3] = 1;
		kit_expect_err(&kit, CONTROL_EVENTS, payload, 8, E_INVAL);
		payload[3] = 0;
		CHECK_EQ(kit.session.enabled_vm_events, 1);
	}
	kit_expect_err(&kit, CONTROL_EVENTS, payload, 8, E_PERM);
	CHECK_EQ(kit.session.enabled_vm_events, 1);
	kit.session.enabled_vm_events = 0;
	payload[2] = 1;
	kit_expect_err(&kit, CONTROL_EVENTS, payload, 8, E_PERM);
	CHECK_EQ(kit.session.enabled_vm_events, 0);
	kit_close(&kit);
}

/* The bit of event 0, not any other, is the permission. */
static void control_events_permission(void)
{
	u8 on[8] = { 0, 0, 1 };
	struct kit kit;

	kit_open_all(&kit);
	kvmi_allow_event(&kit.session, 0, 0);
	kit_expect_err(&kit, CONTROL_EVENTS, on, 8, E_PERM);
	kvmi_allow_event(&kit.session, -1, 0);
	kvmi_allow_event(&kit.session, 0, 1);
	kit_expect_err(&kit, CONTROL_EVENTS, on, 8, 0);
	kit_close(&kit);
}

static void control_cleanup(void)
{
	u8 payload[8] = { 0 };
	struct kit kit;
	u32 i;

	kit_open_all(&kit);
	CHECK(kit.session.cleanup);
	kit_expect_err(&kit, CONTROL_CLEANUP, payload, 8, 0);
	CHECK(!kit.session.cleanup);
	payload[0] = 1;
	kit_expect_err(&kit, CONTROL_CLEANUP, payload, 8, 0);
	CHECK(kit.session.cleanup);
	for (i = 2; i <= 255; i++) {
		payload[0] = i;
		kit_expect_err(&kit, CONTROL_CLEANUP, payload, 8, E_INVAL);
		CHECK(kit.session.cleanup);
	}
	memset(payload, 0, sizeof(payload));
	payload[7] = 1;
	kit_expect_err(&kit, CONTROL_CLEANUP, payload, 8, E_INVAL);
	CHECK(kit.session.cleanup);
	kit_close(&kit);
}

const struct tap_test command_tests[] = {
	{ "GET_VERSION: 16 bytes, exactly", get_version },
	{ "CHECK_COMMAND: every id", check_command },
	{ "CHECK_EVENT: every id", check_event },
	{ "CHECK_*: what this kernel lacks, and its event", missing },
	{ "CHECK_*: EINVAL before ENOENT and EPERM", check_order },
	{ "GET_INFO: 16 bytes, exactly", get_info },
	{ "CONTROL_EVENTS: enables and disables UNHOOK", control_events },
	{ "CONTROL_EVENTS: errors in order, without effect",
	  control_events_errors },
	{ "CONTROL_EVENTS: takes the permission of its event",
	  control_events_permission },
	{ "CONTROL_CLEANUP: switches, errors without effect",
	  control_cleanup },
	{ 0 },
};
