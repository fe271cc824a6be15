// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory slots over mappings that are not plain memory: those of devices are
 * not touched, all others are read and written right, and only where asked.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kvm_util.h"
#include "kvmi_test.h"

#define GPA 0x10000ull
#define SLOT 1
#define HUGE_SIZE (2ul << 20)

static int read_at(int fd, uint64_t gpa, uint16_t size, void *out)
{
	struct kvmi_vm_read_physical req = { .gpa = gpa, .size = size };

	return command(fd, KVMI_VM_READ_PHYSICAL, &req, sizeof(req), out, size);
}

static int write_at(int fd, uint64_t gpa, uint64_t value)
{
	struct {
		struct kvmi_vm_write_physical hdr;
		uint64_t value;
	} req = { { .gpa = gpa, .size = sizeof(value) }, value };

	return command(fd, KVMI_VM_WRITE_PHYSICAL, &req, sizeof(req), NULL, 0);
}

/* A VM without vCPU and with @hva as its only memory. */
static struct kvm_vm *vm_on(void *hva, size_t size)
{
	struct kvm_vm *vm = vm_create_barebones();

	vm_set_user_memory_region(vm, SLOT, 0, GPA, size, hva);
	return vm;
}

static void *map(size_t size, int flags, int fd)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	CHECK(mem != MAP_FAILED, "mmap: %s", strerror(errno));
	return mem;
}

/* Some page of the PC that is no RAM: VGA, or the BIOS. */
static void map_device(void *at)
{
	static const off_t pages[] = { 0xa0000, 0xf0000 };
	int fd = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC), i;
	void *mem;

	for (i = 0; fd >= 0 && i < ARRAY_SIZE(pages); i++) {
		mem = mmap(at, 4096, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_FIXED, fd, pages[i]);
		if (mem == at)
			return;
	}
	kvmi_skip("no device memory in /dev/mem: %s", strerror(errno));
}

static void device_memory(void)
{
	uint8_t *mem = map(3 * 4096, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	struct kvm_vm *vm = vm_on(mem, 3 * 4096);
	int fd = session_all(vm);
	uint64_t word = 0;

	memset(mem, 0x33, 3 * 4096);
	CHECK_EQ(read_at(fd, GPA + 4096, 8, &word), 0);
	map_device(mem + 4096);
	/* It is there, for the VMM. */
	(void)*(volatile uint8_t *)(mem + 4096);
	CHECK_EQ(read_at(fd, GPA + 4096, 1, &word), -KVMI_ENOENT);
	CHECK_EQ(read_at(fd, GPA + 4096 + 8, 8, &word), -KVMI_ENOENT);
	CHECK_EQ(write_at(fd, GPA + 4096, ~0ull), -KVMI_ENOENT);
	CHECK_EQ(read_at(fd, GPA + 2 * 4096, 8, &word), 0);
	CHECK_EQ(word, 0x3333333333333333);
	CHECK_EQ(write_at(fd, GPA, 1), 0);
	CHECK_EQ(mem[0], 1);
	check_alive(fd);
}

#define HUGE_PAGES "/proc/sys/vm/nr_hugepages"

static bool have_huge(void)
{
	return read_number(HUGE_PAGES) >= 0;
}

static void set_huge_pages(long nr)
{
	FILE *f = fopen(HUGE_PAGES, "we");

	CHECK(f && fprintf(f, "%ld", nr) > 0 && !fclose(f), "%ld huge pages: %s",
	      nr, strerror(errno));
}

static void huge_page(void)
{
	long pages = read_number(HUGE_PAGES);
	uint64_t *mem, word = 1;
	int fd;

	set_huge_pages(pages + 2);
	mem = map(HUGE_SIZE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
	set_huge_pages(pages);
	fd = session_all(vm_on(mem, HUGE_SIZE));
	/* Never touched, then ours, then theirs. */
	CHECK_EQ(read_at(fd, GPA + 0x123000, 8, &word), 0);
	CHECK_EQ(word, 0);
	mem[0x123000 / 8] = 0x123456789;
	CHECK_EQ(read_at(fd, GPA + 0x123000, 8, &word), 0);
	CHECK_EQ(word, 0x123456789);
	CHECK_EQ(write_at(fd, GPA + HUGE_SIZE - 8, 0xabcdef), 0);
	CHECK_EQ(mem[HUGE_SIZE / 8 - 1], 0xabcdef);
}

/* What the tool writes stays out of the file, as what the guest writes. */
static void private_file(void)
{
	int file = syscall(SYS_memfd_create, "guest", 0), fd;
	uint64_t *mem, word = 77, on_disk = 0;

	CHECK(!ftruncate(file, 8192), "ftruncate");
	CHECK_EQ(pwrite(file, &word, 8, 4096), 8);
	mem = map(8192, MAP_PRIVATE, file);
	fd = session_all(vm_on(mem, 8192));
	CHECK_EQ(read_at(fd, GPA + 4096, 8, &on_disk), 0);
	CHECK_EQ(on_disk, 77);
	CHECK_EQ(write_at(fd, GPA + 4096, 78), 0);
	CHECK_EQ(mem[512], 78);
	CHECK_EQ(pread(file, &on_disk, 8, 4096), 8);
	CHECK_EQ(on_disk, 77);
}

/* Where the page is; 0 when we may not know. */
static uint64_t frame_of(const void *page)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	CHECK_EQ(pread(fd, &entry, 8, (uintptr_t)page / 4096 * 8), 8);
	close(fd);
	return entry & ((1ull << 55) - 1);
}

static volatile bool *written;

static int see_old(void *arg)
{
	while (!*written)
		kvmi_sleep_ms(10);
	return *(uint64_t *)arg != 55;
}

/* Reading takes shared pages not apart, as it would eat the host's memory. */
static void shared_with_child(void)
{
	uint64_t *mem = map(4096, MAP_PRIVATE | MAP_ANONYMOUS, -1), word = 0;
	int fd = session_all(vm_on(mem, 4096));
	uint64_t frame;
	pid_t pid;

	mem[0] = 55;
	written = map(4096, MAP_SHARED | MAP_ANONYMOUS, -1);
	pid = spawn(see_old, mem);
	frame = frame_of(mem);
	CHECK_EQ(read_at(fd, GPA, 8, &word), 0);
	CHECK_EQ(word, 55);
	CHECK_EQ(frame_of(mem), frame);
	CHECK_EQ(write_at(fd, GPA, 56), 0);
	CHECK_EQ(mem[0], 56);
	*written = true;
	CHECK_EQ(reap(pid), 0);
}

static const struct kvmi_case cases[] = {
	{ "device memory is ENOENT", device_memory },
	{ "huge pages", huge_page, have_huge },
	{ "a private mapping of a file", private_file },
	{ "pages shared with a child", shared_with_child },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
