// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM_INTROSPECTION_HOOK and UNHOOK: every error in the documented order, no
 * trace after a failure, hooking again at once, and everything else untouched.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kvm_util.h"
#include "processor.h"
#include "kvmi_failslab.h"
#include "kvmi_test.h"

/* HOOK succeeds now, which proves that what failed before left no trace. */
static void check_hookable(struct kvm_vm *vm)
{
	int fd = session(vm);

	check_alive(fd);
	CHECK_EQ(unhook(vm), 0);
	close(fd);
}

static void bad_pointer(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(pages != MAP_FAILED, "mmap");
	munmap(pages + 4096, 4096);
	CHECK_EQ(ioctl_errno(vm->fd, KVM_INTROSPECTION_HOOK, NULL), -EFAULT);
	CHECK_EQ(ioctl_errno(vm->fd, KVM_INTROSPECTION_HOOK, pages + 4096 - 8),
		 -EFAULT);
	CHECK_EQ(ioctl_errno(vm->fd, KVM_INTROSPECTION_HOOK,
			     (void *)0xffff888000000000ul), -EFAULT);
	check_hookable(vm);
}

/* The bad pointer is seen before anything else, also while hooked. */
static void bad_pointer_first(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session(vm);

	CHECK_EQ(ioctl_errno(vm->fd, KVM_INTROSPECTION_HOOK, NULL), -EFAULT);
	check_alive(fd);
}

static void padding(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	uint32_t bit;
	int sv[2];

	socket_pair(sv);
	for (bit = 0; bit < 32; bit++)
		CHECK_EQ(hook_raw(vm->fd, sv[1], 1u << bit), -EINVAL);
	check_hookable(vm);
}

static void padding_before_hooked(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session(vm);

	CHECK_EQ(hook_raw(vm->fd, -1, 1), -EINVAL);
	check_alive(fd);
}

/* Already hooked wins over whatever is wrong with the descriptor. */
static void already_hooked(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session(vm), sv[2];

	socket_pair(sv);
	CHECK_EQ(hook(vm, sv[1]), -EEXIST);
	CHECK_EQ(hook(vm, -1), -EEXIST);
	CHECK_EQ(hook(vm, vm->fd), -EEXIST);
	check_alive(fd);
	CHECK_EQ(unhook(vm), 0);
	CHECK_EQ(hook(vm, sv[1]), 0);
	check_alive(sv[0]);
}

static void not_a_socket(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int null = open("/dev/null", O_RDWR), pipes[2], closed;

	CHECK(!pipe(pipes), "pipe");
	closed = dup(null);
	close(closed);
	CHECK_EQ(hook(vm, -1), -EINVAL);
	CHECK_EQ(hook(vm, INT32_MIN), -EINVAL);
	CHECK_EQ(hook(vm, INT32_MAX), -EINVAL);
	CHECK_EQ(hook(vm, closed), -EINVAL);
	CHECK_EQ(hook(vm, null), -EINVAL);
	CHECK_EQ(hook(vm, pipes[0]), -EINVAL);
	CHECK_EQ(hook(vm, vm->fd), -EINVAL);
	check_hookable(vm);
}

static void not_a_stream(void)
{
	static const int types[] = { SOCK_DGRAM, SOCK_SEQPACKET };
	struct kvm_vm *vm = vm_create_barebones();
	int sv[2], udp;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(types); i++) {
		CHECK(!socketpair(AF_UNIX, types[i], 0, sv), "socketpair");
		CHECK_EQ(hook(vm, sv[0]), -EPROTOTYPE);
		close(sv[0]);
		close(sv[1]);
		CHECK_EQ(hook(vm, socket(AF_UNIX, types[i], 0)), -EPROTOTYPE);
	}
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	if (udp >= 0)
		CHECK_EQ(hook(vm, udp), -EPROTOTYPE);
	CHECK_EQ(hook(vm, socket(AF_NETLINK, SOCK_RAW, 0)), -EPROTOTYPE);
	check_hookable(vm);
}

