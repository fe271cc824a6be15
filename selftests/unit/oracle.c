// SPDX-License-Identifier: GPL-2.0-only
#include "oracle.h"

#include <string.h>

uint16_t get16(const uint8_t *p)
{
	return p[0] | p[1] << 8;
}

uint32_t get32(const uint8_t *p)
{
	return get16(p) | (uint32_t)get16(p + 2) << 16;
}

uint64_t get64(const uint8_t *p)
{
	return get32(p) | (uint64_t)get32(p + 4) << 32;
}

bool zero(const uint8_t *args, size_t first, size_t last)
{
	for (; first <= last; first++)
		if (args[first])
			return false;
	return true;
}

void oracle_init(struct oracle *oracle)
{
	memset(oracle, 0, sizeof(*oracle));
	oracle->commands = 1 << 2 | 1 << 4 | 1 << 6;
	oracle->cleanup = true;
	oracle->alloc_left = -1;
}

void oracle_allow_command(struct oracle *oracle, int id, bool allow)
{
	if (allow)
		oracle->commands |= 1u << id;
	else if (id != 2 && id != 4 && id != 6)
		oracle->commands &= ~(1u << id);
}

void oracle_allow_event(struct oracle *oracle, int id, bool allow)
{
	oracle->events &= ~(1u << id);
	oracle->events |= (uint32_t)allow << id;
}

static bool exists(const struct oracle *oracle, uint16_t id)
{
	if (id < 32 && (oracle->missing >> id & 1))
		return false;
	switch (id) {
	case 2: case 4: case 6: case 8: case 10: case 12: case 14: case 16:
	case 18:
		return true;
	}
	return oracle_vcpu_command(id);
}

bool oracle_event_known(const struct oracle *oracle, uint16_t id)
{
	return id == 0 || (id == 1 && exists(oracle, 16)) ||
	       (id == 9 && exists(oracle, 15));
}

static int32_t judge_check(const struct oracle *oracle, const uint8_t *args,
			   bool command)
{
	uint16_t id = get16(args);

	if (!zero(args, 2, 7))
		return -22;
	if (command ? !exists(oracle, id) : !oracle_event_known(oracle, id))
		return -2;
	return (command ? oracle->commands : oracle->events) >> id & 1 ? 0 : -1;
}

static int32_t judge_control_events(struct oracle *oracle, const uint8_t *args)
{
	if (!zero(args, 3, 7) || args[2] > 1 || get16(args))
		return -22;
	if (!(oracle->events & 1))
		return -1;
	oracle->unhook_enabled = args[2];
	return 0;
}

static int32_t judge_cleanup(struct oracle *oracle, const uint8_t *args)
{
	if (!zero(args, 1, 7) || args[0] > 1)
		return -22;
	oracle->cleanup = args[0];
	return 0;
}

static int32_t judge_range(const uint8_t *args, enum oracle_access access,
			   struct oracle_outcome *out)
{
	uint64_t gpa = get64(args);
	uint16_t size = get16(args + 8);

	if (!zero(args, 10, 15) || size == 0 || size > 4096 ||
	    gpa >> 12 != (gpa + size - 1) >> 12)
		return -22;
	out->access = access;
	out->gpa = gpa;
	out->size = size;
	if (access == ACCESS_READ)
		out->data_size = size;
	return 0;
}

/* @args are the first 16 bytes of the payload, or zeros where it ends. */
static void judge_command(struct oracle *oracle, const uint8_t *args,
			  const uint8_t *payload, size_t size,
			  struct oracle_outcome *out)
{
	static const uint8_t version[16] = { 1, 0, 0, 0, 0xf8, 0x1f };

	switch (out->id) {
	case 2:
		out->data_size = 16;
		memcpy(out->data, version, 16);
		break;
	case 4:
	case 6:
		out->err = judge_check(oracle, args, out->id == 4);
		break;
	case 8:
		out->data_size = 16;
		memcpy(out->data, &oracle->vcpus, 4);
		break;
	case 10:
		out->err = judge_control_events(oracle, args);
		break;
	case 12:
		out->err = judge_range(args, ACCESS_READ, out);
		break;
	case 14:
		out->close = 16u + get16(args + 8) > size;
		if (!out->close)
			out->err = judge_range(args, ACCESS_WRITE, out);
		out->written = payload + 16;
		break;
	case 16:
		out->err = oracle_judge_pause(oracle, args);
		break;
	case 18:
		out->err = judge_cleanup(oracle, args);
		break;
	}
}

void oracle_judge(struct oracle *oracle, const uint8_t *in, size_t size,
		  struct oracle_outcome *out)
{
	uint8_t args[16] = { 0 };
	size_t payload;

	memset(out, 0, sizeof(*out));
	if (size < 8) {
		out->close = true;
		out->consumed = size;
		return;
	}
	out->id = get16(in);
	out->seq = get32(in + 4);
	payload = get16(in + 2);
	if (payload > 8184 || payload > size - 8) {
		out->close = true;
		out->consumed = payload > 8184 ? 8 : size;
		return;
	}
	out->consumed = 8 + payload;
	out->counted = true;
	if (payload)
		memcpy(args, in + 8, payload < 16 ? payload : 16);

	if (out->id == 1)
		oracle_judge_vcpu(oracle, args, in + 8, payload, out);
	else if (!exists(oracle, out->id))
		out->err = -1000;
	else if (!(oracle->commands >> out->id & 1))
		out->err = -1;
	else if (out->id & 1)
		oracle_judge_vcpu(oracle, args, in + 8, payload, out);
	else
		judge_command(oracle, args, in + 8, payload, out);
}
