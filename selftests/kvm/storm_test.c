// SPDX-License-Identifier: GPL-2.0-only
/*
 * Storms of hook, command and unhook from several threads, on one VM and on
 * many, and a long soak. Counts are compared before and after.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kvm_util.h"
#include "processor.h"
#include "kvmi_test.h"

#define THREADS 6

static struct kvm_vm *shared;

/* A full session: nothing unexpected may happen to it. */
static void cycle(struct kvm_vm *vm)
{
	struct kvmi_vm_get_info_reply info;
	int fd = session_all(vm);

	check_alive(fd);
	CHECK_EQ(command(fd, KVMI_VM_GET_INFO, NULL, 0, &info, sizeof(info)),
		 0);
	CHECK_EQ(event_unhook(fd, 1), 0);
	CHECK_EQ(preunhook(vm), 0);
	CHECK_EQ(unhook(vm), 0);
	close(fd);
}

static void soak(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvmi_counts before;
	long objects;
	int i;

	__vm_vcpu_add(vm, 0);
	cycle(vm);
	counts_read(&before);
	objects = objects_read();
	for (i = 0; i < kvmi_count(200, 10000); i++)
		cycle(vm);
	counts_check(&before);
	objects_check(objects, i);
}

/* A new VM each time, which is destroyed with its session. */
static void soak_vms(void)
{
	struct kvmi_counts before;
	struct kvm_vm *vm;
	long objects;
	int i, fd;

	counts_read(&before);
	objects = objects_read();
	for (i = 0; i < kvmi_count(40, 2000); i++) {
		vm = vm_create_barebones();
		__vm_vcpu_add(vm, 0);
		fd = session_all(vm);
		check_alive(fd);
		kvm_vm_free(vm);
		close(fd);
	}
	counts_check(&before);
	objects_check(objects, i);
}

static void *own_vm(void *arg)
{
	struct kvm_vm *vm = vm_create_barebones();
	int i;

	for (i = 0; i < kvmi_count(20, 1500); i++)
		cycle(vm);
	return NULL;
}

static void run_threads(void *(*fn)(void *arg))
{
	pthread_t thread[THREADS];
	long i;

	/* The library fills its cache at the first call, and not thread-safe. */
	kvm_get_supported_cpuid();
	for (i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&thread[i], NULL, fn, (void *)i),
		      "thread");
	for (i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
}

static void different_vms(void)
{
	struct kvmi_counts before;

	counts_read(&before);
	run_threads(own_vm);
	CHECK(WAIT_FOR(vms_of(getpid()) == 0, 5), "still listed");
	counts_check(&before);
}

/* Speaks on a session that anybody may end at any time. */
static void talk(int fd, unsigned int *seed)
{
	struct message msg;
	int n = rand_r(seed) % 4, i;

	for (i = 0; i < n; i++) {
		if (send_msg(fd, rand_r(seed) % 40, i, &msg.data, 24))
			return;
		if (rand_r(seed) % 2 && recv_msg(fd, &msg) < 0)
			return;
	}
}

/* The one who hooks is not the only one who unhooks. */
static void *same_vm(void *arg)
{
	unsigned int seed = (long)arg;
	int i, ret, sv[2];

	for (i = 0; i < kvmi_count(50, 5000); i++) {
		socket_pair(sv);
		ret = hook(shared, sv[1]);
		CHECK(ret == 0 || ret == -EEXIST, "HOOK: %d", ret);
		ret = set_command(shared, rand_r(&seed) % 2, -1);
		CHECK(ret == 0 || ret == -EFAULT, "COMMAND: %d", ret);
		ret = set_event(shared, 1, -1);
		CHECK(ret == 0 || ret == -EFAULT, "EVENT: %d", ret);
		close(sv[1]);
		talk(sv[0], &seed);
		ret = preunhook(shared);
		CHECK(ret == 0 || ret == -EFAULT || ret == -ENOENT,
		      "PREUNHOOK: %d", ret);
		if (rand_r(&seed) % 2)
			CHECK_EQ(unhook(shared), 0);
		close(sv[0]);
	}
	return NULL;
}

static void one_vm(void)
{
	struct kvmi_counts before;

	shared = vm_create_barebones();
	__vm_vcpu_add(shared, 0);
	counts_read(&before);
	run_threads(same_vm);
	CHECK_EQ(unhook(shared), 0);
	counts_check(&before);
	cycle(shared);
}

/* Several tools in processes of their own attach to one VM. */
static int attach(void *arg)
{
	unsigned int seed = getpid();
	int i, ret, sv[2];

	for (i = 0; i < kvmi_count(25, 1000); i++) {
		socket_pair(sv);
		ret = hook(shared, sv[1]);
		CHECK(ret == 0 || ret == -EEXIST, "HOOK: %d", ret);
		close(sv[1]);
		if (!ret)
			talk(sv[0], &seed);
		/* Every second session ends with its socket alone. */
		if (!ret && rand_r(&seed) % 2)
			CHECK_EQ(unhook(shared), 0);
		close(sv[0]);
	}
	return 0;
}

static void many_tools(void)
{
	struct kvmi_counts before;
	pid_t pid[4];
	int i;

	shared = vm_create_barebones();
	counts_read(&before);
	for (i = 0; i < 4; i++)
		pid[i] = spawn(attach, NULL);
	for (i = 0; i < 4; i++)
		CHECK_EQ(reap(pid[i]), 0);
	counts_check(&before);
	cycle(shared);
}

/* vCPUs appear, and the status file is read, while all this goes on. */
static volatile bool stop;

static void *watch(void *arg)
{
	char field[64];

	while (!stop) {
		vms_field(getpid(), "vcpus", field, sizeof(field));
		read_number("/sys/kernel/debug/kvmi/hooks");
	}
	return NULL;
}

static void with_vcpus(void)
{
	struct kvmi_counts before;
	pthread_t thread;
	int i, n, fd;

	counts_read(&before);
	pthread_create(&thread, NULL, watch, NULL);
	for (i = 0; i < kvmi_count(10, 200); i++) {
		shared = vm_create_barebones();
		for (n = 0; n < 4; n++) {
			fd = session_all(shared);
			__vm_vcpu_add(shared, n);
			check_alive(fd);
			CHECK_EQ(unhook(shared), 0);
			close(fd);
		}
		kvm_vm_free(shared);
	}
	stop = true;
	pthread_join(thread, NULL);
	counts_check(&before);
}

static const struct kvmi_case cases[] = {
	{ "soak: hook, command, unhook", soak },
	{ "soak: VMs destroyed with their sessions", soak_vms },
	{ "storm on different VMs", different_vms },
	{ "storm on one VM", one_vm },
	{ "storm of tools on one VM", many_tools },
	{ "vCPUs and readers of the status meanwhile", with_vcpus },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
