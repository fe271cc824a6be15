// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VMM that abuses its memory: page faults that nobody serves, in the way of
 * a session's socket or of guest memory. What they hold up is that VM's own,
 * and not for ever.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kvm_util.h"
#include "kvmi_trap.h"

#define GPA 0x10000ull
#define SLOT 1

static void *map(size_t size, int flags, int fd)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	CHECK(mem != MAP_FAILED, "mmap: %s", strerror(errno));
	return mem;
}

/* ----------------------------------------------- a socket that is locked -- */

static bool have_net_ns(void)
{
	return have_uffd() && !access("/proc/self/ns/net", F_OK);
}

/* In a network of our own, so that nothing is changed on a real host. */
static void tcp_pair(int sv[2])
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	socklen_t size = sizeof(addr);
	int listener;

	CHECK(!unshare(CLONE_NEWNET), "%s", strerror(errno));
	listener = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(!ioctl(listener, SIOCSIFFLAGS, &lo), "lo: %s", strerror(errno));
	CHECK(!bind(listener, (void *)&addr, size), "%s", strerror(errno));
	CHECK(!listen(listener, 1), "%s", strerror(errno));
	CHECK(!getsockname(listener, (void *)&addr, &size), "getsockname");
	sv[0] = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(!connect(sv[0], (void *)&addr, size), "%s", strerror(errno));
	sv[1] = accept(listener, NULL, NULL);
	CHECK(sv[1] >= 0, "accept: %s", strerror(errno));
	close(listener);
}

struct locked {
	struct kvm_vm *vm;
	struct trap trap;
	int sv[2];
	int ret;
};

/* TCP copies from user space under the socket's lock. */
static void *send_trap(void *arg)
{
	struct locked *locked = arg;

	send(locked->sv[1], locked->trap.page, 4096, MSG_NOSIGNAL);
	return NULL;
}

static void *hook_locked(void *arg)
{
	struct locked *locked = arg;

	locked->ret = hook(locked->vm, locked->sv[1]);
	return NULL;
}

static void *unhook_locked(void *arg)
{
	struct locked *locked = arg;

	locked->ret = unhook(locked->vm);
	return NULL;
}

/* All that takes the table of VMs, in a process of its own. */
static int others_main(void *arg)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session_all(vm);

	check_alive(fd);
	CHECK_EQ(vms_of(getpid()), 1);
	CHECK_EQ(unhook(vm), 0);
	close(fd);
	fd = session(vm);
	kvm_vm_free(vm);
	CHECK(closed_silently(fd), "open after the VM is gone");
	return 0;
}

static void check_others(void)
{
	int status = -1, got = 0;
	pid_t pid = spawn(others_main, NULL);

	CHECK(WAIT_FOR((got = waitpid(pid, &status, WNOHANG)) == pid,
		       AT_ONCE_MS / 1000), "another VM is held up");
	CHECK_EQ(status, 0);
}

/* @work is done to the session, or towards it, while its socket is locked. */
static void lock_and(struct locked *locked, void *(*work)(void *arg))
{
	pthread_t sender, worker;

	trap_set(&locked->trap);
	pthread_create(&sender, NULL, send_trap, locked);
	trap_wait(&locked->trap);
	locked->ret = 1;
	pthread_create(&worker, NULL, work, locked);
	kvmi_sleep_ms(200);
	check_others();
	trap_serve(&locked->trap, NULL);
	pthread_join(sender, NULL);
	pthread_join(worker, NULL);
	CHECK_EQ(locked->ret, 0);
	close(locked->trap.fd);
}

static void socket_locked(void)
{
	struct kvmi_counts before;
	struct locked locked;
	char page[4096];

	counts_read(&before);
	locked.vm = vm_create_barebones();
	tcp_pair(locked.sv);
	lock_and(&locked, hook_locked);
	/* The page is in the stream, before anything of the kernel's. */
	CHECK_EQ(recv(locked.sv[0], page, sizeof(page), MSG_WAITALL),
		 sizeof(page));
	check_alive(locked.sv[0]);
	lock_and(&locked, unhook_locked);
	close(locked.sv[0]);
	close(locked.sv[1]);
	counts_check(&before);
}

