// SPDX-License-Identifier: GPL-2.0-only
/* kvmictl resume */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pause.h"

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
/* The holder itself needs up to 2 seconds to see its session end. */
#define LEAVE_MS 5000
#define KILL_MS 2000

static int run(int argc, char **argv);

const struct command cmd_resume = {
	.name = "resume",
	.summary = "let a VM go on that kvmictl pause has stopped",
	.help =
	"Usage: kvmictl resume --pid PID | --name NAME [--vm INDEX] [--json]\n"
	"\n"
	"Tell the process that holds the VM to let all vCPUs go on, and wait until\n"
	"it has left.\n"
	"\n"
	"  --pid PID    process of the VMM\n"
	"  --name NAME  name of the VM, as kvmictl list shows it\n"
	"  --vm INDEX   which one, when the process has several VMs\n"
	"  --json       for programs\n",
	.run = run,
};

static bool ended_within(int pidfd, int ms)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };
	int r;

	do
		r = poll(&pfd, 1, ms);
	while (r < 0 && errno == EINTR);
	return r > 0;
}

static int send_signal(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0);
}

/* The death of the holder ends its session, so that killing is safe. */
static int end_holder(int pidfd, pid_t holder)
{
	if (send_signal(pidfd, SIGTERM) && errno != ESRCH) {
		complain("cannot tell process %d to leave: %s", (int)holder,
			 strerror(errno));
		return errno == EPERM ? EXIT_DENIED : EXIT_FAILED;
	}
	/* It may have been stopped by a terminal. */
	send_signal(pidfd, SIGCONT);
	if (ended_within(pidfd, LEAVE_MS))
		return 0;
	send_signal(pidfd, SIGKILL);
	if (ended_within(pidfd, KILL_MS))
		return 0;
	complain("process %d, which holds the VM, does not end", (int)holder);
	return EXIT_FAILED;
}

static int not_paused(const struct kvmic_vm *vm)
{
	complain("process %d, VM %d is not paused by kvmictl", (int)vm->pid,
		 vm->index);
	complain("try: kvmictl status, for who else introspects it");
	return EXIT_FAILED;
}

/*
 * A file descriptor of the holder. Once it is open its process id cannot come
 * to mean another process, so that the record is compared after that.
 */
static int open_holder(const struct kvmic_vm *vm, struct record *rec, int *fd)
{
	int dir, r = open_records(false, &dir);

	*fd = -1;
	if (r)
		return r;
	if (dir >= 0 && find_record(dir, vm, rec)) {
		*fd = syscall(SYS_pidfd_open, rec->holder, 0);
		if (*fd >= 0 && process_start(rec->holder) !=
				rec->holder_start) {
			close(*fd);
			*fd = -1;
		}
	}
	/* The holder needs the lock to remove its record. */
	if (dir >= 0)
		close(dir);
	return *fd < 0 ? not_paused(vm) : 0;
}

static int resume(const struct kvmic_vm *vm, bool as_json)
{
	struct record rec;
	struct json j;
	int pidfd, r;

	r = open_holder(vm, &rec, &pidfd);
	if (r)
		return r;
	r = end_holder(pidfd, rec.holder);
	close(pidfd);
	/* Removes the record of a holder that was killed. */
	paused_by(vm);
	if (r || !as_json)
		return r;
	json_start(&j, stdout);
	json_uint(&j, "pid", vm->pid);
	json_uint(&j, "vm", vm->index);
	json_uint(&j, "holder", rec.holder);
	json_bool(&j, "resumed", true);
	json_end(&j);
	return 0;
}

static int run(int argc, char **argv)
{
	struct options opt;
	struct kvmic_vm vm;
	int r;

	r = parse_options(&opt, &cmd_resume, OPT_TARGET | OPT_JSON, argc,
			  argv);
	if (r >= 0)
		return r;
	if (optind < argc)
		return usage_error(&cmd_resume, "unexpected '%s'",
				   argv[optind]);
	r = find_vm(&opt, &vm);
	if (!r)
		r = resume(&vm, opt.json);
	return finish_output(r);
}
