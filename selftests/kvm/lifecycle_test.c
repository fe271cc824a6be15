// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ends of everything in every order: tool, VMM, descriptors, modules. Each case
 * leaves no message, thread or reference.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kvm_util.h"
#include "processor.h"
#include "kvmi_test.h"

static void guest_code(void)
{
	for (;;)
		GUEST_SYNC(1);
}

static volatile bool stop;

static void *run_guest(void *arg)
{
	struct kvm_vcpu *vcpu = arg;
	unsigned long exits = 0;

	while (!stop) {
		vcpu_run(vcpu);
		CHECK_EQ(get_ucall(vcpu, NULL), UCALL_SYNC);
		exits++;
	}
	return (void *)exits;
}

/* A VMM in another process; the case is the tool. */
struct vmm {
	int sv[2];		/* the session */
	int ctl[2];		/* "I am hooked", "go on" */
	int ready[2];		/* "I outlive my parent" */
	bool run;		/* a vCPU is in the guest */
	bool unhook;		/* UNHOOK before the end */
};

static int vmm_main(void *arg)
{
	struct vmm *vmm = arg;
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, guest_code);
	pthread_t thread;
	char byte;

	close(vmm->sv[0]);
	CHECK_EQ(hook(vm, vmm->sv[1]), 0);
	CHECK_EQ(set_command(vm, 1, -1), 0);
	close(vmm->sv[1]);
	if (vmm->run)
		pthread_create(&thread, NULL, run_guest, vcpu);
	CHECK_EQ(send_all(vmm->ctl[1], "x", 1), 0);
	if (recv(vmm->ctl[1], &byte, 1, 0) == 1 && vmm->unhook)
		CHECK_EQ(unhook(vm), 0);
	return 0;
}

static pid_t vmm_start(struct vmm *vmm)
{
	char byte;
	pid_t pid;

	socket_pair(vmm->sv);
	socket_pair(vmm->ctl);
	pid = spawn(vmm_main, vmm);
	close(vmm->sv[1]);
	CHECK_EQ(recv(vmm->ctl[0], &byte, 1, 0), 1);
	check_alive(vmm->sv[0]);
	return pid;
}

/* The tool sees the end, and nothing is left over. */
static void vmm_ended(struct vmm *vmm, const struct kvmi_counts *before)
{
	CHECK(closed_silently(vmm->sv[0]), "the connection is open");
	close(vmm->sv[0]);
	close(vmm->ctl[0]);
	close(vmm->ctl[1]);
	counts_check(before);
}

static void vmm_exits(void)
{
	struct kvmi_counts before;
	struct vmm vmm = { };
	pid_t pid;
	int i;

	counts_read(&before);
	for (i = 0; i < 8; i++) {
		vmm.run = i & 1;
		vmm.unhook = i & 2;
		pid = vmm_start(&vmm);
		CHECK_EQ(send_all(vmm.ctl[0], "x", 1), 0);
		CHECK_EQ(reap(pid), 0);
		vmm_ended(&vmm, &before);
	}
}

static void vmm_killed(void)
{
	struct kvmi_counts before;
	struct vmm vmm = { };
	pid_t pid;
	int i;

	counts_read(&before);
	for (i = 0; i < 8; i++) {
		vmm.run = i & 1;
		pid = vmm_start(&vmm);
		kill(pid, SIGKILL);
		CHECK_EQ(reap(pid), -SIGKILL);
		vmm_ended(&vmm, &before);
	}
}

static void tool_closes(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvmi_counts before, now;
	int i, fd;

	counts_read(&before);
	for (i = 0; i < 10; i++) {
		fd = session(vm);
		check_alive(fd);
		close(fd);
		/* The thread ends by itself, the record with UNHOOK. */
		CHECK(WAIT_FOR((counts_read(&now), now.threads ==
				before.threads), 20), "thread is there");
		CHECK_EQ(now.vms, before.vms + 1);
		CHECK_EQ(unhook(vm), 0);
		counts_check(&before);
	}
}

/* The VM lives as long as a vCPU's descriptor, and the session with it. */
static void vm_fd_first(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, guest_code);
	struct kvmi_counts before;
	int fd, size;

	counts_read(&before);
	fd = session_all(vm);
	size = ioctl_errno(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, NULL);
	CHECK(!close(vm->fd), "close");
	kvmi_sleep_ms(100);
	check_alive(fd);
	vcpu_run(vcpu);
	CHECK_EQ(get_ucall(vcpu, NULL), UCALL_SYNC);
	check_alive(fd);
	CHECK(!munmap(vcpu->run, size), "munmap");
	CHECK(!close(vcpu->fd), "close");
	CHECK(closed_silently(fd), "open after the VM is gone");
	close(fd);
	CHECK(WAIT_FOR(vms_of(getpid()) == 0, 20), "still listed");
	counts_check(&before);
}

/* Both orders of closing, with the tool there and already gone. */
static void vm_freed(void)
{
	struct kvmi_counts before;
	struct kvm_vm *vm;
	int i, fd;

	counts_read(&before);
	for (i = 0; i < kvmi_count(20, 500); i++) {
		vm = vm_create_barebones();
		__vm_vcpu_add(vm, 0);
		fd = session_all(vm);
		if (i & 1)
			check_alive(fd);
		if (i & 2)
			close(fd);
		kvm_vm_free(vm);
		if (i & 2)
			continue;
		CHECK(closed_silently(fd), "open after the VM is gone");
		close(fd);
	}
	counts_check(&before);
}

