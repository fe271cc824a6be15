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

static int armed_hooks(void)
{
	char line[512], state[64];
	FILE *f = fopen(HOOKS_FILE, "re");
	int armed = 0;

	CHECK(f, "no " HOOKS_FILE);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %*s %63s", state) == 1)
			armed += !strcmp(state, "armed");
	fclose(f);
	return armed;
}

/* Whatever a session does with its vCPUs, other VMs do not pay for it. */
static void no_hook(void)
{
	int fd, armed = armed_hooks(), halt = have_halt_hook();
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm;

	vm = start(&vcpu, &fd);
	CHECK_EQ(armed_hooks(), armed);
	CHECK_EQ(pause_vcpu(fd, 0, 0), 0);
	CHECK_EQ(inject(fd, 0, 6, 0, 0), 0);
	CHECK_EQ(armed_hooks(), armed + halt);
	CHECK_EQ(unhook(vm), 0);
	CHECK_EQ(armed_hooks(), armed);
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
	{ "pauses and injections need no hook", no_hook },
	{ "the hook on halting comes with a vCPU command", halt_hook,
	  have_halt_hook },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
