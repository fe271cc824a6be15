// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keeps guests busy while something else is tested. Not a test by itself.
 *
 *   guest_load SECONDS [THREADS]   guests that spin and exit all the time;
 *                                  prints "ready" and at the end the exits
 *   guest_load hold [FILE]         one hooked VM, until killed or stdin ends;
 *                                  with FILE it is created when hooked
 *   guest_load cap NUMBER          KVM_CHECK_EXTENSION on /dev/kvm
 *   guest_load commands N          hooks, sends N GET_VERSION, unhooks
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "kvm_util.h"
#include "processor.h"
#include "kvmi_test.h"

#define MAX_THREADS 16

static volatile bool stop;

/* CPUID and port exits, and new pages all the time. */
static void guest_code(void)
{
	uint32_t a, b, c, d;

	for (;;) {
		__cpuid(0, 0, &a, &b, &c, &d);
		GUEST_SYNC(a);
	}
}

static void *run_guest(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	unsigned long exits = 0;

	while (!stop) {
		vcpu_run(vcpu);
		if (get_ucall(vcpu, NULL) != UCALL_SYNC)
			kvmi_fail(__FILE__, __LINE__, "guest stopped: %u",
				  vcpu->run->exit_reason);
		/* Leave something of the processors to what is tested. */
		if (++exits % 256 == 0)
			kvmi_sleep_ms(2);
	}
	return (void *)exits;
}

static int load(int seconds, int threads)
{
	pthread_t thread[MAX_THREADS];
	struct kvm_vcpu *vcpu;
	unsigned long exits = 0;
	void *result;
	int i;

	threads = threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads;
	for (i = 0; i < threads; i++) {
		vm_create_with_one_vcpu(&vcpu, guest_code);
		pthread_create(&thread[i], NULL, run_guest, vcpu);
	}
	printf("ready\n");
	fflush(stdout);
	for (i = 0; i < seconds * 100 && !stop; i++)
		kvmi_sleep_ms(10);
	stop = true;
	for (i = 0; i < threads; i++) {
		pthread_join(thread[i], &result);
		if (!result)
			return 1;
		exits += (unsigned long)result;
	}
	printf("exits %lu\n", exits);
	return 0;
}

static int hold(const char *file)
{
	struct kvm_vm *vm = vm_create_barebones();
	char byte;
	int fd;

	__vm_vcpu_add(vm, 0);
	fd = session_all(vm);
	check_alive(fd);
	if (file)
		close(open(file, O_CREAT | O_WRONLY, 0600));
	printf("hooked %d\n", getpid());
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) > 0 && !stop)
		;
	return 0;
}

static int commands(int count)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session(vm);

	while (count-- > 0)
		check_alive(fd);
	CHECK_EQ(unhook(vm), 0);
	return 0;
}

static int ask_cap(long cap)
{
	printf("%u\n", kvm_check_cap(cap));
	return 0;
}

static void on_term(int sig)
{
	stop = true;
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_term };

	sigaction(SIGTERM, &act, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && !strcmp(argv[1], "hold"))
		return hold(argv[2]);
	if (argc > 2 && !strcmp(argv[1], "cap"))
		return ask_cap(strtol(argv[2], NULL, 0));
	if (argc > 2 && !strcmp(argv[1], "commands"))
		return commands(atoi(argv[2]));
	if (argc > 1 && atoi(argv[1]) > 0)
		return load(atoi(argv[1]), argc > 2 ? atoi(argv[2]) : 1);
	fprintf(stderr, "usage: %s SECONDS [THREADS] | hold [FILE] | cap NUMBER | commands N\n",
		argv[0]);
	return 2;
}
