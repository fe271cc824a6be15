// SPDX-License-Identifier: GPL-2.0-only
/* Pausing all vCPUs, and holding them: their events stay unanswered. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pause.h"

/* A vCPU in KVM_RUN pauses within this time. */
#define GRACE_MS 200
/* For asking those that did not. */
#define ASK_MS 1000

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* An event that nobody waits for is answered: its vCPU must not hang. */
static int note_event(struct hold *h, const struct kvmic_event *ev)
{
	struct kvmic_vcpu_event ve;
	struct held_vcpu *v;

	if (kvmic_decode_event(ev, &ve, NULL))
		return 0;
	v = ve.vcpu < h->count ? &h->vcpu[ve.vcpu] : NULL;
	if (!v || ve.event != KVMI_VCPU_EVENT_PAUSE ||
	    v->state == VCPU_PAUSED)
		return kvmic_answer_event(h->conn, &ve,
					  KVMI_EVENT_ACTION_CONTINUE, NULL, 0);
	v->state = VCPU_PAUSED;
	v->event = ve;
	return 0;
}

/*
 * Take what has come, then wait up to @ms for more, -1 for ever. 1 something
 * may have come, 0 time is over, HOLD_LEAVE, or a KVMIC_ERR_*.
 */
static int step(struct hold *h, int ms)
{
	struct pollfd pfd[2] = {
		{ .fd = kvmic_fd(h->conn), .events = POLLIN },
		{ .fd = h->signals, .events = POLLIN },
	};
	static struct kvmic_event ev;
	int r;

	while ((r = kvmic_next_event(h->conn, 0, &ev)) == 1) {
		r = note_event(h, &ev);
		if (r)
			break;
	}
	if (r < 0)
		return r;
	do
		r = poll(pfd, 2, ms);
	while (r < 0 && errno == EINTR);
	if (pfd[1].revents)
		return HOLD_LEAVE;
	return r > 0;
}

static unsigned int count_state(const struct hold *h, enum vcpu_state state)
{
	unsigned int i, n = 0;

	for (i = 0; i < h->count; i++)
		n += h->vcpu[i].state == state;
	return n;
}

/* Until no vCPU is pending. As step(), but 0 also when all is done. */
static int await(struct hold *h, int64_t deadline)
{
	int64_t left;
	int r;

	do {
		left = deadline - now_ms();
		r = step(h, count_state(h, VCPU_PENDING) && left > 0 ?
			 (int)left : 0);
	} while (r == 1 || (!r && left > 0 && count_state(h, VCPU_PENDING)));
	return r;
}

static int ask_to_pause(struct hold *h)
{
	unsigned int i;
	int r;

	for (i = 0; i < h->count; i++) {
		r = kvmic_pause_vcpu(h->conn, i, 0);
		if (r == -KVMI_EAGAIN)
			h->vcpu[i].state = VCPU_NOT_STARTED;
		else if (r)
			return r;
	}
	return 0;
}

/*
 * The pause of a vCPU that the guest has not started stays in the kernel, so
 * that it pauses when it is started; but there is no use in waiting for it.
 */
static int find_not_started(struct hold *h)
{
	struct kvmi_vcpu_get_info_reply info;
	unsigned int i;
	int r;

	kvmic_set_timeout(h->conn, ASK_MS);
	for (i = 0; i < h->count; i++) {
		if (h->vcpu[i].state != VCPU_PENDING)
			continue;
		r = kvmic_vcpu_get_info(h->conn, i, &info);
		if (r == -KVMI_EAGAIN)
			h->vcpu[i].state = VCPU_NOT_STARTED;
		else if (r <= -KVMIC_ERR_BASE && r != -KVMIC_ERR_TIMEOUT)
			return r;
	}
	kvmic_set_timeout(h->conn, KVMIC_TIMEOUT_MS);
	return 0;
}

static int failed(struct hold *h, int r)
{
	struct kvmic_err err = *kvmic_last_error(h->conn);

	if (r >= 0)
		return r;	/* HOLD_LEAVE, too */
	if (r == -KVMI_EOPNOTSUPP)
		snprintf(err.hint, sizeof(err.hint),
			 "kvmictl status shows which hook is missing");
	return report(&err);
}

int hold_pause(struct hold *h, int seconds)
{
	int64_t now = now_ms(), deadline = now + (int64_t)seconds * 1000;
	int64_t grace = now + GRACE_MS;
	int r;

	h->vcpu = NULL;
	r = count_vcpus(h->conn, &h->count);
	if (r)
		return r;
	h->vcpu = calloc(h->count + 1, sizeof(*h->vcpu));
	if (!h->vcpu) {
		complain("out of memory");
		return EXIT_FAILED;
	}
	/* All may come before the last command is answered. */
	kvmic_set_event_limit(h->conn, h->count + KVMIC_EVENT_LIMIT);
	r = ask_to_pause(h);
	if (!r)
		r = await(h, deadline < grace ? deadline : grace);
	if (!r && count_state(h, VCPU_PENDING))
		r = find_not_started(h);
	if (!r)
		r = await(h, deadline);
	return failed(h, r);
}

int hold_wait(struct hold *h)
{
	int r;

	do
		r = step(h, -1);
	while (r == 0 || r == 1);
	return r == HOLD_LEAVE ? EXIT_DONE : failed(h, r);
}

void hold_release(struct hold *h)
{
	unsigned int i;

	/* When the connection is gone the kernel has let them go. */
	for (i = 0; h->vcpu && i < h->count; i++)
		if (h->vcpu[i].state == VCPU_PAUSED &&
		    kvmic_answer_event(h->conn, &h->vcpu[i].event,
				       KVMI_EVENT_ACTION_CONTINUE, NULL, 0))
			break;
	free(h->vcpu);
	h->vcpu = NULL;
}
