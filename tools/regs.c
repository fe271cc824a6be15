// SPDX-License-Identifier: GPL-2.0-only
/* Registers of a vCPU, for people and for programs. */
#include <inttypes.h>

#include "kvmictl.h"

#define CR0_PE (1u << 0)
#define CR0_PG (1u << 31)
#define CR4_PAE (1u << 5)
#define CR4_LA57 (1u << 12)
#define EFER_LMA (1u << 10)
#define RFLAGS_VM (1u << 17)

/* Names of fields, and where they are. */
struct field {
	const char *name;
	size_t offset;
};

#define REG(n) { #n, offsetof(struct kvm_regs, n) }
#define SREG(n) { #n, offsetof(struct kvm_sregs, n) }

static const struct field general[] = {
	REG(rax), REG(rbx), REG(rcx), REG(rdx), REG(rsi), REG(rdi), REG(rsp),
	REG(rbp), REG(r8), REG(r9), REG(r10), REG(r11), REG(r12), REG(r13),
	REG(r14), REG(r15), REG(rip), REG(rflags),
};

static const struct field control[] = {
	SREG(cr0), SREG(cr2), SREG(cr3), SREG(cr4), SREG(cr8), SREG(efer),
	SREG(apic_base),
};

static const struct field segments[] = {
	SREG(cs), SREG(ds), SREG(es), SREG(fs), SREG(gs), SREG(ss), SREG(tr),
	SREG(ldt),
};

static const struct field tables[] = { SREG(gdt), SREG(idt) };

static uint64_t value_of(const void *base, const struct field *f)
{
	return *(const __u64 *)((const char *)base + f->offset);
}

static const struct kvm_segment *segment_of(const struct kvm_sregs *sregs,
					    const struct field *f)
{
	return (const void *)((const char *)sregs + f->offset);
}

static const struct kvm_dtable *table_of(const struct kvm_sregs *sregs,
					 const struct field *f)
{
	return (const void *)((const char *)sregs + f->offset);
}

static const char *mode_name(const struct kvmi_vcpu_get_registers_reply *r)
{
	if (!(r->sregs.cr0 & CR0_PE))
		return "real mode";
	if (r->sregs.efer & EFER_LMA)
		return r->mode == 8 ? "64-bit mode" :
		       r->mode == 4 ? "32-bit compatibility mode" :
				      "16-bit compatibility mode";
	if (r->regs.rflags & RFLAGS_VM)
		return "virtual-8086 mode";
	return r->mode == 4 ? "32-bit protected mode" : "16-bit protected mode";
}

static const char *paging_name(const struct kvm_sregs *s)
{
	if (!(s->cr0 & CR0_PG))
		return "no paging";
	if (s->efer & EFER_LMA)
		return s->cr4 & CR4_LA57 ? "5-level paging" : "4-level paging";
	return s->cr4 & CR4_PAE ? "PAE paging" : "32-bit paging";
}

/* ------------------------------------------------------------------- text */

static void print_fields(const void *base, const struct field *f, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		printf("  %-9s %016" PRIx64 "%s",
		       f[i].name, value_of(base, &f[i]),
		       i % 3 == 2 || i + 1 == count ? "\n" : "");
}

static void print_segments(const struct kvm_sregs *sregs)
{
	const struct kvm_segment *s;
	size_t i;

	printf("  %-9s %-8s  %-16s  %-8s  type  dpl  flags\n", "segment",
	       "selector", "base", "limit");
	for (i = 0; i < ARRAY_SIZE(segments); i++) {
		s = segment_of(sregs, &segments[i]);
		printf("  %-9s %04x      %016" PRIx64 "  %08x  %4u  %3u%s%s%s%s%s%s\n",
		       segments[i].name, s->selector, (uint64_t)s->base,
		       s->limit, s->type, s->dpl, s->present ? "  p" : "",
		       s->s ? " s" : "", s->l ? " l" : "", s->db ? " db" : "",
		       s->g ? " g" : "", s->unusable ? "  unusable" : "");
	}
	for (i = 0; i < ARRAY_SIZE(tables); i++)
		printf("  %-9s %-8s  %016" PRIx64 "  %08x\n", tables[i].name,
		       "", (uint64_t)table_of(sregs, &tables[i])->base,
		       table_of(sregs, &tables[i])->limit);
}

void print_registers(unsigned int vcpu,
		     const struct kvmi_vcpu_get_registers_reply *r,
		     const struct msr_list *msrs)
{
	size_t i;

	printf("vCPU %u: %s, %s\n", vcpu, mode_name(r), paging_name(&r->sregs));
	print_fields(&r->regs, general, ARRAY_SIZE(general));
	print_fields(&r->sregs, control, ARRAY_SIZE(control));
	print_segments(&r->sregs);
	for (i = 0; i < msrs->count; i++) {
		if (msrs->unreadable[i])
			printf("  msr       %08x  cannot be read\n",
			       msrs->index[i]);
		else
			printf("  msr       %08x  %016" PRIx64 "\n",
			       msrs->index[i], msrs->value[i]);
	}
}

/* ------------------------------------------------------------------- JSON */

static void json_fields(struct json *j, const char *key, const void *base,
			const struct field *f, size_t count)
{
	size_t i;

	json_object(j, key);
	for (i = 0; i < count; i++)
		json_hex(j, f[i].name, value_of(base, &f[i]));
	json_close(j, '}');
}

static void json_segment(struct json *j, const char *key,
			 const struct kvm_segment *s)
{
	json_object(j, key);
	json_hex(j, "selector", s->selector);
	json_hex(j, "base", s->base);
	json_hex(j, "limit", s->limit);
	json_uint(j, "type", s->type);
	json_uint(j, "dpl", s->dpl);
	json_bool(j, "present", s->present);
	json_bool(j, "s", s->s);
	json_bool(j, "l", s->l);
	json_bool(j, "db", s->db);
	json_bool(j, "g", s->g);
	json_bool(j, "avl", s->avl);
	json_bool(j, "unusable", s->unusable);
	json_close(j, '}');
}

static void json_msrs(struct json *j, const struct msr_list *msrs)
{
	size_t i;

	json_array(j, "msrs");
	for (i = 0; i < msrs->count; i++) {
		json_object(j, NULL);
		json_hex(j, "index", msrs->index[i]);
		if (msrs->unreadable[i])
			json_null(j, "value");
		else
			json_hex(j, "value", msrs->value[i]);
		json_close(j, '}');
	}
	json_close(j, ']');
}

void json_registers(struct json *j,
		    const struct kvmi_vcpu_get_registers_reply *r,
		    const struct msr_list *msrs)
{
	size_t i;

	json_uint(j, "operand_bytes", r->mode);
	json_string(j, "mode", mode_name(r));
	json_string(j, "paging", paging_name(&r->sregs));
	json_fields(j, "general", &r->regs, general, ARRAY_SIZE(general));
	json_fields(j, "control", &r->sregs, control, ARRAY_SIZE(control));
	json_object(j, "segments");
	for (i = 0; i < ARRAY_SIZE(segments); i++)
		json_segment(j, segments[i].name,
			     segment_of(&r->sregs, &segments[i]));
	json_close(j, '}');
	json_object(j, "tables");
	for (i = 0; i < ARRAY_SIZE(tables); i++) {
		json_object(j, tables[i].name);
		json_hex(j, "base", table_of(&r->sregs, &tables[i])->base);
		json_hex(j, "limit", table_of(&r->sregs, &tables[i])->limit);
		json_close(j, '}');
	}
	json_close(j, '}');
	json_msrs(j, msrs);
}
