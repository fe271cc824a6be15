// SPDX-License-Identifier: GPL-2.0-only
/* Short and long payloads, padding (abi.md 2.5). */
#include "kit.h"

/* What the payload of a command consists of. */
struct form {
	u16 id;
	u16 size;	/* without data of variable size */
	u32 padding;	/* bit n: byte n is padding */
};

static const struct form forms[] = {
	{ GET_VERSION, 0, 0 },
	{ CHECK_COMMAND, 8, 0xfc },
	{ CHECK_EVENT, 8, 0xfc },
	{ GET_INFO, 0, 0 },
	{ CONTROL_EVENTS, 8, 0xf8 },
	{ READ_PHYSICAL, 16, 0xfc00 },
	{ WRITE_PHYSICAL, 16, 0xfc00 },
	{ PAUSE_VCPU, 8, 0xf8 },
	{ CONTROL_CLEANUP, 8, 0xfe },
};

/* The reply to a command that succeeds with good_payload(). */
static size_t good_reply(u16 id, u8 *data)
{
	memset(data, 0, 16);
	switch (id) {
	case GET_VERSION:
		put_u32(data, 1);
		put_u32(data + 4, MAX_PAYLOAD);
		return 16;
	case GET_INFO:
		put_u32(data, 1);
		return 16;
	case READ_PHYSICAL:
		mock_vm_bytes(0x1000, data, 16);
		return 16;
	default:
		return 0;
	}
}

/* Every byte, every value but zero. */
static void padding(void)
{
	u8 payload[32];
	struct kit kit;
	u32 byte, value;
	size_t i, size;

	kit_open_all(&kit);
	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		size = good_payload(forms[i].id, payload);
		for (byte = 0; byte < forms[i].size; byte++) {
			if (!(forms[i].padding >> byte & 1))
				continue;
			for (value = 1; value <= 255; value++) {
				tap_context("id %u, byte %u, value %u",
					    forms[i].id, byte, value);
				payload[byte] = value;
				kit_expect_err(&kit, forms[i].id, payload, size,
					       E_INVAL);
			}
			payload[byte] = 0;
		}
	}
	CHECK_EQ(mock_vm_reads(kit.vm), 0);
	CHECK_EQ(mock_vm_writes(kit.vm), 0);
	kit_close(&kit);
}

/* Padding is seen in a payload that ends with it, too. */
static void padding_at_the_end(void)
{
	u8 payload[32];
	struct kit kit;
	u32 byte;
	size_t i;

	kit_open_all(&kit);
	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		if (forms[i].id == WRITE_PHYSICAL)
			continue;
		good_payload(forms[i].id, payload);
		for (byte = 0; byte < forms[i].size; byte++) {
			if (!(forms[i].padding >> byte & 1))
				continue;
			tap_context("id %u, byte %u", forms[i].id, byte);
			payload[byte] = 0x80;
			kit_expect_err(&kit, forms[i].id, payload, byte + 1,
				       E_INVAL);
			payload[byte] = 0;
		}
	}
	kit_close(&kit);
}

/*
 * Behind the end of the payload, zeros are read. All of the commands but the
 * two on memory succeed with zeros, or with the first byte given.
 */
static void short_payloads(void)
{
	u8 payload[32], data[16];
	size_t i, size, data_size;
	struct kit kit;

	kit_open_all(&kit);
	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		u16 id = forms[i].id;

		good_payload(id, payload);
		data_size = good_reply(id, data);
		for (size = 0; size <= forms[i].size; size++) {
			tap_context("id %u, size %zu", id, size);
			if (id == WRITE_PHYSICAL)
				kit_expect_close(&kit, id, payload, size,
						 -EPROTO);
			else if (id == READ_PHYSICAL && size < 9)
				kit_expect_err(&kit, id, payload, size,
					       E_INVAL);
			else if (id == CHECK_COMMAND && size < 1)
				kit_expect_err(&kit, id, payload, size,
					       E_NOENT);
			else
				kit_expect(&kit, id, payload, size, 0, data,
					   data_size);
		}
	}
	kit_close(&kit);
}

/* The zeros are not left over from an earlier message. */
static void no_stale_bytes(void)
{
	u8 full[MAX_PAYLOAD], payload[32];
	struct kit kit;
	size_t size;

	memset(full, 0xff, sizeof(full));
	kit_open_all(&kit);
	for (size = 0; size < 8; size++) {
		tap_context("size %zu", size);
		kit_expect_err(&kit, 0x7fff, full, sizeof(full), E_NOSYS);
		good_payload(CONTROL_EVENTS, payload);
		kit_expect_err(&kit, CONTROL_EVENTS, payload, size, 0);
	}
	kit_close(&kit);
}

/* Whatever is behind the known part is ignored, up to the largest size. */
static void long_payloads(void)
{
	u8 payload[MAX_PAYLOAD], data[16];
	size_t i, size, start, data_size;
	struct kit kit;

	kit_open_all(&kit);
	memset(payload, 0xff, sizeof(payload));
	for (i = 0; i < ARRAY_SIZE(forms); i++) {
		u16 id = forms[i].id;
		u8 good[32];

		start = good_payload(id, good);
		memcpy(payload, good, start);
		data_size = good_reply(id, data);
		for (size = start; size <= MAX_PAYLOAD; size++) {
			tap_context("id %u, size %zu", id, size);
			kit_expect(&kit, id, payload, size, 0, data, data_size);
			/* There is a limit of them. */
			kit_vcpu(&kit, 0)->core.pauses = 0;
		}
		memset(payload, 0xff, 32);
	}
	kit_close(&kit);
}

const struct tap_test payload_tests[] = {
	{ "payload: each padding byte is tested", padding },
	{ "payload: the last byte is tested", padding_at_the_end },
	{ "payload: a short one reads as zeros, at each length",
	  short_payloads },
	{ "payload: nothing is left over from earlier ones", no_stale_bytes },
	{ "payload: a long one is accepted, at each length", long_payloads },
	{ 0 },
};
