// SPDX-License-Identifier: GPL-2.0-only
/*
 * Things that happen at the same time: several HOOKs, many VMs, commands
 * during UNHOOK, a running guest, tools that do not read, pages that do not
 * come. None may wait for another.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kvm_util.h"
#include "processor.h"
#include "kvmi_test.h"

static void guest_code(void)
{
	for (;;)
		GUEST_SYNC(1);
}

static volatile bool stop;

static void *run_guest(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	unsigned long exits = 0;

	while (!stop) {
		vcpu_run(vcpu);
		CHECK_EQ(get_ucall(vcpu, NULL), UCALL_SYNC);
		exits++;
	}
	return (void *)exits;
}

static void *send_commands(void *arg)
{
	int fd = *(int *)arg;
	unsigned long sent = 0;

	while (!send_msg(fd, KVMI_GET_VERSION, sent, NULL, 0))
		sent++;
	return (void *)sent;
}

static void *take_replies(void *arg)
{
	struct message msg;
	unsigned long got = 0;
	int fd = *(int *)arg;

	while (recv_msg(fd, &msg) >= 0)
		got++;
	return (void *)got;
}

static void unhook_during_commands(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvmi_counts before;
	pthread_t sender, reader;
	int i, fd;

	counts_read(&before);
	for (i = 0; i < kvmi_count(10, 300); i++) {
		fd = session(vm);
		pthread_create(&sender, NULL, send_commands, &fd);
		pthread_create(&reader, NULL, take_replies, &fd);
		kvmi_sleep_ms(i % 20);
		CHECK_EQ(unhook(vm), 0);
		pthread_join(sender, NULL);
		pthread_join(reader, NULL);
		close(fd);
	}
	counts_check(&before);
}

struct racer {
	struct kvm_vm *vm;
	pthread_barrier_t *start;
	int sock;
	int ret;
};

static void *race(void *arg)
{
	struct racer *r = arg;

	pthread_barrier_wait(r->start);
	r->ret = hook(r->vm, r->sock);
	return NULL;
}

#define RACERS 4

/*
 * Of several HOOKs at once exactly one succeeds, and its socket works, also when
 * all have brought the same one.
 */
static void hook_race(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvmi_counts before;
	pthread_barrier_t start;
	pthread_t thread[RACERS];
	struct racer r[RACERS];
	int sv[RACERS][2], i, n, winner, wins;
	bool same;

	counts_read(&before);
	pthread_barrier_init(&start, NULL, RACERS);
	for (n = 0; n < kvmi_count(30, 1000); n++) {
		same = n & 1;
		for (i = 0; i < RACERS; i++) {
			socket_pair(sv[i]);
			r[i] = (struct racer){ vm, &start, sv[same ? 0 : i][1],
					       1 };
			pthread_create(&thread[i], NULL, race, &r[i]);
		}
		for (i = 0, wins = 0, winner = 0; i < RACERS; i++) {
			pthread_join(thread[i], NULL);
			CHECK(r[i].ret == 0 || r[i].ret == -EEXIST, "%d",
			      r[i].ret);
			winner = r[i].ret ? winner : i;
			wins += !r[i].ret;
		}
		CHECK_EQ(wins, 1);
		check_alive(sv[same ? 0 : winner][0]);
		CHECK_EQ(unhook(vm), 0);
		for (i = 0; i < RACERS; i++) {
			close(sv[i][0]);
			close(sv[i][1]);
		}
	}
	counts_check(&before);
}

#define MANY 256

static void many_vms(void)
{
	struct kvmi_vm_get_info_reply info;
	int count = kvmi_count(32, MANY), fd[MANY], i, n;
	struct kvmi_counts before;
	struct kvm_vm *vm[MANY];

	counts_read(&before);
	for (i = 0; i < count; i++) {
		vm[i] = vm_create_barebones();
		for (n = 0; n < i % 3; n++)
			__vm_vcpu_add(vm[i], n);
		fd[i] = session_all(vm[i]);
	}
	CHECK_EQ(vms_of(getpid()), count);
	for (i = count - 1; i >= 0; i--) {
		CHECK_EQ(command(fd[i], KVMI_VM_GET_INFO, NULL, 0, &info,
				 sizeof(info)), 0);
		CHECK_EQ(info.vcpu_count, i % 3);
	}
	for (i = 0; i < count; i += 2)
		CHECK_EQ(unhook(vm[i]), 0);
	CHECK_EQ(vms_of(getpid()), count / 2);
	for (i = 0; i < count; i++) {
		if (i % 2)
			check_alive(fd[i]);
		close(fd[i]);
		kvm_vm_free(vm[i]);
	}
	counts_check(&before);
}

