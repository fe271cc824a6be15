// SPDX-License-Identifier: GPL-2.0-only
/* probe: CAP_206_FREE
 * since: before v5.16 ("KVM: SEV: Add support for SEV intra host migration", which
 *        took 206 for KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM; id not verified)
 * group: cap_206
 * used-by: compat/kvm.h
 * flip-yes: include/uapi/linux/kvm.h $s|.*|#define KVM_CAP_BACKPORTED 206\n&|
 * flip-no: include/uapi/linux/kvm.h s|\b206$|1206|
 */
#include <linux/build_bug.h>
#include <linux/kvm.h>
#include "kvmi_caps.h"

static_assert(!KVMI_CAP_IS(206));
