// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the receiving thread to the context of a vCPU and back: the queue, the
 * order in which things are done, and the replies.
 *
 * A tool cannot make the kernel queue without end: commands that were not run
 * are bounded per vCPU and per session, and so are the replies that it does
 * not read. An event reply is not counted, as there is one per event.
 */
#include "vcpu.h"

void kvmi_vcpu_init(struct kvmi_vcpu *vcpu, struct kvmi_session *session,
		    u16 index)
{
	spin_lock_init(&vcpu->lock);
	INIT_LIST_HEAD(&vcpu->jobs);
	vcpu->session = session;
	vcpu->index = index;
}

/* ------------------------------------------------- receiving thread ------ */

static unsigned int backlog(struct kvmi_session *session)
{
	return session->stream_ops->backlog(session->stream);
}

static bool session_full(struct kvmi_session *session)
{
	return atomic_read(&session->queued) + backlog(session) >=
	       KVMI_MAX_COMMANDS;
}

/*
 * The copy that is queued has what the command can use: no more than its
 * structure when that has a fixed size, and zeros where less was sent.
 */
static struct kvmi_job *make_job(const struct kvmi_msg *msg)
{
	size_t size = kvmi_vcpu_command_size(msg->hdr.id);
	struct kvmi_job *job;

	if (!size)
		size = msg->hdr.size;
	size = max(size, sizeof(struct kvmi_vcpu_hdr) +
			 sizeof(struct kvmi_vcpu_event_reply));
	job = kmalloc(sizeof(*job) + size, GFP_KERNEL_ACCOUNT);
	if (!job)
		return NULL;
	job->hdr = msg->hdr;
	/* The message is zero behind its end. */
	memcpy(job->payload, msg->payload, size);
	return job;
}

static int queue_job(struct kvmi_vcpu *vcpu, struct kvmi_job *job, bool reply)
{
	int err = 0;

	spin_lock(&vcpu->lock);
	if (vcpu->closed)
		err = KVMI_CLOSE;
	else if (!reply && vcpu->commands >= KVMI_MAX_VCPU_COMMANDS)
		err = -KVMI_EBUSY;
	if (!err) {
		list_add_tail(&job->link, &vcpu->jobs);
		if (reply)
			vcpu->replied = true;
		else
			vcpu->commands++;
	}
	spin_unlock(&vcpu->lock);
	return err;
}

static int queue_message(struct kvmi_vcpu *vcpu, const struct kvmi_msg *msg)
{
	struct kvmi_session *session = vcpu->session;
	bool reply = msg->hdr.id == KVMI_VCPU_EVENT;
	struct kvmi_job *job;
	int err;

	if (!reply && session_full(session))
		return -KVMI_EBUSY;
	/* Blind: it lets the next event be sent to a tool that does not read. */
	if (reply && backlog(session) >= KVMI_MAX_COMMANDS)
		return KVMI_CLOSE;
	job = make_job(msg);
	if (!job)
		return reply ? KVMI_CLOSE : -KVMI_ENOMEM;

	if (!reply)
		atomic_inc(&session->queued);
	err = queue_job(vcpu, job, reply);
	if (!err) {
		session->vm_ops->vcpu_kick(vcpu);
		return 0;
	}

	kfree(job);
	if (!reply)
		atomic_dec(&session->queued);
	return err;
}

static bool waits_for_reply(struct kvmi_vcpu *vcpu)
{
	return READ_ONCE(vcpu->event);
}

/*
 * A message whose id is a vCPU's. Returns 0 when it was queued: its reply comes
 * from the context of the vCPU. Otherwise as a command handler.
 */
