// SPDX-License-Identifier: GPL-2.0-only
/* kvmictl pause */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pause.h"

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define DEFAULT_TIMEOUT 5
/* Where the process in the background has the pipe to its parent. */
#define RESULT_FD 3

static int run(int argc, char **argv);

const struct command cmd_pause = {
	.name = "pause",
	.summary = "stop the virtual CPUs of a VM",
	.help =
	"Usage: kvmictl pause --pid PID | --name NAME [--vm INDEX]\n"
	"                     [--timeout SECONDS] [--foreground] [--json]\n"
	"\n"
	"Stop all vCPUs, and leave a process behind that holds them until kvmictl\n"
	"resume. When that process ends for any other reason, the VM goes on. A vCPU\n"
	"that its VMM does not run is pending, and stops when it is run next. A vCPU\n"
	"that the guest has not started is skipped.\n"
	"\n"
	"  --pid PID          process of the VMM\n"
	"  --name NAME        name of the VM, as kvmictl list shows it\n"
	"  --vm INDEX         which one, when the process has several VMs\n"
	"  --timeout SECONDS  wait so long for vCPUs to stop (5)\n"
	"  --foreground       stay, and hold until SIGINT or SIGTERM\n"
	"  --json             for programs\n",
	.run = run,
};

/* ----------------------------------------------------------------- result */

/* "0-3,5"; false when there is none. */
static bool print_list(const struct hold *h, enum vcpu_state state,
		       const char *lead)
{
	unsigned int i, end;
	bool any = false;

	for (i = 0; i < h->count; i = end + 1) {
		end = i;
		if (h->vcpu[i].state != state)
			continue;
		while (end + 1 < h->count && h->vcpu[end + 1].state == state)
			end++;
		printf("%s%u", any ? "," : lead, i);
		if (end > i)
			printf("-%u", end);
		any = true;
	}
	return any;
}

static void print_text(const struct kvmic_vm *vm, const struct hold *h)
{
	printf("process %d, VM %d: held by process %d\n", (int)vm->pid,
	       vm->index, (int)getpid());
	if (print_list(h, VCPU_PAUSED, "paused       vCPU "))
		putchar('\n');
	if (print_list(h, VCPU_PENDING, "pending      vCPU "))
		puts(": not run by the VMM now, will pause when it is");
	if (print_list(h, VCPU_NOT_STARTED, "not started  vCPU "))
		puts(": skipped, not started by the guest");
}

static void json_list(struct json *j, const char *key, const struct hold *h,
		      enum vcpu_state state)
{
	unsigned int i;

	json_array(j, key);
	for (i = 0; i < h->count; i++)
		if (h->vcpu[i].state == state)
			json_uint(j, NULL, i);
	json_close(j, ']');
}

static void print_json(const struct kvmic_vm *vm, const struct hold *h)
{
	struct json j;

	json_start(&j, stdout);
	json_uint(&j, "pid", vm->pid);
	json_uint(&j, "vm", vm->index);
	json_uint(&j, "holder", getpid());
	json_list(&j, "paused", h, VCPU_PAUSED);
	json_list(&j, "pending", h, VCPU_PENDING);
	json_list(&j, "not_started", h, VCPU_NOT_STARTED);
	json_end(&j);
}

/* ----------------------------------------------------------------- holder */

/* The signals that end the hold become input. */
static int catch_signals(void)
{
	struct sigaction hangup;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	/* Unless nohup(1) is at work. */
	if (!sigaction(SIGHUP, NULL, &hangup) && hangup.sa_handler != SIG_IGN)
		sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Tell the parent that all is well, and let go of what it came with. */
static int go_to_background(void)
{
	unsigned char status = EXIT_DONE;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || chdir("/")) {
		complain("cannot go to the background: %s", strerror(errno));
		return EXIT_FAILED;
	}
	/* Nobody there any more: interrupted, so nothing shall be paused. */
	if (write(RESULT_FD, &status, 1) != 1)
		return EXIT_FAILED;
	dup2(null, 2);
	close(null);
	close(RESULT_FD);
	return 0;
}