static void not_connected(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	int tcp = socket(AF_INET, SOCK_STREAM, 0);

	CHECK_EQ(hook(vm, fd), -ENOTCONN);
	if (tcp >= 0)
		CHECK_EQ(hook(vm, tcp), -ENOTCONN);
	CHECK(!bind(fd, &(struct sockaddr){ .sa_family = AF_UNIX },
		    sizeof(sa_family_t)), "autobind: %s", strerror(errno));
	CHECK(!listen(fd, 1), "listen");
	CHECK_EQ(hook(vm, fd), -ENOTCONN);
	check_hookable(vm);
}

/* A refused socket is not kept: the peer sees it closed by its owner. */
static void failure_drops_socket(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvmi_counts before;
	char byte;
	int sv[2], i;

	counts_read(&before);
	for (i = 0; i < 20; i++) {
		socket_pair(sv);
		CHECK_EQ(hook_raw(vm->fd, sv[1], 1), -EINVAL);
		close(sv[1]);
		CHECK_EQ(recv(sv[0], &byte, 1, 0), 0);
		close(sv[0]);
		CHECK(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), "pair");
		CHECK_EQ(hook(vm, sv[1]), -EPROTOTYPE);
		close(sv[1]);
		CHECK_EQ(recv(sv[0], &byte, 1, 0), 0);
		close(sv[0]);
		CHECK_EQ(hook(vm, -1), -EINVAL);
		check_hookable(vm);
	}
	counts_check(&before);
}

/* The session has its own reference; flags of the descriptor do not matter. */
static void own_reference(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int sv[2];

	socket_pair(sv);
	CHECK(!fcntl(sv[1], F_SETFL, O_NONBLOCK), "fcntl");
	CHECK_EQ(hook(vm, sv[1]), 0);
	check_alive(sv[0]);
	close(sv[1]);
	kvmi_sleep_ms(50);
	check_alive(sv[0]);
	CHECK_EQ(unhook(vm), 0);
	CHECK(closed_silently(sv[0]), "the tool sees the end");
}

/* Peer gone before HOOK: either answer is right, but nothing may remain. */
static void peer_closed(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int sv[2], ret;

	socket_pair(sv);
	close(sv[0]);
	ret = hook(vm, sv[1]);
	CHECK(ret == 0 || ret == -ENOTCONN, "%d", ret);
	CHECK_EQ(unhook(vm), 0);
	check_hookable(vm);
}

static void unhook_nothing(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int i;

	for (i = 0; i < 3; i++)
		CHECK_EQ(unhook(vm), 0);
	CHECK_EQ(ioctl_errno(vm->fd, KVM_INTROSPECTION_UNHOOK,
			     (void *)0xffff888000000000ul), 0);
	check_hookable(vm);
	CHECK_EQ(unhook(vm), 0);
}

static uint32_t vcpu_count(int fd)
{
	struct kvmi_vm_get_info_reply info;

	CHECK_EQ(command(fd, KVMI_VM_GET_INFO, NULL, 0, &info, sizeof(info)),
		 0);
	return info.vcpu_count;
}

/* vCPUs that never ran, one of them not even started, do not block HOOK. */
static void again_at_once(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int i, fd;

	vm_create_irqchip(vm);
	for (i = 0; i < 3; i++)
		__vm_vcpu_add(vm, i);
	for (i = 0; i < 50; i++) {
		fd = session_all(vm);
		CHECK_EQ(vcpu_count(fd), 3);
		CHECK_EQ(unhook(vm), 0);
		close(fd);
	}
}

static void vcpu_added(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd = session_all(vm), i;

	for (i = 0; i < 4; i++) {
		CHECK_EQ(vcpu_count(fd), i);
		__vm_vcpu_add(vm, i);
	}
	CHECK_EQ(vcpu_count(fd), 4);
	CHECK_EQ(unhook(vm), 0);
	fd = session_all(vm);
	CHECK_EQ(vcpu_count(fd), 4);
}

