// SPDX-License-Identifier: GPL-2.0-only
/*
 * KVM introspection for the stock KVM: module entry and parameters.
 */
#include <linux/module.h>

#include "../compat/kvm.h"
#include "../compat/resolve.h"
#include "../compat/work.h"
#include "hooks/hooks.h"
#include "kvm/vcpu.h"
#include "params.h"
#include "status.h"
#include "vm.h"

bool kvmi_param_legacy_cap;
module_param_named(legacy_cap, kvmi_param_legacy_cap, bool, 0444);
MODULE_PARM_DESC(legacy_cap,
		 "Answer KVM_CHECK_EXTENSION for capability 206 as introspection, also where the kernel gave that number another meaning (needed by a VMM with the posted introspection patches)");

static int __init kvmi_init(void)
{
	int err;

	err = kvmi_resolver_init();
	if (err)
		return err;
	err = kvmi_task_work_init();
	if (err)
		return err;
	kvmi_vcpu_backend_init();
	err = kvmi_vms_init();
	if (err)
		return err;
	err = kvmi_hooks_arm();
	if (err)
		goto err_vms;
	kvmi_status_init();
	return 0;

err_vms:
	kvmi_vms_exit();
	return err;
}

static void __exit kvmi_exit(void)
{
	kvmi_status_exit();
	kvmi_hooks_disarm();
	kvmi_vms_exit();
}

module_init(kvmi_init);
module_exit(kvmi_exit);

MODULE_AUTHOR("The kvmi-dkms maintainers");
MODULE_DESCRIPTION("KVM introspection for the stock KVM");
MODULE_LICENSE("GPL");
MODULE_VERSION(KVMI_MODULE_VERSION);
