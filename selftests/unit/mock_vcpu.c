// SPDX-License-Identifier: GPL-2.0-only
#include "mock_vcpu.h"

#include <stdlib.h>

/* What a call leaves behind that has failed; must not reach the tool. */
#define GARBAGE 0xee

static void note(struct mock_vcpu *vcpu, char action)
{
	vcpu->log[vcpu->actions++ % (MOCK_LOG - 1)] = action;
}

static void get_regs(void *ctx, struct kvm_regs *regs)
{
	struct mock_vcpu *vcpu = ctx;

	*regs = vcpu->regs;
}

static void get_sregs(void *ctx, struct kvm_sregs *sregs)
{
	struct mock_vcpu *vcpu = ctx;

	*sregs = vcpu->sregs;
}

bool mock_vcpu_msr(const struct mock_vcpu *vcpu, u32 index, u64 *value)
{
	unsigned int i;

	for (i = vcpu->num_msrs; i > 0; i--) {
		if (vcpu->msrs[i - 1].index == index) {
			*value = vcpu->msrs[i - 1].value;
			return true;
		}
	}
	if (vcpu->only_these_msrs || index % 7 == 6)
		return false;
	*value = (index + 1 + vcpu->core.index) * 0x9e3779b97f4a7c15ull;
	return true;
}

static int get_msr(void *ctx, u32 index, u64 *value)
{
	if (mock_vcpu_msr(ctx, index, value))
		return 0;
	memset(value, GARBAGE, sizeof(*value));
	return 1;
}

bool mock_vcpu_cpuid(const struct mock_vcpu *vcpu, u32 function, u32 index,
		     u32 entry[4])
{
	u32 i;

	if (function > 0x20 || index > 3)
		return false;
	for (i = 0; i < 4; i++)
		entry[i] = (function << 16 | index << 8 | i) + 0x80000001;
	if (function == 1 && index == 0)
		entry[3] = vcpu->cpuid_edx;
	return true;
}

static bool get_cpuid(void *ctx, u32 function, u32 index,
		      struct kvmi_vcpu_get_cpuid_reply *reply)
{
	u32 entry[4];

	memset(reply, GARBAGE, sizeof(*reply));
	if (!mock_vcpu_cpuid(ctx, function, index, entry))
		return false;
	memcpy(reply, entry, sizeof(entry));
	return true;
}

static u64 get_xcr0(void *ctx)
{
	struct mock_vcpu *vcpu = ctx;

	return vcpu->xcr0;
}

void mock_vcpu_xsave(const struct mock_vcpu *vcpu, u8 *buf)
{
	u32 i;

	for (i = 0; i < 4096; i++)
		buf[i] = i * 7 + (i >> 8) + vcpu->core.index;
}

static int get_xsave(void *ctx, void *buf)
{
	struct mock_vcpu *vcpu = ctx;

	if (vcpu->get_xsave_err)
		memset(buf, GARBAGE, 4096);
	else
		mock_vcpu_xsave(vcpu, buf);
	return vcpu->get_xsave_err;
}

static int set_xsave(void *ctx, void *buf)
{
	struct mock_vcpu *vcpu = ctx;

	note(vcpu, 'X');
	memcpy(vcpu->new_xsave, buf, sizeof(vcpu->new_xsave));
	return vcpu->set_xsave_err;
}

static u64 get_tsc_khz(void *ctx)
{
	struct mock_vcpu *vcpu = ctx;

	return vcpu->tsc_khz;
}

int mock_vcpu_translate(u64 gva, u64 *gpa)
{
	if ((gva & 0xfff) == 0xbad)
		return -KVMI_ENOMEM;
	*gpa = gva >> 47 ? ~0ull : gva ^ 0x5a5a000;
	return 0;
}

static int translate(void *ctx, u64 gva, u64 *gpa)
{
	int err = mock_vcpu_translate(gva, gpa);

	if (err)
		memset(gpa, GARBAGE, sizeof(*gpa));
	return err;
}

