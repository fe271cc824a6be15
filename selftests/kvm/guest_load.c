// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keeps guests busy while something else is tested. Not a test by itself.
 *
 *   guest_load SECONDS [THREADS]   guests that spin and exit all the time;
 *                                  prints "ready" when all have begun to, and
 *                                  at the end the exits
 *   guest_load hold [FILE]         one hooked VM, until killed or stdin ends;
 *                                  with FILE it is created when hooked; lines
 *                                  "read" and "info": prints the error of
 *                                  READ_PHYSICAL, VCPU_GET_INFO
 *   guest_load asleep FILE         sleeps in HOOK, until killed or stdin ends;
 *                                  FILE is created then; prints HOOK's error
 *   guest_load cap NUMBER          KVM_CHECK_EXTENSION on /dev/kvm
 *   guest_load commands N          hooks, sends N GET_VERSION, unhooks
 *   guest_load hook                prints the error of HOOK
 *   guest_load offered             prints what CHECK_COMMAND knows of
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
#include "kvmi_trap.h"

#define MAX_THREADS 16

static volatile bool stop;
static int running;

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
		if (!exits)
			__atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
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
	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST) < threads && !stop)
		kvmi_sleep_ms(1);
	printf("ready\n");
	fflush(stdout);
	for (i = 0; i < seconds * 100 && !stop; i++)
		kvmi_sleep_ms(10);
	stop = true;
	for (i = 0; i < threads; i++) {
		pthread_join(thread[i], &result);
		if (!result) {
			printf("guest %d has never run\n", i);
			return 1;
		}
		exits += (unsigned long)result;
	}
	printf("exits %lu\n", exits);
	return 0;
}

static void try_command(int fd, char what)
{
	struct kvmi_vm_read_physical read = { .size = 1 };
	struct kvmi_vcpu_hdr vcpu = { };
	uint8_t reply[8];
	int err;

	if (what == 'r')
		err = command(fd, KVMI_VM_READ_PHYSICAL, &read, sizeof(read),
			      reply, 1);
	else if (what == 'i')
		err = command(fd, KVMI_VCPU_GET_INFO, &vcpu, sizeof(vcpu),
			      reply, 8);
	else
		return;
	printf("%d\n", err);
	fflush(stdout);
}

static int hold(const char *file)
{
	struct kvm_vm *vm = vm_create_barebones();
	char line[16];
	int fd;

	__vm_vcpu_add(vm, 0);
	fd = session_all(vm);
	check_alive(fd);
	if (file)
		close(open(file, O_CREAT | O_WRONLY, 0600));
	printf("hooked %d\n", getpid());
	fflush(stdout);
	while (read(STDIN_FILENO, line, sizeof(line)) > 0 && !stop)
		try_command(fd, line[0]);
	return 0;
}

static void *hook_main(void *arg)
{
	struct trap *trap = arg;
	struct kvm_vm *vm = vm_create_barebones();

	printf("%d\n", ioctl_errno(vm->fd, KVM_INTROSPECTION_HOOK, trap->page));
	return NULL;
}

/* Its argument is in memory that nobody supplies; with padding, when it comes. */
static int asleep(const char *file)
{
	static uint8_t page[4096];
	struct trap trap;
	pthread_t thread;
	char line[16];

	trap_set(&trap);
	pthread_create(&thread, NULL, hook_main, &trap);
	trap_wait(&trap);
	close(open(file, O_CREAT | O_WRONLY, 0600));
	while (read(STDIN_FILENO, line, sizeof(line)) > 0 && !stop)
		;
	memset(page, 1, sizeof(page));
	trap_serve(&trap, page);
	pthread_join(thread, NULL);
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

static int try_hook(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int sv[2], err;

	socket_pair(sv);
	err = hook(vm, sv[1]);
	printf("%d\n", err);
	/* As stock KVM, for all or for none. */
	CHECK_EQ(unhook(vm), err == -ENOTTY ? -ENOTTY : 0);
	return 0;
}

static const struct {
	uint16_t id;
	const char *name;
} names[] = {
	{ KVMI_GET_VERSION, "version" },
	{ KVMI_VM_READ_PHYSICAL, "read" },
	{ KVMI_VM_PAUSE_VCPU, "pause" },
	{ KVMI_VCPU_GET_INFO, "info" },
	{ KVMI_VCPU_CONTROL_EVENTS, "events" },
	{ KVMI_VCPU_GET_REGISTERS, "regs" },
	{ KVMI_VCPU_SET_REGISTERS, "setregs" },
	{ KVMI_VCPU_GET_CPUID, "cpuid" },
	{ KVMI_VCPU_INJECT_EXCEPTION, "inject" },
	{ KVMI_VCPU_GET_XCR, "xcr" },
	{ KVMI_VCPU_GET_XSAVE, "xsave" },
	{ KVMI_VCPU_SET_XSAVE, "setxsave" },
	{ KVMI_VCPU_GET_MTRR_TYPE, "mtrr" },
	{ KVMI_VCPU_TRANSLATE_GVA, "translate" },
};

static int offered(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvmi_vm_check_command req = { };
	int fd = session_all(vm), err;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		req.id = names[i].id;
		err = command(fd, KVMI_VM_CHECK_COMMAND, &req, sizeof(req),
			      NULL, 0);
		CHECK(!err || err == -KVMI_ENOENT, "%s: %d", names[i].name,
		      err);
		if (!err)
			printf("%s\n", names[i].name);
	}
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
	if (argc > 2 && !strcmp(argv[1], "asleep"))
		return asleep(argv[2]);
	if (argc > 2 && !strcmp(argv[1], "cap"))
		return ask_cap(strtol(argv[2], NULL, 0));
	if (argc > 2 && !strcmp(argv[1], "commands"))
		return commands(atoi(argv[2]));
	if (argc > 1 && !strcmp(argv[1], "hook"))
		return try_hook();
	if (argc > 1 && !strcmp(argv[1], "offered"))
		return offered();
	if (argc > 1 && atoi(argv[1]) > 0)
		return load(atoi(argv[1]), argc > 2 ? atoi(argv[2]) : 1);
	fprintf(stderr, "usage: %s SECONDS [THREADS] | hold [FILE] | asleep FILE | cap NUMBER | commands N | hook | offered\n",
		argv[0]);
	return 2;
}
