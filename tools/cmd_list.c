// SPDX-License-Identifier: GPL-2.0-only
/* kvmictl list */
#include <getopt.h>

#include "kvmictl.h"

static int run(int argc, char **argv);

const struct command cmd_list = {
	.name = "list",
	.summary = "virtual machines of this host",
	.help =
	"Usage: kvmictl list [--json]\n"
	"\n"
	"Show the KVM virtual machines of this host: process id, index in the\n"
	"process, VMM, name, vCPUs, memory, and whether a session introspects it.\n"
	"Name and memory are taken from the command line of the VMM; '-' is unknown.\n"
	"\n"
	"  --json  for programs; null is unknown\n",
	.run = run,
};

static const char *hooked_text(const struct kvmic_vm *vm)
{
	switch (vm->hooked) {
	case KVMIC_HOOKED_NO:
		return "no";
	case KVMIC_HOOKED_YES:
		return *vm->owner ? vm->owner : "yes";
	default:
		return "?";
	}
}

static void print_table(const struct kvmic_vm_list *list)
{
	struct text_table t = { .columns = 7 };
	char memory[32];
	size_t i;

	table_add(&t, "PID");
	table_add(&t, "VM");
	table_add(&t, "VMM");
	table_add(&t, "NAME");
	table_add(&t, "VCPUS");
	table_add(&t, "MEMORY");
	table_add(&t, "HOOKED");
	for (i = 0; i < list->count; i++) {
		const struct kvmic_vm *vm = &list->vm[i];

		table_addf(&t, "%d", (int)vm->pid);
		table_addf(&t, "%d", vm->index);
		table_add(&t, vm->vmm);
		table_add(&t, vm->name);
		if (vm->vcpus < 0)
			table_add(&t, NULL);
		else
			table_addf(&t, "%d", vm->vcpus);
		table_add(&t, vm->memory ? format_memory(vm->memory, memory,
							 sizeof(memory)) : NULL);
		table_add(&t, hooked_text(vm));
	}
	table_print(&t, stdout);
}

static void json_vm(struct json *j, const struct kvmic_vm *vm)
{
	char uuid[40];
	size_t i, n;

	json_object(j, NULL);
	json_uint(j, "pid", vm->pid);
	json_uint(j, "vm", vm->index);
	json_string(j, "vmm", vm->vmm);
	if (*vm->name)
		json_string(j, "name", vm->name);
	else
		json_null(j, "name");
	for (i = n = 0; i < 16; i++)
		n += snprintf(uuid + n, sizeof(uuid) - n, "%s%02x", i == 4 ||
			      i == 6 || i == 8 || i == 10 ? "-" : "",
			      vm->uuid[i]);
	if (vm->has_uuid)
		json_string(j, "uuid", uuid);
	else
		json_null(j, "uuid");
	if (vm->vcpus >= 0)
		json_uint(j, "vcpus", vm->vcpus);
	else
		json_null(j, "vcpus");
	if (vm->memory)
		json_uint(j, "memory", vm->memory);
	else
		json_null(j, "memory");
	if (vm->hooked == KVMIC_HOOKED_UNKNOWN)
		json_null(j, "hooked");
	else
		json_bool(j, "hooked", vm->hooked == KVMIC_HOOKED_YES);
	if (*vm->owner)
		json_string(j, "owner", vm->owner);
	else
		json_null(j, "owner");
	json_close(j, '}');
}

static void print_json(const struct kvmic_vm_list *list)
{
	struct json j;
	size_t i;

	json_start(&j, stdout);
	json_array(&j, "vms");
	for (i = 0; i < list->count; i++)
		json_vm(&j, &list->vm[i]);
	json_close(&j, ']');
	json_uint(&j, "unreadable_processes", list->unreadable);
	json_end(&j);
}

static int run(int argc, char **argv)
{
	struct kvmic_vm_list list;
	struct kvmic_err err;
	struct options opt;
	int r;

	r = parse_options(&opt, &cmd_list, OPT_JSON, argc, argv);
	if (r >= 0)
		return r;
	if (optind < argc)
		return usage_error(&cmd_list, "unexpected '%s'", argv[optind]);
	if (kvmic_list(fs_root(), 0, &list, &err))
		return report(&err);
	if (opt.json)
		print_json(&list);
	else
		print_table(&list);
	if (list.unreadable && !opt.json)
		complain("%zu processes do not show their files; run as root to see all VMs",
			 list.unreadable);
	kvmic_list_free(&list);
	return finish_output(EXIT_DONE);
}
