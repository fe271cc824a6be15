// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands that cannot be answered yet, since the vCPU's thread is stuck in a
 * page fault that nobody serves, or since the tool does not read the replies:
 * limits of the queues, the other vCPUs, and the ends of all concerned.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kvmi_vcpu.h"

#define SLOT 10
#define GPA 0x40000000ull
#define GVA 0xc0000000ull

/* As many vCPUs as it takes to reach the session's limit, and two more. */
#define STUCK (KVMI_MAX_COMMANDS / KVMI_MAX_VCPU_COMMANDS)

_Static_assert(STUCK + 2 <= GUEST_MAX, "more areas are needed");

/*
 * Interrupts are disabled, or KVM would wait for the page with the vCPU
 * halted, which is another state.
 */
static void guest_stuck(struct guest_area *area)
{
	asm volatile("cli");
	area->count++;
	area->out[0] = *(volatile uint64_t *)GVA;
	area->count++;
	asm volatile("sti");
	for (;;)
		area->other++;
}

static bool have_uffd(void)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int uffd;

/* The page behind GVA is not there until serve() is called. */
static struct kvm_vm *stuck_create(int nr, struct kvm_vcpu *vcpus[])
{
	struct kvm_vm *vm = guest_create(nr, guest_stuck, vcpus);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	void *mem;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, GPA, SLOT, 1, 0);
	virt_map(vm, GVA, GPA, 1);
	mem = addr_gpa2hva(vm, GPA);
	reg.range.start = (uintptr_t)mem;
	reg.range.len = 4096;
	uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	CHECK(uffd >= 0, "userfaultfd: %s", strerror(errno));
	CHECK(!madvise(mem, 4096, MADV_DONTNEED), "madvise");
	CHECK(!ioctl(uffd, UFFDIO_API, &api), "%s", strerror(errno));
	CHECK(!ioctl(uffd, UFFDIO_REGISTER, &reg), "%s", strerror(errno));
	return vm;
}

static void serve(struct kvm_vm *vm)
{
	struct uffdio_zeropage zero = {
		.range = { (uintptr_t)addr_gpa2hva(vm, GPA), 4096 },
	};

	CHECK(!ioctl(uffd, UFFDIO_ZEROPAGE, &zero), "%s", strerror(errno));
}

static void run_stuck(struct kvm_vm *vm, struct runner *r,
		      struct kvm_vcpu *vcpu, int index)
{
	struct guest_area *area = guest_of(vm, index);

	runner_start(r, vcpu);
	CHECK(WAIT_FOR(area->count == 1 && runner_sleeps(r), 30),
	      "vCPU %d is not stuck", index);
	/* It has entered the guest and is back: that is quick. */
	kvmi_sleep_ms(20);
	CHECK(WAIT_FOR(runner_sleeps(r), 20), "vCPU %d is not stuck", index);
}

/* Queues for @vcpu until nothing more goes in; @room commands do. */
static void fill(int fd, int vcpu, int room, uint32_t *seq)
{
	int i;

	for (i = 0; i < room; i++)
		seq[i] = vcpu_send(fd, vcpu, KVMI_VCPU_GET_INFO, NULL, 0);
	/* Nothing has been answered, and VM commands overtake. */
	check_alive(fd);
}

static void take(int fd, int room, const uint32_t *seq)
{
	uint64_t tsc;
	int i;

	for (i = 0; i < room; i++)
		CHECK_EQ(reply_recv(fd, KVMI_VCPU_GET_INFO, seq[i], &tsc, 8),
			 0);
}

