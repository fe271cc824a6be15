// SPDX-License-Identifier: GPL-2.0-only
/* Command lines, and the VM that they mean. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "kvmictl.h"

const char *fs_root(void)
{
#ifdef KVMICTL_TEST
	return getenv("KVMIC_ROOT");
#else
	return NULL;
#endif
}

int usage_error(const struct command *cmd, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	complain("%s", text);
	fprintf(stderr, "Try: kvmictl %s%s--help\n", cmd ? cmd->name : "",
		cmd ? " " : "");
	return EXIT_USAGE;
}

int parse_size(const char *text, uint64_t *value)
{
	static const char suffixes[] = "kmgt";
	bool hex = text[0] == '0' && (text[1] | 0x20) == 'x';
	unsigned long long n;
	unsigned int shift = 0;
	const char *found;
	char *end;

	/* strtoull() would take blanks, signs, and 010 as octal. */
	if (hex ? !strchr("0123456789abcdefABCDEF", text[2]) || !text[2] :
		  text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	n = strtoull(text, &end, hex ? 16 : 10);
	if (errno)
		return -1;
	if (*end) {
		found = strchr(suffixes, *end | 0x20);
		if (!found || end[1])
			return -1;
		shift = 10 * (found - suffixes + 1);
	}
	if (n > UINT64_MAX >> shift)
		return -1;
	*value = n << shift;
	return 0;
}

/* A whole decimal number from @min to INT_MAX. */
static int parse_int(const char *text, int min, int *value)
{
	uint64_t n;

	if (!*text || strspn(text, "0123456789") != strlen(text) ||
	    parse_size(text, &n) || n > INT_MAX || (int)n < min)
		return -1;
	*value = (int)n;
	return 0;
}

static const struct {
	struct option opt;
	unsigned int which;
} all_options[] = {
	{ { "help", no_argument, NULL, 'h' }, ~0u },
	{ { "pid", required_argument, NULL, 'p' }, OPT_TARGET },
	{ { "name", required_argument, NULL, 'n' }, OPT_TARGET },
	{ { "vm", required_argument, NULL, 'v' }, OPT_TARGET },
	{ { "json", no_argument, NULL, 'j' }, OPT_JSON },
	{ { "raw", no_argument, NULL, 'r' }, OPT_FORMAT },
	{ { "hex", no_argument, NULL, 'x' }, OPT_FORMAT },
	{ { "strict", no_argument, NULL, 's' }, OPT_STRICT },
	{ { "vcpu", required_argument, NULL, 'c' }, OPT_VCPU },
	{ { "output", required_argument, NULL, 'o' }, OPT_DUMP },
	{ { "start", required_argument, NULL, 'a' }, OPT_DUMP },
	{ { "length", required_argument, NULL, 'l' }, OPT_DUMP },
	{ { "foreground", no_argument, NULL, 'f' }, OPT_PAUSE },
	{ { "timeout", required_argument, NULL, 't' }, OPT_PAUSE },
	{ { "msr", required_argument, NULL, 'm' }, OPT_MSR },
};

/* A number, or "all" for -1; -1 or an exit status. */
static int set_vcpu(struct options *opt, const char *text)
{
	opt->has_vcpu = true;
	if (!strcmp(text, "all"))
		opt->vcpu = -1;
	else if (parse_int(text, 0, &opt->vcpu))
		return usage_error(opt->cmd, "'%s' is no vCPU index", text);
	return -1;
}

static int set_size(struct options *opt, const char *text, uint64_t min,
		    uint64_t *value)
{
	if (parse_size(text, value) || *value < min)
		return usage_error(opt->cmd, "'%s' is no %s", text,
				   min ? "length" : "address");
	return -1;
}

/* One option; -1 or an exit status. */
static int set_option(struct options *opt, int c)
{
	switch (c) {
	case 'h':
		fputs(opt->cmd->help, stdout);
		return finish_output(EXIT_DONE);
	case 'p':
		if (parse_int(optarg, 1, &opt->pid))
			return usage_error(opt->cmd, "'%s' is no process id",
					   optarg);
		return -1;
	case 'v':
		if (parse_int(optarg, 0, &opt->vm))
			return usage_error(opt->cmd, "'%s' is no VM index",
					   optarg);
		return -1;
	case 'n':
		opt->name = optarg;
		return -1;
	case 'j':
		opt->json = true;
		return -1;
	case 'r':
		opt->raw = true;
		return -1;
	case 'x':
		opt->hex = true;
		return -1;
	case 's':
		opt->strict = true;
		return -1;
	case 'c':
		return set_vcpu(opt, optarg);
	case 'o':
		opt->output = optarg;
		return -1;
	case 'a':
		return set_size(opt, optarg, 0, &opt->start);
	case 'l':
		opt->has_length = true;
		return set_size(opt, optarg, 1, &opt->length);
	case 'f':
		opt->foreground = true;
		return -1;
	case 't':
		if (parse_int(optarg, 0, &opt->timeout))
			return usage_error(opt->cmd,
					   "'%s' is no number of seconds",
					   optarg);
		return -1;
	case 'm':
		opt->msrs = optarg;
		return -1;
	}
	return EXIT_USAGE;
}