int kvmi_vcpu_message(struct kvmi_session *session, const struct kvmi_msg *msg)
{
	const struct kvmi_vcpu_hdr *hdr = (const void *)msg->payload;
	struct kvmi_vcpu *vcpu;
	int err;

	if (msg->hdr.id != KVMI_VCPU_EVENT &&
	    !kvmi_command_allowed(session, msg->hdr.id))
		return -KVMI_EPERM;
	if (hdr->padding1 || hdr->padding2)
		return -KVMI_EINVAL;
	if (hdr->vcpu >= session->vm_ops->vcpu_count(session->vm))
		return -KVMI_EINVAL;
	err = session->vm_ops->vcpu_find(session->vm, hdr->vcpu, &vcpu);
	if (err)
		return err;
	if (!waits_for_reply(vcpu) && !session->vm_ops->vcpu_ready(vcpu))
		return -KVMI_EAGAIN;

	if (msg->hdr.id == KVMI_VCPU_EVENT)
		err = kvmi_event_check_reply(vcpu, msg);
	if (err)
		return err;
	return queue_message(vcpu, msg);
}

int kvmi_vcpu_pause(struct kvmi_session *session,
		    const struct kvmi_vm_pause_vcpu *req)
{
	struct kvmi_vcpu *vcpu;
	int err;

	err = session->vm_ops->vcpu_find(session->vm, req->vcpu, &vcpu);
	if (err)
		return err;

	spin_lock(&vcpu->lock);
	if (vcpu->pauses >= KVMI_MAX_PAUSES)
		err = -KVMI_EBUSY;
	else if (!vcpu->closed)
		WRITE_ONCE(vcpu->pauses, vcpu->pauses + 1);
	spin_unlock(&vcpu->lock);
	if (err)
		return err;
	session->vm_ops->vcpu_kick(vcpu);
	if (req->wait)
		session->vm_ops->vcpu_wait_exit(vcpu);
	return 0;
}

/* ----------------------------------------------- context of the vCPU ------ */

static struct kvmi_job *next_job(struct kvmi_vcpu *vcpu)
{
	struct kvmi_job *job = NULL;

	spin_lock(&vcpu->lock);
	if (!list_empty(&vcpu->jobs)) {
		job = list_first_entry(&vcpu->jobs, struct kvmi_job, link);
		list_del(&job->link);
		if (job->hdr.id != KVMI_VCPU_EVENT)
			vcpu->commands--;
	}
	/* Until the next call: what it leaves to be done is not known before. */
	vcpu->handling = job;
	spin_unlock(&vcpu->lock);
	return job;
}

/* A tool that reads needs one message: clearing a new one costs as much as a command. */
struct kvmi_msg *kvmi_vcpu_msg_get(struct kvmi_vcpu *vcpu)
{
	struct kvmi_msg *msg;

	spin_lock(&vcpu->lock);
	msg = vcpu->spare;
	vcpu->spare = NULL;
	spin_unlock(&vcpu->lock);
	return msg ? msg : kvmi_msg_alloc();
}

void kvmi_vcpu_msg_put(struct kvmi_vcpu *vcpu, struct kvmi_msg *msg)
{
	spin_lock(&vcpu->lock);
	if (!vcpu->closed && !vcpu->spare) {
		vcpu->spare = msg;
		msg = NULL;
	}
	spin_unlock(&vcpu->lock);
	kvmi_msg_free(msg);
}

void kvmi_vcpu_post(struct kvmi_vcpu *vcpu, struct kvmi_msg *msg)
{
	struct kvmi_session *session = vcpu->session;

	if (session->stream_ops->post(session->stream, msg))
		kvmi_vcpu_msg_put(vcpu, msg);
}

static void post_reply(struct kvmi_vcpu *vcpu, const struct kvmi_job *job,
		       struct kvmi_msg *msg, s32 error, size_t size)
{
	struct kvmi_error_code code = { .err = error };

	msg->hdr.id = job->hdr.id;
	msg->hdr.seq = job->hdr.seq;
	msg->hdr.size = sizeof(code) + (error ? 0 : size);
	memcpy(msg->payload, &code, sizeof(code));
	kvmi_session_count_reply(vcpu->session, &msg->hdr, error);
	kvmi_vcpu_post(vcpu, msg);
}