static void vcpu_limit(void)
{
	uint32_t seq[KVMI_MAX_VCPU_COMMANDS];
	struct kvm_vcpu *vcpus[2];
	struct kvm_vm *vm = stuck_create(2, vcpus);
	struct registers regs;
	struct runner r;
	int fd, i;

	fd = session_all(vm);
	run_stuck(vm, &r, vcpus[0], 0);
	fill(fd, 0, KVMI_MAX_VCPU_COMMANDS, seq);
	for (i = 0; i < 3; i++) {
		CHECK_EQ(get_registers(fd, 0, 0, NULL, &regs), -KVMI_EBUSY);
		CHECK_EQ(get_registers(fd, 1, 0, NULL, &regs), 0);
		CHECK_EQ(pause_vcpu(fd, 1, 1), 0);
	}
	CHECK_EQ(r.returns, 0);
	serve(vm);
	take(fd, KVMI_MAX_VCPU_COMMANDS, seq);
	CHECK_EQ(get_registers(fd, 0, 0, NULL, &regs), 0);
	CHECK(guest_moves(&guest_of(vm, 0)->other), "the guest hangs");
	CHECK_EQ(r.returns, 0);
}

/* Errors that are seen before the queue stay what they are. */
static void full_and_wrong(void)
{
	uint32_t seq[KVMI_MAX_VCPU_COMMANDS];
	struct kvmi_vcpu_hdr hdr = { .padding2 = 1 };
	struct kvm_vcpu *vcpus[1];
	struct kvm_vm *vm = stuck_create(1, vcpus);
	struct runner r;
	uint64_t tsc;
	int fd;

	fd = session_all(vm);
	run_stuck(vm, &r, vcpus[0], 0);
	fill(fd, 0, KVMI_MAX_VCPU_COMMANDS, seq);
	CHECK_EQ(tool_command(fd, KVMI_VCPU_GET_INFO, &hdr, 8, &tsc, 8),
		 -KVMI_EINVAL);
	CHECK_EQ(get_info(fd, 1, &tsc), -KVMI_EINVAL);
	CHECK_EQ(set_command(vm, 0, KVMI_VCPU_GET_INFO), 0);
	CHECK_EQ(get_info(fd, 0, &tsc), -KVMI_EPERM);
	CHECK_EQ(tool_command(fd, 31, &hdr, 8, NULL, 0), -KVMI_ENOSYS);
	serve(vm);
	take(fd, KVMI_MAX_VCPU_COMMANDS, seq);
}

static void session_limit(void)
{
	static uint32_t *seq[STUCK];
	struct kvm_vcpu *vcpus[STUCK + 2];
	struct runner r[STUCK];
	struct kvm_vm *vm = stuck_create(STUCK + 2, vcpus);
	int fd = session_all(vm), i, n, got;
	uint64_t tsc;

	for (i = 0; i < STUCK; i++) {
		run_stuck(vm, &r[i], vcpus[i], i);
		CHECK_EQ(get_info(fd, STUCK, &tsc), 0);
		seq[i] = malloc(4 * KVMI_MAX_VCPU_COMMANDS);
		fill(fd, i, KVMI_MAX_VCPU_COMMANDS, seq[i]);
	}
	/* vCPUs that could answer at once, but the session has its limit. */
	CHECK_EQ(get_info(fd, STUCK, &tsc), -KVMI_EBUSY);
	CHECK_EQ(get_info(fd, STUCK + 1, &tsc), -KVMI_EBUSY);
	CHECK_EQ(get_info(fd, 0, &tsc), -KVMI_EBUSY);
	serve(vm);
	for (n = 0; n < KVMI_MAX_COMMANDS; n++) {
		struct message msg;

		got = recv_msg(fd, &msg);
		CHECK_EQ(got, 16);
		for (i = 0; i < STUCK && *seq[i] != msg.hdr.seq; i++)
			;
		CHECK(i < STUCK, "reply %u is out of order", msg.hdr.seq);
		seq[i]++;
	}
	CHECK_EQ(get_info(fd, STUCK, &tsc), 0);
	CHECK_EQ(get_info(fd, 0, &tsc), 0);
}

