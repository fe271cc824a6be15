// SPDX-License-Identifier: GPL-2.0-only
/* kvmictl check */
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>

#include "check.h"

static int run(int argc, char **argv);

const struct command cmd_check = {
	.name = "check",
	.summary = "can this host run kvmi, and if not, why",
	.help =
	"Usage: kvmictl check [--strict] [--json]\n"
	"\n"
	"Look at everything that kvmi.ko needs on this host, and say what is missing\n"
	"and what to do. Changes nothing. Run as root to see everything.\n"
	"\n"
	"  --strict  exit with 1 when there are warnings\n"
	"  --json    for programs\n"
	"\n"
	"Exit status: 0 kvmi can run here, perhaps with warnings; 3 it cannot.\n",
	.run = run,
};

static const char *const level_names[] = { "ok", "warn", "fail" };

void found(struct findings *fs, enum level level, const char *subject,
	   const char *hint, const char *fmt, ...)
{
	struct finding *f;
	va_list ap;

	if (fs->count == ARRAY_SIZE(fs->f))
		abort();	/* more checks than the array was made for */
	f = &fs->f[fs->count++];
	f->level = level;
	f->subject = subject;
	snprintf(f->hint, sizeof(f->hint), "%s", hint ? hint : "");
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

static enum level worst(const struct findings *fs)
{
	enum level level = LEVEL_OK;
	size_t i;

	for (i = 0; i < fs->count; i++)
		if (fs->f[i].level > level)
			level = fs->f[i].level;
	return level;
}

static void print_text(const struct findings *fs, enum level result)
{
	static const char *const sums[] = {
		"This host can run kvmi.",
		"This host can run kvmi, with the warnings above.",
		"This host cannot run kvmi as it is.",
	};
	const struct finding *f;
	char *text, *hint;
	size_t i;

	for (i = 0; i < fs->count; i++) {
		f = &fs->f[i];
		text = printable(f->text);
		hint = printable(f->hint);
		printf("%-4s  %-12s  %s\n", level_names[f->level], f->subject,
		       text ? text : "?");
		if (hint && *hint)
			printf("%20s-> %s\n", "", hint);
		free(text);
		free(hint);
	}
	puts(sums[result]);
}

static void print_json(const struct findings *fs, enum level result)
{
	struct json j;
	size_t i;

	json_start(&j, stdout);
	json_string(&j, "result", level_names[result]);
	json_array(&j, "checks");
	for (i = 0; i < fs->count; i++) {
		json_object(&j, NULL);
		json_string(&j, "subject", fs->f[i].subject);
		json_string(&j, "level", level_names[fs->f[i].level]);
		json_string(&j, "text", fs->f[i].text);
		if (*fs->f[i].hint)
			json_string(&j, "next_step", fs->f[i].hint);
		else
			json_null(&j, "next_step");
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_end(&j);
}

static int run(int argc, char **argv)
{
	struct findings *fs;
	enum level result;
	struct options opt;
	int r;

	r = parse_options(&opt, &cmd_check, OPT_JSON | OPT_STRICT, argc, argv);
	if (r >= 0)
		return r;
	if (optind < argc)
		return usage_error(&cmd_check, "unexpected '%s'",
				   argv[optind]);
	fs = calloc(1, sizeof(*fs));
	if (!fs) {
		complain("out of memory");
		return EXIT_FAILED;
	}
	check_kernel(fs);
	check_module(fs);
	result = worst(fs);
	if (opt.json)
		print_json(fs, result);
	else
		print_text(fs, result);
	free(fs);
	if (result == LEVEL_FAIL)
		return finish_output(EXIT_HOST);
	return finish_output(result == LEVEL_WARN && opt.strict ? EXIT_FAILED :
			     EXIT_DONE);
}
