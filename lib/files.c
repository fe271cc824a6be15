// SPDX-License-Identifier: LGPL-2.1-only
/* Small files of procfs, sysfs and debugfs below a root. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

int kvmic__path(char *buf, size_t size, const char *root, const char *fmt, ...)
{
	va_list ap;
	int n, m;

	n = snprintf(buf, size, "%s", root ? root : "");
	if (n < 0 || (size_t)n >= size)
		goto too_long;
	va_start(ap, fmt);
	m = vsnprintf(buf + n, size - n, fmt, ap);
	va_end(ap);
	if (m >= 0 && (size_t)m < size - n)
		return 0;
too_long:
	errno = ENAMETOOLONG;
	return -1;
}

/* The size of these files is not known before they were read. */
char *kvmic__read_file(const char *path, size_t max, size_t *len)
{
	size_t have = 0, room = 0;
	char *buf = NULL, *tmp;
	ssize_t n = -1;
	int fd, saved;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return NULL;
	for (;;) {
		if (room - have < 2) {
			room = room ? room * 2 : 4096;
			tmp = realloc(buf, room);
			if (!tmp)
				goto fail;
			buf = tmp;
		}
		n = read(fd, buf + have, room - have - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		have += n;
		if (have > max) {
			errno = EFBIG;
			n = -1;
			break;
		}
	}
	if (n == 0) {
		close(fd);
		buf[have] = '\0';
		*len = have;
		return buf;
	}
fail:
	saved = errno;
	close(fd);
	free(buf);
	errno = saved;
	return NULL;
}

bool kvmic__exists(const char *root, const char *path)
{
	char full[PATH_MAX];

	return !kvmic__path(full, sizeof(full), root, "%s", path) &&
	       !access(full, F_OK);
}

bool kvmic__has_capability(const char *root, int cap)
{
	unsigned long long caps = 0;
	char path[PATH_MAX];
	char *text, *p;
	size_t len;

	if (kvmic__path(path, sizeof(path), root, "/proc/self/status"))
		return false;
	text = kvmic__read_file(path, 65536, &len);
	if (!text)
		return false;
	p = strstr(text, "\nCapEff:");
	if (p)
		caps = strtoull(p + strlen("\nCapEff:"), NULL, 16);
	free(text);
	return caps >> cap & 1;
}

int kvmic_module_loaded(const char *root, char *version, size_t size)
{
	char path[PATH_MAX];
	size_t len;
	char *text;

	if (version && size)
		version[0] = '\0';
	if (!kvmic__exists(root, "/sys/module/kvmi"))
		return 0;
	if (!version || !size ||
	    kvmic__path(path, sizeof(path), root, "/sys/module/kvmi/version"))
		return 1;
	text = kvmic__read_file(path, 4096, &len);
	if (text) {
		text[strcspn(text, "\r\n")] = '\0';
		snprintf(version, size, "%s", text);
		free(text);
	}
	return 1;
}
