// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest memory in a file of a file system (FUSE) that takes its time. Its VMM
 * has told the kernel not to read ahead, so that whoever takes the fault waits
 * inside of it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/fuse.h>

#include "kvm_util.h"
#include "kvmi_trap.h"

#define GPA 0x10000ull
#define SLOT 1
#define PAGES 2
#define BYTE 0x5a
/* Seconds after which it is answered whatever the test does. */
#define LATEST 30

/* ------------------------------------------- a file system with one file -- */

/**
 * struct slow_file - a file whose contents come late
 * @dev: the connection to the kernel
 * @page: the file, mapped
 * @asked: reads that have come
 * @answer: they may be answered
 *
 * Shared with the server, a process of its own: who has the file mapped waits
 * for it even at its own end.
 */
struct slow_file {
	int dev;
	uint8_t *page;
	volatile int asked;
	volatile bool answer;
};

static int open_fuse(void)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	/* It is refused, but the module is loaded by it. */
	mount("none", "/", "fuse", 0, "");
	return open("/dev/fuse", O_RDWR | O_CLOEXEC);
}

static bool have_fuse(void)
{
	int fd = open_fuse();

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void reply(int dev, uint64_t unique, int error, const void *data,
		  size_t size)
{
	struct {
		struct fuse_out_header hdr;
		uint8_t data[PAGES * 4096];
	} out = {
		.hdr = { .len = sizeof(out.hdr) + size, .error = error,
			 .unique = unique },
	};

	if (size)
		memcpy(out.data, data, size);
	if (write(dev, &out, out.hdr.len) < 0)
		kvmi_note("FUSE: %s", strerror(errno));
}

static void reply_init(int dev, uint64_t unique, const struct fuse_init_in *in)
{
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = in->minor < FUSE_KERNEL_MINOR_VERSION ?
			 in->minor : FUSE_KERNEL_MINOR_VERSION,
		.max_write = 4096,
	};

	reply(dev, unique, 0, &out, sizeof(out));
}

static void reply_attr(int dev, uint64_t unique)
{
	struct fuse_attr_out out = {
		.attr = { .ino = FUSE_ROOT_ID, .size = PAGES * 4096,
			  .mode = S_IFREG | 0600, .nlink = 1 },
	};

	reply(dev, unique, 0, &out, sizeof(out));
}

static void reply_read(struct slow_file *file, uint64_t unique,
		       const struct fuse_read_in *in)
{
	uint8_t data[PAGES * 4096];

	file->asked++;
	memset(data, BYTE, sizeof(data));
	WAIT_FOR(file->answer, LATEST);
	reply(file->dev, unique, 0, data,
	      in->size < sizeof(data) ? in->size : sizeof(data));
}

static int serve(void *arg)
{
	union {
		struct fuse_in_header hdr;
		uint8_t room[FUSE_MIN_READ_BUFFER + 4096];
	} in;
	const void *body = in.room + sizeof(in.hdr);
	struct fuse_open_out opened = { .open_flags = FOPEN_KEEP_CACHE };
	struct fuse_write_out written = {};
	struct slow_file *file = arg;

	while (read(file->dev, &in, sizeof(in)) > 0) {
		switch (in.hdr.opcode) {
		case FUSE_INIT:
			reply_init(file->dev, in.hdr.unique, body);
			break;
		case FUSE_GETATTR:
			reply_attr(file->dev, in.hdr.unique);
			break;
		case FUSE_OPEN:
			reply(file->dev, in.hdr.unique, 0, &opened,
			      sizeof(opened));
			break;
		case FUSE_READ:
			reply_read(file, in.hdr.unique, body);
			break;
		case FUSE_WRITE:
			written.size = ((struct fuse_write_in *)body)->size;
			reply(file->dev, in.hdr.unique, 0, &written,
			      sizeof(written));
			break;
		case FUSE_FORGET:
		case FUSE_BATCH_FORGET:
		case FUSE_INTERRUPT:
			break;
		default:
			reply(file->dev, in.hdr.unique, -ENOSYS, NULL, 0);
		}
	}
	return 0;
}

/* Mounted on a file, gone with the last descriptor. */
static struct slow_file *slow_file_map(void)
{
	char path[] = "/tmp/kvmi_fuse.XXXXXX", options[128];
	struct slow_file *file;
	int fd = mkstemp(path);
	struct stat st;

	CHECK(fd >= 0, "%s: %s", path, strerror(errno));
	close(fd);
	file = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(file != MAP_FAILED, "mmap: %s", strerror(errno));
	file->dev = open_fuse();
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=100000,user_id=0,group_id=0", file->dev);
	CHECK(!mount("kvmi", path, "fuse", MS_NOSUID | MS_NODEV, options),
	      "mount: %s", strerror(errno));
	spawn(serve, file);
	close(file->dev);
	fd = open(path, O_RDWR | O_CLOEXEC);
	umount2(path, MNT_DETACH);
	unlink(path);
	CHECK(fd >= 0 && !fstat(fd, &st), "%s: %s", path, strerror(errno));
	CHECK_EQ(st.st_size, PAGES * 4096);
	file->page = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE,
			  MAP_SHARED, fd, 0);
	CHECK(file->page != MAP_FAILED, "mmap: %s", strerror(errno));
	CHECK(!madvise(file->page, PAGES * 4096, MADV_RANDOM), "madvise");
	close(fd);
	CHECK(!file->asked, "somebody else reads files that are opened");
	return file;
}