static void unhook_meanwhile(void)
{
	uint32_t seq[KVMI_MAX_VCPU_COMMANDS];
	struct kvm_vcpu *vcpus[1];
	struct kvm_vm *vm = stuck_create(1, vcpus);
	struct kvmi_counts before;
	struct runner r;
	uint64_t start;
	int fd, i;

	counts_read(&before);
	run_stuck(vm, &r, vcpus[0], 0);
	for (i = 0; i < 4; i++) {
		fd = session_all(vm);
		fill(fd, 0, KVMI_MAX_VCPU_COMMANDS, seq);
		CHECK_EQ(pause_vcpu(fd, 0, 0), 0);
		if (i & 1)
			shutdown(fd, SHUT_RDWR);
		start = kvmi_now_ms();
		CHECK_EQ(unhook(vm), 0);
		CHECK(kvmi_now_ms() - start < 2000, "took %llu ms",
		      (unsigned long long)(kvmi_now_ms() - start));
		tool_close(fd);
	}
	serve(vm);
	CHECK(guest_moves(&guest_of(vm, 0)->other), "the guest hangs");
	CHECK_EQ(r.returns, 0);
	counts_check(&before);
}

#define FLOOD 4000

/* Commands with large replies that nobody reads; returns how many went out. */
static int flood(int fd)
{
	struct { struct kvmi_msg_hdr hdr; struct kvmi_vcpu_hdr vcpu; } msg = {
		.hdr = { .id = KVMI_VCPU_GET_XSAVE, .size = 8 },
	};
	int flags = fcntl(fd, F_GETFL), sent = 0, quiet = 0;

	CHECK(!fcntl(fd, F_SETFL, flags | O_NONBLOCK), "fcntl");
	while (sent < FLOOD && quiet < 20) {
		msg.hdr.seq = sent;
		msg.vcpu.vcpu = sent % 2;
		if (send(fd, &msg, sizeof(msg), MSG_NOSIGNAL) > 0) {
			sent++;
			quiet = 0;
			continue;
		}
		CHECK_EQ(errno, EAGAIN);
		kvmi_sleep_ms(10);
		quiet++;
	}
	CHECK(!fcntl(fd, F_SETFL, flags), "fcntl");
	return sent;
}

/* Each has one reply: the answer, or that there were too many. */
static void drain(int fd, int sent)
{
	static bool seen[FLOOD];
	int last[2] = { -1, -1 }, n, size, busy = 0;
	struct message msg;

	memset(seen, 0, sizeof(seen));
	for (n = 0; n < sent; n++) {
		size = recv_msg(fd, &msg);
		CHECK(size == 8 || size == 8 + 4096, "%d of %d: %d", n, sent,
		      size);
		CHECK(msg.hdr.seq < sent && !seen[msg.hdr.seq],
		      "reply %u comes twice", msg.hdr.seq);
		seen[msg.hdr.seq] = true;
		if (size == 8) {
			CHECK_EQ(*(int32_t *)msg.data, -KVMI_EBUSY);
			busy++;
			continue;
		}
		CHECK((int)msg.hdr.seq > last[msg.hdr.seq % 2],
		      "reply %u is out of order", msg.hdr.seq);
		last[msg.hdr.seq % 2] = msg.hdr.seq;
	}
	kvmi_note("%d commands, %d of them EBUSY", sent, busy);
}

/* One vCPU runs, one is stopped; @read: the tool reads in the end. */
static void no_reader(bool read)
{
	struct kvm_vcpu *vcpus[2];
	struct kvm_vm *vm = guest_create(2, guest_spin, vcpus);
	struct guest_area *area = guest_of(vm, 0);
	struct kvmi_counts before;
	struct runner r;
	uint64_t start;
	int fd, i, sent;

	counts_read(&before);
	runner_start(&r, vcpus[0]);
	for (i = 0; i < kvmi_count(2, 50); i++) {
		fd = session_all(vm);
		sent = flood(fd);
		CHECK(sent > 100, "only %d commands", sent);
		CHECK(guest_moves(&area->count), "the guest hangs");
		CHECK_EQ(r.returns, 0);
		if (read) {
			drain(fd, sent);
			check_alive(fd);
		}
		start = kvmi_now_ms();
		CHECK_EQ(unhook(vm), 0);
		CHECK(kvmi_now_ms() - start < 3000, "took %llu ms",
		      (unsigned long long)(kvmi_now_ms() - start));
		tool_close(fd);
		counts_check(&before);
	}
	CHECK(guest_moves(&area->count), "the guest hangs");
}

