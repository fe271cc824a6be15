// SPDX-License-Identifier: GPL-2.0-only
/* kvmictl check: the module, whether it may be loaded, and who may use it. */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"

#define SIGNED_MARK "~Module signature appended~\n"
#define SECURE_BOOT "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"

static const char mok_hint[] =
	"sign kvmi.ko with a key the kernel trusts: mokutil --import /var/lib/dkms/mok.pub, reboot, enroll it";

/* ------------------------------------------------- lockdown and signatures */

/* Four bytes of attributes, then the value. */
static bool secure_boot(void)
{
	const char *root = fs_root();
	char path[PATH_MAX], value[5];
	bool on;
	int fd;

	snprintf(path, sizeof(path), "%s" SECURE_BOOT, root ? root : "");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	on = read(fd, value, sizeof(value)) == sizeof(value) && value[4] == 1;
	close(fd);
	return on;
}

static void check_lockdown(struct findings *fs)
{
	char *text = read_text("/sys/kernel/security/lockdown");

	if (!text) {
		found(fs, LEVEL_OK, "lockdown", NULL,
		      "not reported by this kernel");
	} else if (strstr(text, "[confidentiality]")) {
		found(fs, LEVEL_FAIL, "lockdown",
		      "boot with lockdown=integrity or without lockdown",
		      "confidentiality: the kernel forbids kprobes, which the module needs");
	} else if (strstr(text, "[integrity]")) {
		fs->must_be_signed = true;
		found(fs, fs->loaded ? LEVEL_OK : LEVEL_WARN, "lockdown",
		      fs->loaded ? NULL : mok_hint,
		      "integrity: only signed modules can be loaded");
	} else {
		found(fs, LEVEL_OK, "lockdown", NULL, "none");
	}
	free(text);
}

static void check_signature(struct findings *fs)
{
	char *text = read_text("/sys/module/module/parameters/sig_enforce");
	bool enforced = text && (text[0] == 'Y' || text[0] == '1');
	bool sb = secure_boot();

	free(text);
	if (enforced) {
		fs->must_be_signed = true;
		found(fs, fs->loaded ? LEVEL_OK : LEVEL_WARN, "signatures",
		      fs->loaded ? NULL : mok_hint,
		      "modules must be signed%s",
		      sb ? " (Secure Boot is on)" : "");
	} else {
		found(fs, LEVEL_OK, "signatures", NULL, "not enforced%s",
		      sb ? ", although Secure Boot is on" : "");
	}
}

/* ------------------------------------------------------------- module file */

/* Of a compressed module, as is_signed(): kmod reads what modprobe can load. */
static int modinfo_is_signed(char *path)
{
	static char name[] = "modinfo", opt[] = "-F", field[] = "sig_id";
	char *const argv[] = { name, opt, field, path, NULL };
	char *text;
	int r;

	text = run_program("/usr/sbin/modinfo", argv, -1);
	if (!text)
		text = run_program("/sbin/modinfo", argv, -1);
	r = text ? *text != '\0' : -1;
	free(text);
	return r;
}

/* 1 signed, 0 not, -1 cannot tell. */
static int is_signed(const char *path)
{
	const char *root = fs_root();
	char full[PATH_MAX], end[sizeof(SIGNED_MARK) - 1];
	int fd, r = 0;

	if (snprintf(full, sizeof(full), "%s%s", root ? root : "", path) >=
	    (int)sizeof(full))
		return -1;
	if (strcmp(path + strlen(path) - 3, ".ko"))
		return modinfo_is_signed(full);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (lseek(fd, -(off_t)sizeof(end), SEEK_END) >= 0 &&
	    read(fd, end, sizeof(end)) == (ssize_t)sizeof(end))
		r = !memcmp(end, SIGNED_MARK, sizeof(end));
	close(fd);
	return r;
}

static bool find_module(const struct findings *fs, char *path, size_t size)
{
	static const char *const dirs[] = {
		"updates/dkms", "updates", "extra", "extra/kvmi",
		"weak-updates", "misc",
	};
	static const char *const ends[] = { "", ".xz", ".zst", ".gz" };
	size_t d, e;

	for (d = 0; d < ARRAY_SIZE(dirs); d++) {
		for (e = 0; e < ARRAY_SIZE(ends); e++) {
			snprintf(path, size, "/lib/modules/%s/%s/kvmi.ko%s",
				 fs->release, dirs[d], ends[e]);
			if (path_exists(path))
				return true;
		}
	}
	return false;
}

static bool known_to_modprobe(const struct findings *fs)
{
	char path[PATH_MAX], *text;
	bool known;

	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep",
		 fs->release);
	text = read_text(path);
	known = text && strstr(text, "/kvmi.ko");
	free(text);
	return known;
}

static void check_file(struct findings *fs)
{
	char path[PATH_MAX];

	if (!*fs->release)
		return;
	if (!find_module(fs, path, sizeof(path))) {
		found(fs, fs->loaded ? LEVEL_WARN : LEVEL_FAIL, "module",
		      "install kvmi-dkms and the headers of this kernel, then: dkms autoinstall",
		      "no kvmi.ko for %s in /lib/modules", fs->release);
		return;
	}
	if (fs->must_be_signed && is_signed(path) == 0) {
		found(fs, LEVEL_FAIL, "module", mok_hint,
		      "%s is not signed, and this kernel demands it", path);
		return;
	}
	if (!known_to_modprobe(fs))
		found(fs, LEVEL_WARN, "module", "depmod -a",
		      "%s is not known to modprobe", path);
	else
		found(fs, LEVEL_OK, "module", NULL, "%s", path);
}

