// SPDX-License-Identifier: GPL-2.0-only
/* READ_PHYSICAL and WRITE_PHYSICAL (abi.md 3.5, 3.6). */
#include "kit.h"

#include <limits.h>

#define LAST_PAGE 0xfffffffffffff000ull

static const u64 pages[] = { 0, 0x1000, 0x7ffffffff000, LAST_PAGE };
static const s32 backend_errors[] = { E_NOENT, E_NOTSUPP, E_NOMEM };

static bool valid(u64 gpa, u32 size)
{
	return size >= 1 && size <= 4096 && gpa % 4096 + size <= 4096;
}

static void read_one(struct kit *kit, u64 gpa, u32 size)
{
	unsigned int reads = mock_vm_reads(kit->vm);
	u8 payload[16], data[4096];

	tap_context("gpa %#llx, size %u", (unsigned long long)gpa, size);
	put_physical(payload, gpa, size);
	if (!valid(gpa, size)) {
		kit_expect_err(kit, READ_PHYSICAL, payload, 16, E_INVAL);
		CHECK_EQ(mock_vm_reads(kit->vm), reads);
		return;
	}
	mock_vm_bytes(gpa, data, size);
	kit_expect(kit, READ_PHYSICAL, payload, 16, 0, data, size);
	CHECK_EQ(mock_vm_reads(kit->vm), reads + 1);
	CHECK_EQ(mock_vm_last_gpa(kit->vm), gpa);
	CHECK_EQ(mock_vm_last_size(kit->vm), size);
}

static void write_one(struct kit *kit, u64 gpa, u32 size)
{
	unsigned int writes = mock_vm_writes(kit->vm);
	static u8 payload[16 + USHRT_MAX];
	u32 i;

	tap_context("gpa %#llx, size %u", (unsigned long long)gpa, size);
	put_physical(payload, gpa, size);
	for (i = 0; i < size; i++)
		payload[16 + i] = i * 13 + size;
	kit_expect_err(kit, WRITE_PHYSICAL, payload, 16 + size,
		       valid(gpa, size) ? 0 : E_INVAL);
	if (!valid(gpa, size)) {
		CHECK_EQ(mock_vm_writes(kit->vm), writes);
		return;
	}
	CHECK_EQ(mock_vm_writes(kit->vm), writes + 1);
	CHECK_EQ(mock_vm_last_gpa(kit->vm), gpa);
	CHECK_BYTES(mock_vm_last_written(kit->vm), mock_vm_last_size(kit->vm),
		    payload + 16, size);
}

static void all_sizes(void (*one)(struct kit *, u64, u32), u32 last)
{
	struct kit kit;
	size_t i;
	u32 size;

	kit_open_all(&kit);
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		for (size = 0; size <= last; size++)
			one(&kit, pages[i], size);
	kit_close(&kit);
}

/* At each offset in a page, around the size that just fits. */
static void all_offsets(void (*one)(struct kit *, u64, u32))
{
	struct kit kit;
	u32 offset;
	size_t i;

	kit_open_all(&kit);
	for (i = 0; i < ARRAY_SIZE(pages); i++)
		for (offset = 1; offset < 4096; offset++) {
			one(&kit, pages[i] + offset, 4096 - offset);
			one(&kit, pages[i] + offset, 4096 - offset + 1);
			one(&kit, pages[i] + offset, 1);
		}
	kit_close(&kit);
}

static void read_sizes(void)
{
	all_sizes(read_one, USHRT_MAX);
}

static void write_sizes(void)
{
	all_sizes(write_one, MAX_PAYLOAD - 16);
}

static void read_offsets(void)
{
	all_offsets(read_one);
}

static void write_offsets(void)
{
	all_offsets(write_one);
}

