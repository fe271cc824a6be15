// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events of vCPUs and their replies. An event is sent from the context of the
 * vCPU, which then stays out of the guest until the reply has been checked by
 * the receiving thread, queued behind the commands that came before it, and
 * taken from the queue in the context of the vCPU.
 */
#include "vcpu.h"

#define CONTINUE_OR_CRASH (BIT(KVMI_EVENT_ACTION_CONTINUE) | \
			   BIT(KVMI_EVENT_ACTION_CRASH))

const struct kvmi_event kvmi_event_pause = {
	.id = KVMI_VCPU_EVENT_PAUSE,
	.actions = CONTINUE_OR_CRASH,
};

const struct kvmi_event kvmi_event_trap = {
	.id = KVMI_VCPU_EVENT_TRAP,
	.actions = CONTINUE_OR_CRASH,
	.size = sizeof(struct kvmi_vcpu_event_trap),
};

/* The default operand size of the code segment. */
void kvmi_event_mode(const struct kvm_sregs *sregs, u32 *mode)
{
	const u64 lma = 1ull << 10;

	if ((sregs->efer & lma) && sregs->cs.l)
		*mode = 8;
	else
		*mode = sregs->cs.db ? 4 : 2;
}

static void fill_msrs(struct kvmi_vcpu *vcpu, struct kvmi_vcpu_event_msrs *msrs)
{
	static const u32 index[] = {
		0x174, 0x175, 0x176, 0xc0000080, 0xc0000081, 0xc0000082,
		0xc0000083, 0x277, 0xc0000102,
	};
	u64 *value = (u64 *)msrs;
	size_t i;

	BUILD_BUG_ON(sizeof(*msrs) != ARRAY_SIZE(index) * 8);
	for (i = 0; i < ARRAY_SIZE(index); i++) {
		value[i] = 0;
		if (vcpu->ops->get_msr(vcpu->ctx, index[i], &value[i]))
			value[i] = 0;
	}
}

static void fill_common(struct kvmi_vcpu *vcpu, struct kvmi_vcpu_event *common)
{
	u32 mode;

	memset(common, 0, sizeof(*common));
	common->size = sizeof(*common);
	common->vcpu = vcpu->index;
	vcpu->ops->get_regs(vcpu->ctx, &common->arch.regs);
	vcpu->ops->get_sregs(vcpu->ctx, &common->arch.sregs);
	fill_msrs(vcpu, &common->arch.msrs);
	kvmi_event_mode(&common->arch.sregs, &mode);
	common->arch.mode = mode;
}

/* From here on the vCPU waits, unless the connection has ended meanwhile. */
static bool begin_event(struct kvmi_vcpu *vcpu, const struct kvmi_event *event,
			u32 seq)
{
	bool begun = false;

	spin_lock(&vcpu->lock);
	if (!vcpu->closed) {
		vcpu->event_seq = seq;
		vcpu->replied = false;
		WRITE_ONCE(vcpu->event, event);
		begun = true;
	}
	spin_unlock(&vcpu->lock);
	return begun;
}

int kvmi_event_send(struct kvmi_vcpu *vcpu, const struct kvmi_event *event,
		    const void *data)
{
	struct kvmi_session *session = vcpu->session;
	struct kvmi_event_hdr hdr = { .event = event->id };
	struct kvmi_msg *msg = kvmi_vcpu_msg_get(vcpu);
	u8 *payload;

	/* The tool counts on it: better no connection than a lost event. */
	if (!msg) {
		session->stream_ops->post(session->stream, NULL);
		return -ENOMEM;
	}
	msg->hdr.id = KVMI_VCPU_EVENT;
	msg->hdr.size = sizeof(hdr) + sizeof(struct kvmi_vcpu_event) +
			event->size;
	msg->hdr.seq = atomic_inc_return(&session->event_seq);
	payload = msg->payload;
	memcpy(payload, &hdr, sizeof(hdr));
	fill_common(vcpu, (void *)(payload + sizeof(hdr)));
	if (event->size)
		memcpy(payload + sizeof(hdr) + sizeof(struct kvmi_vcpu_event),
		       data, event->size);

	if (!begin_event(vcpu, event, msg->hdr.seq)) {
		kvmi_vcpu_msg_put(vcpu, msg);
		return -EPIPE;
	}
	atomic_inc(&session->events);
	kvmi_trace_event(session->tag, vcpu->index, event->id, msg->hdr.seq);
	kvmi_vcpu_post(vcpu, msg);
	return 0;
}

/*
 * In the receiving thread. Whatever does not fit ends the connection: the tool
 * and we disagree on what it answers.
 */
int kvmi_event_check_reply(struct kvmi_vcpu *vcpu, const struct kvmi_msg *msg)
{
	const struct kvmi_vcpu_event_reply *reply =
		(const void *)(msg->payload + sizeof(struct kvmi_vcpu_hdr));
	const size_t fixed = sizeof(struct kvmi_vcpu_hdr) + sizeof(*reply);
	const struct kvmi_event *event;
	int err = KVMI_CLOSE;

	spin_lock(&vcpu->lock);
	event = vcpu->event;
	if (event && !vcpu->replied && vcpu->event_seq == msg->hdr.seq &&
	    msg->hdr.size >= fixed &&
	    msg->hdr.size <= fixed + event->reply_size &&
	    !reply->padding1 && !reply->padding2 &&
	    reply->action < 8 && (event->actions & BIT(reply->action)))
		err = 0;
	spin_unlock(&vcpu->lock);
	return err;
}

/* In the context of the vCPU: delayed registers first, then the action. */
void kvmi_event_finish(struct kvmi_vcpu *vcpu, const struct kvmi_job *job)
{
	const struct kvmi_vcpu_event_reply *reply =
		(const void *)(job->payload + sizeof(struct kvmi_vcpu_hdr));

	if (vcpu->has_new_regs) {
		vcpu->has_new_regs = false;
		vcpu->ops->set_regs(vcpu->ctx, &vcpu->new_regs);
	}
	if (reply->action == KVMI_EVENT_ACTION_CRASH)
		WRITE_ONCE(vcpu->crash, true);
	/* Last: until then the vCPU must be kept out of the guest. */
	spin_lock(&vcpu->lock);
	WRITE_ONCE(vcpu->event, NULL);
	spin_unlock(&vcpu->lock);
}
