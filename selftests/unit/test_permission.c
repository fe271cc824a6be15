// SPDX-License-Identifier: GPL-2.0-only
/* What the device manager may set, and what it gets then (abi.md 1.4, 1.5). */
#include "kit.h"

#include <limits.h>
#include <pthread.h>

#define ALL_COMMANDS 0x3fffffffu	/* ids 0 to 29 */
#define ALL_EVENTS 0x000fffffu		/* ids 0 to 19 */
#define ALWAYS 0x00000054u		/* ids 2, 4 and 6 */

static bool always(int id)
{
	return id == 2 || id == 4 || id == 6;
}

/* Both what the functions say and what the status file shows. */
static void check_commands(struct kit *kit, u32 mask)
{
	u32 id;

	CHECK_EQ(kit->session.allowed_commands, mask);
	for (id = 0; id <= USHRT_MAX; id++)
		if (kvmi_command_allowed(&kit->session, id) !=
		    (id < 32 && (mask >> id & 1)))
			CHECK_EQ(id, -1);
}

static void check_events(struct kit *kit, u32 mask)
{
	u32 id;

	CHECK_EQ(kit->session.allowed_events, mask);
	for (id = 0; id <= USHRT_MAX; id++)
		if (kvmi_event_allowed(&kit->session, id) !=
		    (id < 32 && (mask >> id & 1)))
			CHECK_EQ(id, -1);
}

static void initial(void)
{
	struct kit kit;

	kit_open(&kit);
	check_commands(&kit, ALWAYS);
	check_events(&kit, 0);
	kit_close(&kit);
}

static void ids_in_range(u32 count)
{
	s32 id;

	for (id = -1; id < (s32)count; id++) {
		tap_context("id %d of %u", id, count);
		CHECK_EQ(kvmi_check_feature(id, 0, count), 0);
		CHECK_EQ(kvmi_check_feature(id, 1, count), 0);
		CHECK_EQ(kvmi_check_feature(id, 2, count), -EINVAL);
		CHECK_EQ(kvmi_check_feature(id, 0x80000000, count), -EINVAL);
		CHECK_EQ(kvmi_check_feature(id, UINT_MAX, count), -EINVAL);
	}
}

static void ids_out_of_range(u32 count)
{
	const s32 ids[] = {
		INT_MIN, INT_MIN + 1, -65536, -32, -3, -2, count, count + 1, 31,
		32, 33, 63, 64, 255, 256, 65536, 65538, INT_MAX,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		tap_context("id %d of %u", ids[i], count);
		CHECK_EQ(kvmi_check_feature(ids[i], 0, count), -EINVAL);
		CHECK_EQ(kvmi_check_feature(ids[i], 1, count), -EINVAL);
		CHECK_EQ(kvmi_check_feature(ids[i], 2, count), -EINVAL);
	}
}

static void arguments(void)
{
	CHECK_EQ(KVMI_NUM_COMMANDS, 30);
	CHECK_EQ(KVMI_NUM_EVENTS, 20);
	ids_in_range(30);
	ids_in_range(20);
	ids_out_of_range(30);
	ids_out_of_range(20);
}

/* EPERM comes after "not hooked", so it is not for the argument test. */
static void argument_test_knows_no_eperm(void)
{
	CHECK_EQ(kvmi_check_feature(2, 0, 30), 0);
	CHECK_EQ(kvmi_check_feature(4, 0, 30), 0);
	CHECK_EQ(kvmi_check_feature(6, 0, 30), 0);
	CHECK_EQ(kvmi_check_feature(2, 2, 30), -EINVAL);
}

static void command_one_by_one(void)
{
	struct kit kit;
	u32 mask = ALWAYS;
	int id;

	kit_open(&kit);
	for (id = 0; id < 30; id++) {
		tap_context("allow %d", id);
		mask |= 1u << id;
		CHECK_EQ(kvmi_allow_command(&kit.session, id, 1), 0);
		CHECK_EQ(kvmi_allow_command(&kit.session, id, 1), 0);
		check_commands(&kit, mask);
	}
	for (id = 0; id < 30; id++) {
		tap_context("disallow %d", id);
		if (!always(id))
			mask &= ~(1u << id);
		CHECK_EQ(kvmi_allow_command(&kit.session, id, 0),
			 always(id) ? -EPERM : 0);
		CHECK_EQ(kvmi_allow_command(&kit.session, id, 0),
			 always(id) ? -EPERM : 0);
		check_commands(&kit, mask);
	}
	CHECK_EQ(mask, ALWAYS);
	check_events(&kit, 0);
	kit_close(&kit);
}

static void command_all(void)
{
	struct kit kit;

	kit_open(&kit);
	CHECK_EQ(kvmi_allow_command(&kit.session, -1, 0), 0);
	check_commands(&kit, ALWAYS);
	CHECK_EQ(kvmi_allow_command(&kit.session, -1, 1), 0);
	check_commands(&kit, ALL_COMMANDS);
	CHECK_EQ(kvmi_allow_command(&kit.session, -1, 1), 0);
	check_commands(&kit, ALL_COMMANDS);
	CHECK_EQ(kvmi_allow_command(&kit.session, -1, 0), 0);
	check_commands(&kit, ALWAYS);
	CHECK_EQ(kvmi_allow_command(&kit.session, 29, 1), 0);
	CHECK_EQ(kvmi_allow_command(&kit.session, 0, 1), 0);
	CHECK_EQ(kvmi_allow_command(&kit.session, -1, 0), 0);
	check_commands(&kit, ALWAYS);
	check_events(&kit, 0);
	kit_close(&kit);
}