/* Poll says that there is input, and recv that there is none. */
static void out_of_band(void)
{
	struct kvmi_msg_hdr hdrs[2000];
	struct kvmi_counts before;
	struct kvm_vm *vm;
	int sv[2], i, room = 4096;

	for (i = 0; i < ARRAY_SIZE(hdrs); i++)
		hdrs[i] = (struct kvmi_msg_hdr){ .id = KVMI_GET_VERSION };
	counts_read(&before);
	vm = vm_create_barebones();
	tcp_pair(sv);
	CHECK(!setsockopt(sv[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) &&
	      !setsockopt(sv[0], SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)),
	      "%s", strerror(errno));
	CHECK_EQ(hook(vm, sv[1]), 0);
	/* Until it waits for room, far from the end. */
	CHECK_EQ(send_all(sv[0], hdrs, sizeof(hdrs)), 0);
	kvmi_sleep_ms(300);
	CHECK_EQ(send(sv[0], "!", 1, MSG_OOB), 1);
	CHECK_EQ(send_all(sv[0], hdrs, sizeof(hdrs[0])), 0);
	CHECK_EQ(unhook(vm), 0);
	close(sv[0]);
	close(sv[1]);
	kvm_vm_free(vm);
	counts_check(&before);
}

/* -------------------------------------------- guest memory does not come -- */

/* A session with a VM whose page nobody serves. */
static struct kvm_vm *trapped_vm(struct trap *trap, int sock)
{
	struct kvm_vm *vm;

	trap_set(trap);
	vm = vm_create_barebones();
	vm_set_user_memory_region(vm, SLOT, 0, GPA, 4096, trap->page);
	CHECK_EQ(hook(vm, sock), 0);
	CHECK_EQ(set_command(vm, 1, -1), 0);
	return vm;
}

/* Makes the receiver wait for the page; the answer will have number 5. */
static void stall(const struct trap *trap, int fd)
{
	struct kvmi_vm_read_physical req = { .gpa = GPA, .size = 8 };

	CHECK_EQ(send_msg(fd, KVMI_VM_READ_PHYSICAL, 5, &req, sizeof(req)), 0);
	trap_wait(trap);
}

static void ended_while_waiting(void)
{
	struct kvmi_counts before;
	struct kvm_vm *vm;
	struct trap trap;
	uint64_t start;
	int i, sv[2];

	counts_read(&before);
	for (i = 0; i < 4; i++) {
		socket_pair(sv);
		vm = trapped_vm(&trap, sv[1]);
		stall(&trap, sv[0]);
		start = kvmi_now_ms();
		if (i & 1)
			CHECK_EQ(unhook(vm), 0);
		kvm_vm_free(vm);
		check_at_once(start, i & 1 ? "UNHOOK" : "destruction");
		close(sv[0]);
		close(sv[1]);
		close(trap.fd);
		counts_check(&before);
	}
}

static volatile bool slots_changed;