static void run_command(struct kvmi_vcpu *vcpu, const struct kvmi_job *job)
{
	struct kvmi_session *session = vcpu->session;
	struct kvmi_msg *msg = kvmi_vcpu_msg_get(vcpu);
	struct kvmi_reply reply = {};
	int err;

	/* Without memory for a reply the tool would wait for ever. */
	if (!msg) {
		atomic_dec(&session->queued);
		session->stream_ops->post(session->stream, NULL);
		return;
	}
	reply.data = msg->payload + sizeof(struct kvmi_error_code);
	err = kvmi_vcpu_command_run(vcpu, job, &reply);
	/* Before the reply, which allows the tool to send one more. */
	atomic_dec(&session->queued);
	post_reply(vcpu, job, msg, err, reply.size);
}

static void run_job(struct kvmi_vcpu *vcpu, const struct kvmi_job *job)
{
	struct kvmi_session *session = vcpu->session;

	if (job->hdr.id == KVMI_VCPU_EVENT)
		kvmi_event_finish(vcpu, job);
	else if (kvmi_session_leaving(session) &&
		 !kvmi_command_changes_guest(job->hdr.id))
		atomic_dec(&session->queued);
	else
		run_command(vcpu, job);
}

static void run_jobs(struct kvmi_vcpu *vcpu)
{
	struct kvmi_job *job;

	while ((job = next_job(vcpu))) {
		run_job(vcpu, job);
		kfree(job);
	}
}

/* The event of an injection comes before all others. */
static int send_trap(struct kvmi_vcpu *vcpu)
{
	struct kvmi_vcpu_event_trap trap = vcpu->trap;

	trap.address = vcpu->ops->get_cr2(vcpu->ctx);
	WRITE_ONCE(vcpu->trap_pending, false);
	return kvmi_event_send(vcpu, &kvmi_event_trap, &trap);
}

static bool take_pause(struct kvmi_vcpu *vcpu)
{
	bool taken = false;

	spin_lock(&vcpu->lock);
	if (vcpu->pauses) {
		WRITE_ONCE(vcpu->pauses, vcpu->pauses - 1);
		taken = true;
	}
	spin_unlock(&vcpu->lock);
	return taken;
}

/*
 * Send the next event, if there is one to be sent. What is being injected must
 * have entered the guest first.
 */
static void send_event(struct kvmi_vcpu *vcpu)
{
	if (READ_ONCE(vcpu->trap_pending)) {
		if (vcpu->ops->delivered(vcpu->ctx))
			send_trap(vcpu);
		else
			vcpu->ops->unhalt(vcpu->ctx);
		return;
	}
	if (take_pause(vcpu))
		kvmi_event_send(vcpu, &kvmi_event_pause, NULL);
}

bool kvmi_vcpu_take_crash(struct kvmi_vcpu *vcpu)
{
	bool taken;

	if (!READ_ONCE(vcpu->crash))
		return false;
	spin_lock(&vcpu->lock);
	taken = vcpu->crash;
	WRITE_ONCE(vcpu->crash, false);
	spin_unlock(&vcpu->lock);
	return taken;
}

/* KVM_RUN of a vCPU that waits to be started does not come to entering. */
static void prepare_crash(struct kvmi_vcpu *vcpu)
{
	if (READ_ONCE(vcpu->crash) &&
	    !vcpu->session->vm_ops->vcpu_ready(vcpu))
		vcpu->ops->make_runnable(vcpu->ctx);
}

enum kvmi_vcpu_next kvmi_vcpu_run(struct kvmi_vcpu *vcpu, bool entering)
{
	for (;;) {
		run_jobs(vcpu);
		if (waits_for_reply(vcpu))
			return KVMI_VCPU_HOLD;
		if (!entering) {
			prepare_crash(vcpu);
			return KVMI_VCPU_GO;
		}
		/* Who makes KVM_RUN return may do what he likes with the vCPU. */
		if (READ_ONCE(vcpu->crash) &&
		    vcpu->ops->interrupted(vcpu->ctx))
			return KVMI_VCPU_GO;
		if (kvmi_vcpu_take_crash(vcpu)) {
			vcpu->ops->crash(vcpu->ctx);
			return KVMI_VCPU_GO;
		}
		send_event(vcpu);
		if (!waits_for_reply(vcpu))
			return KVMI_VCPU_GO;
	}
}

