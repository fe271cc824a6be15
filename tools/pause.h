/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of kvmictl pause and resume. */
#ifndef KVMICTL_PAUSE_H
#define KVMICTL_PAUSE_H

#include "kvmictl.h"

/* ------------------------------------------------------------- record.c */

/*
 * /run/kvmictl/PID-VM tells which process holds a paused VM. A process is
 * named by its id and start time, since ids are used again.
 */
struct record {
	pid_t holder;
	unsigned long long holder_start;
	unsigned long long vmm_start;
};

/* Field 22 of /proc/PID/stat; 0 when there is no such process. */
unsigned long long process_start(pid_t pid);
/*
 * The directory, made if @make, with a lock that lasts until it is closed. 0,
 * with -1 in *@dir when there is none, or an exit status after a complaint.
 */
int open_records(bool make, int *dir);
/* Is the VM held? A record without its process is removed. */
bool find_record(int dir, const struct kvmic_vm *vm, struct record *rec);
/* Of this process; 0 or an exit status after a complaint. */
int write_record(const struct kvmic_vm *vm);
/* That of this process, if it is still there. */
void remove_record(const struct kvmic_vm *vm);

/* --------------------------------------------------------------- hold.c */

enum vcpu_state {
	VCPU_PENDING,		/* asked, but not in KVM_RUN yet */
	VCPU_PAUSED,
	VCPU_NOT_STARTED,
};

struct held_vcpu {
	enum vcpu_state state;
	struct kvmic_vcpu_event event;	/* to be answered, when paused */
};

struct hold {
	struct kvmic_conn *conn;
	int signals;		/* signalfd: leave */
	unsigned int count;
	struct held_vcpu *vcpu;
};

/*
 * Ask all vCPUs to pause, and wait for it up to @seconds. 0, an exit status
 * after a complaint, or HOLD_LEAVE when a signal came.
 */
#define HOLD_LEAVE 1000
int hold_pause(struct hold *h, int seconds);
/* Until a signal comes or the connection ends; an exit status. */
int hold_wait(struct hold *h);
/* Answer all events, and forget about them. */
void hold_release(struct hold *h);

#endif /* KVMICTL_PAUSE_H */