/* Waits for whoever reads the memory slots. */
static void *change_slots(void *arg)
{
	void *mem = map(4096, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	int i;

	for (i = 0; i < 5; i++) {
		CHECK_EQ(__vm_set_user_memory_region(arg, SLOT + 1, 0, 2 * GPA,
						     4096, mem), 0);
		CHECK_EQ(__vm_set_user_memory_region(arg, SLOT + 1, 0, 2 * GPA,
						     0, mem), 0);
	}
	slots_changed = true;
	return NULL;
}

static void answered_late(void)
{
	struct kvmi_vm_read_physical req = { .gpa = GPA, .size = 4096 };
	uint8_t data[4096], back[4096];
	struct kvmi_counts before;
	uint64_t start, took;
	struct kvm_vm *vm;
	pthread_t thread;
	struct trap trap;
	int sv[2];

	counts_read(&before);
	socket_pair(sv);
	vm = trapped_vm(&trap, sv[1]);
	memset(data, 0x5a, sizeof(data));
	start = kvmi_now_ms();
	stall(&trap, sv[0]);
	pthread_create(&thread, NULL, change_slots, vm);
	if (!WAIT_FOR(slots_changed, AT_ONCE_MS / 1000)) {
		trap_serve(&trap, data);
		CHECK(0, "a change of memory slots is held up");
	}
	pthread_join(thread, NULL);
	CHECK_EQ(recv_error(sv[0], KVMI_VM_READ_PHYSICAL, 5), -KVMI_ENOENT);
	took = kvmi_now_ms() - start;
	CHECK(took > 9000 && took < 30000, "%llu ms", (unsigned long long)took);
	check_alive(sv[0]);

	/* The same page again, and now it comes, if late: post-copy. */
	CHECK_EQ(send_msg(sv[0], KVMI_VM_READ_PHYSICAL, 6, &req, sizeof(req)),
		 0);
	kvmi_sleep_ms(1000);
	trap_serve(&trap, data);
	CHECK_EQ(recv_error(sv[0], KVMI_VM_READ_PHYSICAL, 6), 0);
	CHECK_EQ(command(sv[0], KVMI_VM_READ_PHYSICAL, &req, sizeof(req), back,
			 sizeof(back)), 0);
	CHECK(!memcmp(data, back, 4096), "data");
	CHECK_EQ(unhook(vm), 0);
	close(sv[0]);
	close(sv[1]);
	counts_check(&before);
}

/* The slot goes, and the VMM has something of its own at that address. */
static void replaced_while_waiting(void)
{
	struct { struct kvmi_vm_write_physical req; uint8_t data[8]; } write = {
		.req = { .gpa = GPA, .size = 8 }, .data = "written",
	};
	struct kvm_vm *vm;
	struct trap trap;
	int i, sv[2];

	for (i = 0; i < 2; i++) {
		socket_pair(sv);
		vm = trapped_vm(&trap, sv[1]);
		CHECK_EQ(send_msg(sv[0], i ? KVMI_VM_WRITE_PHYSICAL :
					     KVMI_VM_READ_PHYSICAL, 5, &write,
				  i ? sizeof(write) : 16), 0);
		trap_wait(&trap);
		vm_set_user_memory_region(vm, SLOT, 0, GPA, 0, trap.page);
		CHECK(mmap(trap.page, 4096, PROT_READ | PROT_WRITE, MAP_FIXED |
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == trap.page,
		      "mmap: %s", strerror(errno));
		memset(trap.page, 0xc3, 4096);
		/* Wakes who waits. */
		close(trap.fd);
		CHECK_EQ(recv_error(sv[0], i ? KVMI_VM_WRITE_PHYSICAL :
					       KVMI_VM_READ_PHYSICAL, 5),
			 -KVMI_ENOENT);
		CHECK_EQ(trap.page[0], 0xc3);
		check_alive(sv[0]);
		CHECK_EQ(unhook(vm), 0);
		kvm_vm_free(vm);
		close(sv[0]);
		close(sv[1]);
	}
}

struct victim {
	int sv[2];
	int ctl[2];
};

static int victim_main(void *arg)
{
	struct victim *victim = arg;
	struct kvm_vm *vm;
	struct trap trap;

	close(victim->sv[0]);
	vm = trapped_vm(&trap, victim->sv[1]);
	/* Its mapping makes the process's memory hold the VM. */
	__vm_vcpu_add(vm, 0);
	close(victim->sv[1]);
	trap_send(&trap, victim->ctl[1]);
	pause();
	return 0;
}

/* The one who should serve the page has outlived the VMM. */
static void killed_while_waiting(void)
{
	struct kvmi_counts before;
	struct victim victim;
	struct trap trap;
	uint64_t start;
	pid_t pid;

	counts_read(&before);
	socket_pair(victim.sv);
	socket_pair(victim.ctl);
	pid = spawn(victim_main, &victim);
	close(victim.sv[1]);
	trap_take(&trap, victim.ctl[0], pid);
	stall(&trap, victim.sv[0]);
	start = kvmi_now_ms();
	kill(pid, SIGKILL);
	CHECK_EQ(reap(pid), -SIGKILL);
	CHECK(WAIT_FOR(vms_of(pid) == 0, 30), "still listed");
	kvmi_note("gone after %llu ms",
		  (unsigned long long)(kvmi_now_ms() - start));
	counts_check(&before);
	close(trap.fd);
}

static const struct kvmi_case cases[] = {
	{ "a session's socket that is locked delays no other VM",
	  socket_locked, have_net_ns },
	{ "UNHOOK with out-of-band data in the way", out_of_band, have_net_ns },
	{ "UNHOOK and destruction while guest memory does not come",
	  ended_while_waiting, have_uffd },
	{ "guest memory that does not come is ENOENT", answered_late,
	  have_uffd },
	{ "memory that is replaced by the VMM's own is ENOENT",
	  replaced_while_waiting, have_uffd },
	{ "SIGKILL, and who serves the VMM's memory stays",
	  killed_while_waiting, have_uffd },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
