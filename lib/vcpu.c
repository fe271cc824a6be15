// SPDX-License-Identifier: LGPL-2.1-only
/* Commands that name a vCPU, one function each. */
#include <string.h>

#include "internal.h"

/* The longest request is SET_XSAVE's. */
#define MAX_REQUEST sizeof(struct kvmi_vcpu_xsave)

int kvmic_pause_vcpu(struct kvmic_conn *conn, uint16_t vcpu, int wait)
{
	struct kvmi_vm_pause_vcpu req = { .vcpu = vcpu, .wait = !!wait };

	return kvmic_call(conn, KVMI_VM_PAUSE_VCPU, &req, sizeof(req), NULL, 0,
			  NULL);
}

/* @got may be NULL when the reply has one size: @room. */
static int vcpu_call(struct kvmic_conn *conn, uint16_t id, uint16_t vcpu,
		     const void *req, size_t size, void *reply, size_t room,
		     size_t *got)
{
	uint8_t msg[sizeof(struct kvmi_vcpu_hdr) + MAX_REQUEST];
	struct kvmi_vcpu_hdr hdr = { .vcpu = vcpu };
	size_t n;
	int r;

	memcpy(msg, &hdr, sizeof(hdr));
	if (size)
		memcpy(msg + sizeof(hdr), req, size);
	if (room)
		memset(reply, 0, room);
	r = kvmic_call(conn, id, msg, sizeof(hdr) + size, reply, room,
		       got ? got : &n);
	if (r || got || n >= room)
		return r;
	memset(reply, 0, room);
	return kvmic__bad_reply(conn, id, n);
}

int kvmic_vcpu_get_info(struct kvmic_conn *conn, uint16_t vcpu,
			struct kvmi_vcpu_get_info_reply *reply)
{
	return vcpu_call(conn, KVMI_VCPU_GET_INFO, vcpu, NULL, 0, reply,
			 sizeof(*reply), NULL);
}

int kvmic_vcpu_control_events(struct kvmic_conn *conn, uint16_t vcpu,
			      uint16_t event_id, int enable)
{
	struct kvmi_vcpu_control_events req = {
		.event_id = event_id,
		.enable = !!enable,
	};

	return vcpu_call(conn, KVMI_VCPU_CONTROL_EVENTS, vcpu, &req,
			 sizeof(req), NULL, 0, NULL);
}

/* The MSRs of the reply are those that were asked for, in that order. */
static int take_msrs(struct kvmic_conn *conn, const uint8_t *data, size_t got,
		     const uint32_t *msrs, size_t nmsrs, uint64_t *values)
{
	struct kvm_msr_entry entry;
	size_t i;

	for (i = 0; i < nmsrs; i++) {
		memcpy(&entry, data + i * sizeof(entry), sizeof(entry));
		if (entry.index != msrs[i]) {
			memset(values, 0, nmsrs * sizeof(*values));
			return kvmic__bad_reply(conn, KVMI_VCPU_GET_REGISTERS,
						got);
		}
		values[i] = entry.data;
	}
	return 0;
}

int kvmic_vcpu_get_registers(struct kvmic_conn *conn, uint16_t vcpu,
			     const uint32_t *msrs, size_t nmsrs,
			     struct kvmi_vcpu_get_registers_reply *reply,
			     uint64_t *values)
{
	struct kvmi_vcpu_get_registers req = { .nmsrs = nmsrs };
	uint8_t msg[sizeof(req) + KVMI_MAX_MSRS * sizeof(*msrs)];
	uint8_t buf[sizeof(*reply) +
		    KVMI_MAX_MSRS * sizeof(struct kvm_msr_entry)];
	size_t got;
	int r;

	memset(reply, 0, sizeof(*reply));
	if (nmsrs > KVMI_MAX_MSRS)
		return kvmic__fail(&conn->err, -KVMIC_ERR_ARG, 0, NULL,
				   "%zu MSRs, the limit is %d", nmsrs,
				   KVMI_MAX_MSRS);
	memcpy(msg, &req, sizeof(req));
	if (nmsrs) {
		memcpy(msg + sizeof(req), msrs, nmsrs * sizeof(*msrs));
		memset(values, 0, nmsrs * sizeof(*values));
	}
	r = vcpu_call(conn, KVMI_VCPU_GET_REGISTERS, vcpu, msg,
		      sizeof(req) + nmsrs * sizeof(*msrs), buf, sizeof(buf),
		      &got);
	if (r)
		return r;
	if (got < sizeof(*reply) + nmsrs * sizeof(struct kvm_msr_entry))
		return kvmic__bad_reply(conn, KVMI_VCPU_GET_REGISTERS, got);
	memcpy(reply, buf, sizeof(*reply));
	if (reply->nmsrs == nmsrs)
		r = take_msrs(conn, buf + sizeof(*reply), got, msrs, nmsrs,
			      values);
	else
		r = kvmic__bad_reply(conn, KVMI_VCPU_GET_REGISTERS, got);
	if (r)
		memset(reply, 0, sizeof(*reply));
	return r;
}

