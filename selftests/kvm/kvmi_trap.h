/* SPDX-License-Identifier: GPL-2.0-only */
/* Guest memory that does not come: a page that userfaultfd has to supply. */
#ifndef KVMI_TRAP_H
#define KVMI_TRAP_H

#include <pthread.h>

#include "kvm_util.h"
#include "kvmi_test.h"

/* "At once" on the slowest machine; what is wrong takes 10 s, or for ever. */
#define AT_ONCE_MS 6000

/**
 * struct trap - a page that is missing
 * @fd: userfaultfd
 * @page: the page, in this process
 */
struct trap {
	int fd;
	uint8_t *page;
};

/* For struct kvmi_case: the kernel has userfaultfd. */
bool have_uffd(void);

void trap_set(struct trap *trap);

/* Waits until somebody waits for the page. */
void trap_wait(const struct trap *trap);

/* And who that is, once: a thread's id. */
pid_t trap_caught(const struct trap *trap);

/* Supplies the page, which is @data then; NULL for zeros. */
void trap_serve(const struct trap *trap, const void *data);

/* From @pid, which has set it, to a process that outlives it and can serve it. */
void trap_send(const struct trap *trap, int sock);
void trap_take(struct trap *trap, int sock, pid_t pid);

/* An address of the guest whose page tables are in it; none once it is served. */
uint64_t trap_gva(struct kvm_vm *vm, struct trap *trap, int nr);

/**
 * struct trap_ioctl - another thread's ioctl, which has a vCPU until the trap is served
 * @vcpu: the vCPU
 * @gva: an address in the trap
 * @thread: the thread
 * @done: the ioctl is over
 */
struct trap_ioctl {
	struct kvm_vcpu *vcpu;
	uint64_t gva;
	pthread_t thread;
	volatile bool done;
};

void trap_ioctl_init(struct trap_ioctl *other, struct kvm_vcpu *vcpu,
		     uint64_t gva);
/* Waits until it is in @trap; until it is over. */
void trap_ioctl_start(struct trap_ioctl *other, const struct trap *trap);
void trap_ioctl_end(struct trap_ioctl *other);

void check_at_once(uint64_t start, const char *what);

#endif /* KVMI_TRAP_H */