/* One tool that does not read: the rest of the host does not notice. */
static void slow_reader(void)
{
	struct kvm_vm *slow = vm_create_barebones();
	struct kvm_vm *other = vm_create_barebones();
	struct kvmi_counts before;
	uint64_t start;
	int fd, fd2, i;

	counts_read(&before);
	for (i = 0; i < 3; i++) {
		fd = session_all(slow);
		stuff_socket(fd);
		fd2 = session_all(other);
		start = kvmi_now_ms();
		check_alive(fd2);
		CHECK_EQ(unhook(other), 0);
		CHECK_EQ(set_command(slow, 0, 8), 0);
		CHECK_EQ(vms_of(getpid()), 1);
		CHECK_EQ(unhook(slow), 0);
		CHECK(kvmi_now_ms() - start < 2000, "took %llu ms",
		      (unsigned long long)(kvmi_now_ms() - start));
		close(fd);
		close(fd2);
	}
	counts_check(&before);
}

/* Sessions come and go while the guest runs; it does not notice. */
static void running_guest(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, guest_code);
	struct kvmi_counts before;
	pthread_t thread;
	void *exits;
	int i, fd;

	counts_read(&before);
	pthread_create(&thread, NULL, run_guest, vcpu);
	for (i = 0; i < kvmi_count(15, 1000); i++) {
		fd = session_all(vm);
		check_alive(fd);
		CHECK_EQ(unhook(vm), 0);
		close(fd);
	}
	stop = true;
	pthread_join(thread, &exits);
	CHECK(exits, "the guest made no progress");
	counts_check(&before);
}

static bool have_uffd(void)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Nobody ever serves the faults of @mem, as in a post-copy that hangs. */
static int never_served(void *mem, size_t size)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = {
		.range = { (uintptr_t)mem, size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	CHECK(fd >= 0, "userfaultfd: %s", strerror(errno));
	CHECK(!madvise(mem, size, MADV_DONTNEED), "madvise");
	CHECK(!ioctl(fd, UFFDIO_API, &api), "%s", strerror(errno));
	CHECK(!ioctl(fd, UFFDIO_REGISTER, &reg), "%s", strerror(errno));
	return fd;
}

/* The session waits for a page of guest memory that does not come. */
static void page_never_comes(void)
{
	struct kvmi_vm_read_physical req = { .gpa = 0x10000, .size = 8 };
	struct kvm_vm *vm = vm_create_barebones();
	struct kvmi_counts before;
	uint64_t start;
	int fd, i;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, 0x10000, 1, 1,
				    0);
	never_served(addr_gpa2hva(vm, 0x10000), 4096);
	counts_read(&before);
	for (i = 0; i < 3; i++) {
		fd = session_all(vm);
		CHECK_EQ(send_msg(fd, KVMI_VM_READ_PHYSICAL, 1, &req,
				  sizeof(req)), 0);
		kvmi_sleep_ms(200);
		CHECK_EQ(set_command(vm, 0, 8), 0);
		start = kvmi_now_ms();
		CHECK_EQ(unhook(vm), 0);
		CHECK(kvmi_now_ms() - start < 2000, "took %llu ms",
		      (unsigned long long)(kvmi_now_ms() - start));
		close(fd);
	}
	counts_check(&before);
}

static int hang_in_fault(void *arg)
{
	struct kvmi_vm_read_physical req = { .gpa = 0x10000, .size = 8 };
	int *ctl = arg;
	struct kvm_vm *vm = vm_create_barebones();
	int fd;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, 0x10000, 1, 1,
				    0);
	never_served(addr_gpa2hva(vm, 0x10000), 4096);
	fd = session_all(vm);
	CHECK_EQ(send_msg(fd, KVMI_VM_READ_PHYSICAL, 1, &req, sizeof(req)), 0);
	kvmi_sleep_ms(100);
	CHECK_EQ(send_all(ctl[1], "x", 1), 0);
	pause();
	return 0;
}

static void page_never_comes_killed(void)
{
	struct kvmi_counts before;
	int ctl[2];
	char byte;
	pid_t pid;

	counts_read(&before);
	socket_pair(ctl);
	pid = spawn(hang_in_fault, ctl);
	CHECK_EQ(recv(ctl[0], &byte, 1, 0), 1);
	CHECK_EQ(vms_of(pid), 1);
	kill(pid, SIGKILL);
	CHECK_EQ(reap(pid), -SIGKILL);
	counts_check(&before);
}

static const struct kvmi_case cases[] = {
	{ "UNHOOK during commands", unhook_during_commands },
	{ "of several HOOKs at once one succeeds", hook_race },
	{ "many VMs at once", many_vms },
	{ "a tool that does not read delays nobody", slow_reader },
	{ "sessions beside a running guest", running_guest },
	{ "UNHOOK while a page of the guest does not come", page_never_comes,
	  have_uffd },
	{ "SIGKILL while a page of the guest does not come",
	  page_never_comes_killed, have_uffd },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