/* Numbers beside ours, and ours with another direction or size. */
static void unknown_numbers(struct kvm_vm *vm)
{
	static char arg[4096];
	unsigned int nr;

	for (nr = 0xc8; nr <= 0xcc; nr++) {
		CHECK_EQ(ioctl_errno(vm->fd, _IOC(_IOC_WRITE, KVMI_KVMIO, nr,
						  4000), arg), -ENOTTY);
		CHECK_EQ(ioctl_errno(vm->fd, _IOC(_IOC_READ, KVMI_KVMIO, nr,
						  24), arg), -ENOTTY);
		CHECK_EQ(ioctl_errno(vm->fd, _IOC(_IOC_NONE, KVMI_KVMIO, nr,
						  3), arg), -ENOTTY);
		CHECK_EQ(ioctl_errno(vm->fd, _IOC(_IOC_WRITE, 'k', nr, 24),
				     arg), -ENOTTY);
	}
	CHECK_EQ(ioctl_errno(vm->fd, _IO(KVMI_KVMIO, 0xc8), arg), -ENOTTY);
	CHECK_EQ(ioctl_errno(vm->fd, _IO(KVMI_KVMIO, 0xfe), arg), -ENOTTY);
}

static void unknown_ioctls(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd;

	unknown_numbers(vm);
	fd = session(vm);
	unknown_numbers(vm);
	check_alive(fd);
	CHECK_EQ(unhook(vm), 0);
	unknown_numbers(vm);
}

/* Requests are for the VM's descriptor only. */
static void other_descriptors(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvm_vcpu *vcpu = __vm_vcpu_add(vm, 0);
	int fd, sv[2];

	socket_pair(sv);
	CHECK_EQ(hook_raw(vcpu->fd, sv[1], 0), -EINVAL);
	CHECK_EQ(hook_raw(vm->kvm_fd, sv[1], 0), -EINVAL);
	CHECK_EQ(set_command(vm, 1, 8), -EFAULT);
	fd = session(vm);
	CHECK_EQ(ioctl_errno(vcpu->fd, KVM_INTROSPECTION_UNHOOK, NULL),
		 -EINVAL);
	check_alive(fd);
}

static void guest_code(void)
{
	GUEST_SYNC(1);
	GUEST_DONE();
}

/* What VMMs do with their VM, including running it. */
static void use_vm(struct kvm_vm *vm)
{
	struct kvm_clock_data clock;

	CHECK(vm_check_cap(vm, KVM_CAP_USER_MEMORY) > 0, "capability");
	CHECK_EQ(vm_check_cap(vm, 0x7fffffff), 0);
	vm_ioctl(vm, KVM_GET_CLOCK, &clock);
	CHECK_EQ(__vm_set_user_memory_region(vm, 30, 0, 1, 4096, NULL), -1);
	CHECK_EQ(errno, EINVAL);
	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, 1ull << 32, 10,
				    1, 0);
	vm_mem_region_delete(vm, 10);
}

static void expect_ucall(struct kvm_vcpu *vcpu, uint64_t want)
{
	struct ucall uc;

	vcpu_run(vcpu);
	CHECK_EQ(get_ucall(vcpu, &uc), want);
}

static void other_ioctls(void)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, guest_code);
	int fd;

	use_vm(vm);
	fd = session(vm);
	use_vm(vm);
	expect_ucall(vcpu, UCALL_SYNC);
	check_alive(fd);
	expect_ucall(vcpu, UCALL_DONE);
	CHECK_EQ(unhook(vm), 0);
	use_vm(vm);
}

static void capability(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	int fd;

	CHECK_EQ(vm_check_cap(vm, KVM_CAP_KVMI), KVMI_VERSION);
	CHECK_EQ(kvm_check_cap(KVM_CAP_KVMI), KVMI_VERSION);
	fd = session(vm);
	CHECK_EQ(vm_check_cap(vm, KVM_CAP_KVMI), KVMI_VERSION);
	close(fd);
	CHECK_EQ(vm_check_cap(vm, KVM_CAP_KVMI + 1), 0);
	CHECK_EQ(vm_check_cap(vm, KVM_CAP_KVMI - 1), 0);
}

static bool legacy_cap_set(void)
{
	FILE *f = fopen("/sys/module/kvmi/parameters/legacy_cap", "re");
	int c = f ? fgetc(f) : EOF;

	if (f)
		fclose(f);
	return c == 'Y' || c == '1';
}

