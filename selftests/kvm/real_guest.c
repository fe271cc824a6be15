// SPDX-License-Identifier: GPL-2.0-only
/*
 * An unmodified QEMU with a Linux guest, and a tool that comes, looks, pauses,
 * and is killed. The guest must not notice: it prints checksums of what it
 * computes, and its clock (lab/disk.sh). Started by lab/guest/l2.sh with
 *
 *   GUEST_PID     process of QEMU
 *   GUEST_LOG     file with what the guest prints
 *   GUEST_QMP     QEMU's control socket
 *   GUEST_BANNER  guest physical address and beginning of the version string
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kvmi_vcpu.h"
#include "real_guest.h"

#define SECONDS 60
#define BOOT_SECONDS (kvmi_full ? 900 : 240)	/* a small guest, or a Debian */
#define KERNEL_MAP 0xffffffff80000000ull
#define MSR_LSTAR_ 0xc0000082

static pid_t guest_pid;
static uint64_t banner_gpa;
static char banner[64];

static const char *setting(const char *name)
{
	const char *value = getenv(name);

	CHECK(value, "%s is not set", name);
	return value;
}

static void read_settings(void)
{
	int got = sscanf(setting("GUEST_BANNER"), "%lx %63[^\n]", &banner_gpa,
			 banner);

	CHECK_EQ(got, 2);
	guest_pid = atoi(setting("GUEST_PID"));
}

/* ----------------------------------------------------------------- attach -- */

static int vm_number(pid_t pid)
{
	char path[300], target[64];
	struct dirent *entry;
	int number = -1;
	ssize_t len;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	CHECK(dir, "%s", path);
	while (number < 0 && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%s", pid,
			 entry->d_name);
		len = readlink(path, target, sizeof(target) - 1);
		target[len < 0 ? 0 : len] = '\0';
		if (!strcmp(target, "anon_inode:kvm-vm"))
			number = atoi(entry->d_name);
	}
	closedir(dir);
	CHECK(number >= 0, "process %d has no VM", pid);
	return number;
}

/* A session that was ended by its tool's death takes a moment to go. */
static bool hooked(int vm_fd, int sock)
{
	int err = hook_raw(vm_fd, sock, 0);

	CHECK(!err || err == -EEXIST, "%d", err);
	return !err;
}

static int attach(void)
{
	int pidfd, vm_fd, sv[2];

	pidfd = syscall(SYS_pidfd_open, guest_pid, 0);
	CHECK(pidfd >= 0, "%s", strerror(errno));
	vm_fd = syscall(SYS_pidfd_getfd, pidfd, vm_number(guest_pid), 0);
	CHECK(vm_fd >= 0, "%s", strerror(errno));
	socket_pair(sv);
	CHECK(WAIT_FOR(hooked(vm_fd, sv[1]), SECONDS), "still hooked");
	CHECK_EQ(feature_raw(vm_fd, KVM_INTROSPECTION_COMMAND, 1, -1), 0);
	CHECK_EQ(feature_raw(vm_fd, KVM_INTROSPECTION_EVENT, 1, -1), 0);
	close(sv[1]);
	close(vm_fd);
	close(pidfd);
	return sv[0];
}

static int count_vcpus(int fd)
{
	struct kvmi_vm_get_info_reply info;

	CHECK_EQ(tool_command(fd, KVMI_VM_GET_INFO, NULL, 0, &info,
			      sizeof(info)), 0);
	CHECK(info.vcpu_count > 0 && info.vcpu_count <= MAX_VCPUS, "%u",
	      info.vcpu_count);
	return info.vcpu_count;
}

/* ------------------------------------------------------------------- look -- */

static void read_guest(int fd, uint64_t gpa, void *buf, uint16_t size)
{
	struct kvmi_vm_read_physical req = { .gpa = gpa, .size = size };

	CHECK_EQ(tool_command(fd, KVMI_VM_READ_PHYSICAL, &req, sizeof(req), buf,
			      size), 0);
}

