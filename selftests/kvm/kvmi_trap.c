// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/userfaultfd.h>

#include "kvmi_trap.h"

#define SLOT 8
#define GPA 0x50000000ull

bool have_uffd(void)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

void trap_set(struct trap *trap)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_THREAD_ID,
	};
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	trap->page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(trap->page != MAP_FAILED, "mmap: %s", strerror(errno));
	trap->fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	CHECK(trap->fd >= 0, "userfaultfd: %s", strerror(errno));
	reg.range.start = (uintptr_t)trap->page;
	reg.range.len = 4096;
	CHECK(!ioctl(trap->fd, UFFDIO_API, &api), "%s", strerror(errno));
	CHECK(!ioctl(trap->fd, UFFDIO_REGISTER, &reg), "%s", strerror(errno));
}

void trap_wait(const struct trap *trap)
{
	struct pollfd poll_fd = { .fd = trap->fd, .events = POLLIN };

	CHECK_EQ(poll(&poll_fd, 1, 20000), 1);
	CHECK_EQ(poll_fd.revents, POLLIN);
}

pid_t trap_caught(const struct trap *trap)
{
	struct uffd_msg msg;

	trap_wait(trap);
	CHECK_EQ(read(trap->fd, &msg, sizeof(msg)), sizeof(msg));
	CHECK_EQ(msg.event, UFFD_EVENT_PAGEFAULT);
	return msg.arg.pagefault.feat.ptid;
}

void trap_serve(const struct trap *trap, const void *data)
{
	static const uint8_t zero[4096];
	struct uffdio_copy copy = {
		.src = (uintptr_t)(data ? data : zero),
		.dst = (uintptr_t)trap->page,
		.len = 4096,
	};

	CHECK(!ioctl(trap->fd, UFFDIO_COPY, &copy), "%s", strerror(errno));
}

void trap_send(const struct trap *trap, int sock)
{
	CHECK_EQ(send_all(sock, trap, sizeof(*trap)), 0);
}

void trap_take(struct trap *trap, int sock, pid_t pid)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);

	CHECK_EQ(recv(sock, trap, sizeof(*trap), MSG_WAITALL), sizeof(*trap));
	trap->fd = syscall(SYS_pidfd_getfd, pidfd, trap->fd, 0);
	CHECK(trap->fd >= 0, "pidfd_getfd: %s", strerror(errno));
	close(pidfd);
}

uint64_t trap_gva(struct kvm_vm *vm, struct trap *trap, int nr)
{
	uint64_t *pml4 = addr_gpa2hva(vm, vm->pgd);
	uint64_t gpa = GPA + 4096 * nr;
	int index = 128 + nr;

	trap_set(trap);
	vm_set_user_memory_region(vm, SLOT + nr, 0, gpa, 4096, trap->page);
	pml4[index] = gpa | 7;
	return (uint64_t)index << 39;
}

void trap_ioctl_init(struct trap_ioctl *other, struct kvm_vcpu *vcpu,
		     uint64_t gva)
{
	other->vcpu = vcpu;
	other->gva = gva;
	other->done = false;
}

static void *translate_main(void *arg)
{
	struct trap_ioctl *other = arg;
	struct kvm_translation tr = { .linear_address = other->gva };

	vcpu_ioctl(other->vcpu, KVM_TRANSLATE, &tr);
	CHECK(!tr.valid, "a translation");
	other->done = true;
	return NULL;
}

void trap_ioctl_start(struct trap_ioctl *other, const struct trap *trap)
{
	pthread_create(&other->thread, NULL, translate_main, other);
	trap_wait(trap);
}

void trap_ioctl_end(struct trap_ioctl *other)
{
	pthread_join(other->thread, NULL);
}

void check_at_once(uint64_t start, const char *what)
{
	CHECK(kvmi_now_ms() - start < AT_ONCE_MS, "%s took %llu ms", what,
	      (unsigned long long)(kvmi_now_ms() - start));
}