static void event_one_by_one(void)
{
	struct kit kit;
	u32 mask = 0;
	int id;

	kit_open(&kit);
	for (id = 0; id < 20; id++) {
		tap_context("allow %d", id);
		mask |= 1u << id;
		CHECK_EQ(kvmi_allow_event(&kit.session, id, 1), 0);
		check_events(&kit, mask);
	}
	for (id = 0; id < 20; id++) {
		tap_context("disallow %d", id);
		mask &= ~(1u << id);
		CHECK_EQ(kvmi_allow_event(&kit.session, id, 0), 0);
		CHECK_EQ(kvmi_allow_event(&kit.session, id, 0), 0);
		check_events(&kit, mask);
	}
	check_commands(&kit, ALWAYS);
	kit_close(&kit);
}

static void event_all(void)
{
	struct kit kit;

	kit_open(&kit);
	CHECK_EQ(kvmi_allow_event(&kit.session, -1, 1), 0);
	check_events(&kit, ALL_EVENTS);
	check_commands(&kit, ALWAYS);
	CHECK_EQ(kvmi_allow_event(&kit.session, 3, 0), 0);
	check_events(&kit, ALL_EVENTS & ~8u);
	CHECK_EQ(kvmi_allow_event(&kit.session, -1, 0), 0);
	check_events(&kit, 0);
	kit_close(&kit);
}

/* Bits outside both ranges read as disallowed whatever the mask holds. */
static void beyond_range(void)
{
	struct kit kit;

	kit_open(&kit);
	kit.session.allowed_commands = UINT_MAX;
	kit.session.allowed_events = UINT_MAX;
	CHECK(!kvmi_command_allowed(&kit.session, 30));
	CHECK(!kvmi_command_allowed(&kit.session, 31));
	CHECK(!kvmi_command_allowed(&kit.session, 34));
	CHECK(!kvmi_event_allowed(&kit.session, 20));
	CHECK(!kvmi_event_allowed(&kit.session, 32));
	kit_close(&kit);
}

/* Each change is one critical section; a refused one need not lock. */
static void locking(void)
{
	struct kit kit;
	unsigned int *taken = &kit.session.lock.taken;

	kit_open(&kit);
	CHECK_EQ(*taken, 0);
	kvmi_allow_command(&kit.session, 8, 1);
	CHECK_EQ(*taken, 1);
	kvmi_allow_command(&kit.session, -1, 0);
	CHECK_EQ(*taken, 2);
	kvmi_allow_event(&kit.session, 0, 1);
	CHECK_EQ(*taken, 3);
	kvmi_allow_event(&kit.session, -1, 0);
	CHECK_EQ(*taken, 4);
	kvmi_allow_command(&kit.session, 2, 0);
	CHECK(!kit.session.lock.held);
	kit_close(&kit);
}

#define TOGGLES 50000

struct toggler {
	struct kvmi_session *session;
	s32 id;
	unsigned int lost;
};

static void *toggle(void *data)
{
	struct toggler *t = data;
	int i;

	for (i = 0; i < TOGGLES; i++) {
		kvmi_allow_command(t->session, t->id, 1);
		t->lost += !kvmi_command_allowed(t->session, t->id);
		kvmi_allow_command(t->session, t->id, 0);
		t->lost += kvmi_command_allowed(t->session, t->id);
	}
	return NULL;
}

/* Nobody else touches my bit, so it is what I made it. */
static void concurrent_changes(void)
{
	struct toggler togglers[2] = { { .id = 8 }, { .id = 9 } };
	pthread_t threads[2];
	struct kit kit;
	int i;

	kit_open(&kit);
	for (i = 0; i < 2; i++) {
		togglers[i].session = &kit.session;
		CHECK_EQ(pthread_create(&threads[i], NULL, toggle,
					&togglers[i]), 0);
	}
	for (i = 0; i < 2; i++) {
		pthread_join(threads[i], NULL);
		CHECK_EQ(togglers[i].lost, 0);
	}
	check_commands(&kit, ALWAYS);
	kit_close(&kit);
}

const struct tap_test permission_tests[] = {
	{ "permission: after the hook: commands 2, 4, 6 and no event", initial },
	{ "permission: EINVAL for id and allow out of range", arguments },
	{ "permission: arguments of always-allowed ids are valid",
	  argument_test_knows_no_eperm },
	{ "permission: each command alone, EPERM for 2, 4, 6",
	  command_one_by_one },
	{ "permission: command -1 sets all, resets to 2, 4, 6", command_all },
	{ "permission: each event alone", event_one_by_one },
	{ "permission: event -1 sets all, clears all", event_all },
	{ "permission: ids beyond the range are disallowed", beyond_range },
	{ "permission: a change takes the lock once", locking },
	{ "permission: concurrent changes lose nothing", concurrent_changes },
	{ 0 },
};
