/* SPDX-License-Identifier: GPL-2.0-only */
/* Facts about a VM whose spelling differs between kernels. */
#ifndef KVMI_COMPAT_KVM_H
#define KVMI_COMPAT_KVM_H

#include <linux/kvm_host.h>
#include "kvmi_autoconf.h"

/* KVM refuses every ioctl of a VM that it found in an impossible state. */
static inline bool kvmi_kvm_dead(const struct kvm *kvm)
{
#if defined(KVMI_HAVE_KVM_HAS_VM_DEAD)
	return kvm->vm_dead;
#elif defined(KVMI_HAVE_KVM_HAS_VM_BUGGED)
	return kvm->vm_bugged;
#else
	return false;
#endif
}

/* Created as a confidential VM; legacy SEV guests are not told apart here. */
static inline bool kvmi_kvm_type_confidential(const struct kvm *kvm)
{
#ifdef KVMI_HAVE_KVM_ARCH_HAS_VM_TYPE
	return kvm->arch.vm_type != KVM_X86_DEFAULT_VM;
#else
	return false;
#endif
}

/*
 * True when the guest's page is what the VMM has mapped in @slot, and not
 * guest_memfd memory. The caller holds kvm->srcu.
 */
static inline bool kvmi_kvm_gfn_mapped(struct kvm *kvm,
				       const struct kvm_memory_slot *slot,
				       gfn_t gfn)
{
#ifdef KVMI_HAVE_KVM_MEM_IS_PRIVATE
	if (kvm_mem_is_private(kvm, gfn))
		return false;
#endif
#ifdef KVMI_HAVE_MEMSLOT_GMEM_ONLY
	if (slot->flags & KVM_MEMSLOT_GMEM_ONLY)
		return false;
#endif
	return true;
}

/* Dirty pages go to per-vCPU rings, which only a running vCPU may fill. */
static inline bool kvmi_kvm_dirty_ring_only(const struct kvm *kvm,
					    const struct kvm_memory_slot *slot)
{
#ifdef KVMI_HAVE_KVM_HAS_DIRTY_RING
	return kvm->dirty_ring_size && !slot->dirty_bitmap;
#else
	return false;
#endif
}

/* The posted number 206 means nothing else to this kernel. */
static inline bool kvmi_legacy_cap_free(void)
{
	return IS_ENABLED(KVMI_HAVE_CAP_206_FREE);
}

#endif /* KVMI_COMPAT_KVM_H */
