// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hooks on the way of vCPUs are in place only while a session needs them: the
 * others pay for them as well.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <unistd.h>

#include "kvmi_vcpu.h"

#define HOOKS_FILE "/sys/kernel/debug/kvmi/hooks"
#define RUN_HOOK "kvm_arch_vcpu_ioctl_run"
#define HALT_HOOK "kvm_vcpu_check_block"	/* on 5.10 only */

/* Whether the hook is in that state; false when there is no such hook. */
static bool in_state(const char *symbol, const char *state)
{
	char line[512], name[64], module[64], found[64] = "";
	FILE *f = fopen(HOOKS_FILE, "re");
	bool same = false;

	CHECK(f, "no " HOOKS_FILE);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %63s %63s", name, module, found) == 3 &&
		    !strcmp(name, symbol))
			same = !strcmp(found, state);
	}
	fclose(f);
	return same;
}

static bool have_halt_hook(void)
{
	return in_state(HALT_HOOK, "idle") || in_state(HALT_HOOK, "armed");
}

static struct kvm_vm *start(struct kvm_vcpu **vcpu, int *fd)
{
	struct kvm_vm *vm = guest_create(1, guest_spin, vcpu);

	*fd = session_all(vm);
	return vm;
}

/* The first pause arms it, the end of the session does the reverse. */
static void run_hook(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	uint64_t hz;
	int fd;

	CHECK(in_state(RUN_HOOK, "idle"), "at the beginning");
	vm = start(&vcpu, &fd);
	CHECK(in_state(RUN_HOOK, "idle"), "with a session");
	CHECK_EQ(get_info(fd, 0, &hz), 0);
	CHECK(in_state(RUN_HOOK, "idle"), "after a vCPU command");
	CHECK_EQ(pause_vcpu(fd, 0, 0), 0);
	CHECK(in_state(RUN_HOOK, "armed"), "after a pause");
	CHECK_EQ(unhook(vm), 0);
	CHECK(in_state(RUN_HOOK, "idle"), "after the session");
}

static void inject_arms(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	int fd;

	vm = start(&vcpu, &fd);
	CHECK_EQ(inject(fd, 0, 6, 0, 0), 0);
	CHECK(in_state(RUN_HOOK, "armed"), "after an injection");
	CHECK_EQ(unhook(vm), 0);
	CHECK(in_state(RUN_HOOK, "idle"), "after the session");
}

/* It stays until the last session that needs it has ended. */
static void last_session(void)
{
	struct kvm_vcpu *vcpu[2];
	struct kvm_vm *vm[2];
	int fd[2], i;

	for (i = 0; i < 2; i++) {
		vm[i] = start(&vcpu[i], &fd[i]);
		CHECK_EQ(pause_vcpu(fd[i], 0, 0), 0);
	}
	CHECK_EQ(unhook(vm[0]), 0);
	CHECK(in_state(RUN_HOOK, "armed"), "one session is left");
	check_alive(fd[1]);
	CHECK_EQ(unhook(vm[1]), 0);
	CHECK(in_state(RUN_HOOK, "idle"), "no session is left");
}

static void halt_hook(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;
	uint64_t hz;
	int fd;

	vm = start(&vcpu, &fd);
	check_alive(fd);
	CHECK(in_state(HALT_HOOK, "idle"), "with VM commands only");
	CHECK_EQ(get_info(fd, 0, &hz), 0);
	CHECK(in_state(HALT_HOOK, "armed"), "after a vCPU command");
	CHECK_EQ(unhook(vm), 0);
	CHECK(in_state(HALT_HOOK, "idle"), "after the session");
}

static const struct kvmi_case cases[] = {
	{ "the hook on KVM_RUN comes with a pause", run_hook },
	{ "it comes with an injection", inject_arms },
	{ "it goes with the last session", last_session },
	{ "the hook on halting comes with a vCPU command", halt_hook,
	  have_halt_hook },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
