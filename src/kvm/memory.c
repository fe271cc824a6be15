// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest physical memory, reached through the VMM's mapping of it like any
 * device model does: swapped, huge, file-backed and shared pages just work,
 * and KVM's MMU notifier keeps the guest's view the same.
 *
 * Context: receiving thread; sleeps in page faults; holds kvm->srcu meanwhile,
 * as KVM does in its own guest memory accesses.
 */
#include <linux/kthread.h>
#include <linux/sched/mm.h>
#include <linux/uaccess.h>

#include "../../compat/kvm.h"
#include "backend.h"

struct access {
	struct kvm_memory_slot *slot;
	gfn_t gfn;
	void __user *hva;
};

/* Find the page at @gpa. The caller holds kvm->srcu. */
static int find_page(struct kvm *kvm, u64 gpa, struct access *access)
{
	struct kvm_memory_slot *slot;
	unsigned long hva;

	access->gfn = gpa_to_gfn(gpa);
	slot = __gfn_to_memslot(kvm_memslots(kvm), access->gfn);
	if (!slot || (slot->flags & KVM_MEMSLOT_INVALID))
		return -KVMI_ENOENT;
	if (!kvmi_kvm_gfn_mapped(kvm, slot, access->gfn))
		return -KVMI_EOPNOTSUPP;

	hva = __gfn_to_hva_memslot(slot, access->gfn) + offset_in_page(gpa);
	access->hva = (void __user *)hva;
	access->slot = slot;
	return 0;
}

static int read_page(struct kvm *kvm, u64 gpa, void *buf, size_t size)
{
	struct access access;
	int err;

	err = find_page(kvm, gpa, &access);
	if (err)
		return err;
	return copy_from_user(buf, access.hva, size) ? -KVMI_ENOENT : 0;
}

/*
 * KVM's own helper for this warns when no vCPU is running: v5.17 2efd61a608b0
 * ("KVM: Warn if mark_page_dirty() is called without an active vCPU").
 */
static void mark_dirty(const struct access *access)
{
	struct kvm_memory_slot *slot = access->slot;

	if (slot->dirty_bitmap)
		set_bit_le(access->gfn - slot->base_gfn, slot->dirty_bitmap);
}

static int write_page(struct kvm *kvm, u64 gpa, const void *buf, size_t size)
{
	struct access access;
	int err;

	err = find_page(kvm, gpa, &access);
	if (err)
		return err;
	if (access.slot->flags & KVM_MEM_READONLY)
		return -KVMI_ENOENT;
	if ((access.slot->flags & KVM_MEM_LOG_DIRTY_PAGES) &&
	    kvmi_kvm_dirty_ring_only(kvm, access.slot))
		return -KVMI_EOPNOTSUPP;

	/* A fault in the middle leaves a part written, so mark it anyway. */
	err = copy_to_user(access.hva, buf, size) ? -KVMI_ENOENT : 0;
	mark_dirty(&access);
	return err;
}

/* Borrow the VMM's address space; it may be gone before the VM is. */
static bool borrow_mm(struct kvm *kvm, int *srcu)
{
	if (!mmget_not_zero(kvm->mm))
		return false;
	kthread_use_mm(kvm->mm);
	*srcu = srcu_read_lock(&kvm->srcu);
	return true;
}

static void return_mm(struct kvm *kvm, int srcu)
{
	srcu_read_unlock(&kvm->srcu, srcu);
	kthread_unuse_mm(kvm->mm);
	mmput(kvm->mm);
}

int kvmi_backend_read_physical(void *vm, u64 gpa, void *buf, size_t size)
{
	struct kvm *kvm = vm;
	int srcu, err;

	might_sleep();
	if (!borrow_mm(kvm, &srcu))
		return -KVMI_ENOENT;
	err = read_page(kvm, gpa, buf, size);
	return_mm(kvm, srcu);
	return err;
}

int kvmi_backend_write_physical(void *vm, u64 gpa, const void *buf,
				size_t size)
{
	struct kvm *kvm = vm;
	int srcu, err;

	might_sleep();
	if (!borrow_mm(kvm, &srcu))
		return -KVMI_ENOENT;
	err = write_page(kvm, gpa, buf, size);
	return_mm(kvm, srcu);
	return err;
}

static u32 vcpu_count(void *vm)
{
	struct kvm *kvm = vm;

	return atomic_read(&kvm->online_vcpus);
}

const struct kvmi_vm_ops kvmi_backend_ops = {
	.vcpu_count = vcpu_count,
	.read_physical = kvmi_backend_read_physical,
	.write_physical = kvmi_backend_write_physical,
};