static void reads_late(void) { no_reader(true); }
static void reads_never(void) { no_reader(false); }

/* ---------------------------------------------------------- who pays for it -- */

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

/* In a group of its own, with a VM that belongs to a process of another. */
static int paying_tool(void *arg)
{
	long before, with;
	int fd, sent;

	write_text(payer, "cgroup.procs", "0");
	fd = session_all(paid_vm);
	before = charged(payer);
	sent = flood(fd);
	CHECK(sent > 2 * KVMI_MAX_VCPU_COMMANDS, "only %d commands", sent);
	CHECK(WAIT_FOR((with = charged(payer)) > before + KEPT, 20),
	      "%ld bytes were charged, %ld with the replies", before, with);
	kvmi_note("%ld bytes for %d commands", with - before, sent);
	CHECK_EQ(unhook(paid_vm), 0);
	CHECK(WAIT_FOR((with = charged(payer)) < before + 128 * 8192, 20),
	      "%ld bytes were charged, %ld after the end", before, with);
	return 0;
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

/* The replies are made in threads of the VMM, which has not asked for them. */
static void tool_pays(void)
{
	struct kvm_vcpu *vcpus[2];
	struct runner r;
	int status;

	CHECK(mkdtemp(cgroups), "%s", strerror(errno));
	CHECK(!mount("none", cgroups, "cgroup2", 0, NULL), "%s",
	      strerror(errno));
	write_text(cgroups, "cgroup.subtree_control", "+memory");
	snprintf(payer, sizeof(payer), "%s/kvmi-test", cgroups);
	CHECK(!mkdir(payer, 0755), "%s", strerror(errno));
	paid_vm = guest_create(2, guest_spin, vcpus);
	runner_start(&r, vcpus[0]);
	CHECK(guest_moves(&guest_of(paid_vm, 0)->count), "no guest");
	status = in_child(paying_tool, NULL);
	CHECK(WAIT_FOR(!rmdir(payer), 20), "%s", strerror(errno));
	CHECK(!umount(cgroups) && !rmdir(cgroups), "%s", strerror(errno));
	CHECK_EQ(status, 0);
}

static int stuck_vmm(void *arg)
{
	struct kvm_vcpu *vcpus[1];
	struct kvm_vm *vm = stuck_create(1, vcpus);
	int *sv = arg;
	struct runner r;

	CHECK_EQ(hook(vm, sv[1]), 0);
	CHECK_EQ(set_command(vm, 1, -1), 0);
	run_stuck(vm, &r, vcpus[0], 0);
	CHECK_EQ(send_all(sv[3], "x", 1), 0);
	pause();
	return 0;
}

static void killed(void)
{
	uint32_t seq[KVMI_MAX_VCPU_COMMANDS];
	struct kvmi_counts before;
	int sv[4], i;
	char byte;
	pid_t pid;

	counts_read(&before);
	for (i = 0; i < 2; i++) {
		socket_pair(sv);
		socket_pair(sv + 2);
		pid = spawn(stuck_vmm, sv);
		close(sv[1]);
		CHECK_EQ(recv(sv[2], &byte, 1, 0), 1);
		fill(sv[0], 0, KVMI_MAX_VCPU_COMMANDS, seq);
		kill(pid, SIGKILL);
		CHECK_EQ(reap(pid), -SIGKILL);
		close(sv[2]);
		close(sv[3]);
		tool_close(sv[0]);
		counts_check(&before);
	}
}

static const struct kvmi_case cases[] = {
	{ "the limit of one vCPU is EBUSY", vcpu_limit, have_uffd },
	{ "other errors go before the limit", full_and_wrong, have_uffd },
	{ "the limit of a session is EBUSY", session_limit, have_uffd },
	{ "a tool that reads late", reads_late },
	{ "a tool that never reads", reads_never },
	{ "what waits is charged to who has hooked", tool_pays,
	  have_cgroup2 },
	{ "UNHOOK with commands that nobody answers", unhook_meanwhile,
	  have_uffd },
	{ "SIGKILL with commands that nobody answers", killed, have_uffd },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
