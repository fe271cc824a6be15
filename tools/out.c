// SPDX-License-Identifier: GPL-2.0-only
/* Text output. Names come from other processes: no control characters pass. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "kvmictl.h"

/* Does the terminal take UTF-8? Locales are not loaded in a static program. */
static bool utf8_terminal(void)
{
	static const char *const vars[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	const char *value;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(vars); i++) {
		value = getenv(vars[i]);
		if (value && *value)
			return strstr(value, "UTF-8") ||
			       strstr(value, "utf8");
	}
	return false;
}

/*
 * Besides control characters: marks that turn the direction of writing, that
 * are invisible, or that break lines.
 */
static bool is_harmless(long c)
{
	if (c < 0x80)
		return c >= 0x20 && c < 0x7f && c != '\\';
	return c >= 0xa0 && c != 0xad && c != 0x61c && c != 0x180e &&
	       !(c >= 0x200b && c <= 0x200f) && !(c >= 0x2028 && c <= 0x202e) &&
	       !(c >= 0x2060 && c <= 0x206f) && !(c >= 0xfff9 && c <= 0xfffb) &&
	       c != 0xfeff && c < 0xe0000 && !(c >= 0xe000 && c < 0xf900);
}

char *printable(const char *text)
{
	char *out = malloc(strlen(text) * 4 + 1), *o = out;
	bool utf8 = utf8_terminal();
	const char *start;
	long c;

	if (!out)
		return NULL;
	while (*text) {
		start = text;
		c = next_utf8(&text);
		if (c >= 0 && is_harmless(c) && (c < 0x80 || utf8)) {
			memcpy(o, start, text - start);
			o += text - start;
		} else if (c == '\\') {
			o += sprintf(o, "\\\\");
		} else {
			for (; start < text; start++)
				o += sprintf(o, "\\x%02x",
					     (unsigned char)*start);
		}
	}
	*o = '\0';
	return out;
}

static void put_line(FILE *f, const char *lead, const char *text)
{
	char *safe = printable(text);

	fprintf(f, "%s%s\n", lead, safe ? safe : "out of memory");
	free(safe);
}

void complain(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put_line(stderr, "kvmictl: ", text);
}

int report(const struct kvmic_err *err)
{
	put_line(stderr, "kvmictl: ", err->text);
	if (*err->hint)
		put_line(stderr, "kvmictl: try: ", err->hint);
	switch (-err->code) {
	case KVMIC_ERR_NO_MODULE:
	case KVMIC_ERR_KERNEL:
		return EXIT_HOST;
	case KVMIC_ERR_NO_PROCESS:
	case KVMIC_ERR_NO_VM:
	case KVMIC_ERR_AMBIGUOUS:
		return EXIT_NO_VM;
	case KVMIC_ERR_PERMISSION:
		return EXIT_DENIED;
	default:
		return EXIT_FAILED;
	}
}

const char *format_memory(uint64_t bytes, char *buf, size_t size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	unsigned int u = 0;

	while (bytes >= 1024 && bytes % 1024 == 0 && u + 1 < ARRAY_SIZE(units)) {
		bytes /= 1024;
		u++;
	}
	snprintf(buf, size, "%" PRIu64 " %s", bytes, units[u]);
	return buf;
}

int finish_output(int status)
{
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	complain("cannot write the output: %s", strerror(errno));
	return status ? status : EXIT_FAILED;
}

void table_add(struct text_table *t, const char *text)
{
	char **tmp;

	if (t->cells == t->room) {
		tmp = realloc(t->cell, (t->room * 2 + 16) * sizeof(*tmp));
		if (!tmp) {
			t->failed = true;
			return;
		}
		t->room = t->room * 2 + 16;
		t->cell = tmp;
	}
	t->cell[t->cells] = printable(text && *text ? text : "-");
	if (t->cell[t->cells])
		t->cells++;
	else
		t->failed = true;
}

void table_addf(struct text_table *t, const char *fmt, ...)
{
	char text[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	table_add(t, text);
}

/* Characters, not bytes; wide ones are not told apart. */
static size_t width(const char *text)
{
	size_t n = 0;

	for (; *text; n++)
		next_utf8(&text);
	return n;
}

void table_print(struct text_table *t, FILE *f)
{
	size_t *widths = calloc(t->columns, sizeof(*widths)), i, w;

	if (!widths || t->failed) {
		complain("out of memory");
	} else {
		for (i = 0; i < t->cells; i++) {
			w = width(t->cell[i]);
			if (w > widths[i % t->columns])
				widths[i % t->columns] = w;
		}
		for (i = 0; i < t->cells; i++) {
			fputs(t->cell[i], f);
			if ((i + 1) % t->columns == 0) {
				putc('\n', f);
				continue;
			}
			w = widths[i % t->columns] - width(t->cell[i]) + 2;
			fprintf(f, "%*s", (int)w, "");
		}
	}
	for (i = 0; i < t->cells; i++)
		free(t->cell[i]);
	free(t->cell);
	free(widths);
	memset(t, 0, sizeof(*t));
}
