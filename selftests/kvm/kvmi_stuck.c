// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queues that fill: vCPUs that do not come to their commands, and a tool that does
 * not read what they answer.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kvmi_stuck.h"

#define SLOT 10
#define GPA 0x40000000ull
#define GVA 0xc0000000ull

/*
 * Interrupts are disabled, or KVM would wait for the page with the vCPU
 * halted, which is another state.
 */
static void guest_stuck(struct guest_area *area)
{
	asm volatile("cli");
	area->count++;
	area->out[0] = *(volatile uint64_t *)GVA;
	area->count++;
	asm volatile("sti");
	for (;;)
		area->other++;
}

bool stuck_possible(void)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int uffd;

struct kvm_vm *stuck_create(int nr, struct kvm_vcpu *vcpus[])
{
	struct kvm_vm *vm = guest_create(nr, guest_stuck, vcpus);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	void *mem;

	vm_userspace_mem_region_add(vm, VM_MEM_SRC_ANONYMOUS, GPA, SLOT, 1, 0);
	virt_map(vm, GVA, GPA, 1);
	mem = addr_gpa2hva(vm, GPA);
	reg.range.start = (uintptr_t)mem;
	reg.range.len = 4096;
	uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	CHECK(uffd >= 0, "userfaultfd: %s", strerror(errno));
	CHECK(!madvise(mem, 4096, MADV_DONTNEED), "madvise");
	CHECK(!ioctl(uffd, UFFDIO_API, &api), "%s", strerror(errno));
	CHECK(!ioctl(uffd, UFFDIO_REGISTER, &reg), "%s", strerror(errno));
	return vm;
}

void stuck_serve(struct kvm_vm *vm)
{
	struct uffdio_zeropage zero = {
		.range = { (uintptr_t)addr_gpa2hva(vm, GPA), 4096 },
	};

	CHECK(!ioctl(uffd, UFFDIO_ZEROPAGE, &zero), "%s", strerror(errno));
}

void stuck_run(struct kvm_vm *vm, struct runner *r, struct kvm_vcpu *vcpu,
	       int index)
{
	struct guest_area *area = guest_of(vm, index);

	runner_start(r, vcpu);
	CHECK(WAIT_FOR(area->count == 1 && runner_sleeps(r), 30),
	      "vCPU %d is not stuck", index);
	/* It has entered the guest and is back: that is quick. */
	kvmi_sleep_ms(20);
	CHECK(WAIT_FOR(runner_sleeps(r), 20), "vCPU %d is not stuck", index);
}

int stuck_flood(int fd)
{
	struct { struct kvmi_msg_hdr hdr; struct kvmi_vcpu_hdr vcpu; } msg = {
		.hdr = { .id = KVMI_VCPU_GET_XSAVE, .size = 8 },
	};
	int flags = fcntl(fd, F_GETFL), sent = 0, quiet = 0;

	CHECK(!fcntl(fd, F_SETFL, flags | O_NONBLOCK), "fcntl");
	while (sent < STUCK_FLOOD && quiet < 20) {
		msg.hdr.seq = sent;
		msg.vcpu.vcpu = sent % 2;
		if (send(fd, &msg, sizeof(msg), MSG_NOSIGNAL) > 0) {
			sent++;
			quiet = 0;
			continue;
		}
		CHECK_EQ(errno, EAGAIN);
		kvmi_sleep_ms(10);
		quiet++;
	}
	CHECK(!fcntl(fd, F_SETFL, flags), "fcntl");
	return sent;
}
