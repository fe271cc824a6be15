// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stands in for a VMM: holds VM and vCPU files open until its standard input
 * ends. The command line is left to the test; the environment says what to
 * hold: HOLDER_VMS, HOLDER_VCPUS (of each), HOLDER_DUP, HOLDER_FORK,
 * HOLDER_COMM, HOLDER_REAL (VMs of /dev/kvm instead of files that the fake
 * kernel takes for VMs).
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int number(const char *name)
{
	const char *value = getenv(name);

	return value ? atoi(value) : 0;
}

static int open_vm(int kvm)
{
	return kvm < 0 ? memfd_create("kvm-vm", 0) :
			 ioctl(kvm, KVM_CREATE_VM, 0);
}

static int open_vcpu(int kvm, int vm, int id)
{
	char name[32];

	if (kvm >= 0)
		return ioctl(vm, KVM_CREATE_VCPU, id);
	snprintf(name, sizeof(name), "kvm-vcpu:%d", id);
	return memfd_create(name, 0);
}

int main(void)
{
	int kvm = number("HOLDER_REAL") ? open("/dev/kvm", O_RDWR) : -1;
	int i, v, vm;
	char c;

	if (getenv("HOLDER_COMM"))
		prctl(PR_SET_NAME, getenv("HOLDER_COMM"));
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (number("HOLDER_REAL") && kvm < 0)
		return 77;
	for (v = 0; v < number("HOLDER_VMS"); v++) {
		vm = open_vm(kvm);
		if (vm < 0)
			return 77;
		for (i = 0; i < number("HOLDER_VCPUS"); i++)
			if (open_vcpu(kvm, vm, i) < 0)
				return 77;
		if (number("HOLDER_DUP") && dup(vm) < 0)
			return 1;
	}
	if (number("HOLDER_FORK") && !fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pause();
	}
	puts("ready");
	fflush(stdout);
	return read(0, &c, 1) < 0;
}