/* The kernel's addresses are mapped, whatever process the vCPU is in. */
static uint64_t kernel_gpa(int fd, int vcpu, uint64_t gva)
{
	uint64_t gpa;

	CHECK_EQ(translate_gva(fd, vcpu, gva, &gpa), 0);
	CHECK(gpa != ~0ull, "%#lx is not mapped", gva);
	return gpa;
}

static void look_at(int fd, int vcpu)
{
	static const uint32_t msr = MSR_LSTAR_;
	static uint8_t entry[2][32];
	static int known;
	struct registers regs;
	char text[64];

	CHECK_EQ(get_registers(fd, vcpu, 1, &msr, &regs), 0);
	CHECK(regs.hdr.sregs.cr0 & 0x80000000, "no paging");
	CHECK(regs.msrs[0].data >> 63, "LSTAR %#llx", regs.msrs[0].data);
	CHECK_EQ(kernel_gpa(fd, vcpu, KERNEL_MAP + banner_gpa), banner_gpa);
	read_guest(fd, banner_gpa, text, strlen(banner));
	CHECK(!memcmp(text, banner, strlen(banner)), "%.40s", text);
	/* The entry of system calls is always the same code. */
	read_guest(fd, kernel_gpa(fd, vcpu, regs.msrs[0].data) & ~31ull,
		   entry[known], sizeof(entry[0]));
	CHECK(!known || !memcmp(entry[0], entry[1], sizeof(entry[0])),
	      "other code at LSTAR");
	known = 1;
	if (regs.hdr.regs.rip >> 63)
		read_guest(fd, kernel_gpa(fd, vcpu, regs.hdr.regs.rip) & ~15ull,
			   text, 16);
}

static void pause_all(int fd, int vcpus)
{
	int i;

	for (i = 0; i < vcpus; i++)
		CHECK_EQ(pause_vcpu(fd, i, i & 1), 0);
}

/* One event of each. */
static void take_events(int fd, int vcpus, struct event *events)
{
	unsigned int seen = 0;
	struct event ev;
	int i;

	for (i = 0; i < vcpus; i++) {
		event_recv(fd, &ev);
		CHECK_EQ(ev.event, KVMI_VCPU_EVENT_PAUSE);
		CHECK(ev.common.vcpu < vcpus, "%u", ev.common.vcpu);
		CHECK(!(seen & 1u << ev.common.vcpu), "two events");
		seen |= 1u << ev.common.vcpu;
		events[ev.common.vcpu] = ev;
	}
}

static void look_at_paused(int fd, int vcpus, const struct event *events)
{
	struct registers regs;
	int i;

	for (i = 0; i < vcpus; i++) {
		CHECK_EQ(get_registers(fd, i, 0, NULL, &regs), 0);
		CHECK(!memcmp(&regs.hdr.regs, &events[i].common.arch.regs,
			      sizeof(regs.hdr.regs)), "a paused vCPU moves");
	}
}

static void resume_all(int fd, int vcpus, const struct event *events)
{
	int i;

	for (i = 0; i < vcpus; i++)
		CHECK_EQ(event_reply(fd, &events[i],
				     KVMI_EVENT_ACTION_CONTINUE), 0);
}

/* ----------------------------------------------------- the tool is killed -- */

/**
 * enum stage - what the tool is at, and for the test: when it is killed
 */
enum stage { STARTS, LOOKS, PAUSES, HOLDS, STAGES };

/* Shared by the tool and who kills it. */
static struct shared {
	volatile enum stage stage;
	volatile unsigned long loops;
} *shared;

static int tool_main(void *arg)
{
	struct event events[MAX_VCPUS];
	int fd = attach(), vcpus = count_vcpus(fd), i;

	for (;;) {
		shared->stage = LOOKS;
		for (i = 0; i < vcpus; i++)
			look_at(fd, i);
		shared->stage = PAUSES;
		pause_all(fd, vcpus);
		take_events(fd, vcpus, events);
		shared->stage = HOLDS;
		look_at_paused(fd, vcpus, events);
		resume_all(fd, vcpus, events);
		shared->loops++;
	}
	return 0;
}

