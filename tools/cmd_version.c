// SPDX-License-Identifier: GPL-2.0-only
/* kvmictl version */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "kvmictl.h"

static int run(int argc, char **argv);

const struct command cmd_version = {
	.name = "version",
	.summary = "ask a running VM what introspection it offers",
	.help =
	"Usage: kvmictl version --pid PID | --name NAME [--vm INDEX] [--json]\n"
	"\n"
	"Attach to a running VM, show the version of the protocol, the largest\n"
	"message, features, vCPUs, and the commands and events that this kernel\n"
	"offers, and detach. The VM is not changed or stopped.\n"
	"\n"
	"  --pid PID    process of the VMM\n"
	"  --name NAME  name of the VM, as kvmictl list shows it\n"
	"  --vm INDEX   which one, when the process has several VMs\n"
	"  --json       for programs\n",
	.run = run,
};

struct answers {
	struct kvmi_get_version_reply version;
	struct kvmi_vm_get_info_reply info;
	bool commands[KVMI_NUM_COMMANDS];
	bool events[KVMI_NUM_EVENTS];
};

/* EPERM means: there, but not allowed in this session. */
static int is_offered(int r, bool *offered)
{
	*offered = !r || r == -KVMI_EPERM;
	return *offered || r == -KVMI_ENOENT ? 0 : r;
}

static int ask(struct kvmic_conn *conn, struct answers *a)
{
	unsigned int id;
	int r;

	memset(a, 0, sizeof(*a));
	r = kvmic_get_version(conn, &a->version);
	if (!r)
		r = kvmic_get_info(conn, &a->info);
	for (id = 0; !r && id < KVMI_NUM_COMMANDS; id++)
		if (kvmic_command_name(id))
			r = is_offered(kvmic_check_command(conn, id),
				       &a->commands[id]);
	for (id = 0; !r && id < KVMI_NUM_EVENTS; id++)
		if (kvmic_event_name(id))
			r = is_offered(kvmic_check_event(conn, id),
				       &a->events[id]);
	return r;
}

static void print_names(const char *title, const bool *offered,
			unsigned int count, const char *(*name)(unsigned int))
{
	unsigned int id, missing = 0;

	printf("%s\n", title);
	for (id = 0; id < count; id++) {
		if (!name(id))
			continue;
		if (offered[id])
			printf("  %2u  %s\n", id, name(id));
		else
			missing++;
	}
	if (missing)
		printf("  (%u of the header are not offered)\n", missing);
}

static void print_text(const struct kvmic_vm *vm, const struct answers *a)
{
	char *vmm = printable(vm->vmm), *name = printable(vm->name);

	printf("VM                %s, process %d%s%s\n", vmm ? vmm : "?",
	       (int)vm->pid, name && *name ? ", " : "", name ? name : "");
	printf("protocol version  %u\n", a->version.version);
	printf("largest message   %u bytes\n", a->version.max_msg_size);
	printf("features          %s\n",
	       a->version.features.singlestep ? "singlestep" : "none");
	printf("vCPUs             %u\n", a->info.vcpu_count);
	print_names("commands", a->commands, KVMI_NUM_COMMANDS,
		    kvmic_command_name);
	print_names("events", a->events, KVMI_NUM_EVENTS, kvmic_event_name);
	free(vmm);
	free(name);
}

static void json_names(struct json *j, const char *key, const bool *offered,
		       unsigned int count, const char *(*name)(unsigned int))
{
	unsigned int id;

	json_array(j, key);
	for (id = 0; id < count; id++) {
		if (!name(id))
			continue;
		json_object(j, NULL);
		json_uint(j, "id", id);
		json_string(j, "name", name(id));
		json_bool(j, "supported", offered[id]);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void print_json(const struct kvmic_vm *vm, const struct answers *a)
{
	struct json j;

	json_start(&j, stdout);
	json_uint(&j, "pid", vm->pid);
	json_uint(&j, "vm", vm->index);
	json_string(&j, "vmm", vm->vmm);
	if (*vm->name)
		json_string(&j, "name", vm->name);
	else
		json_null(&j, "name");
	json_uint(&j, "version", a->version.version);
	json_uint(&j, "max_msg_size", a->version.max_msg_size);
	json_object(&j, "features");
	json_bool(&j, "singlestep", a->version.features.singlestep);
	json_close(&j, '}');
	json_uint(&j, "vcpus", a->info.vcpu_count);
	json_names(&j, "commands", a->commands, KVMI_NUM_COMMANDS,
		   kvmic_command_name);
	json_names(&j, "events", a->events, KVMI_NUM_EVENTS, kvmic_event_name);
	json_end(&j);
}

static int run(int argc, char **argv)
{
	struct kvmic_conn *conn;
	struct answers answers;
	struct options opt;
	struct kvmic_vm vm;
	int r;

	r = parse_options(&opt, &cmd_version, OPT_TARGET | OPT_JSON, argc,
			  argv);
	if (r >= 0)
		return r;
	if (optind < argc)
		return usage_error(&cmd_version, "unexpected '%s'",
				   argv[optind]);
	r = find_vm(&opt, &vm);
	if (!r)
		r = attach_vm(&vm, 1u << KVMI_VM_GET_INFO, 0, &conn);
	if (r)
		return r;
	if (ask(conn, &answers))
		return detach_vm(conn, report(kvmic_last_error(conn)));
	detach_vm(conn, 0);
	if (opt.json)
		print_json(&vm, &answers);
	else
		print_text(&vm, &answers);
	return finish_output(EXIT_DONE);
}
