// SPDX-License-Identifier: GPL-2.0-only
/*
 * SIGKILL for the tool and for the VMM at random moments. Afterwards nothing
 * is left over, and the VM can be hooked again.
 *
 * KVMI_SEED=N repeats the moments of an earlier run.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "kvm_util.h"
#include "processor.h"
#include "kvmi_test.h"

#define LONGEST_US 60000

static unsigned int seed;

static void seed_init(void)
{
	const char *env = getenv("KVMI_SEED");

	seed = env ? strtoul(env, NULL, 0) : time(NULL) ^ getpid();
	kvmi_note("KVMI_SEED=%u", seed);
}

/* Short moments are more likely than long ones. */
static void random_moment(void)
{
	unsigned int us = rand_r(&seed) % LONGEST_US;
	struct timespec t = { 0, us * 1000l >> rand_r(&seed) % 10 };

	nanosleep(&t, NULL);
}

static void kill_and_reap(pid_t pid)
{
	kill(pid, SIGKILL);
	CHECK_EQ(reap(pid), -SIGKILL);
}

static void guest_code(void)
{
	for (;;)
		GUEST_SYNC(1);
}

static void *run_guest(void *arg)
{
	for (;;) {
		vcpu_run(arg);
		get_ucall(arg, NULL);
	}
	return NULL;
}

/* Everything a tool does, over and over. */
static int tool_main(void *arg)
{
	struct kvmi_vm_read_physical req = { .gpa = 1ull << 32, .size = 4096 };
	uint8_t page[4096];
	struct kvm_vm *vm = arg;
	int fd, i, ret, sv[2];

	for (;;) {
		socket_pair(sv);
		ret = hook(vm, sv[1]);
		CHECK(ret == 0 || ret == -EEXIST, "HOOK: %d", ret);
		if (ret) {
			close(sv[0]);
			close(sv[1]);
			continue;
		}
		fd = sv[0];
		close(sv[1]);
		set_command(vm, 1, -1);
		set_event(vm, 1, -1);
		for (i = 0; i < 20; i++) {
			check_alive(fd);
			command(fd, KVMI_VM_READ_PHYSICAL, &req, sizeof(req),
				page, 4096);
		}
		event_unhook(fd, 1);
		preunhook(vm);
		if (rand_r(&seed) % 2)
			unhook(vm);
		close(fd);
	}
	return 0;
}

/* The session of a dead tool goes away by itself. */
static void hook_again(struct kvm_vm *vm)
{
	int sv[2], ret = -EEXIST;

	socket_pair(sv);
	CHECK(WAIT_FOR((ret = hook(vm, sv[1])) != -EEXIST, 20), "EEXIST");
	CHECK_EQ(ret, 0);
	check_alive(sv[0]);
	CHECK_EQ(unhook(vm), 0);
	close(sv[0]);
	close(sv[1]);
}

static void kill_tool(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, guest_code);
	struct kvmi_counts before;
	long objects;
	pthread_t thread;
	pid_t pid;
	int i;

	seed_init();
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, 1ull << 32, 9, 1,
				    0);
	counts_read(&before);
	objects = objects_read();
	pthread_create(&thread, NULL, run_guest, vcpu);
	for (i = 0; i < kvmi_count(30, 2000); i++) {
		pid = spawn(tool_main, vm);
		random_moment();
		kill_and_reap(pid);
		hook_again(vm);
	}
	counts_check(&before);
	objects_check(objects, i);
}

/* A tool that only has the socket; the VMM hooked. */
static int talker_main(void *arg)
{
	struct message msg;
	int fd = *(int *)arg;

	for (;;) {
		send_msg(fd, KVMI_GET_VERSION, 1, NULL, 0);
		recv_msg(fd, &msg);
	}
	return 0;
}

static void kill_talker(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvmi_counts before;
	long objects;
	int i, sv[2];
	pid_t pid;

	seed_init();
	counts_read(&before);
	objects = objects_read();
	for (i = 0; i < kvmi_count(30, 2000); i++) {
		socket_pair(sv);
		CHECK_EQ(hook(vm, sv[1]), 0);
		close(sv[1]);
		pid = spawn(talker_main, &sv[0]);
		close(sv[0]);
		random_moment();
		kill_and_reap(pid);
		socket_pair(sv);
		CHECK_EQ(hook(vm, sv[1]), -EEXIST);
		CHECK_EQ(unhook(vm), 0);
		close(sv[0]);
		close(sv[1]);
	}
	counts_check(&before);
	objects_check(objects, i);
}

static int vmm_main(void *arg)
{
	int *sv = arg, n, ret;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, guest_code);
	pthread_t thread;

	close(sv[0]);
	pthread_create(&thread, NULL, run_guest, vcpu);
	for (n = 0; ; n++) {
		ret = hook(vm, sv[1]);
		/* UNHOOK has shut the socket: later rounds may be refused. */
		CHECK(ret == 0 || (n && ret == -ENOTCONN), "HOOK: %d", ret);
		set_command(vm, 1, -1);
		if (!n)
			kvmi_sleep_ms(20);
		preunhook(vm);
		unhook(vm);
	}
	return 0;
}

static void *talk(void *arg)
{
	struct message msg;
	int fd = *(int *)arg;

	while (!send_msg(fd, KVMI_GET_VERSION, 1, NULL, 0) &&
	       recv_msg(fd, &msg) >= 0)
		;
	return NULL;
}

static void kill_vmm(void)
{
	struct kvmi_counts before;
	long objects;
	pthread_t thread;
	int i, sv[2];
	pid_t pid;

	seed_init();
	counts_read(&before);
	objects = objects_read();
	for (i = 0; i < kvmi_count(30, 2000); i++) {
		socket_pair(sv);
		pid = spawn(vmm_main, sv);
		close(sv[1]);
		pthread_create(&thread, NULL, talk, &sv[0]);
		random_moment();
		if (i % 2)
			kvmi_sleep_ms(rand_r(&seed) % 150);
		kill_and_reap(pid);
		pthread_join(thread, NULL);
		close(sv[0]);
	}
	counts_check(&before);
	objects_check(objects, i);
}

/* Both at once, in either order. */
static void kill_both(void)
{
	struct kvmi_counts before;
	long objects;
	pid_t vmm, tool;
	int i, sv[2];

	seed_init();
	counts_read(&before);
	objects = objects_read();
	for (i = 0; i < kvmi_count(30, 2000); i++) {
		socket_pair(sv);
		vmm = spawn(vmm_main, sv);
		tool = spawn(talker_main, &sv[0]);
		close(sv[0]);
		close(sv[1]);
		random_moment();
		kvmi_sleep_ms(rand_r(&seed) % 100);
		kill(i % 2 ? vmm : tool, SIGKILL);
		kill(i % 2 ? tool : vmm, SIGKILL);
		reap(vmm);
		reap(tool);
	}
	counts_check(&before);
	objects_check(objects, i);
}

static const struct kvmi_case cases[] = {
	{ "SIGKILL for a tool that hooked", kill_tool },
	{ "SIGKILL for a tool whose VMM hooked", kill_talker },
	{ "SIGKILL for the VMM", kill_vmm },
	{ "SIGKILL for both", kill_both },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
