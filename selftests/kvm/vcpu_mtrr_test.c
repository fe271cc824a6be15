// SPDX-License-Identifier: GPL-2.0-only
/*
 * GET_MTRR_TYPE against types that the test works out itself from the fixed
 * and variable ranges that it has set, as the manuals say.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

#include "kvmi_vcpu.h"

#define UC 0
#define WC 1
#define WT 4
#define WP 5
#define WB 6

#define DEF_TYPE 0x2ff
#define FE (1 << 10)
#define E (1 << 11)
#define VALID (1 << 11)

static struct kvm_vcpu *vcpus[1];

/* The fixed ranges' MSRs, and the 8 bytes of types in each. */
static const struct { uint32_t msr; uint64_t base, size; } fixed[] = {
	{ 0x250, 0x00000, 0x10000 }, { 0x258, 0x80000, 0x4000 },
	{ 0x259, 0xa0000, 0x4000 }, { 0x268, 0xc0000, 0x1000 },
	{ 0x269, 0xc8000, 0x1000 }, { 0x26a, 0xd0000, 0x1000 },
	{ 0x26b, 0xd8000, 0x1000 }, { 0x26c, 0xe0000, 0x1000 },
	{ 0x26d, 0xe8000, 0x1000 }, { 0x26e, 0xf0000, 0x1000 },
	{ 0x26f, 0xf8000, 0x1000 },
};

struct var { uint64_t base, size; uint8_t type; };

/* What is set, for expected(). */
static uint8_t fixed_types[ARRAY_SIZE(fixed)][8];
static struct var vars[8];
static uint64_t def_type;

static void set_fixed(int seed)
{
	static const uint8_t types[] = { UC, WC, WT, WP, WB };
	uint64_t value;
	int i, n;

	for (i = 0; i < ARRAY_SIZE(fixed); i++) {
		for (n = 0; n < 8; n++)
			fixed_types[i][n] = types[(i * 3 + n * seed) % 5];
		memcpy(&value, fixed_types[i], 8);
		vcpu_set_msr(vcpus[0], fixed[i].msr, value);
	}
}

static void set_var(struct kvm_vm *vm, int i, uint64_t base, uint64_t size,
		    uint8_t type)
{
	uint64_t mask = ((1ull << vm->pa_bits) - 1) & ~(size - 1);

	vars[i] = (struct var){ base, size, type };
	vcpu_set_msr(vcpus[0], 0x200 + 2 * i, base | type);
	vcpu_set_msr(vcpus[0], 0x201 + 2 * i, size ? mask | VALID : 0);
}

static void set_default(uint64_t value)
{
	def_type = value;
	vcpu_set_msr(vcpus[0], DEF_TYPE, value);
}

static int expected_fixed(uint64_t gpa)
{
	int i = ARRAY_SIZE(fixed) - 1;

	while (gpa < fixed[i].base)
		i--;
	return fixed_types[i][(gpa - fixed[i].base) / fixed[i].size];
}

/* UC wins, WT wins over WB; the test does not mix others. */
static int expected(uint64_t gpa)
{
	int type = -1, i;

	if (!(def_type & E))
		return UC;
	if ((def_type & FE) && gpa < 0x100000)
		return expected_fixed(gpa);
	for (i = 0; i < ARRAY_SIZE(vars); i++) {
		if (!vars[i].size || gpa < vars[i].base ||
		    gpa - vars[i].base >= vars[i].size)
			continue;
		if (type < 0 || vars[i].type < type)
			type = vars[i].type;
	}
	return type < 0 ? (int)(def_type & 0xff) : type;
}

static void check_at(int fd, uint64_t gpa)
{
	uint8_t type;

	CHECK_EQ(get_mtrr_type(fd, 0, gpa, &type), 0);
	CHECK(type == expected(gpa), "type of %#llx is %u, expected %d",
	      (unsigned long long)gpa, type, expected(gpa));
}