/*
 * 206 is ours where the kernel's headers leave it free or when asked for, and
 * the untouched kernel's answer elsewhere. The runner knows the headers and
 * has asked the kernel before loading the module.
 */
static void capability_206(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	const char *is_free = getenv("KVMI_CAP206_FREE");
	const char *stock = getenv("KVMI_CAP206_STOCK");
	int want;

	if (!is_free || !stock)
		kvmi_skip("KVMI_CAP206_FREE and KVMI_CAP206_STOCK are not set");
	want = legacy_cap_set() || atoi(is_free) ? KVMI_VERSION : atoi(stock);
	CHECK_EQ(vm_check_cap(vm, 206), want);
	CHECK_EQ(kvm_check_cap(206), want);
}

/* ------------------------------------------------ without memory ------- */

/*
 * Runs HOOK, whose @nth allocation fails. Between this and the answer no other
 * call may allocate anything.
 */
static int hook_with_failure(struct kvm_vm *vm, int sock, int nth, bool *failed)
{
	static int fd = -1;
	int ret;

	if (fd < 0)
		fd = failslab_open(0);
	failslab_set(fd, nth);
	ret = hook(vm, sock);
	*failed = failslab_failed(fd);
	return ret;
}

/*
 * Returns whether HOOK has so many allocations. Some are those of the kernel's
 * own checks, which do without.
 */
static bool hook_fails(struct kvm_vm *vm, int nth, int *refused,
		       const struct kvmi_counts *before)
{
	bool failed;
	int sv[2], ret;

	socket_pair(sv);
	ret = hook_with_failure(vm, sv[1], nth, &failed);
	CHECK(!ret || (failed && ret == -ENOMEM), "allocation %d: %d", nth,
	      ret);
	if (ret) {
		*refused += 1;
		counts_check(before);
		CHECK_EQ(set_command(vm, 1, -1), -EFAULT);
		CHECK_EQ(hook(vm, sv[1]), 0);
	}
	check_alive(sv[0]);
	CHECK_EQ(unhook(vm), 0);
	close(sv[0]);
	close(sv[1]);
	counts_check(before);
	return failed;
}

static void hook_unwinds(void)
{
	struct kvm_vm *vm = vm_create_barebones();
	struct kvmi_counts before;
	int nth = 1, refused = 0;

	counts_read(&before);
	failslab_begin();
	while (hook_fails(vm, nth, &refused, &before))
		nth++;
	failslab_end();
	kvmi_note("%d of %d allocations", refused, nth - 1);
	/* The record, two messages, the thread and its name. */
	CHECK(refused >= 4, "HOOK needs no memory");
}

static const struct kvmi_case cases[] = {
	{ "HOOK with a bad pointer is EFAULT", bad_pointer },
	{ "a bad pointer is seen before anything else", bad_pointer_first },
	{ "HOOK with padding is EINVAL", padding },
	{ "padding is seen before already hooked", padding_before_hooked },
	{ "HOOK of a hooked VM is EEXIST before its socket", already_hooked },
	{ "HOOK without a socket is EINVAL", not_a_socket },
	{ "HOOK without a stream is EPROTOTYPE", not_a_stream },
	{ "HOOK without a connection is ENOTCONN", not_connected },
	{ "a refused socket is not kept", failure_drops_socket },
	{ "the session has its own reference to the socket", own_reference },
	{ "HOOK with a socket whose peer is gone", peer_closed },
	{ "UNHOOK of a VM that is not hooked is 0", unhook_nothing },
	{ "HOOK at once after UNHOOK, vCPUs never ran", again_at_once },
	{ "a vCPU added after HOOK is counted", vcpu_added },
	{ "unknown ioctl numbers are ENOTTY", unknown_ioctls },
	{ "vCPU and device descriptors know no such request",
	  other_descriptors },
	{ "other VM ioctls and the guest work, hooked and not", other_ioctls },
	{ "KVM_CAP_KVMI on VM and device", capability },
	{ "capability 206", capability_206 },
	{ "each of its allocations fails", hook_unwinds, failslab_possible },
};

int main(int argc, char **argv)
{
	return kvmi_main(argc, argv, cases, ARRAY_SIZE(cases));
}
