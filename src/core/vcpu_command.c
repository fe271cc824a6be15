// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vCPU commands, in the context of the vCPU. A handler gets the payload
 * behind struct kvmi_vcpu_hdr, zero up to the size of its structure, and the
 * number of bytes there that the tool has sent. It returns 0 or the negative of
 * a KVMI_E* value.
 */
#include "vcpu.h"

static int get_info(struct kvmi_vcpu *vcpu, const void *data, size_t sent,
		    struct kvmi_reply *reply)
{
	struct kvmi_vcpu_get_info_reply *info = reply->data;

	info->tsc_speed = 1000 * vcpu->ops->get_tsc_khz(vcpu->ctx);
	reply->size = sizeof(*info);
	return 0;
}

static int control_events(struct kvmi_vcpu *vcpu, const void *data, size_t sent,
			  struct kvmi_reply *reply)
{
	const struct kvmi_vcpu_control_events *req = data;

	if (req->padding1 || req->padding2 || req->enable > 1)
		return -KVMI_EINVAL;
	/* An even id is an event of the VM. */
	if (!(req->event_id & 1) ||
	    !kvmi_event_known(vcpu->session, req->event_id))
		return -KVMI_EINVAL;
	if (!kvmi_event_allowed(vcpu->session, req->event_id))
		return -KVMI_EPERM;

	if (req->enable)
		vcpu->enabled_events |= BIT(req->event_id);
	else
		vcpu->enabled_events &= ~BIT(req->event_id);
	return 0;
}

static int get_msrs(struct kvmi_vcpu *vcpu,
		    const struct kvmi_vcpu_get_registers *req,
		    struct kvm_msr_entry *entry)
{
	u16 i;

	for (i = 0; i < req->nmsrs; i++) {
		entry[i].index = req->msrs_idx[i];
		entry[i].reserved = 0;
		entry[i].data = 0;
		if (vcpu->ops->get_msr(vcpu->ctx, entry[i].index,
				       &entry[i].data))
			return -KVMI_EINVAL;
	}
	return 0;
}

static int get_registers(struct kvmi_vcpu *vcpu, const void *data, size_t sent,
			 struct kvmi_reply *reply)
{
	struct kvmi_vcpu_get_registers_reply *regs = reply->data;
	const struct kvmi_vcpu_get_registers *req = data;

	BUILD_BUG_ON(sizeof(*regs) +
		     KVMI_MAX_MSRS * sizeof(struct kvm_msr_entry) >
		     KVMI_MAX_REPLY_DATA);

	if (req->padding1 || req->padding2)
		return -KVMI_EINVAL;
	if (sizeof(*req) + req->nmsrs * sizeof(req->msrs_idx[0]) > sent)
		return -KVMI_EINVAL;
	if (req->nmsrs > KVMI_MAX_MSRS)
		return -KVMI_EINVAL;

	memset(regs, 0, sizeof(*regs));
	vcpu->ops->get_regs(vcpu->ctx, &regs->regs);
	vcpu->ops->get_sregs(vcpu->ctx, &regs->sregs);
	kvmi_event_mode(&regs->sregs, &regs->mode);
	regs->nmsrs = req->nmsrs;
	reply->size = sizeof(*regs) + req->nmsrs * sizeof(regs->msrs[0]);
	return get_msrs(vcpu, req, regs->msrs);
}

/* Kept until the event is over: what the tool was told must not change. */
static int set_registers(struct kvmi_vcpu *vcpu, const void *data, size_t sent,
			 struct kvmi_reply *reply)
{
	const struct kvmi_vcpu_set_registers *req = data;

	if (sent < sizeof(*req))
		return -KVMI_EINVAL;
	if (!READ_ONCE(vcpu->event))
		return -KVMI_EOPNOTSUPP;

	vcpu->new_regs = req->regs;
	vcpu->has_new_regs = true;
	return 0;
}

static int get_cpuid(struct kvmi_vcpu *vcpu, const void *data, size_t sent,
		     struct kvmi_reply *reply)
{
	const struct kvmi_vcpu_get_cpuid *req = data;

	reply->size = sizeof(struct kvmi_vcpu_get_cpuid_reply);
	if (!vcpu->ops->get_cpuid(vcpu->ctx, req->function, req->index,
				  reply->data))
		return -KVMI_ENOENT;
	return 0;
}

static bool has_error_code(u8 nr)
{
	const u32 with_code = BIT(8) | BIT(10) | BIT(11) | BIT(12) | BIT(13) |
			      BIT(14) | BIT(17) | BIT(21) | BIT(29) | BIT(30);

	return with_code & BIT(nr);
}

/*
 * Only vectors of exceptions: anything else is no exception to the CPU, which
 * then refuses to enter the guest. An NMI is not one either.
 */
static int inject_exception(struct kvmi_vcpu *vcpu, const void *data,
			    size_t sent, struct kvmi_reply *reply)
{
	struct kvmi_vcpu_inject_exception req =
		*(const struct kvmi_vcpu_inject_exception *)data;

	if (!kvmi_event_allowed(vcpu->session, KVMI_VCPU_EVENT_TRAP))
		return -KVMI_EPERM;
	if (req.padding1 || req.padding2)
		return -KVMI_EINVAL;
	if (req.nr > 31 || req.nr == 2)
		return -KVMI_EINVAL;
	if (READ_ONCE(vcpu->trap_pending))
		return -KVMI_EBUSY;

	if (!has_error_code(req.nr))
		req.error_code = 0;
	memset(&vcpu->trap, 0, sizeof(vcpu->trap));
	vcpu->ops->inject(vcpu->ctx, &req, has_error_code(req.nr),
			  &vcpu->trap);
	/* A tool that has gone is told of nothing. */
	spin_lock(&vcpu->lock);
	WRITE_ONCE(vcpu->trap_pending, !vcpu->closed);
	spin_unlock(&vcpu->lock);
	return 0;
}

