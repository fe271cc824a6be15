// SPDX-License-Identifier: GPL-2.0-only
/*
 * kallsyms_lookup_name() is exported to nobody since v5.7 0bd476e6c671
 * ("kallsyms: unexport kallsyms_lookup_name() and kallsyms_on_each_symbol()"),
 * but a kprobe may still be placed by name, and then tells the address.
 */
#include <linux/kprobes.h>
#include <linux/kvm_host.h>
#include <linux/module.h>

#include "call.h"
#include "resolve.h"

/* Compiles only if the kernel's declaration is what we call. */
static typeof(kallsyms_lookup_name) *const canary __maybe_unused =
	(unsigned long (*)(const char *name))NULL;

KVMI_DECLARE_STUB(kvmi_kallsyms_lookup_name, unsigned long, const char *name);
KVMI_DEFINE_STUB(kvmi_kallsyms_lookup_name);

/*
 * The same for the symbols of modules alone. Before v6.2 60443c88f3a8
 * ("kallsyms: Improve the performance of kallsyms_lookup_name()") the function
 * above first goes through all symbols of the kernel, which HOOK should not
 * have to wait for.
 */
KVMI_DECLARE_STUB(kvmi_module_lookup_name, unsigned long, const char *name);
KVMI_DEFINE_STUB(kvmi_module_lookup_name);

/* Symbols of a module that is built in are the kernel's own. */
static bool is_builtin(const char *module)
{
	return (IS_BUILTIN(CONFIG_KVM) && !strcmp(module, "kvm")) ||
	       (IS_BUILTIN(CONFIG_KVM_AMD) && !strcmp(module, "kvm_amd")) ||
	       (IS_BUILTIN(CONFIG_KVM_INTEL) && !strcmp(module, "kvm_intel"));
}

unsigned long kvmi_resolve(const char *module, const char *symbol)
{
	char name[KSYM_NAME_LEN];

	if (!module || is_builtin(module))
		return kvmi_kallsyms_lookup_name(symbol);

	snprintf(name, sizeof(name), "%s:%s", module, symbol);
	if (!kvmi_module_lookup_name_target)
		return kvmi_kallsyms_lookup_name(name);
	return kvmi_module_lookup_name(name);
}

int kvmi_resolver_init(void)
{
	struct kprobe probe = { .symbol_name = "kallsyms_lookup_name" };
	int err;

	err = register_kprobe(&probe);
	if (err) {
		pr_err("cannot look up kernel symbols (kprobe: %d); the kernel needs CONFIG_KPROBES=y\n",
		       err);
		return err;
	}
	kvmi_kallsyms_lookup_name_target = (unsigned long)probe.addr;
	unregister_kprobe(&probe);
	kvmi_module_lookup_name_target =
		kvmi_kallsyms_lookup_name("module_kallsyms_lookup_name");

	/*
	 * Two checks in one: the lookup answers with the address that the
	 * loader gave us, and the reference to kvm_put_kvm() makes the loader
	 * pin kvm.ko for as long as this module is loaded.
	 */
	if (kvmi_resolve("kvm", "kvm_put_kvm") != (unsigned long)kvm_put_kvm) {
		pr_err("the kernel's symbol lookup gives wrong addresses; please report with the kernel's version\n");
		return -ENOEXEC;
	}
	return 0;
}
