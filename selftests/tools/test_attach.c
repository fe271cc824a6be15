// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attaching through the library, with the fake kernel. The VMM is argv[1] of
 * the holder, a program of this directory.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <kvmic.h>

#include "tap.h"

static const char *holder;
static pid_t vmm;

static void start_vmm(const char *vms)
{
	int in[2], out[2];
	char c;

	if (pipe(in) || pipe(out))
		abort();
	setenv("HOLDER_VMS", vms, 1);
	setenv("HOLDER_VCPUS", "2", 1);
	vmm = fork();
	if (!vmm) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		execl(holder, "firecracker", "--id", "attach-test", NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	if (read(out[0], &c, 1) != 1)
		abort();
	close(out[0]);
	(void)in[1];	/* closed when this program ends */
}

static void stop_vmm(void)
{
	kill(vmm, SIGKILL);
	waitpid(vmm, NULL, 0);
}

static void set_errno(int e)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", e);
	if (e)
		setenv("FAKE_ERRNO", text, 1);
	else
		unsetenv("FAKE_ERRNO");
}

static void attach_and_ask(void)
{
	struct kvmi_get_version_reply version;
	struct kvmi_vm_get_info_reply info;
	struct kvmic_attach at;
	struct kvmic_conn *conn;
	struct kvmic_err err;

	start_vmm("1");
	kvmic_attach_init(&at, vmm);
	CHECK_INT(kvmic_attach(&at, &conn, &err), 0);
	if (conn) {
		CHECK_INT(kvmic_get_version(conn, &version), 0);
		CHECK_INT(kvmic_get_info(conn, &info), 0);
		CHECK_INT(info.vcpu_count, 3);
		CHECK_INT(kvmic_detach(conn), 1);
	}
	stop_vmm();
}

static void only_what_is_asked_for(void)
{
	struct kvmi_vm_get_info_reply info;
	struct kvmic_attach at;
	struct kvmic_conn *conn;
	char byte;

	start_vmm("1");
	kvmic_attach_init(&at, vmm);
	at.commands = 1u << KVMI_VM_READ_PHYSICAL;
	at.events = 0;
	CHECK_INT(kvmic_attach(&at, &conn, NULL), 0);
	if (conn) {
		CHECK_INT(kvmic_get_info(conn, &info), -KVMI_EPERM);
		CHECK_INT(kvmic_read_physical(conn, 0, &byte, 1, NULL), 0);
		CHECK_INT(kvmic_check_event(conn, KVMI_VM_EVENT_UNHOOK),
			  -KVMI_EPERM);
		kvmic_close(conn);
	}
	at.commands = 1u << 30;
	CHECK_INT(kvmic_attach(&at, &conn, NULL), -KVMIC_ERR_ARG);
	at.commands = 0;
	at.events = 1u << 20;
	CHECK_INT(kvmic_attach(&at, &conn, NULL), -KVMIC_ERR_ARG);
	stop_vmm();
}

static void which_vm(void)
{
	struct kvmic_attach at;
	struct kvmic_conn *conn;
	struct kvmic_err err;

	start_vmm("2");
	kvmic_attach_init(&at, vmm);
	CHECK_INT(kvmic_attach(&at, &conn, &err), -KVMIC_ERR_AMBIGUOUS);
	CHECK(strstr(err.text, "2 VMs"));
	at.vm = 1;
	CHECK_INT(kvmic_attach(&at, &conn, &err), 0);
	kvmic_close(conn);
	at.vm = 2;
	CHECK_INT(kvmic_attach(&at, &conn, &err), -KVMIC_ERR_NO_VM);
	at.vm = -2;
	CHECK_INT(kvmic_attach(&at, &conn, &err), -KVMIC_ERR_ARG);
	stop_vmm();
}

static void wrong_process(void)
{
	struct kvmic_attach at;
	struct kvmic_conn *conn;
	struct kvmic_err err;

	kvmic_attach_init(&at, getpid());
	CHECK_INT(kvmic_attach(&at, &conn, &err), -KVMIC_ERR_NO_VM);
	start_vmm("1");
	kvmic_attach_init(&at, vmm);
	at.start_time = 1;
	CHECK_INT(kvmic_attach(&at, &conn, &err), -KVMIC_ERR_NO_PROCESS);
	stop_vmm();
	kvmic_attach_init(&at, vmm);
	CHECK_INT(kvmic_attach(&at, &conn, &err), -KVMIC_ERR_NO_PROCESS);
	CHECK_INT(err.sys_errno, ESRCH);
	CHECK(err.hint[0]);
	at.pid = 0;
	CHECK_INT(kvmic_attach(&at, &conn, &err), -KVMIC_ERR_ARG);
}

/* Without /sys/module/kvmi every refusal means: not loaded. */
static void module_not_loaded(void)
{
	static const int errors[] = { ENOTTY, EIO, EINVAL };
	struct kvmic_attach at;
	struct kvmic_conn *conn;
	struct kvmic_err err;
	size_t i;

	start_vmm("1");
	kvmic_attach_init(&at, vmm);
	at.root = "/nonexistent";
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		set_errno(errors[i]);
		CHECK_INT(kvmic_attach(&at, &conn, &err),
			  -KVMIC_ERR_NO_MODULE);
		CHECK(!conn);
		CHECK(strstr(err.hint, "modprobe kvmi"));
		CHECK_INT(err.sys_errno, errors[i]);
	}
	set_errno(0);
	stop_vmm();
}

int main(int argc, char **argv)
{
	static const struct tap_test tests[] = {
		TEST(attach_and_ask), TEST(only_what_is_asked_for),
		TEST(which_vm), TEST(wrong_process), TEST(module_not_loaded),
	};

	if (argc != 2)
		return 2;
	holder = argv[1];
	return tap_run(tests, sizeof(tests) / sizeof(tests[0]));
}