int kvmic_vcpu_set_registers(struct kvmic_conn *conn, uint16_t vcpu,
			     const struct kvm_regs *regs)
{
	return vcpu_call(conn, KVMI_VCPU_SET_REGISTERS, vcpu, regs,
			 sizeof(*regs), NULL, 0, NULL);
}

int kvmic_vcpu_get_cpuid(struct kvmic_conn *conn, uint16_t vcpu,
			 uint32_t function, uint32_t index,
			 struct kvmi_vcpu_get_cpuid_reply *reply)
{
	struct kvmi_vcpu_get_cpuid req = {
		.function = function,
		.index = index,
	};

	return vcpu_call(conn, KVMI_VCPU_GET_CPUID, vcpu, &req, sizeof(req),
			 reply, sizeof(*reply), NULL);
}

int kvmic_vcpu_inject_exception(struct kvmic_conn *conn, uint16_t vcpu,
				uint8_t nr, uint32_t error_code,
				uint64_t address)
{
	struct kvmi_vcpu_inject_exception req = {
		.nr = nr,
		.error_code = error_code,
		.address = address,
	};

	return vcpu_call(conn, KVMI_VCPU_INJECT_EXCEPTION, vcpu, &req,
			 sizeof(req), NULL, 0, NULL);
}

int kvmic_vcpu_get_xcr(struct kvmic_conn *conn, uint16_t vcpu, uint8_t xcr,
		       uint64_t *value)
{
	struct kvmi_vcpu_get_xcr req = { .xcr = xcr };
	struct kvmi_vcpu_get_xcr_reply reply;
	int r;

	r = vcpu_call(conn, KVMI_VCPU_GET_XCR, vcpu, &req, sizeof(req), &reply,
		      sizeof(reply), NULL);
	*value = r ? 0 : reply.value;
	return r;
}

int kvmic_vcpu_get_xsave(struct kvmic_conn *conn, uint16_t vcpu,
			 struct kvmi_vcpu_xsave *xsave)
{
	return vcpu_call(conn, KVMI_VCPU_GET_XSAVE, vcpu, NULL, 0, xsave,
			 sizeof(*xsave), NULL);
}

int kvmic_vcpu_set_xsave(struct kvmic_conn *conn, uint16_t vcpu,
			 const struct kvmi_vcpu_xsave *xsave)
{
	return vcpu_call(conn, KVMI_VCPU_SET_XSAVE, vcpu, xsave,
			 sizeof(*xsave), NULL, 0, NULL);
}

int kvmic_vcpu_get_mtrr_type(struct kvmic_conn *conn, uint16_t vcpu,
			     uint64_t gpa, uint8_t *type)
{
	struct kvmi_vcpu_get_mtrr_type req = { .gpa = gpa };
	struct kvmi_vcpu_get_mtrr_type_reply reply;
	int r;

	r = vcpu_call(conn, KVMI_VCPU_GET_MTRR_TYPE, vcpu, &req, sizeof(req),
		      &reply, sizeof(reply), NULL);
	*type = r ? 0 : reply.type;
	return r;
}

int kvmic_vcpu_translate_gva(struct kvmic_conn *conn, uint16_t vcpu,
			     uint64_t gva, uint64_t *gpa)
{
	struct kvmi_vcpu_translate_gva req = { .gva = gva };
	struct kvmi_vcpu_translate_gva_reply reply;
	int r;

	r = vcpu_call(conn, KVMI_VCPU_TRANSLATE_GVA, vcpu, &req, sizeof(req),
		      &reply, sizeof(reply), NULL);
	*gpa = r ? 0 : reply.gpa;
	return r;
}

int kvmic_read_virtual(struct kvmic_conn *conn, uint16_t vcpu, uint64_t gva,
		       void *buf, size_t len, size_t *done)
{
	int r = kvmic__check_range(conn, gva, len);
	size_t read = 0, n, got;
	uint64_t gpa;

	while (!r && read < len) {
		n = kvmic__piece(gva + read, len - read);
		r = kvmic_vcpu_translate_gva(conn, vcpu, gva + read, &gpa);
		if (!r && gpa == KVMIC_NOT_MAPPED)
			r = kvmic__fail(&conn->err, -KVMIC_ERR_NOT_MAPPED, 0,
					NULL,
					"vCPU %u has no mapping for 0x%llx",
					vcpu, (unsigned long long)gva + read);
		if (r)
			break;
		r = kvmic_read_physical(conn, gpa, (uint8_t *)buf + read, n,
					&got);
		read += got;
	}
	if (done)
		*done = read;
	return r;
}