static char *dkms_status(const char *dir)
{
	static char name[] = "dkms", status[] = "status", m[] = "-m",
		    kvmi[] = "kvmi";
	char *const argv[] = { name, status, m, kvmi, NULL };
	const char *root = fs_root();
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s/dkms", root ? root : "", dir);
	return run_program(path, argv, -1);
}

/*
 * The line of @release, in "kvmi/0.1, 6.1.0-56-amd64, x86_64: installed" the second word. Of several versions
 * at most one is installed.
 */
static char *line_of(char *text, const char *release)
{
	char word[140], *line, *rest = NULL, *found = NULL;

	snprintf(word, sizeof(word), ", %s, ", release);
	for (line = strtok_r(text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest))
		if (strstr(line, word) && (!found || strstr(line, "installed")))
			found = line;
	return found;
}

static void check_dkms(struct findings *fs)
{
	char *text, *line;

	text = dkms_status("/usr/sbin");
	if (!text)
		text = dkms_status("/usr/bin");
	if (!text) {
		found(fs, LEVEL_OK, "dkms", NULL,
		      "not in use; after a kernel update, build kvmi.ko again");
		return;
	}
	if (!strstr(text, "kvmi")) {
		found(fs, LEVEL_WARN, "dkms", "dkms add kvmi, or install kvmi-dkms",
		      "kvmi is not registered: it will be missing after a kernel update");
		free(text);
		return;
	}
	line = line_of(text, fs->release);
	if (line && strstr(line, "installed"))
		found(fs, LEVEL_OK, "dkms", NULL, "%s", line);
	else
		found(fs, LEVEL_WARN, "dkms",
		      "dkms autoinstall; the log is in /var/lib/dkms/kvmi",
		      "not installed for the running kernel: %s",
		      line ? line : text);
	free(text);
}

static void check_loaded(struct findings *fs, const char *version)
{
	if (!fs->loaded)
		found(fs, LEVEL_WARN, "loaded", "modprobe kvmi",
		      "kvmi.ko is not loaded");
	else if (*version && strcmp(version, KVMI_VERSION_STRING))
		found(fs, LEVEL_WARN, "loaded",
		      "end all sessions, then: modprobe -r kvmi && modprobe kvmi",
		      "kvmi.ko %s is loaded, kvmictl is %s", version,
		      KVMI_VERSION_STRING);
	else
		found(fs, LEVEL_OK, "loaded", NULL, "kvmi.ko %s",
		      *version ? version : "of unknown version");
}

/* A hook that is not there costs what the column without_it says. */
static void check_hooks(struct findings *fs)
{
	const char *state, *symbol, *without;
	struct kvmic_table *t;
	struct kvmic_err err;
	size_t row, bad = 0;

	if (!fs->loaded)
		return;
	if (kvmic_table_load(fs_root(), "hooks", &t, &err)) {
		found(fs, LEVEL_WARN, "hooks", err.hint, "%s", err.text);
		return;
	}
	for (row = 0; row < kvmic_table_rows(t); row++) {
		state = kvmic_table_get(t, row, "state");
		if (!state || (strcmp(state, "missing") &&
			       strcmp(state, "failed")))
			continue;
		/* One line for each of the first ones; status shows all. */
		if (++bad > 8)
			continue;
		symbol = kvmic_table_get(t, row, "symbol");
		without = kvmic_table_get(t, row, "without_it");
		found(fs, LEVEL_WARN, "hooks", "kvmictl status",
		      "%s: %s; without it: %s", symbol ? symbol : "?", state,
		      without && *without ? without : "?");
	}
	if (!bad)
		found(fs, LEVEL_OK, "hooks", NULL, "%zu, none missing or failed",
		      kvmic_table_rows(t));
	kvmic_table_free(t);
}

/* ---------------------------------------------------------------- attaching */

static void check_rights(struct findings *fs)
{
	char *text = read_text("/proc/sys/kernel/yama/ptrace_scope");
	bool forbidden = text && text[0] == '3';
	unsigned long long caps = 0;
	char *p;

	free(text);
	text = read_text("/proc/self/status");
	p = text ? strstr(text, "\nCapEff:") : NULL;
	if (p)
		caps = strtoull(p + strlen("\nCapEff:"), NULL, 16);
	free(text);
	if (forbidden)
		found(fs, LEVEL_WARN, "attach",
		      "boot with kernel.yama.ptrace_scope 0, 1 or 2; it cannot be lowered at run time",
		      "ptrace_scope is 3: nobody can attach to a running VMM");
	/* CAP_SYS_ADMIN is bit 21, CAP_SYS_PTRACE bit 19. */
	else if (!(caps >> 21 & 1) || !(caps >> 19 & 1))
		found(fs, LEVEL_WARN, "attach", "run as root",
		      "this user may not attach: CAP_SYS_ADMIN and CAP_SYS_PTRACE are needed");
	else
		found(fs, LEVEL_OK, "attach", NULL,
		      "this user may attach to running VMs");
}

void check_module(struct findings *fs)
{
	char version[128];

	fs->loaded = kvmic_module_loaded(fs_root(), version, sizeof(version));
	check_lockdown(fs);
	check_signature(fs);
	check_file(fs);
	check_dkms(fs);
	check_loaded(fs, version);
	check_hooks(fs);
	check_rights(fs);
}
