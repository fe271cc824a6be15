/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The VMM of vcpu_storm_test: four vCPUs, and what disturbs them.
 */
#ifndef VCPU_STORM_VMM_H
#define VCPU_STORM_VMM_H

#include "kvmi_vcpu.h"

#define BOOTS 0		/* is never without a state in which it can be asked */
#define EXITS 1		/* leaves for user space now and then */
#define HALTS 2		/* is halted all the time */
#define RESETS 3	/* is reset by the VMM, alone as well */

/* Memory that comes and goes, at two places by turns. */
#define SLOT_HERE 0x40000000
#define SLOT_THERE 0x50000000
#define SLOT_PAGES 16

#define WORDS 512

/**
 * struct storm_vmm - the VM, and what its vCPUs were like at first
 * @vm: the VM
 * @vcpus: its vCPUs
 * @regs: registers before the first KVM_RUN; the guest can start again there
 * @sregs: the same for the others
 * @xsave: and for FPU and vectors, which no guest here uses
 * @lapic: and of their local APICs
 * @events: and of what was to be injected: nothing
 * @pat: the MSR IA32_PAT of all
 * @area: what the guests tell
 * @area_gpa: where their memory has that
 * @words: memory that is the tool's alone
 * @words_gpa: and where that is
 * @seed: of all choices
 * @stops: how often the whole VM was stopped
 * @resets: how often each vCPU was reset
 * @moves: how often memory has come, moved and gone
 * @stopped: it is, or shall be
 * @calm: the VMM leaves its vCPUs alone, but for running them
 */
struct storm_vmm {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[MAX_VCPUS];
	struct kvm_regs regs[MAX_VCPUS];
	struct kvm_sregs sregs[MAX_VCPUS];
	struct kvm_xsave xsave[MAX_VCPUS];
	struct kvm_lapic_state lapic[MAX_VCPUS];
	struct kvm_vcpu_events events[MAX_VCPUS];
	uint64_t pat;
	struct guest_area *area[MAX_VCPUS];
	uint64_t area_gpa[MAX_VCPUS];
	uint64_t *words;
	uint64_t words_gpa;
	unsigned int seed;
	volatile unsigned int stops;
	unsigned int resets[MAX_VCPUS];
	volatile unsigned int moves;
	volatile bool stopped;
	volatile bool calm;
};

extern struct storm_vmm vmm;

/* Starts all of it, and ends it: then no guest may hang. */
void vmm_start(void);
void vmm_end(void);

#endif /* VCPU_STORM_VMM_H */
