// SPDX-License-Identifier: GPL-2.0-only
/* kvmictl: look at KVM introspection on this host. See kvmictl(8). */
#include <string.h>

#include "kvmictl.h"

static const struct command *const commands[] = {
	&cmd_list, &cmd_version, &cmd_read, &cmd_dump, &cmd_regs,
	&cmd_translate, &cmd_pause, &cmd_resume, &cmd_status, &cmd_check,
};

static int help(void)
{
	size_t i;

	fputs("Usage: kvmictl COMMAND [OPTION...]\n"
	      "\n"
	      "Introspection of virtual machines with kvmi.ko.\n"
	      "\n"
	      "Commands:\n", stdout);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %-9s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n"
	      "Options:\n"
	      "  --help     this text; after a command, the help of the command\n"
	      "  --version  version of kvmictl\n"
	      "\n"
	      "Exit status: 0 done, 1 failed, 2 usage, 3 this host cannot run kvmi or\n"
	      "kvmi.ko is not loaded, 4 no such VM, 5 not permitted. See kvmictl(8).\n",
	      stdout);
	return finish_output(EXIT_DONE);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;
	size_t i;

	if (!name)
		return usage_error(NULL, "no command given");
	if (!strcmp(name, "--help") || !strcmp(name, "-h") ||
	    !strcmp(name, "help"))
		return help();
	if (!strcmp(name, "--version")) {
		printf("kvmictl %s, protocol version %d\n",
		       KVMI_VERSION_STRING, KVMI_VERSION);
		return finish_output(EXIT_DONE);
	}
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(name, commands[i]->name))
			return commands[i]->run(argc - 1, argv + 1);
	return usage_error(NULL, "unknown command '%s'", name);
}