static struct kvm_vm *slow_vm(const struct slow_file *file, int *fd)
{
	struct kvm_vm *vm = vm_create_barebones();

	vm_set_user_memory_region(vm, SLOT, 0, GPA, PAGES * 4096, file->page);
	*fd = session_all(vm);
	return vm;
}

/* -------------------------------------------------------------- the cases -- */

struct change {
	struct kvm_vm *vm;
	volatile bool start;
	volatile bool done;
};

/* Needs all that readers of memory slots and of mappings may hold. */
static void *change_memory(void *arg)
{
	struct change *change = arg;
	void *mem;

	WAIT_FOR(change->start, LATEST);
	mem = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem != MAP_FAILED &&
	    !__vm_set_user_memory_region(change->vm, SLOT + 1, 0, 4 * GPA, 4096,
					 mem) &&
	    !__vm_set_user_memory_region(change->vm, SLOT + 1, 0, 4 * GPA, 0,
					 mem) &&
	    !munmap(mem, 4096))
		change->done = true;
	return NULL;
}

static void read_late(void)
{
	struct kvmi_vm_read_physical req = { .gpa = GPA + 8, .size = 8 };
	struct slow_file *file = slow_file_map();
	struct change change = {};
	struct kvmi_counts before;
	pthread_t thread;
	struct message msg;
	bool in_time;
	int fd;

	counts_read(&before);
	change.vm = slow_vm(file, &fd);
	/* Now, because its stack needs a mapping as well. */
	pthread_create(&thread, NULL, change_memory, &change);
	CHECK_EQ(send_msg(fd, KVMI_VM_READ_PHYSICAL, 5, &req, sizeof(req)), 0);
	CHECK(WAIT_FOR(file->asked, 20), "the file is not read");
	change.start = true;
	in_time = WAIT_FOR(change.done, AT_ONCE_MS / 1000);
	file->answer = true;
	pthread_join(thread, NULL);
	CHECK(in_time, "the VMM's memory cannot be changed meanwhile");
	CHECK_EQ(recv_msg(fd, &msg), 16);
	CHECK_EQ(msg.data[0], 0);
	CHECK_EQ(msg.data[8], BYTE);
	CHECK_EQ(file->asked, 1);
	check_alive(fd);
	CHECK_EQ(unhook(change.vm), 0);
	close(fd);
	kvm_vm_free(change.vm);
	counts_check(&before);
}

/*
 * Two writes that are read when the session ends: the first is to memory that
 * is there, and the second to memory that would have to be waited for.
 */
static void last_writes(void)
{
	struct { struct kvmi_vm_write_physical req; uint8_t data[8]; } write = {
		.req = { .gpa = 4 * GPA, .size = 8 }, .data = "written",
	};
	struct kvmi_vm_read_physical stall = { .gpa = 8 * GPA, .size = 8 };
	struct slow_file *file = slow_file_map();
	struct kvmi_counts before;
	struct kvm_vm *vm;
	struct trap trap;
	uint64_t start;
	char *there;
	int fd;

	counts_read(&before);
	vm = slow_vm(file, &fd);
	there = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	CHECK(there != MAP_FAILED, "mmap: %s", strerror(errno));
	vm_set_user_memory_region(vm, SLOT + 2, 0, 4 * GPA, 4096, there);
	trap_set(&trap);
	vm_set_user_memory_region(vm, SLOT + 1, 0, 8 * GPA, 4096, trap.page);
	CHECK_EQ(send_msg(fd, KVMI_VM_READ_PHYSICAL, 5, &stall, sizeof(stall)),
		 0);
	trap_wait(&trap);
	CHECK_EQ(send_msg(fd, KVMI_VM_WRITE_PHYSICAL, 6, &write, sizeof(write)),
		 0);
	write.req.gpa = GPA;
	CHECK_EQ(send_msg(fd, KVMI_VM_WRITE_PHYSICAL, 7, &write, sizeof(write)),
		 0);
	start = kvmi_now_ms();
	CHECK_EQ(unhook(vm), 0);
	check_at_once(start, "UNHOOK");
	CHECK_EQ(file->asked, 0);
	CHECK(!memcmp(there, write.data, 8), "the first is not written");
	file->answer = true;
	CHECK_EQ(file->page[0], BYTE);
	close(fd);
	close(trap.fd);
	kvm_vm_free(vm);
	counts_check(&before);
}

static bool have_fuse_and_uffd(void)
{
	return have_fuse() && have_uffd();
}

static const struct kvmi_case cases[] = {
	{ "guest memory that a file system reads late", read_late, have_fuse },
	{ "the last writes before UNHOOK do not wait for a file system",
	  last_writes, have_fuse_and_uffd },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