int parse_options(struct options *opt, const struct command *cmd,
		  unsigned int which, int argc, char **argv)
{
	const char *shorts = which & OPT_DUMP ? ":ho:" : ":h";
	struct option longopts[ARRAY_SIZE(all_options) + 1];
	size_t i, n = 0;
	int c, r;

	memset(longopts, 0, sizeof(longopts));
	for (i = 0; i < ARRAY_SIZE(all_options); i++)
		if (all_options[i].which & which)
			longopts[n++] = all_options[i].opt;
	memset(opt, 0, sizeof(*opt));
	opt->cmd = cmd;
	opt->vm = -1;
	opt->timeout = -1;
	opterr = 0;
	optind = 1;
	while ((c = getopt_long(argc, argv, shorts, longopts, NULL)) != -1) {
		if (c == '?')
			return usage_error(cmd, "unknown option '%s'",
					   argv[optind - 1]);
		if (c == ':')
			return usage_error(cmd, "'%s' needs a value",
					   argv[optind - 1]);
		r = set_option(opt, c);
		if (r >= 0)
			return r;
	}
	if (!(which & OPT_TARGET))
		return -1;
	if (!opt->pid == !opt->name)
		return usage_error(cmd, "give either --pid or --name");
	return -1;
}

static int choose(const struct options *opt, const struct kvmic_vm_list *list,
		  struct kvmic_vm *vm)
{
	size_t i, count = 0;

	for (i = 0; i < list->count; i++) {
		if (opt->name && strcmp(list->vm[i].name, opt->name))
			continue;
		if (opt->vm >= 0 && list->vm[i].index != opt->vm)
			continue;
		if (!count++)
			*vm = list->vm[i];
	}
	if (count == 1)
		return 0;
	if (count > 1) {
		if (opt->name)
			complain("%zu VMs are named '%s'; choose one with --pid or --vm",
				 count, opt->name);
		else
			complain("process %d has %zu VMs; choose one with --vm",
				 opt->pid, count);
		complain("try: kvmictl list");
		return EXIT_NO_VM;
	}
	if (opt->name)
		complain("no VM named '%s'", opt->name);
	else if (opt->vm >= 0 && list->count)
		complain("process %d has %zu VMs, there is no index %d",
			 opt->pid, list->count, opt->vm);
	else
		complain("process %d has no VM", opt->pid);
	complain("try: kvmictl list");
	return EXIT_NO_VM;
}

int find_vm(const struct options *opt, struct kvmic_vm *vm)
{
	struct kvmic_vm_list list;
	struct kvmic_err err;
	int r;

	if (kvmic_list(fs_root(), opt->pid, &list, &err))
		return report(&err);
	r = choose(opt, &list, vm);
	if (r && list.unreadable) {
		complain("%zu processes do not show their files; run as root",
			 list.unreadable);
		r = EXIT_DENIED;
	}
	kvmic_list_free(&list);
	return r;
}

int attach_vm(const struct kvmic_vm *vm, uint32_t commands, uint32_t events,
	      struct kvmic_conn **conn)
{
	struct kvmic_attach at;
	struct kvmic_err err;
	pid_t holder;

	kvmic_attach_init(&at, vm->pid);
	at.vm = vm->index;
	at.start_time = vm->start_time;
	at.commands = commands;
	at.events = events;
	at.root = fs_root();
	if (!kvmic_attach(&at, conn, &err))
		return 0;
	holder = err.code == -KVMIC_ERR_HOOKED ? paused_by(vm) : 0;
	if (holder)
		snprintf(err.hint, sizeof(err.hint),
			 "kvmictl resume --pid %d --vm %d; kvmictl pause holds the VM, as process %d",
			 (int)vm->pid, vm->index, (int)holder);
	return report(&err);
}

int detach_vm(struct kvmic_conn *conn, int status)
{
	if (kvmic_detach(conn) < 0)
		complain("warning: the session is still in the module's status; see kvmictl status");
	return status;
}