/* Every border of every range, from both sides, inside of a page as well. */
static void check_all(int fd)
{
	uint64_t gpa;
	int i;

	for (gpa = 0; gpa < 0x110000; gpa += kvmi_count(0x4000, 0x1000)) {
		check_at(fd, gpa);
		check_at(fd, gpa + 0xabc);
	}
	for (gpa = 0xc0000; gpa < 0xd0000; gpa += 0x1000)
		check_at(fd, gpa);
	for (i = 0; i < ARRAY_SIZE(vars); i++) {
		if (!vars[i].size)
			continue;
		if (vars[i].base)
			check_at(fd, vars[i].base - 1);
		check_at(fd, vars[i].base);
		check_at(fd, vars[i].base + vars[i].size / 2);
		check_at(fd, vars[i].base + vars[i].size - 1);
		check_at(fd, vars[i].base + vars[i].size);
	}
	check_at(fd, 0xfee00000);
	check_at(fd, 0x700000000);
}

static struct kvm_vm *create(int *fd)
{
	struct kvm_vm *vm = guest_create(1, guest_spin, vcpus);

	*fd = session_all(vm);
	return vm;
}

static void fixed_ranges(void)
{
	int fd, seed;

	create(&fd);
	for (seed = 1; seed < 4; seed++) {
		set_fixed(seed);
		set_default(E | FE | WB);
		check_all(fd);
		set_default(E | FE | UC);
		check_all(fd);
	}
}

static void default_type(void)
{
	static const uint8_t types[] = { UC, WC, WT, WP, WB };
	int fd, i;

	create(&fd);
	set_fixed(1);
	for (i = 0; i < ARRAY_SIZE(types); i++) {
		set_default(E | types[i]);
		check_all(fd);
		set_default(E | FE | types[i]);
		check_all(fd);
	}
}

static void disabled(void)
{
	int fd;
	struct kvm_vm *vm = create(&fd);

	set_fixed(2);
	set_var(vm, 0, 0x40000000, 0x40000000, WC);
	set_default(WB);
	check_all(fd);
	set_default(FE | WB);
	check_all(fd);
	set_default(E | WB);
	check_all(fd);
}

static void variable_ranges(void)
{
	int fd;
	struct kvm_vm *vm = create(&fd);

	set_default(E | WB);
	set_var(vm, 0, 0x80000000, 0x80000000, UC);
	check_all(fd);
	set_var(vm, 1, 0x40000000, 0x1000, WC);
	set_var(vm, 2, 0x40001000, 0x1000, WT);
	set_var(vm, 3, 0x100000000, 0x10000000, WP);
	check_all(fd);
	/* The first megabyte belongs to them when the fixed are off. */
	set_var(vm, 4, 0, 0x80000, WT);
	check_all(fd);
	set_fixed(1);
	set_default(E | FE | WB);
	check_all(fd);
	/* Ranges that go again. */
	set_var(vm, 0, 0, 0, 0);
	set_var(vm, 3, 0, 0, 0);
	check_all(fd);
}

static void overlaps(void)
{
	int fd;
	struct kvm_vm *vm = create(&fd);

	set_default(E | WP);
	set_var(vm, 0, 0x10000000, 0x10000000, WB);
	set_var(vm, 1, 0x18000000, 0x8000000, WT);
	check_all(fd);
	set_var(vm, 2, 0x1c000000, 0x1000000, UC);
	check_all(fd);
	set_var(vm, 7, 0x10000000, 0x1000, UC);
	check_all(fd);
}

/* The same in a running guest, which has set a range itself. */
static void guest_sets(struct guest_area *area)
{
	wrmsr(0x200, 0x50000000 | WC);
	wrmsr(0x201, area->out[0]);
	wrmsr(DEF_TYPE, E | WB);
	asm volatile("sti");
	for (;;)
		area->count++;
}

static void by_guest(void)
{
	struct kvm_vm *vm = guest_create(1, guest_sets, vcpus);
	struct guest_area *area = guest_of(vm, 0);
	int fd = session_all(vm);
	struct runner runner;

	area->out[0] = (((1ull << vm->pa_bits) - 1) & ~0xffffull) | VALID;
	vars[0] = (struct var){ 0x50000000, 0x10000, WC };
	runner_start(&runner, vcpus[0]);
	CHECK(guest_moves(&area->count), "no guest");
	def_type = E | WB;
	check_all(fd);
	CHECK_EQ(runner.returns, 0);
}

static const struct kvmi_case cases[] = {
	{ "fixed ranges", fixed_ranges },
	{ "default types", default_type },
	{ "MTRRs disabled", disabled },
	{ "variable ranges", variable_ranges },
	{ "variable ranges that overlap", overlaps },
	{ "ranges set by the guest", by_guest },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
