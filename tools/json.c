// SPDX-License-Identifier: GPL-2.0-only
/* JSON output. */
#include <inttypes.h>

#include "kvmictl.h"

long next_utf8(const char **text)
{
	const unsigned char *p = (const unsigned char *)*text;
	static const long lowest[] = { 0, 0x80, 0x800, 0x10000 };
	unsigned int more, i;
	long c = *p;

	*text += 1;
	if (c < 0x80)
		return c;
	if (c >= 0xc2 && c < 0xe0) {
		more = 1;
		c &= 0x1f;
	} else if (c >= 0xe0 && c < 0xf0) {
		more = 2;
		c &= 0x0f;
	} else if (c >= 0xf0 && c < 0xf5) {
		more = 3;
		c &= 0x07;
	} else {
		return -1;
	}
	for (i = 1; i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return -1;	/* the NUL at the end, too */
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < lowest[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return -1;
	*text += more;
	return c;
}

static void put_escaped(FILE *f, const char *s)
{
	long c;

	putc('"', f);
	while (*s) {
		c = next_utf8(&s);
		if (c < 0)
			c = 0xfffd;
		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", (char)c);
		else if (c >= 0x20 && c < 0x7f)
			putc((int)c, f);
		else if (c < 0x10000)
			fprintf(f, "\\u%04lx", c);
		else
			fprintf(f, "\\u%04lx\\u%04lx",
				0xd800 + ((c - 0x10000) >> 10),
				0xdc00 + ((c - 0x10000) & 0x3ff));
	}
	putc('"', f);
}

/* What comes before a value. */
static void lead(struct json *j, const char *key)
{
	unsigned int i;

	if (j->depth) {
		fputs(j->any[j->depth - 1] ? ",\n" : "\n", j->f);
		j->any[j->depth - 1] = true;
	}
	for (i = 0; i < j->depth; i++)
		fputs("  ", j->f);
	if (key) {
		put_escaped(j->f, key);
		fputs(": ", j->f);
	}
}

void json_start(struct json *j, FILE *f)
{
	j->f = f;
	j->depth = 0;
	json_object(j, NULL);
}

void json_end(struct json *j)
{
	json_close(j, '}');
	putc('\n', j->f);
}

static void nest(struct json *j, const char *key, char bracket)
{
	lead(j, key);
	putc(bracket, j->f);
	j->any[j->depth++] = false;
}

void json_object(struct json *j, const char *key)
{
	nest(j, key, '{');
}

void json_array(struct json *j, const char *key)
{
	nest(j, key, '[');
}

void json_close(struct json *j, char bracket)
{
	unsigned int i;

	j->depth--;
	if (j->any[j->depth]) {
		putc('\n', j->f);
		for (i = 0; i < j->depth; i++)
			fputs("  ", j->f);
	}
	putc(bracket, j->f);
}

void json_string(struct json *j, const char *key, const char *value)
{
	lead(j, key);
	put_escaped(j->f, value);
}

void json_uint(struct json *j, const char *key, uint64_t value)
{
	lead(j, key);
	fprintf(j->f, "%" PRIu64, value);
}

void json_hex(struct json *j, const char *key, uint64_t value)
{
	lead(j, key);
	fprintf(j->f, "\"0x%" PRIx64 "\"", value);
}

void json_bool(struct json *j, const char *key, bool value)
{
	lead(j, key);
	fputs(value ? "true" : "false", j->f);
}

void json_null(struct json *j, const char *key)
{
	lead(j, key);
	fputs("null", j->f);
}