bool kvmi_vcpu_busy(struct kvmi_vcpu *vcpu)
{
	bool busy;

	spin_lock(&vcpu->lock);
	busy = vcpu->handling || !list_empty(&vcpu->jobs);
	spin_unlock(&vcpu->lock);
	return busy;
}

bool kvmi_vcpu_attention(const struct kvmi_vcpu *vcpu)
{
	return READ_ONCE(vcpu->event) || READ_ONCE(vcpu->pauses) ||
	       READ_ONCE(vcpu->crash) || READ_ONCE(vcpu->trap_pending);
}

static bool asks_for_crash(const struct kvmi_job *job)
{
	const struct kvmi_vcpu_event_reply *reply =
		(const void *)(job->payload + sizeof(struct kvmi_vcpu_hdr));

	return job->hdr.id == KVMI_VCPU_EVENT &&
	       reply->action == KVMI_EVENT_ACTION_CRASH;
}

bool kvmi_vcpu_crash_due(struct kvmi_vcpu *vcpu)
{
	struct kvmi_job *job;
	bool due;

	spin_lock(&vcpu->lock);
	due = vcpu->crash;
	list_for_each_entry(job, &vcpu->jobs, link)
		due |= asks_for_crash(job);
	spin_unlock(&vcpu->lock);
	return due;
}

bool kvmi_vcpu_event_due(const struct kvmi_vcpu *vcpu)
{
	return READ_ONCE(vcpu->trap_pending) ||
	       (READ_ONCE(vcpu->pauses) && !READ_ONCE(vcpu->event));
}

bool kvmi_vcpu_answered(struct kvmi_vcpu *vcpu)
{
	/* In this order: what is busy may be about to make it crash. */
	return kvmi_vcpu_busy(vcpu) || READ_ONCE(vcpu->crash);
}

void kvmi_vcpu_drop(struct kvmi_vcpu *vcpu)
{
	struct kvmi_job *job;
	bool crash = false;

	while ((job = next_job(vcpu))) {
		crash |= asks_for_crash(job);
		kfree(job);
	}
	spin_lock(&vcpu->lock);
	WRITE_ONCE(vcpu->event, NULL);
	if (crash)
		WRITE_ONCE(vcpu->crash, true);
	spin_unlock(&vcpu->lock);
}

/*
 * With the lock: all but the reply to the event, which ends the wait for it, and
 * the changes before it.
 */
static void take_commands(struct kvmi_vcpu *vcpu, struct list_head *commands)
{
	struct kvmi_job *job, *next;
	bool answered = false;

	list_for_each_entry_safe_reverse(job, next, &vcpu->jobs, link) {
		answered |= job->hdr.id == KVMI_VCPU_EVENT;
		if (answered && kvmi_command_changes_guest(job->hdr.id))
			continue;
		list_del(&job->link);
		list_add_tail(&job->link, commands);
	}
	if (!answered)
		WRITE_ONCE(vcpu->event, NULL);
}

/*
 * Called by any thread. An exception that was injected stays, and so does what
 * the tool has answered last, as it may close the connection right after that;
 * the rest of what it has asked for is dropped.
 */
void kvmi_vcpu_close(struct kvmi_vcpu *vcpu)
{
	struct kvmi_job *job, *next;
	struct kvmi_msg *spare;
	struct list_head jobs;

	INIT_LIST_HEAD(&jobs);
	spin_lock(&vcpu->lock);
	WRITE_ONCE(vcpu->closed, true);
	take_commands(vcpu, &jobs);
	WRITE_ONCE(vcpu->pauses, 0);
	WRITE_ONCE(vcpu->trap_pending, false);
	spare = vcpu->spare;
	vcpu->spare = NULL;
	spin_unlock(&vcpu->lock);

	kvmi_msg_free(spare);
	list_for_each_entry_safe(job, next, &jobs, link)
		kfree(job);
}
