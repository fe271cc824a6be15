// SPDX-License-Identifier: GPL-2.0-only
/* kvmictl translate */
#include <getopt.h>
#include <inttypes.h>

#include "kvmictl.h"

static int run(int argc, char **argv);

const struct command cmd_translate = {
	.name = "translate",
	.summary = "find the guest physical address of a virtual one",
	.help =
	"Usage: kvmictl translate --pid PID | --name NAME [--vm INDEX]\n"
	"                         [--vcpu INDEX] [--json] GVA\n"
	"\n"
	"Walk the page tables that the vCPU uses now, and print the guest physical\n"
	"address of GVA. Access rights are not looked at. An address that is not\n"
	"mapped is named on standard error; the exit status is then 1.\n"
	"\n"
	"  --pid PID     process of the VMM\n"
	"  --name NAME   name of the VM, as kvmictl list shows it\n"
	"  --vm INDEX    which one, when the process has several VMs\n"
	"  --vcpu INDEX  whose page tables; 0 by default\n"
	"  --json        for programs\n",
	.run = run,
};

static void print_json(const struct kvmic_vm *vm, int vcpu, uint64_t gva,
		       uint64_t gpa)
{
	struct json j;

	json_start(&j, stdout);
	json_uint(&j, "pid", vm->pid);
	json_uint(&j, "vm", vm->index);
	json_uint(&j, "vcpu", vcpu);
	json_hex(&j, "gva", gva);
	if (gpa == KVMIC_NOT_MAPPED)
		json_null(&j, "gpa");
	else
		json_hex(&j, "gpa", gpa);
	json_end(&j);
}

static int translate(struct kvmic_conn *conn, const struct kvmic_vm *vm,
		     const struct options *opt, uint64_t gva)
{
	unsigned int count;
	uint64_t gpa;
	int r = count_vcpus(conn, &count);

	if (!r)
		r = check_vcpu(opt->vcpu, count);
	if (r)
		return r;
	if (kvmic_vcpu_translate_gva(conn, opt->vcpu, gva, &gpa))
		return report(kvmic_last_error(conn));
	if (opt->json)
		print_json(vm, opt->vcpu, gva, gpa);
	else if (gpa != KVMIC_NOT_MAPPED)
		printf("0x%" PRIx64 "\n", gpa);
	if (gpa != KVMIC_NOT_MAPPED)
		return EXIT_DONE;
	complain("vCPU %d has no mapping for 0x%" PRIx64, opt->vcpu, gva);
	return EXIT_FAILED;
}

static int run(int argc, char **argv)
{
	struct kvmic_conn *conn;
	struct options opt;
	struct kvmic_vm vm;
	uint64_t gva;
	int r;

	r = parse_options(&opt, &cmd_translate,
			  OPT_TARGET | OPT_JSON | OPT_VCPU, argc, argv);
	if (r >= 0)
		return r;
	if (opt.vcpu < 0)
		return usage_error(&cmd_translate, "give one vCPU");
	if (argc - optind != 1)
		return usage_error(&cmd_translate, "give one address");
	if (parse_size(argv[optind], &gva))
		return usage_error(&cmd_translate, "'%s' is no address",
				   argv[optind]);
	r = find_vm(&opt, &vm);
	if (!r)
		r = attach_vm(&vm, 1u << KVMI_VM_GET_INFO |
			      1u << KVMI_VCPU_TRANSLATE_GVA, 0, &conn);
	if (r)
		return r;
	r = translate(conn, &vm, &opt, gva);
	detach_vm(conn, 0);
	return finish_output(r);
}
