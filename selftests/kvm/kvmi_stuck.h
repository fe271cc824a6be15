/* SPDX-License-Identifier: GPL-2.0-only */
/* Queues that fill: see kvmi_stuck.c. */
#ifndef KVMI_STUCK_H
#define KVMI_STUCK_H

#include "kvmi_vcpu.h"

#define STUCK_FLOOD 4000

/* This host has userfaultfd. */
bool stuck_possible(void);

/* A VM of @nr vCPUs that need a page which is not there until stuck_serve(). */
struct kvm_vm *stuck_create(int nr, struct kvm_vcpu *vcpus[]);
void stuck_serve(struct kvm_vm *vm);

/* Starts the vCPU, and waits until it is stuck in KVM_RUN. */
void stuck_run(struct kvm_vm *vm, struct runner *r, struct kvm_vcpu *vcpu,
	       int index);

/*
 * Commands with large replies to vCPUs 0 and 1, until nothing more goes in, as
 * nobody reads. Returns how many went out, at most STUCK_FLOOD.
 */
int stuck_flood(int fd);

#endif /* KVMI_STUCK_H */