static void check_runs(pid_t tool)
{
	siginfo_t info = {};

	CHECK(!waitid(P_PID, tool, &info, WEXITED | WNOHANG | WNOWAIT),
	      "waitid");
	CHECK(!info.si_pid, "the tool has failed");
}

static bool at_stage(enum stage stage, pid_t tool)
{
	check_runs(tool);
	return shared->stage == stage;
}

/* Of four tools, one is killed at any time and the others in a stage. */
static void kill_a_tool(int round)
{
	enum stage stage = round % STAGES;
	unsigned int us = rand() % (stage ? 20000 : 400000);
	uint64_t end = kvmi_now_ms() + SECONDS * 1000;
	pid_t tool;

	shared->stage = STARTS;
	tool = spawn(tool_main, NULL);
	while (stage && !at_stage(stage, tool))
		CHECK(kvmi_now_ms() < end, "the tool hangs in stage %d",
		      shared->stage);
	usleep(us);
	check_runs(tool);
	kill(tool, SIGKILL);
	CHECK_EQ(reap(tool), -SIGKILL);
}

static unsigned long last_tick(void)
{
	struct output out;

	output_read(&out, setting("GUEST_LOG"), false);
	return out.ticks;
}

static bool ticks_on(unsigned long before)
{
	return last_tick() > before;
}

static void check_moves(void)
{
	unsigned long before = last_tick();

	CHECK(WAIT_FOR(ticks_on(before), SECONDS), "the guest's clock stands");
}

static void test_killed(void)
{
	int i, rounds = kvmi_count(20, 200);
	uint64_t start = kvmi_now_ms();
	unsigned long before;

	read_settings();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED, "mmap");
	srand(start);
	before = last_tick();
	for (i = 0; i < rounds; i++) {
		kill_a_tool(i);
		if (i % 20 == 19)
			check_moves();
	}
	kvmi_note("%d tools killed, %lu loops, %lu seconds of the guest in %u s",
		  rounds, shared->loops, last_tick() - before,
		  (unsigned int)((kvmi_now_ms() - start) / 1000));
	CHECK(shared->loops, "no tool got through");
}

/* ---------------------------------------------------- the VMM stops the VM -- */

/* Longer than a tick. */
static void check_still(void)
{
	struct output before, after;

	kvmi_sleep_ms(200);
	output_read(&before, setting("GUEST_LOG"), false);
	kvmi_sleep_ms(2500);
	output_read(&after, setting("GUEST_LOG"), false);
	CHECK_EQ(after.ticks, before.ticks);
	CHECK_EQ(after.sums, before.sums);
}

static void test_stop_cont(void)
{
	struct event events[MAX_VCPUS];
	int fd, qmp, vcpus, i;

	read_settings();
	qmp = vmm_open(setting("GUEST_QMP"));
	fd = attach();
	vcpus = count_vcpus(fd);
	for (i = 0; i < kvmi_count(1, 10); i++) {
		/* The event outlives a stop. */
		pause_all(fd, vcpus);
		take_events(fd, vcpus, events);
		vmm_stop(qmp);
		look_at_paused(fd, vcpus, events);
		vmm_cont(qmp);
		check_still();
		CHECK(event_none(fd), "an event came twice");
		look_at_paused(fd, vcpus, events);
		resume_all(fd, vcpus, events);
		check_moves();

		/* The answer comes while the VM is stopped. */
		pause_all(fd, vcpus);
		take_events(fd, vcpus, events);
		vmm_stop(qmp);
		resume_all(fd, vcpus, events);
		check_still();
		vmm_cont(qmp);
		check_moves();

		/* The VM is stopped first. */
		vmm_stop(qmp);
		look_at(fd, 0);
		pause_all(fd, vcpus);
		CHECK(event_none(fd), "an event outside of KVM_RUN");
		vmm_cont(qmp);
		take_events(fd, vcpus, events);
		resume_all(fd, vcpus, events);
		check_moves();
	}
	tool_close(fd);
	close(qmp);
}

