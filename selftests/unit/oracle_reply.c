// SPDX-License-Identifier: GPL-2.0-only
/* What each command of a vCPU does and answers. */
#include "oracle.h"

#include <string.h>

uint8_t oracle_mode(const struct oracle_vcpu *vcpu)
{
	if ((vcpu->sregs[265] & 4) && vcpu->sregs[19])
		return 8;
	return vcpu->sregs[17] ? 4 : 2;
}

static int32_t control_events(struct oracle *oracle, struct oracle_vcpu *vcpu,
			      const uint8_t *args)
{
	uint16_t id = get16(args);

	if (args[2] > 1 || !zero(args, 3, 7) || id == 0 ||
	    !oracle_event_known(oracle, id))
		return -22;
	if (!(oracle->events >> id & 1))
		return -1;
	vcpu->enabled &= ~(1u << id);
	vcpu->enabled |= (uint32_t)args[2] << id;
	return 0;
}

static int32_t get_registers(struct oracle *oracle, struct oracle_vcpu *vcpu,
			     const struct oracle_job *job, uint8_t *data,
			     size_t *size)
{
	const uint8_t *args = job->payload + 8;
	uint16_t count = get16(args), i;
	uint64_t value;

	if (!zero(args, 2, 7) || 16u + 4 * count > job->size || count > 481)
		return -22;
	data[0] = oracle_mode(vcpu);
	memcpy(data + 8, vcpu->regs, 144);
	memcpy(data + 152, vcpu->sregs, 312);
	memcpy(data + 464, &count, 2);
	for (i = 0; i < count; i++) {
		if (!oracle->backend->msr(vcpu->backend,
					  get32(args + 8 + 4 * i), &value))
			return -22;
		memcpy(data + 472 + 16 * i, args + 8 + 4 * i, 4);
		memcpy(data + 480 + 16 * i, &value, 8);
	}
	*size = 472 + 16 * count;
	return 0;
}

static bool with_code(uint8_t nr)
{
	switch (nr) {
	case 8: case 10: case 11: case 12: case 13: case 14: case 17: case 21:
	case 29: case 30:
		return true;
	}
	return false;
}

static int32_t inject(struct oracle *oracle, struct oracle_vcpu *vcpu,
		      const uint8_t *args)
{
	if (!(oracle->events >> 9 & 1))
		return -1;
	if (!zero(args, 1, 3) || args[0] == 2 || args[0] > 31)
		return -22;
	if (vcpu->trap_pending)
		return -16;
	vcpu->trap_pending = !vcpu->closed;
	vcpu->trap_nr = args[0];
	vcpu->trap_code = with_code(args[0]) ? get32(args + 4) : 0;
	if (args[0] == 14)
		vcpu->cr2 = get64(args + 8);
	oracle_act(vcpu, 'I');
	return 0;
}

static uint64_t msr(struct oracle *oracle, struct oracle_vcpu *vcpu,
		    uint32_t index)
{
	uint64_t value;

	return oracle->backend->msr(vcpu->backend, index, &value) ? value : 0;
}

static uint8_t fixed_type(struct oracle *oracle, struct oracle_vcpu *vcpu,
			  uint64_t gpa)
{
	static const uint32_t indices[] = {
		0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d,
		0x26e, 0x26f,
	};
	uint64_t end = 0;
	uint32_t i, n;

	for (i = 0; i < 11; i++)
		for (n = 0; n < 8; n++) {
			end += i == 0 ? 65536 : i < 3 ? 16384 : 4096;
			if (gpa < end)
				return msr(oracle, vcpu, indices[i]) >> 8 * n;
		}
	return 0;
}

static uint8_t mtrr_type(struct oracle *oracle, struct oracle_vcpu *vcpu,
			 uint64_t gpa)
{
	uint64_t def = msr(oracle, vcpu, 0x2ff), mask;
	uint32_t n, count = msr(oracle, vcpu, 0xfe) & 255, entry[4];
	bool seen[256] = { false };
	uint8_t type = def, kinds = 0;

	if (!(def & 0x800)) {
		oracle->backend->cpuid(vcpu->backend, 1, 0, entry);
		return entry[3] & 0x1000 ? 0 : 6;
	}
	if (gpa < 0x100000 && (def & 0x400))
		return fixed_type(oracle, vcpu, gpa);
	for (n = 0; n < count && n < 16; n++) {
		uint64_t base = msr(oracle, vcpu, 0x200 + 2 * n);

		mask = msr(oracle, vcpu, 0x201 + 2 * n);
		if (!(mask & 0x800) ||
		    (base & mask) >> 12 != (gpa & mask) >> 12)
			continue;
		type = base;
		kinds += !seen[type];
		seen[type] = true;
	}
	if (kinds < 2)
		return type;
	if (seen[0])
		return 0;
	return kinds == 2 && seen[4] && seen[6] ? 4 : 6;
}

static int32_t set_registers(struct oracle_vcpu *vcpu,
			     const struct oracle_job *job)
{
	if (job->size < 152)
		return -22;
	if (!vcpu->waiting)
		return -95;
	memcpy(vcpu->new_regs, job->payload + 8, 144);
	vcpu->has_regs = true;
	return 0;
}

static int32_t get_cpuid(struct oracle *oracle, struct oracle_vcpu *vcpu,
			 const uint8_t *args, uint8_t *data)
{
	uint32_t entry[4];

	if (!oracle->backend->cpuid(vcpu->backend, get32(args),
				    get32(args + 4), entry))
		return -2;
	memcpy(data, entry, 16);
	return 0;
}

int32_t oracle_command(struct oracle *oracle, struct oracle_vcpu *vcpu,
		       const struct oracle_job *job, uint8_t *data,
		       size_t *size)
{
	const uint8_t *args = job->payload + 8;
	uint64_t value;
	int32_t err;

	*size = 8;
	switch (job->id) {
	case 3:
		value = 1000 * vcpu->tsc_khz;
		memcpy(data, &value, 8);
		return 0;
	case 7:
		return get_registers(oracle, vcpu, job, data, size);
	case 11:
		*size = 16;
		return get_cpuid(oracle, vcpu, args, data);
	case 17:
		memcpy(data, &vcpu->xcr0, 8);
		return zero(args, 0, 7) ? 0 : -22;
	case 19:
		*size = 4096;
		oracle->backend->xsave(vcpu->backend, data);
		return 0;
	case 23:
		data[0] = mtrr_type(oracle, vcpu, get64(args));
		return 0;
	case 29:
		err = oracle->backend->translate(get64(args), &value);
		if (!err)
			memcpy(data, &value, 8);
		return err;
	}
	*size = 0;
	switch (job->id) {
	case 5:
		return control_events(oracle, vcpu, args);
	case 9:
		return set_registers(vcpu, job);
	case 15:
		return inject(oracle, vcpu, args);
	}
	if (job->size < 4104)
		return -22;
	oracle_act(vcpu, 'X');
	return 0;
}
