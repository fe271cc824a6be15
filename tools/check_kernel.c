// SPDX-License-Identifier: GPL-2.0-only
/* kvmictl check: the kernel, KVM, and what the hooks need. */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "check.h"

/* Kernels that the module is tested on, as major * 1000 + minor. */
#define OLDEST_KERNEL 5010
#define NEWEST_KERNEL 7003

static void check_machine(struct findings *fs)
{
	struct utsname un;

	if (uname(&un))
		snprintf(un.machine, sizeof(un.machine), "?");
	if (strcmp(un.machine, "x86_64"))
		found(fs, LEVEL_FAIL, "arch", "use an x86-64 host",
		      "%s: kvmi supports x86-64 only", un.machine);
	else
		found(fs, LEVEL_OK, "arch", NULL, "x86_64");
}

static void check_release(struct findings *fs)
{
	char *text = read_text("/proc/sys/kernel/osrelease");
	unsigned int major = 0, minor = 0, version;

	snprintf(fs->release, sizeof(fs->release), "%s", text ? text : "");
	free(text);
	fs->release[strcspn(fs->release, "\n")] = '\0';
	/* It becomes a part of paths. */
	if (strchr(fs->release, '/') ||
	    sscanf(fs->release, "%3u.%3u", &major, &minor) != 2) {
		fs->release[0] = '\0';
		found(fs, LEVEL_WARN, "kernel", "mount /proc",
		      "release of the kernel unknown");
		return;
	}
	version = major * 1000 + minor;
	if (version < OLDEST_KERNEL)
		found(fs, LEVEL_FAIL, "kernel", "boot Linux 5.10 or later",
		      "%s is older than 5.10", fs->release);
	else if (version > NEWEST_KERNEL)
		found(fs, LEVEL_WARN, "kernel",
		      "see the list of supported kernels in README",
		      "%s is newer than any kernel tested", fs->release);
	else
		found(fs, LEVEL_OK, "kernel", NULL, "%s", fs->release);
}

/* ----------------------------------------------------------------- config */

static char *read_config_gz(void)
{
	static char gzip[] = "gzip", args[] = "-dc";
	char *const argv[] = { gzip, args, NULL };
	const char *root = fs_root();
	char path[PATH_MAX], *text;
	int fd;

	if (snprintf(path, sizeof(path), "%s/proc/config.gz",
		     root ? root : "") >= (int)sizeof(path))
		return NULL;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	text = run_program("/usr/bin/gzip", argv, fd);
	if (!text && !lseek(fd, 0, SEEK_SET))
		text = run_program("/bin/gzip", argv, fd);
	close(fd);
	return text;
}

/* Configuration of the running kernel; @where says from which file. */
static char *read_config(const struct findings *fs, char *where, size_t size)
{
	static const char *const places[] = {
		"/boot/config-%s", "/lib/modules/%s/config",
		"/usr/lib/modules/%s/config", "/lib/modules/%s/build/.config",
	};
	const char *format;
	char *text;
	size_t i;

	snprintf(where, size, "/proc/config.gz");
	text = read_config_gz();
	for (i = 0; !text && *fs->release && i < ARRAY_SIZE(places); i++) {
		format = strchr(places[i], '%') + 2;
		snprintf(where, size, "%.*s%s%s",
			 (int)(strchr(places[i], '%') - places[i]), places[i],
			 fs->release, format);
		text = read_text(where);
	}
	return text;
}

/* 'y', 'm', or 'n' for absent. */
static char config_value(const char *config, const char *option)
{
	size_t n = strlen(option);
	const char *p;

	for (p = config; p; p = strchr(p, '\n')) {
		p += *p == '\n';
		if (!strncmp(p, "CONFIG_", 7) && !strncmp(p + 7, option, n) &&
		    p[7 + n] == '=')
			return p[8 + n];
	}
	return 'n';
}

/* Options that the module needs, and for what. */
static const struct {
	const char *option;
	enum level without;
	const char *purpose;
} options[] = {
	{ "MODULES", LEVEL_FAIL, "loadable modules" },
	{ "KVM", LEVEL_FAIL, "virtual machines" },
	{ "FUNCTION_TRACER", LEVEL_FAIL, "hooks into KVM" },
	{ "DYNAMIC_FTRACE_WITH_REGS", LEVEL_FAIL, "hooks into KVM" },
	{ "KPROBES", LEVEL_FAIL, "looking up symbols" },
	{ "KALLSYMS", LEVEL_FAIL, "looking up symbols" },
	{ "KALLSYMS_ALL", LEVEL_FAIL, "looking up symbols" },
	{ "DEBUG_FS", LEVEL_WARN, "the status files" },
};

