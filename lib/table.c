// SPDX-License-Identifier: LGPL-2.1-only
/* The module's status files: tab-separated, names of columns in line 1. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define MAX_FILE (4u << 20)
#define MAX_COLUMNS 64u

struct kvmic_table {
	char *text;		/* owns every string below */
	size_t columns, rows;
	char *names[MAX_COLUMNS];
	char **cells;		/* rows * columns, NULL where missing */
};

/* Cut @line at tabs; the number of cells, at most @max. */
static size_t split(char *line, char **cells, size_t max)
{
	size_t n = 0;
	char *cell;

	while (n < max && (cell = strsep(&line, "\t")))
		cells[n++] = cell;
	return n;
}

static int bad_form(struct kvmic_err *err, const char *what)
{
	return kvmic__fail(err, -KVMIC_ERR_PROTOCOL, 0,
			   "use kvmictl of the same version as kvmi.ko",
			   "status file in an unknown form: %s", what);
}

static int parse(struct kvmic_table *t, struct kvmic_err *err)
{
	char *line, *rest = t->text;
	char **cells;
	size_t lines = 1;

	if (*rest != '#')
		return bad_form(err, "no line of column names");
	for (line = rest; (line = strchr(line, '\n')); line++)
		lines++;
	line = strsep(&rest, "\n") + 1;
	line += strspn(line, " ");
	t->columns = split(line, t->names, MAX_COLUMNS);
	cells = calloc(lines * t->columns, sizeof(*cells));
	if (!cells)
		return kvmic__fail(err, -KVMIC_ERR_NOMEM, ENOMEM, NULL,
				   "out of memory");
	t->cells = cells;
	while ((line = strsep(&rest, "\n"))) {
		if (!*line || *line == '#')
			continue;
		split(line, cells + t->rows++ * t->columns, t->columns);
	}
	return 0;
}

int kvmic_table_parse(const char *text, size_t len, struct kvmic_table **table,
		      struct kvmic_err *err)
{
	struct kvmic_table *t;
	int r;

	*table = NULL;
	if (memchr(text, '\0', len))
		return bad_form(err, "NUL byte");
	t = calloc(1, sizeof(*t));
	if (t)
		t->text = strndup(text, len);
	if (!t || !t->text) {
		kvmic_table_free(t);
		return kvmic__fail(err, -KVMIC_ERR_NOMEM, ENOMEM, NULL,
				   "out of memory");
	}
	r = parse(t, err);
	if (r)
		kvmic_table_free(t);
	else
		*table = t;
	return r;
}

static int no_file(const char *root, const char *path, int e,
		   struct kvmic_err *err)
{
	if (e == EACCES || e == EPERM)
		return kvmic__fail(err, -KVMIC_ERR_PERMISSION, e,
				   "run as root",
				   "%s: %s", path, strerror(e));
	if (!kvmic_module_loaded(root, NULL, 0))
		return kvmic__fail(err, -KVMIC_ERR_NO_MODULE, e,
				   "modprobe kvmi", "kvmi.ko is not loaded");
	/* Mounted debugfs has files of the kernel in any case. */
	if (e == ENOENT && !kvmic__exists(root, "/sys/kernel/debug/kvm"))
		return kvmic__fail(err, -KVMIC_ERR_NO_STATUS, e,
				   "mount -t debugfs none /sys/kernel/debug",
				   "debugfs is not mounted at /sys/kernel/debug");
	if (e == ENOENT)
		return kvmic__fail(err, -KVMIC_ERR_NO_STATUS, e,
				   "see the kernel log: dmesg | grep kvmi",
				   "%s does not exist although kvmi.ko is loaded",
				   path);
	return kvmic__fail(err, -KVMIC_ERR_SYSTEM, e, NULL, "%s: %s", path,
			   strerror(e));
}

int kvmic_table_load(const char *root, const char *name,
		     struct kvmic_table **table, struct kvmic_err *err)
{
	char path[PATH_MAX];
	size_t len;
	char *text;
	int r;

	*table = NULL;
	if (kvmic__path(path, sizeof(path), root, "/sys/kernel/debug/kvmi/%s",
			name))
		return kvmic__fail(err, -KVMIC_ERR_ARG, 0, NULL,
				   "path too long");
	text = kvmic__read_file(path, MAX_FILE, &len);
	if (!text)
		return no_file(root, path, errno, err);
	r = kvmic_table_parse(text, len, table, err);
	free(text);
	return r;
}

void kvmic_table_free(struct kvmic_table *t)
{
	if (!t)
		return;
	free(t->cells);
	free(t->text);
	free(t);
}

size_t kvmic_table_rows(const struct kvmic_table *t)
{
	return t->rows;
}

size_t kvmic_table_columns(const struct kvmic_table *t)
{
	return t->columns;
}

const char *kvmic_table_column(const struct kvmic_table *t, size_t col)
{
	return col < t->columns ? t->names[col] : NULL;
}

const char *kvmic_table_cell(const struct kvmic_table *t, size_t row,
			     size_t col)
{
	if (row >= t->rows || col >= t->columns)
		return NULL;
	return t->cells[row * t->columns + col];
}

const char *kvmic_table_get(const struct kvmic_table *t, size_t row,
			    const char *column)
{
	size_t col;

	for (col = 0; col < t->columns; col++)
		if (!strcmp(t->names[col], column))
			return kvmic_table_cell(t, row, col);
	return NULL;
}
