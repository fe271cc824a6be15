// SPDX-License-Identifier: GPL-2.0-only
/*
 * What depends on kvm_amd or kvm_intel. They may be reloaded while no VM is
 * hooked, so their symbols are looked up at each HOOK, under the pin, and stay
 * what they are until the last session has ended.
 *
 * Context: HOOK, and the receiving thread; may sleep.
 */
#include <linux/fs.h>
#include <linux/module.h>

#include "../../compat/call.h"
#include "../../compat/kvm.h"
#include "../../compat/resolve.h"
#include "backend.h"

KVMI_DECLARE_STUB(kvmi_sev_unregister_region, int, struct kvm *kvm,
		  struct kvm_enc_region *range);
KVMI_DEFINE_STUB(kvmi_sev_unregister_region);

KVMI_DECLARE_STUB(kvmi_leave_nested, void, struct kvm_vcpu *vcpu);
KVMI_DEFINE_STUB(kvmi_leave_nested);

/* Only kvm_amd runs VMs on such a CPU, and without the option none with SEV. */
static bool host_can_sev(void)
{
	return IS_ENABLED(CONFIG_KVM_AMD_SEV) &&
	       boot_cpu_has(X86_FEATURE_SVM);
}

/* Takes only VMs of kvm_amd. */
static unsigned long find_sev_handler(void)
{
	unsigned long addr;

	addr = kvmi_resolve("kvm_amd", "sev_mem_enc_unregister_region");
	if (!addr)	/* before v5.17 */
		addr = kvmi_resolve("kvm_amd", "svm_unregister_enc_region");
	if (!addr)
		pr_err_once("sev_mem_enc_unregister_region: no such function in kvm_amd.ko: a SEV guest cannot be told from others, so no VM can be hooked; please report it\n");
	return addr;
}

static void resolve_sev(void)
{
	unsigned long addr = host_can_sev() ? find_sev_handler() : 0;

	/* Sessions that run have stored the same value. */
	WRITE_ONCE(kvmi_sev_unregister_region_target, addr);
}

/* Before v5.17 kvm_amd's takes its struct vcpu_svm, which begins with the vCPU. */
static void resolve_nested(void)
{
	unsigned long addr;

	addr = boot_cpu_has(X86_FEATURE_SVM) ?
		       kvmi_resolve("kvm_amd", "svm_leave_nested") :
		       kvmi_resolve("kvm_intel", "vmx_leave_nested");
	if (!addr)
		pr_warn_once("svm_leave_nested, vmx_leave_nested: no such function: if a guest runs a nested one, CRASH ends only that one; please report it\n");
	WRITE_ONCE(kvmi_leave_nested_target, addr);
}

int kvmi_backend_pin_vendor(struct module **vendor)
{
	const struct file_operations *fops;
	struct module *owner;

	/* /dev/kvm's file operations belong to the vendor module. */
	fops = (void *)kvmi_resolve("kvm", "kvm_chardev_ops");
	if (!fops) {
		pr_err_once("kvm_chardev_ops not found; this kernel is not supported, please report it\n");
		return -ENODEV;
	}
	owner = READ_ONCE(fops->owner);
	if (!try_module_get(owner))
		return -ENODEV;
	*vendor = owner;
	resolve_sev();
	resolve_nested();
	return 0;
}

/*
 * Nothing in struct kvm tells a SEV guest of the old API from others. But the
 * handler that forgets an encrypted region answers -ENOTTY for any other VM
 * before it looks at the region, and there is no region of size 0.
 */
static bool is_legacy_sev(struct kvm *kvm)
{
	struct kvm_enc_region none = {};

	if (!READ_ONCE(kvmi_sev_unregister_region_target))
		return host_can_sev();
	return kvmi_sev_unregister_region(kvm, &none) != -ENOTTY;
}

bool kvmi_backend_confidential(struct kvm *kvm)
{
	return kvmi_kvm_type_confidential(kvm) || is_legacy_sev(kvm);
}

/*
 * As when its VMM sets the vCPU's state, from which this is borrowed. kvm_intel's
 * writes to guest memory.
 */
void kvmi_backend_leave_nested(struct kvm_vcpu *vcpu)
{
	int srcu;

	lockdep_assert_held(&vcpu->mutex);
	if (!(vcpu->arch.hflags & HF_GUEST_MASK) ||
	    current->mm != vcpu->kvm->mm ||
	    !READ_ONCE(kvmi_leave_nested_target))
		return;
	srcu = srcu_read_lock(&vcpu->kvm->srcu);
	kvmi_leave_nested(vcpu);
	srcu_read_unlock(&vcpu->kvm->srcu, srcu);
}
