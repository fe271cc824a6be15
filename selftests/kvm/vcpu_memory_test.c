// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory. What a session makes the module keep is charged to who has hooked: not to
 * the VMM, in whose threads some of it is taken, and not to nobody. And what comes
 * when there is none.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kvmi_failslab.h"
#include "kvmi_stuck.h"

static void write_text(const char *dir, const char *name, const char *text)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	CHECK(fd >= 0, "%s: %s", path, strerror(errno));
	if (write(fd, text, strlen(text)) < 0) {
		if (errno == ENOENT || errno == EINVAL)
			kvmi_skip("this host's cgroup2 does not count memory");
		CHECK(false, "%s: %s", path, strerror(errno));
	}
	close(fd);
}

static long charged(const char *group)
{
	char path[128];
	long bytes = -1;
	FILE *f;

	snprintf(path, sizeof(path), "%s/memory.current", group);
	f = fopen(path, "re");
	CHECK(f && fscanf(f, "%ld", &bytes) == 1, "%s", path);
	fclose(f);
	return bytes;
}

/*
 * When nobody reads, KVMI_MAX_COMMANDS replies may be kept. But if vCPU 0 comes
 * late to its commands, its queue is full before, and telling so makes the
 * receiver wait for the tool: then these are what is kept at least. A quarter
 * less, since a CPU charges 256 KiB at a time.
 */
#define KEPT (KVMI_MAX_VCPU_COMMANDS * 3 / 4 * 8192l)

static struct kvm_vm *paid_vm;
static char cgroups[] = "/tmp/kvmi-cgroup.XXXXXX", payer[64];

/* What @fill makes the module keep is charged, and no longer when it ends. */
static int pay(int (*fill)(int fd), long kept)
{
	long before, with;
	int fd, sent;

	write_text(payer, "cgroup.procs", "0");
	fd = session_all(paid_vm);
	before = charged(payer);
	sent = fill(fd);
	CHECK(sent > 2 * KVMI_MAX_VCPU_COMMANDS, "only %d commands", sent);
	CHECK(WAIT_FOR((with = charged(payer)) > before + kept, 20),
	      "%ld bytes were charged, %ld with what waits", before, with);
	kvmi_note("%ld bytes for %d commands", with - before, sent);
	CHECK_EQ(unhook(paid_vm), 0);
	CHECK(WAIT_FOR((with = charged(payer)) < before + 128 * 8192, 20),
	      "%ld bytes were charged, %ld after the end", before, with);
	return 0;
}

static int pay_for_replies(void *arg)
{
	return pay(stuck_flood, KEPT);
}

#define PAID_VCPUS 4

static int queue_large(int fd)
{
	struct kvmi_vcpu_xsave x = { 0 };
	int i, v;

	for (i = 0; i < KVMI_MAX_VCPU_COMMANDS; i++) {
		for (v = 0; v < PAID_VCPUS; v++)
			vcpu_send(fd, v, KVMI_VCPU_SET_XSAVE, &x, sizeof(x));
	}
	check_alive(fd);
	return i * v;
}

/* Here two CPUs' 256 KiB would be the whole quarter. */
static int pay_for_commands(void *arg)
{
	return pay(queue_large, PAID_VCPUS * KEPT / 2);
}

static bool have_cgroup2(void)
{
	FILE *f = fopen("/proc/filesystems", "r");
	bool have = false;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		have |= !strcmp(line, "nodev\tcgroup2\n");
	if (f)
		fclose(f);
	return have;
}

/* In a group of its own, with a VM that belongs to a process of another. */
static void in_group(int (*tool)(void *arg))
{
	int status;

	CHECK(mkdtemp(cgroups), "%s", strerror(errno));
	CHECK(!mount("none", cgroups, "cgroup2", 0, NULL), "%s",
	      strerror(errno));
	write_text(cgroups, "cgroup.subtree_control", "+memory");
	snprintf(payer, sizeof(payer), "%s/kvmi-test", cgroups);
	CHECK(!mkdir(payer, 0755), "%s", strerror(errno));
	status = in_child(tool, NULL);
	CHECK(WAIT_FOR(!rmdir(payer), 20), "%s", strerror(errno));
	CHECK(!umount(cgroups) && !rmdir(cgroups), "%s", strerror(errno));
	CHECK_EQ(status, 0);
}

/* The replies are made in threads of the VMM, which has not asked for them. */
static void replies_paid(void)
{
	struct kvm_vcpu *vcpus[2];
	struct runner r;

	paid_vm = guest_create(2, guest_spin, vcpus);
	runner_start(&r, vcpus[0]);
	CHECK(guest_moves(&guest_of(paid_vm, 0)->count), "no guest");
	in_group(pay_for_replies);
}

static void commands_paid(void)
{
	struct kvm_vcpu *vcpus[PAID_VCPUS];
	struct runner r[PAID_VCPUS];
	int i;

	paid_vm = stuck_create(PAID_VCPUS, vcpus);
	for (i = 0; i < PAID_VCPUS; i++)
		stuck_run(paid_vm, &r[i], vcpus[i], i);
	in_group(pay_for_commands);
}

static bool have_both(void)
{
	return have_cgroup2() && stuck_possible();
}

/* ------------------------------------------------------- without memory -- */

/*
 * The receiving thread does all itself for a vCPU that does not run. Without memory
 * for the command the answer is ENOMEM; without any for the reply, or for sending
 * it, the connection ends.
 */
static bool one_fails(struct kvm_vm *vm, int nth, int *refused, int *closed)
{
	int fd = session_all(vm), failing, ret, size;
	bool failed;
	struct message msg;

	failing = failslab_open(receiver_pid());
	failslab_set(failing, nth);
	vcpu_send(fd, 0, KVMI_VCPU_GET_XCR, &(uint64_t){ 0 }, 8);
	size = recv_msg(fd, &msg);
	CHECK(size >= 0 || size == MSG_EOF, "allocation %d: %d", nth, size);
	/* The thread has ended with its connection. */
	failed = size < 0 || failslab_failed(failing);
	close(failing);
	if (size < 0) {
		*closed += 1;
	} else {
		memcpy(&ret, msg.data, sizeof(ret));
		CHECK(!ret || (failed && ret == -KVMI_ENOMEM),
		      "allocation %d: %d", nth, ret);
		*refused += !!ret;
		CHECK_EQ(get_info(fd, 0, &(uint64_t){ 0 }), 0);
	}
	CHECK_EQ(unhook(vm), 0);
	tool_close(fd);
	return failed;
}

static void no_memory(void)
{
	struct kvm_vcpu *vcpus[1];
	struct kvm_vm *vm = guest_create(1, guest_spin, vcpus);
	int nth = 1, refused = 0, closed = 0;
	struct kvmi_counts before;

	counts_read(&before);
	failslab_begin();
	while (one_fails(vm, nth, &refused, &closed)) {
		counts_check(&before);
		nth++;
	}
	failslab_end();
	kvmi_note("of %d allocations %d are refusals, %d ends", nth - 1,
		  refused, closed);
	CHECK(refused >= 2, "the record and the command need no memory");
	CHECK(closed >= 1, "the reply needs no memory");
}

static const struct kvmi_case cases[] = {
	{ "replies that wait are charged to who has hooked", replies_paid, have_cgroup2 },
	{ "commands that wait are charged to who has hooked", commands_paid,
	  have_both },
	{ "each allocation for a command fails", no_memory, failslab_possible },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