static void check_config(struct findings *fs)
{
	char where[PATH_MAX], *config;
	bool all = true;
	size_t i;

	config = read_config(fs, where, sizeof(where));
	if (!config) {
		found(fs, LEVEL_WARN, "config",
		      "install the file that belongs to this kernel, or modprobe configs",
		      "the kernel's configuration was not found");
		return;
	}
	for (i = 0; i < ARRAY_SIZE(options); i++) {
		if (config_value(config, options[i].option) != 'n')
			continue;
		all = false;
		found(fs, options[i].without, "config",
		      "use a kernel of the distribution that has it",
		      "CONFIG_%s is not set: needed for %s", options[i].option,
		      options[i].purpose);
	}
	if (config_value(config, "KVM_INTEL") == 'n' &&
	    config_value(config, "KVM_AMD") == 'n') {
		all = false;
		found(fs, LEVEL_FAIL, "config",
		      "use a kernel of the distribution that has one",
		      "neither CONFIG_KVM_INTEL nor CONFIG_KVM_AMD is set");
	}
	if (config_value(config, "KVM") == 'y') {
		all = false;
		found(fs, LEVEL_WARN, "config",
		      "use a kernel with CONFIG_KVM=m",
		      "KVM is built into the kernel; kvmi is tested with kvm.ko only");
	}
	if (all)
		found(fs, LEVEL_OK, "config", NULL, "%s has what kvmi needs",
		      where);
	free(config);
}

/* -------------------------------------------------------------------- KVM */

/* Is @word one of the blank-separated words of the first line "flags"? */
static bool cpu_has(const char *cpuinfo, const char *word)
{
	const char *flags = strstr(cpuinfo, "\nflags"), *p, *end;
	size_t n = strlen(word);

	if (!flags)
		return false;
	end = flags + 1 + strcspn(flags + 1, "\n");
	for (p = flags; (p = strstr(p, word)) && p < end; p += n)
		if (p[-1] == ' ' && strchr("\n ", p[n]))
			return true;
	return false;
}

static void check_kvm(struct findings *fs)
{
	const char *vendor = path_exists("/sys/module/kvm_intel") ?
			     "kvm_intel" :
			     path_exists("/sys/module/kvm_amd") ? "kvm_amd" :
			     NULL;
	char *cpuinfo = read_text("/proc/cpuinfo");
	bool vmx = cpuinfo && cpu_has(cpuinfo, "vmx");
	bool svm = cpuinfo && cpu_has(cpuinfo, "svm");

	free(cpuinfo);
	if (vendor && path_exists("/sys/module/kvm"))
		found(fs, LEVEL_OK, "kvm", NULL, "kvm and %s are loaded",
		      vendor);
	else if (vmx || svm)
		found(fs, LEVEL_WARN, "kvm", vmx ? "modprobe kvm_intel" :
		      "modprobe kvm_amd",
		      "the CPU can virtualize, but KVM is not loaded");
	else
		found(fs, LEVEL_FAIL, "kvm",
		      "enable VT-x or AMD-V in the firmware, or nested virtualization in the hypervisor below",
		      "the CPU shows neither VMX nor SVM, and neither kvm_intel nor kvm_amd is loaded");
	if (vendor && !path_exists("/dev/kvm"))
		found(fs, LEVEL_WARN, "kvm", "look for KVM in the kernel log",
		      "there is no /dev/kvm");
}

static void check_ftrace(struct findings *fs)
{
	char *text = read_text("/proc/sys/kernel/ftrace_enabled");

	if (!text)
		found(fs, LEVEL_FAIL, "ftrace",
		      "use a kernel with CONFIG_FUNCTION_TRACER",
		      "/proc/sys/kernel/ftrace_enabled does not exist: the kernel has no ftrace");
	else if (text[0] != '1')
		found(fs, LEVEL_FAIL, "ftrace", "sysctl kernel.ftrace_enabled=1",
		      "ftrace is switched off: the module cannot hook KVM");
	else
		found(fs, LEVEL_OK, "ftrace", NULL, "enabled");
	free(text);
}

void check_kernel(struct findings *fs)
{
	check_machine(fs);
	check_release(fs);
	check_config(fs);
	check_kvm(fs);
	check_ftrace(fs);
}