static int do_nothing(void *arg)
{
	return 0;
}

/* A child of the VMM that comes and goes is of no importance. */
static void vmm_forks(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvmi_counts before;
	int fd, i;

	counts_read(&before);
	fd = session_all(vm);
	for (i = 0; i < 20; i++) {
		CHECK_EQ(in_child(do_nothing, NULL), 0);
		check_alive(fd);
	}
	CHECK_EQ(unhook(vm), 0);
	close(fd);
	counts_check(&before);
}

static int orphan_main(void *arg)
{
	struct vmm *vmm = arg;
	char byte;

	prctl(PR_SET_PDEATHSIG, 0);
	close(vmm->ctl[0]);
	CHECK_EQ(write(vmm->ready[1], "x", 1), 1);
	CHECK_EQ(send_all(vmm->ctl[1], "x", 1), 0);
	return recv(vmm->ctl[1], &byte, 1, 0) < 0;
}

/* Hooks and exits, but its child keeps the VM's descriptor open. */
static int dying_vmm(void *arg)
{
	struct vmm *vmm = arg;
	struct kvm_vm *vm = vm_create_barebones();
	char byte;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, 0x10000, 1, 1, 0);
	CHECK_EQ(hook(vm, vmm->sv[1]), 0);
	CHECK_EQ(set_command(vm, 1, -1), 0);
	close(vmm->sv[1]);
	close(vmm->sv[0]);
	/* Before it is ready, the child would die with its parent. */
	CHECK(!pipe(vmm->ready), "%s", strerror(errno));
	spawn(orphan_main, vmm);
	CHECK_EQ(read(vmm->ready[0], &byte, 1), 1);
	return 0;
}

/* A VM whose memory is gone: no crash, no answer that is made up. */
static void vmm_dies_vm_stays(void)
{
	struct kvmi_vm_read_physical req = { .gpa = 0x10000, .size = 8 };
	struct kvmi_counts before;
	struct vmm vmm = { };
	struct message msg;
	char byte;
	int got, err;

	counts_read(&before);
	socket_pair(vmm.sv);
	socket_pair(vmm.ctl);
	CHECK_EQ(in_child(dying_vmm, &vmm), 0);
	close(vmm.sv[1]);
	CHECK_EQ(recv(vmm.ctl[0], &byte, 1, 0), 1);
	kvmi_sleep_ms(200);
	if (!send_msg(vmm.sv[0], KVMI_VM_READ_PHYSICAL, 1, &req, sizeof(req))) {
		got = recv_msg(vmm.sv[0], &msg);
		CHECK(got == 8 || got == MSG_EOF, "%d bytes", got);
		memcpy(&err, msg.data, 4);
		CHECK(got < 0 || err == -KVMI_ENOENT, "error %d", err);
	}
	CHECK_EQ(send_all(vmm.ctl[0], "x", 1), 0);
	vmm_ended(&vmm, &before);
}

static void slow_reader_vmm_dies(void)
{
	struct kvmi_counts before;
	struct vmm vmm = { };
	uint64_t start;
	pid_t pid;

	counts_read(&before);
	pid = vmm_start(&vmm);
	stuff_socket(vmm.sv[0]);
	start = kvmi_now_ms();
	kill(pid, SIGKILL);
	CHECK_EQ(reap(pid), -SIGKILL);
	CHECK(WAIT_FOR(vms_of(pid) == 0, 20), "still listed");
	CHECK(kvmi_now_ms() - start < 5000, "took %llu ms",
	      (unsigned long long)(kvmi_now_ms() - start));
	close(vmm.sv[0]);
	counts_check(&before);
}

static int remove_module(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) ? -errno : 0;
}

static const char *vendor(void)
{
	return access("/sys/module/kvm_amd", F_OK) ? "kvm_intel" : "kvm_amd";
}

/* O_NONBLOCK: EWOULDBLOCK is what rmmod(8) calls "in use". */
static void modules_pinned(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	char path[64];
	long refs;
	int fd, i;

	snprintf(path, sizeof(path), "/sys/module/%s/refcnt", vendor());
	refs = read_number(path);
	for (i = 0; i < 3; i++) {
		fd = session_all(vm);
		CHECK_EQ(remove_module("kvmi"), -EWOULDBLOCK);
		CHECK_EQ(remove_module(vendor()), -EWOULDBLOCK);
		CHECK_EQ(remove_module("kvm"), -EWOULDBLOCK);
		check_alive(fd);
		close(fd);
		/* Without its tool the VM is hooked all the same. */
		kvmi_sleep_ms(100);
		CHECK_EQ(remove_module("kvmi"), -EWOULDBLOCK);
		CHECK_EQ(unhook(vm), 0);
	}
	CHECK_EQ(read_number(path), refs);
	CHECK_EQ(read_number("/sys/module/kvmi/refcnt"), 0);
}

static const struct kvmi_case cases[] = {
	{ "the tool closes its socket", tool_closes },
	{ "the VMM exits", vmm_exits },
	{ "the VMM is killed", vmm_killed },
	{ "the VM's descriptor is closed before the vCPU's", vm_fd_first },
	{ "VMs are freed with their sessions", vm_freed },
	{ "the VMM forks", vmm_forks },
	{ "the VMM is gone and its VM is not", vmm_dies_vm_stays },
	{ "the VMM of a tool that does not read is killed",
	  slow_reader_vmm_dies },
	{ "modules in use cannot be removed", modules_pinned },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
