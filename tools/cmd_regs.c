// SPDX-License-Identifier: GPL-2.0-only
/* kvmictl regs */
#include <getopt.h>
#include <string.h>

#include "kvmictl.h"

static int run(int argc, char **argv);

const struct command cmd_regs = {
	.name = "regs",
	.summary = "show the registers of virtual CPUs",
	.help =
	"Usage: kvmictl regs --pid PID | --name NAME [--vm INDEX]\n"
	"                    [--vcpu INDEX | --vcpu all] [--msr INDEX[,...]] [--json]\n"
	"\n"
	"Show general, control and segment registers, mode, EFER, and the MSRs that\n"
	"are asked for. The VM runs on: each vCPU is shown as it was at a moment of\n"
	"its own. vCPUs that the guest has not started are named and left out.\n"
	"\n"
	"  --pid PID     process of the VMM\n"
	"  --name NAME   name of the VM, as kvmictl list shows it\n"
	"  --vm INDEX    which one, when the process has several VMs\n"
	"  --vcpu INDEX  which vCPU, from 0; all by default\n"
	"  --msr INDEX   MSRs to show as well, with commas between them, such as\n"
	"                0xc0000082,0x174; an MSR that cannot be read is named so, and\n"
	"                the exit status is 1\n"
	"  --json        for programs; values are strings such as \"0x10\"\n",
	.run = run,
};

/* What goes through all vCPUs. */
struct show {
	struct kvmic_conn *conn;
	struct msr_list msrs;
	struct json j;
	bool json, one;
	int status;
};

static int report_not_started(unsigned int vcpu, struct show *s)
{
	if (s->json) {
		json_object(&s->j, NULL);
		json_uint(&s->j, "vcpu", vcpu);
		json_bool(&s->j, "started", false);
		json_close(&s->j, '}');
	}
	complain("vCPU %u is not started by the guest yet, or its VMM is ending",
		 vcpu);
	/* Asked for it alone, there is nothing to show. */
	if (s->one)
		s->status = EXIT_FAILED;
	return 0;
}

static void note_unreadable(struct show *s)
{
	size_t i;

	for (i = 0; i < s->msrs.count; i++)
		if (s->msrs.unreadable[i]) {
			s->status = EXIT_FAILED;
			complain("MSR 0x%x cannot be read", s->msrs.index[i]);
		}
}

static int show_vcpu(struct show *s, unsigned int vcpu)
{
	struct kvmi_vcpu_get_registers_reply r;
	int err = get_registers(s->conn, vcpu, &r, &s->msrs);

	if (err == -KVMI_EAGAIN)
		return report_not_started(vcpu, s);
	if (err)
		return report(kvmic_last_error(s->conn));
	if (s->json) {
		json_object(&s->j, NULL);
		json_uint(&s->j, "vcpu", vcpu);
		json_bool(&s->j, "started", true);
		json_registers(&s->j, &r, &s->msrs);
		json_close(&s->j, '}');
	} else {
		print_registers(vcpu, &r, &s->msrs);
	}
	note_unreadable(s);
	return 0;
}

static int show_all(struct show *s, const struct kvmic_vm *vm,
		    const struct options *opt)
{
	unsigned int first = 0, count, i;
	int r = count_vcpus(s->conn, &count);

	if (r)
		return r;
	if (opt->has_vcpu && opt->vcpu >= 0) {
		r = check_vcpu(opt->vcpu, count);
		if (r)
			return r;
		s->one = true;
		first = opt->vcpu;
		count = first + 1;
	}
	if (s->json) {
		json_start(&s->j, stdout);
		json_uint(&s->j, "pid", vm->pid);
		json_uint(&s->j, "vm", vm->index);
		json_array(&s->j, "vcpus");
	}
	for (i = first; !r && i < count; i++)
		r = show_vcpu(s, i);
	if (s->json) {
		json_close(&s->j, ']');
		json_end(&s->j);
	}
	return r;
}

static int run(int argc, char **argv)
{
	struct show s = { .status = EXIT_DONE };
	struct options opt;
	struct kvmic_vm vm;
	int r;

	r = parse_options(&opt, &cmd_regs,
			  OPT_TARGET | OPT_JSON | OPT_VCPU | OPT_MSR, argc,
			  argv);
	if (r < 0)
		r = parse_msrs(&cmd_regs, opt.msrs, &s.msrs);
	if (r >= 0)
		return r;
	if (optind < argc)
		return usage_error(&cmd_regs, "unexpected '%s'", argv[optind]);
	r = find_vm(&opt, &vm);
	if (!r)
		r = attach_vm(&vm, 1u << KVMI_VM_GET_INFO |
			      1u << KVMI_VCPU_GET_REGISTERS, 0, &s.conn);
	if (r)
		return r;
	s.json = opt.json;
	r = show_all(&s, &vm, &opt);
	detach_vm(s.conn, 0);
	return finish_output(r ? r : s.status);
}