/* An error takes the data along: 8 bytes of payload and no more. */
static void backend_fails(void)
{
	u8 payload[16 + 4096] = { 0 };
	struct kit kit;
	size_t i;

	kit_open_all(&kit);
	put_physical(payload, 0x5000, 4096);
	for (i = 0; i < ARRAY_SIZE(backend_errors); i++) {
		mock_vm_fail_pages(kit.vm, 0, backend_errors[i]);
		kit_expect_err(&kit, READ_PHYSICAL, payload, 16,
			       backend_errors[i]);
		kit_expect_err(&kit, WRITE_PHYSICAL, payload, 16 + 4096,
			       backend_errors[i]);
	}
	CHECK_EQ(mock_vm_reads(kit.vm), ARRAY_SIZE(backend_errors));
	CHECK_EQ(mock_vm_writes(kit.vm), ARRAY_SIZE(backend_errors));
	kit_close(&kit);
}

/* What is wrong with the arguments is told before the page is looked for. */
static void arguments_before_backend(void)
{
	u8 payload[16 + 4096] = { 0 };
	struct kit kit;

	kit_open_all(&kit);
	mock_vm_fail_pages(kit.vm, 0, E_NOENT);
	put_physical(payload, 0x5001, 4096);
	kit_expect_err(&kit, READ_PHYSICAL, payload, 16, E_INVAL);
	kit_expect_err(&kit, WRITE_PHYSICAL, payload, 16 + 4096, E_INVAL);
	CHECK_EQ(mock_vm_reads(kit.vm) + mock_vm_writes(kit.vm), 0);
	kit_close(&kit);
}

/* Every size in the field against every payload around 16 + size. */
static void write_too_short(void)
{
	static u8 payload[16 + USHRT_MAX];
	struct kit kit;
	u32 size;

	kit_open_all(&kit);
	for (size = 0; size <= USHRT_MAX; size++) {
		u32 most = size + 15 < MAX_PAYLOAD ? size + 15 : MAX_PAYLOAD;

		tap_context("size %u", size);
		put_physical(payload, 0, size);
		kit_expect_close(&kit, WRITE_PHYSICAL, payload, most, -EPROTO);
		kit_expect_close(&kit, WRITE_PHYSICAL, payload,
				 most > 16 ? 16 : most, -EPROTO);
	}
	CHECK_EQ(mock_vm_writes(kit.vm), 0);
	CHECK_EQ(atomic64_read(&kit.session.stats.replies), 0);
	kit_close(&kit);
}

/* Closing wins over padding and range. */
static void write_close_first(void)
{
	u8 payload[16 + 16] = { 0 };
	struct kit kit;

	kit_open_all(&kit);
	put_physical(payload, 0xfff, 17);
	payload[10] = 1;
	kit_expect_close(&kit, WRITE_PHYSICAL, payload, 32, -EPROTO);
	put_u16(payload + 8, 16);
	kit_expect_err(&kit, WRITE_PHYSICAL, payload, 32, E_INVAL);
	kit_close(&kit);
}

/* Data behind those that the size names is not written. */
static void write_longer_payload(void)
{
	u8 payload[MAX_PAYLOAD];
	struct kit kit;

	kit_open_all(&kit);
	memset(payload, 0x77, sizeof(payload));
	put_physical(payload, 0x2ff0, 16);
	kit_expect_err(&kit, WRITE_PHYSICAL, payload, sizeof(payload), 0);
	CHECK_BYTES(mock_vm_last_written(kit.vm), mock_vm_last_size(kit.vm),
		    payload + 16, 16);
	kit_close(&kit);
}

const struct tap_test physical_tests[] = {
	{ "READ_PHYSICAL: every size", read_sizes },
	{ "READ_PHYSICAL: every offset in a page", read_offsets },
	{ "WRITE_PHYSICAL: every size that fits a message", write_sizes },
	{ "WRITE_PHYSICAL: every offset in a page", write_offsets },
	{ "*_PHYSICAL: errors of the VM are passed on, without data",
	  backend_fails },
	{ "*_PHYSICAL: EINVAL before ENOENT", arguments_before_backend },
	{ "WRITE_PHYSICAL: 16 + size above payload closes", write_too_short },
	{ "WRITE_PHYSICAL: closing before EINVAL", write_close_first },
	{ "WRITE_PHYSICAL: surplus data is ignored", write_longer_payload },
	{ 0 },
};
