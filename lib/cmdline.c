// SPDX-License-Identifier: LGPL-2.1-only
/*
 * What the command line of a VMM tells about its VM. Best effort: the process
 * may have written anything there.
 */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum vmm_kind {
	VMM_OTHER,
	VMM_QEMU,
	VMM_CLOUD_HYPERVISOR,
};

static bool starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static enum vmm_kind kind_of(const char *program)
{
	const char *base = strrchr(program, '/');

	base = base ? base + 1 : program;
	if (starts(base, "qemu-system-") || starts(base, "qemu-kvm") ||
	    !strcmp(base, "kvm"))
		return VMM_QEMU;
	/* comm is cut to 15 bytes: "cloud-hyperviso" */
	if (starts(base, "cloud-hyperviso"))
		return VMM_CLOUD_HYPERVISOR;
	return VMM_OTHER;
}

int kvmic__parse_uuid(const char *text, uint8_t uuid[16])
{
	static const char digits[] = "0123456789abcdef";
	unsigned int n = 0, low;
	uint8_t out[16] = { 0 };
	const char *d;

	for (; *text; text++) {
		if (*text == '-' && (n == 8 || n == 12 || n == 16 || n == 20) &&
		    text[-1] != '-')
			continue;
		low = *text >= 'A' && *text <= 'F' ? *text + 32 : *text;
		d = strchr(digits, low);
		if (!d || n == 32)
			return -1;
		out[n / 2] = out[n / 2] << 4 | (d - digits);
		n++;
	}
	if (n != 32)
		return -1;
	memcpy(uuid, out, sizeof(out));
	return 0;
}

void kvmic__format_uuid(const uint8_t uuid[16], char text[37])
{
	unsigned int i;
	char *p = text;

	for (i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		p += sprintf(p, "%02x", uuid[i]);
	}
}

/*
 * Sizes as QEMU and Cloud Hypervisor write them. A bare number counts @unit
 * bytes. 0 when it is no size.
 */
static uint64_t parse_memory(const char *s, uint64_t unit)
{
	static const char suffixes[] = "bkmgtpe";
	unsigned long long n;
	const char *found;
	char *end;

	if (*s < '0' || *s > '9')
		return 0;
	n = strtoull(s, &end, 0);
	if (*end) {
		found = strchr(suffixes, *end | 0x20);
		if (!found || (end[1] && strcmp(end + 1, "iB") &&
			       strcmp(end + 1, "B")))
			return 0;
		unit = 1ull << 10 * (found - suffixes);
	}
	return n > UINT64_MAX / unit ? 0 : n * unit;
}

/*
 * Value of @key in "key=value,key=value"; ",," stands for a comma. The first
 * item may lack its key, which then is @implied. Last one wins.
 */
static bool get_key(const char *opts, const char *key, const char *implied,
		    char *out, size_t size)
{
	size_t key_len = strlen(key), n;
	bool found = false, mine, first = true;
	const char *p = opts;

	for (; *p; first = false) {
		n = strcspn(p, "=,");
		if (p[n] == '=') {
			mine = n == key_len && !strncmp(p, key, n);
			p += n + 1;
		} else {
			mine = first && !strcmp(key, implied);
		}
		for (n = 0; *p; p++) {
			if (*p == ',' && *++p != ',')
				break;
			if (mine && n + 1 < size)
				out[n++] = *p;
		}
		if (mine) {
			out[n] = '\0';
			found = true;
		}
	}
	return found;
}

/* Does @arg name one of the options? Sets *@value to "..." of opt=... */
static bool is_option(const char *arg, const char *opt, const char **value)
{
	size_t n = strlen(opt);

	*value = NULL;
	if (*arg != '-')
		return false;
	arg += arg[1] == '-' ? 2 : 1;
	if (strncmp(arg, opt, n))
		return false;
	if (arg[n] == '=')
		*value = arg + n + 1;
	return !arg[n] || arg[n] == '=';
}

static void set_memory(struct vm_config *config, enum vmm_kind kind,
		       const char *value)
{
	char size[32];

	if (!get_key(value, "size", "size", size, sizeof(size)))
		return;
	config->memory = parse_memory(size, kind == VMM_QEMU ? 1u << 20 : 1);
}

/* One option with its value; true when it was known. */
static bool use_option(struct vm_config *config, enum vmm_kind kind,
		       const char *arg, const char *next)
{
	const char *value;

	if (is_option(arg, "name", &value)) {
		value = value ? value : next;
		if (kind == VMM_QEMU)
			get_key(value, "guest", "guest", config->name,
				sizeof(config->name));
		else
			snprintf(config->name, sizeof(config->name), "%s",
				 value);
	} else if (kind != VMM_QEMU && is_option(arg, "id", &value)) {
		snprintf(config->name, sizeof(config->name), "%s",
			 value ? value : next);
	} else if (kind == VMM_QEMU && is_option(arg, "uuid", &value)) {
		config->has_uuid = !kvmic__parse_uuid(value ? value : next,
						      config->uuid);
	} else if ((kind == VMM_QEMU && is_option(arg, "m", &value)) ||
		   (kind == VMM_CLOUD_HYPERVISOR &&
		    is_option(arg, "memory", &value))) {
		set_memory(config, kind, value ? value : next);
	} else {
		return false;
	}
	return !value;
}

void kvmic__parse_cmdline(const char *comm, const char *args, size_t len,
			  struct vm_config *config)
{
	const char *end = args + len, *arg, *next;
	enum vmm_kind kind = kind_of(comm);

	memset(config, 0, sizeof(*config));
	if (!len || args[len - 1])
		return;		/* each argument must end with NUL */
	/* QEMU can rename its process, so its program name counts as well. */
	if (kind == VMM_OTHER)
		kind = kind_of(args);
	arg = args + strlen(args) + 1;
	while (arg < end) {
		next = arg + strlen(arg) + 1;
		if (use_option(config, kind, arg, next < end ? next : ""))
			next = next < end ? next + strlen(next) + 1 : end;
		arg = next;
	}
}
