// SPDX-License-Identifier: GPL-2.0-only
/* probe: NO_GMEM_FLAGS
 * since: before v6.18 ("KVM: guest_memfd: Track guest_memfd mmap support in
 *        memslot"; id not verified); keeps a renamed KVM_MEMSLOT_GMEM_ONLY from
 *        being taken for a missing one: other memory than the guest's would be read
 * group: gmem_only
 * used-by: compat/kvm.h
 * flip-yes: include/uapi/linux/kvm.h $s|.*|#define KVM_CAP_GUEST_MEMFD_FLAGS 244\n&|
 * flip-no: include/uapi/linux/kvm.h s/\bKVM_CAP_GUEST_MEMFD_FLAGS\b/KVM_CAP_GMEM_FLAGS/
 */
#include <linux/kvm_host.h>

#if defined(KVM_CAP_GUEST_MEMFD_FLAGS) || defined(KVM_CAP_GUEST_MEMFD_MMAP)
#error "guest_memfd can be all of a slot's memory"
#endif
