// SPDX-License-Identifier: GPL-2.0-only
/*
 * What depends on kvm_amd or kvm_intel. They may be reloaded while no VM is
 * hooked, so their symbols are looked up at each HOOK, under the pin.
 *
 * Context: HOOK; may sleep.
 */
#include <linux/fs.h>
#include <linux/module.h>

#include "../../compat/call.h"
#include "../../compat/kvm.h"
#include "../../compat/resolve.h"
#include "backend.h"

int kvmi_backend_pin_vendor(struct module **vendor)
{
	const struct file_operations *fops;

	/* /dev/kvm's file operations belong to the vendor module. */
	fops = (void *)kvmi_resolve("kvm", "kvm_chardev_ops");
	if (!fops) {
		pr_err_once("kvm_chardev_ops not found; this kernel is not supported, please report it\n");
		return -ENODEV;
	}
	*vendor = READ_ONCE(fops->owner);
	return try_module_get(*vendor) ? 0 : -ENODEV;
}

KVMI_DECLARE_STUB(kvmi_sev_unregister_region, int, struct kvm *kvm,
		  struct kvm_enc_region *range);
KVMI_DEFINE_STUB(kvmi_sev_unregister_region);

/*
 * Nothing in struct kvm tells a SEV guest of the old API from others. But the
 * handler that forgets an encrypted region answers -ENOTTY for any other VM
 * before it looks at the region, and there is no region of size 0.
 */
static bool is_legacy_sev(struct kvm *kvm)
{
	static const char *const names[] = {
		"sev_mem_enc_unregister_region",	/* since v5.17 */
		"svm_unregister_enc_region",
	};
	struct kvm_enc_region none = {};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		kvmi_sev_unregister_region_target =
			kvmi_resolve("kvm_amd", names[i]);
		if (kvmi_sev_unregister_region_target)
			return kvmi_sev_unregister_region(kvm, &none) !=
			       -ENOTTY;
	}
	return false;
}

bool kvmi_backend_confidential(struct kvm *kvm)
{
	return kvmi_kvm_type_confidential(kvm) || is_legacy_sev(kvm);
}
