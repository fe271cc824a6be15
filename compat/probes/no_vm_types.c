// SPDX-License-Identifier: GPL-2.0-only
/* probe: NO_VM_TYPES
 * since: before v6.8 ("KVM: x86: Add support for "protected VMs" that can utilize
 *        private memory"; id not verified); keeps a renamed vm_type from being
 *        taken for a missing one: confidential VMs would be introspected
 * group: vm_type
 * used-by: compat/kvm.h
 * flip-yes: include/uapi/linux/kvm.h $s|.*|#define KVM_CAP_VM_TYPES 235\n&|
 * flip-no: include/uapi/linux/kvm.h s/\bKVM_CAP_VM_TYPES\b/KVM_CAP_VM_KINDS/
 */
#include <linux/kvm_host.h>

#ifdef KVM_CAP_VM_TYPES
#error "a VMM can choose the type of its VM"
#endif
