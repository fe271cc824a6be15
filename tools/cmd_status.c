// SPDX-License-Identifier: GPL-2.0-only
/* kvmictl status */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "kvmictl.h"

static int run(int argc, char **argv);

const struct command cmd_status = {
	.name = "status",
	.summary = "hooks and sessions of the module",
	.help =
	"Usage: kvmictl status [--json]\n"
	"\n"
	"Show the version of kvmi.ko, its hooks into KVM and what is lost where one\n"
	"is missing, and the sessions with permissions and counters. Reads\n"
	"/sys/kernel/debug/kvmi, which needs root and a mounted debugfs.\n"
	"\n"
	"  --json  for programs; every value of the tables is a string\n",
	.run = run,
};

static void print_one(const char *title, const struct kvmic_table *in)
{
	size_t row, col, columns = kvmic_table_columns(in);
	struct text_table out = { .columns = columns };

	printf("\n%s\n", title);
	if (!kvmic_table_rows(in)) {
		puts("none");
		return;
	}
	for (col = 0; col < columns; col++)
		table_add(&out, kvmic_table_column(in, col));
	for (row = 0; row < kvmic_table_rows(in); row++)
		for (col = 0; col < columns; col++)
			table_add(&out, kvmic_table_cell(in, row, col));
	table_print(&out, stdout);
}

static void json_one(struct json *j, const char *key,
		     const struct kvmic_table *t)
{
	size_t row, col;
	const char *cell;

	json_array(j, key);
	for (row = 0; row < kvmic_table_rows(t); row++) {
		json_object(j, NULL);
		for (col = 0; col < kvmic_table_columns(t); col++) {
			cell = kvmic_table_cell(t, row, col);
			if (cell)
				json_string(j, kvmic_table_column(t, col),
					    cell);
			else
				json_null(j, kvmic_table_column(t, col));
		}
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void print_all(const char *version, const struct kvmic_table *hooks,
		      const struct kvmic_table *vms, bool as_json)
{
	struct json j;
	char *safe;

	if (as_json) {
		json_start(&j, stdout);
		json_string(&j, "module_version", version);
		json_one(&j, "hooks", hooks);
		json_one(&j, "vms", vms);
		json_end(&j);
		return;
	}
	safe = printable(version);
	printf("kvmi.ko %s\n", safe && *safe ? safe : "of unknown version");
	free(safe);
	print_one("HOOKS", hooks);
	print_one("SESSIONS", vms);
}

static int run(int argc, char **argv)
{
	struct kvmic_table *hooks, *vms = NULL;
	struct kvmic_err err;
	struct options opt;
	char version[128];
	int r;

	r = parse_options(&opt, &cmd_status, OPT_JSON, argc, argv);
	if (r >= 0)
		return r;
	if (optind < argc)
		return usage_error(&cmd_status, "unexpected '%s'",
				   argv[optind]);
	kvmic_module_loaded(fs_root(), version, sizeof(version));
	r = kvmic_table_load(fs_root(), "hooks", &hooks, &err);
	if (!r)
		r = kvmic_table_load(fs_root(), "vms", &vms, &err);
	if (r)
		r = report(&err);
	else
		print_all(version, hooks, vms, opt.json);
	kvmic_table_free(hooks);
	kvmic_table_free(vms);
	return finish_output(r);
}