static void set_regs(void *ctx, const struct kvm_regs *regs)
{
	struct mock_vcpu *vcpu = ctx;

	note(vcpu, 'R');
	vcpu->new_regs = *regs;
	vcpu->regs = *regs;
}

static void inject(void *ctx, const struct kvmi_vcpu_inject_exception *req,
		   bool has_code, struct kvmi_vcpu_event_trap *trap)
{
	struct mock_vcpu *vcpu = ctx;

	note(vcpu, 'I');
	vcpu->busy_within = kvmi_vcpu_busy(&vcpu->core);
	vcpu->injected = *req;
	vcpu->injected_code = has_code;
	trap->nr = vcpu->occupied ? 6 : req->nr;
	trap->error_code = vcpu->occupied ? 0 : req->error_code;
	if (!vcpu->occupied && req->nr == 14)
		vcpu->cr2 = req->address;
}

static bool delivered(void *ctx)
{
	struct mock_vcpu *vcpu = ctx;

	return !vcpu->undelivered;
}

static void unhalt(void *ctx)
{
	struct mock_vcpu *vcpu = ctx;

	vcpu->unhalts++;
}

static u64 get_cr2(void *ctx)
{
	struct mock_vcpu *vcpu = ctx;

	return vcpu->cr2;
}

static void make_runnable(void *ctx)
{
	struct mock_vcpu *vcpu = ctx;

	vcpu->ready = true;
	note(ctx, 'M');
}

static bool interrupted(void *ctx)
{
	struct mock_vcpu *vcpu = ctx;

	return vcpu->interrupted;
}

static void crash(void *ctx)
{
	note(ctx, 'C');
}

static const struct kvmi_vcpu_ops mock_vcpu_ops = {
	.get_regs = get_regs,
	.get_sregs = get_sregs,
	.get_msr = get_msr,
	.get_cpuid = get_cpuid,
	.get_xcr0 = get_xcr0,
	.get_xsave = get_xsave,
	.set_xsave = set_xsave,
	.get_tsc_khz = get_tsc_khz,
	.translate = translate,
	.set_regs = set_regs,
	.inject = inject,
	.delivered = delivered,
	.unhalt = unhalt,
	.get_cr2 = get_cr2,
	.make_runnable = make_runnable,
	.interrupted = interrupted,
	.crash = crash,
};

/* Every byte of the registers differs from its neighbours and is not zero. */
static void fill(void *buf, size_t size, u8 first)
{
	u8 *p = buf;
	size_t i;

	for (i = 0; i < size; i++)
		p[i] = (first + i * 3) | 1;
}

/* Memory of the core's own is zero at first, as it is in the kernel. */
struct mock_vcpu *mock_vcpu_new(struct kvmi_session *session, u16 index)
{
	struct mock_vcpu *vcpu = calloc(1, sizeof(*vcpu));

	if (!vcpu)
		abort();
	kvmi_vcpu_init(&vcpu->core, session, index);
	vcpu->core.ops = &mock_vcpu_ops;
	vcpu->core.ctx = vcpu;
	vcpu->ready = true;
	fill(&vcpu->regs, sizeof(vcpu->regs), 2 * index);
	fill(&vcpu->sregs, sizeof(vcpu->sregs), 100 + index);
	vcpu->tsc_khz = 2345678 + index;
	vcpu->xcr0 = 0xf00000007 + index;
	vcpu->cr2 = 0xc200c200c200 + index;
	return vcpu;
}

void mock_vcpu_free(struct mock_vcpu *vcpu)
{
	kvmi_vcpu_close(&vcpu->core);
	kvmi_vcpu_drop(&vcpu->core);
	free(vcpu);
}

void mock_vcpu_set_msr(struct mock_vcpu *vcpu, u32 index, u64 value)
{
	if (vcpu->num_msrs == MOCK_MSRS)
		abort();
	vcpu->msrs[vcpu->num_msrs].index = index;
	vcpu->msrs[vcpu->num_msrs++].value = value;
}