static int pause_and_hold(struct hold *h, const struct kvmic_vm *vm,
			  const struct options *opt)
{
	int r;

	r = hold_pause(h, opt->timeout < 0 ? DEFAULT_TIMEOUT : opt->timeout);
	if (r == HOLD_LEAVE) {
		complain("interrupted, the VM goes on");
		return EXIT_FAILED;
	}
	if (r)
		return r;
	if (opt->json)
		print_json(vm, h);
	else
		print_text(vm, h);
	r = finish_output(EXIT_DONE);
	if (!r && !opt->foreground)
		r = go_to_background();
	return r ? r : hold_wait(h);
}

static int hold_vm(const struct kvmic_vm *vm, const struct options *opt)
{
	struct hold h = { .vcpu = NULL };
	int r;

	signal(SIGPIPE, SIG_IGN);
	h.signals = catch_signals();
	if (h.signals < 0) {
		complain("signalfd: %s", strerror(errno));
		return EXIT_FAILED;
	}
	r = attach_vm(vm, 1u << KVMI_VM_GET_INFO | 1u << KVMI_VM_PAUSE_VCPU |
		      1u << KVMI_VCPU_GET_INFO, 1u << KVMI_VCPU_EVENT_PAUSE,
		      &h.conn);
	if (!r) {
		r = write_record(vm);
		if (!r)
			r = pause_and_hold(&h, vm, opt);
		hold_release(&h);
		detach_vm(h.conn, r);
		remove_record(vm);
	}
	close(h.signals);
	return r;
}

/* ------------------------------------------------------------- background */

static int child(int result, const struct kvmic_vm *vm,
		 const struct options *opt)
{
	/* Whatever was inherited must not stay open with this process. */
	if (setsid() < 0 || dup2(result, RESULT_FD) < 0)
		return EXIT_FAILED;
	fcntl(RESULT_FD, F_SETFD, FD_CLOEXEC);
	syscall(SYS_close_range, RESULT_FD + 1, ~0u, 0);
	return hold_vm(vm, opt);
}

/* The holder's word, or, when it ended without one, how it ended. */
static int parent(int result, pid_t pid)
{
	unsigned char status;
	int wstatus;
	ssize_t n;

	do
		n = read(result, &status, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		return status;
	while (waitpid(pid, &wstatus, 0) < 0)
		if (errno != EINTR)
			return EXIT_FAILED;
	if (WIFEXITED(wstatus) && WEXITSTATUS(wstatus))
		return WEXITSTATUS(wstatus);
	complain("the holding process ended early; the VM goes on");
	return EXIT_FAILED;
}

static int hold_in_background(const struct kvmic_vm *vm,
			      const struct options *opt)
{
	int fds[2], r;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC)) {
		complain("pipe: %s", strerror(errno));
		return EXIT_FAILED;
	}
	pid = fork();
	if (!pid) {
		close(fds[0]);
		return child(fds[1], vm, opt);
	}
	close(fds[1]);
	if (pid < 0) {
		complain("fork: %s", strerror(errno));
		r = EXIT_FAILED;
	} else {
		r = parent(fds[0], pid);
	}
	close(fds[0]);
	return r;
}

static int check_not_paused(const struct kvmic_vm *vm)
{
	struct record rec;
	int dir, r = open_records(true, &dir);

	if (r)
		return r;
	if (find_record(dir, vm, &rec)) {
		complain("process %d, VM %d is paused already, held by process %d",
			 (int)vm->pid, vm->index, (int)rec.holder);
		complain("try: kvmictl resume --pid %d --vm %d", (int)vm->pid,
			 vm->index);
		r = EXIT_FAILED;
	}
	close(dir);
	return r;
}

static int run(int argc, char **argv)
{
	struct options opt;
	struct kvmic_vm vm;
	int r;

	r = parse_options(&opt, &cmd_pause, OPT_TARGET | OPT_JSON | OPT_PAUSE,
			  argc, argv);
	if (r >= 0)
		return r;
	if (optind < argc)
		return usage_error(&cmd_pause, "unexpected '%s'",
				   argv[optind]);
	r = find_vm(&opt, &vm);
	if (!r)
		r = check_not_paused(&vm);
	if (r)
		return r;
	fflush(stdout);
	return opt.foreground ? hold_vm(&vm, &opt) :
				hold_in_background(&vm, &opt);
}