/* Others that stop the VM and look at all of its state. */
static void test_migrated(void)
{
	struct event events[MAX_VCPUS];
	uint64_t regs[17];
	int fd, qmp, vcpus, i;

	read_settings();
	qmp = vmm_open(setting("GUEST_QMP"));
	vmm_save_open(qmp, setting("GUEST_QMP"));
	fd = attach();
	vcpus = count_vcpus(fd);
	for (i = 0; i < kvmi_count(1, 5); i++) {
		pause_all(fd, vcpus);
		take_events(fd, vcpus, events);
		vmm_migrate(qmp);
		look_at_paused(fd, vcpus, events);
		vmm_cont(qmp);
		check_still();
		vmm_debug(qmp, setting("GUEST_QMP"), regs);
		CHECK_EQ(regs[16], events[0].common.arch.regs.rip);
		CHECK_EQ(regs[7], events[0].common.arch.regs.rsp);
		check_still();
		vmm_save(qmp);
		check_still();
		CHECK(event_none(fd), "an event came twice");
		look_at_paused(fd, vcpus, events);
		resume_all(fd, vcpus, events);
		check_moves();
	}
	tool_close(fd);
	vmm_save_close(qmp, setting("GUEST_QMP"));
	close(qmp);
}

/* ----------------------------------------------------- what the guest says -- */

static void test_output(void)
{
	struct output out;

	read_settings();
	check_moves();
	output_read(&out, setting("GUEST_LOG"), true);
	kvmi_note("%lu checksums, %lu ticks, %.2f seconds by the guest's clock",
		  out.sums, out.ticks, out.tick_time);
	CHECK(!out.error[0], "%s", out.error);
	CHECK(out.sums > 10 && out.ticks > 10, "the guest did nothing");
}

/* -------------------------------------------------- the VMM resets the VM -- */

/* The line may begin with the half of one that the reset has cut off. */
static unsigned int boots(void)
{
	FILE *f = fopen(setting("GUEST_LOG"), "re");
	unsigned int nr = 0;
	char line[512];

	CHECK(f, "%s", setting("GUEST_LOG"));
	while (fgets(line, sizeof(line), f))
		nr += !!strstr(line, "L2-READY 2 CPUs");
	fclose(f);
	return nr;
}

/* The events outlive it, and keep the guest from starting until the replies. */
static void test_reset(void)
{
	struct event events[MAX_VCPUS];
	unsigned int before;
	int fd, qmp, vcpus, i;

	read_settings();
	qmp = vmm_open(setting("GUEST_QMP"));
	fd = attach();
	vcpus = count_vcpus(fd);
	before = boots();
	pause_all(fd, vcpus);
	take_events(fd, vcpus, events);
	vmm_reset(qmp);
	CHECK(event_none(fd), "an event came twice");
	check_still();
	resume_all(fd, vcpus, events);
	CHECK(WAIT_FOR(boots() == before + 1, BOOT_SECONDS),
	      "the guest does not start again");
	for (i = 0; i < vcpus; i++)
		look_at(fd, i);
	pause_all(fd, vcpus);
	take_events(fd, vcpus, events);
	look_at_paused(fd, vcpus, events);
	resume_all(fd, vcpus, events);
	check_moves();
	tool_close(fd);
	close(qmp);
}

static const struct kvmi_case cases[] = {
	{ "the tool looks and pauses, is killed and comes back", test_killed },
	{ "stop and cont of the VMM with events outstanding", test_stop_cont },
	{ "migration, savevm and a debugger with events outstanding", test_migrated },
	{ "all checksums are right, and the clock has moved", test_output },
	{ "system_reset with events outstanding", test_reset },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
