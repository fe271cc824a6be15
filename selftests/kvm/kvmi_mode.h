/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guests in every mode of the processor. The tables are the test's own, so that it
 * knows what an address must become; the guest looks at one too, and tells what it
 * finds in its registers.
 */
#ifndef KVMI_MODE_H
#define KVMI_MODE_H

#include "kvmi_vcpu.h"

#define MODE_NONE (~0ull)
#define MODE_MARK 0x5eed1234

/* Where things are in the guest's memory. */
#define MODE_CODE 0x1000	/* looks, counts, and so on */
#define MODE_HALT 0x1c00	/* halts once */
#define MODE_HALTED (MODE_HALT + 2)
#define MODE_COUNT 0x2000
#define MODE_SEEN 0x2008
#define MODE_REPORT 0x2100
#define MODE_PT 0x9000		/* of the first 2 MiB in long mode */

/* What the guest has found when it started; the lower half of each. */
struct mode_report {
	uint32_t cr0, cr3, cr4, esp;
	uint32_t efer, pat, pat_high, apic_base;
	uint32_t cpuid_eax, cpuid_ecx, cpuid_edx;
	uint32_t cs, ss, end;
};

struct pair { uint64_t gva, gpa; };

/**
 * struct mode - a mode of the processor
 * @code: the guest
 * @code_end: the end of it
 * @mode: what GET_REGISTERS calls it
 * @d: default size of the code segment is 32 bits
 * @cr0: CR0
 * @cr3: CR3
 * @cr4: CR4
 * @efer: EFER
 * @look: an address that the guest reads, and what it becomes
 * @map: what others become, ends with a pair of zeros
 */
struct mode {
	const uint8_t *code;
	const uint8_t *code_end;
	int mode;
	bool d;
	uint64_t cr0;
	uint64_t cr3;
	uint64_t cr4;
	uint64_t efer;
	struct pair look;
	const struct pair *map;
};

extern const struct mode mode_real, mode_protected_16, mode_protected_32;
extern const struct mode mode_paging_32, mode_paging_pae;
extern const struct mode mode_long_64, mode_long_32, mode_long_16, mode_long_57;

/* A VM with one vCPU in that mode, at MODE_CODE. */
struct kvm_vm *mode_create(const struct mode *m, struct kvm_vcpu **vcpu);

#endif /* KVMI_MODE_H */