static int get_xcr(struct kvmi_vcpu *vcpu, const void *data, size_t sent,
		   struct kvmi_reply *reply)
{
	const struct kvmi_vcpu_get_xcr *req = data;
	struct kvmi_vcpu_get_xcr_reply *xcr = reply->data;

	if (memchr_inv(req->padding, 0, sizeof(req->padding)))
		return -KVMI_EINVAL;
	if (req->xcr)
		return -KVMI_EINVAL;

	xcr->value = vcpu->ops->get_xcr0(vcpu->ctx);
	reply->size = sizeof(*xcr);
	return 0;
}

static int get_xsave(struct kvmi_vcpu *vcpu, const void *data, size_t sent,
		     struct kvmi_reply *reply)
{
	reply->size = sizeof(struct kvmi_vcpu_xsave);
	return vcpu->ops->get_xsave(vcpu->ctx, reply->data);
}

static int set_xsave(struct kvmi_vcpu *vcpu, const void *data, size_t sent,
		     struct kvmi_reply *reply)
{
	if (sent < sizeof(struct kvmi_vcpu_xsave))
		return -KVMI_EINVAL;
	/* The data are the job's own copy. */
	return vcpu->ops->set_xsave(vcpu->ctx, (void *)data);
}

static int get_mtrr_type(struct kvmi_vcpu *vcpu, const void *data, size_t sent,
			 struct kvmi_reply *reply)
{
	const struct kvmi_vcpu_get_mtrr_type *req = data;
	struct kvmi_vcpu_get_mtrr_type_reply *type = reply->data;

	memset(type, 0, sizeof(*type));
	type->type = kvmi_mtrr_type(vcpu, req->gpa);
	reply->size = sizeof(*type);
	return 0;
}

static int translate_gva(struct kvmi_vcpu *vcpu, const void *data, size_t sent,
			 struct kvmi_reply *reply)
{
	const struct kvmi_vcpu_translate_gva *req = data;
	struct kvmi_vcpu_translate_gva_reply *translation = reply->data;

	reply->size = sizeof(*translation);
	return vcpu->ops->translate(vcpu->ctx, req->gva, &translation->gpa);
}

typedef int (*vcpu_handler)(struct kvmi_vcpu *vcpu, const void *data,
			    size_t sent, struct kvmi_reply *reply);

/* @size: bytes of the request behind the header, 0 when that varies */
struct vcpu_command {
	vcpu_handler handler;
	size_t size;
};

/* Indexed by half the id: vCPU ids are odd. */
static const struct vcpu_command commands[KVMI_NUM_COMMANDS / 2] = {
	[KVMI_VCPU_GET_INFO / 2] = { get_info, 8 },
	[KVMI_VCPU_CONTROL_EVENTS / 2] = {
		control_events, sizeof(struct kvmi_vcpu_control_events) },
	[KVMI_VCPU_GET_REGISTERS / 2] = { get_registers, 0 },
	[KVMI_VCPU_SET_REGISTERS / 2] = {
		set_registers, sizeof(struct kvmi_vcpu_set_registers) },
	[KVMI_VCPU_GET_CPUID / 2] = {
		get_cpuid, sizeof(struct kvmi_vcpu_get_cpuid) },
	[KVMI_VCPU_INJECT_EXCEPTION / 2] = {
		inject_exception, sizeof(struct kvmi_vcpu_inject_exception) },
	[KVMI_VCPU_GET_XCR / 2] = { get_xcr, sizeof(struct kvmi_vcpu_get_xcr) },
	[KVMI_VCPU_GET_XSAVE / 2] = { get_xsave, 8 },
	[KVMI_VCPU_SET_XSAVE / 2] = {
		set_xsave, sizeof(struct kvmi_vcpu_xsave) },
	[KVMI_VCPU_GET_MTRR_TYPE / 2] = {
		get_mtrr_type, sizeof(struct kvmi_vcpu_get_mtrr_type) },
	[KVMI_VCPU_TRANSLATE_GVA / 2] = {
		translate_gva, sizeof(struct kvmi_vcpu_translate_gva) },
};

/* The id is the tool's: no speculative load behind the table either. */
static const struct vcpu_command *find_command(u16 id)
{
	if (!(id & 1) || id >= KVMI_NUM_COMMANDS)
		return NULL;
	return &commands[array_index_nospec(id / 2, KVMI_NUM_COMMANDS / 2)];
}

bool kvmi_vcpu_command_known(u16 id)
{
	const struct vcpu_command *command = find_command(id);

	return command && command->handler;
}

/* Bytes of payload that the command can use, 0 when that varies. */
size_t kvmi_vcpu_command_size(u16 id)
{
	const struct vcpu_command *command = find_command(id);

	if (!command || !command->size)
		return 0;
	return sizeof(struct kvmi_vcpu_hdr) + command->size;
}

int kvmi_vcpu_command_run(struct kvmi_vcpu *vcpu, const struct kvmi_job *job,
			  struct kvmi_reply *reply)
{
	const size_t hdr = sizeof(struct kvmi_vcpu_hdr);
	size_t sent = job->hdr.size > hdr ? job->hdr.size - hdr : 0;

	return find_command(job->hdr.id)->handler(vcpu, job->payload + hdr,
						  sent, reply);
}
