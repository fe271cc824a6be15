// SPDX-License-Identifier: GPL-2.0-only
/*
 * Guest physical memory, reached through the VMM's mapping of it like any
 * device model does: swapped, huge, file-backed and shared pages just work,
 * and KVM's MMU notifier keeps the guest's view the same. Device memory that
 * the VMM has mapped for the guest is not touched: reading has side effects.
 *
 * Context: receiving thread; sleeps in page faults. No lock of KVM or ours and
 * no kvm->srcu is held across a fault, only a reference on the VMM's mm and,
 * as long as the fault does not wait, its mmap_lock. That for a bounded time
 * where the fault can be ended: who serves it may do so never, and the VMM could
 * not die meanwhile. What a FUSE server has taken cannot be ended
 * (request_wait_answer()), whoever has asked for it.
 */
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/workqueue.h>

#include "../../compat/gup.h"
#include "../../compat/kvm.h"
#include "../core/core.h"
#include "backend.h"

/* How long a page may take to come. */
#define FAULT_BOUND (10 * HZ)

/* Where the VMM has mapped the page. The caller holds kvm->srcu. */
static int find_hva(struct kvm *kvm, u64 gpa, bool write, unsigned long *hva)
{
	gfn_t gfn = gpa_to_gfn(gpa);
	struct kvm_memory_slot *slot;

	slot = __gfn_to_memslot(kvm_memslots(kvm), gfn);
	if (!slot || (slot->flags & KVM_MEMSLOT_INVALID))
		return -KVMI_ENOENT;
	if (!kvmi_kvm_gfn_mapped(kvm, slot, gfn))
		return -KVMI_EOPNOTSUPP;
	if (write && (slot->flags & KVM_MEM_READONLY))
		return -KVMI_ENOENT;
	if (write && (slot->flags & KVM_MEM_LOG_DIRTY_PAGES) &&
	    kvmi_kvm_dirty_ring_only(kvm, slot))
		return -KVMI_EOPNOTSUPP;

	*hva = __gfn_to_hva_memslot(slot, gfn);
	return 0;
}

static void bark(struct work_struct *work)
{
	struct kvmi_watchdog *dog = container_of(to_delayed_work(work),
						 struct kvmi_watchdog, work);

	send_sig(SIGKILL, dog->task, 1);
}

void kvmi_watchdog_start(struct kvmi_watchdog *dog)
{
	dog->task = current;
	INIT_DELAYED_WORK_ONSTACK(&dog->work, bark);
	schedule_delayed_work(&dog->work, FAULT_BOUND);
}

void kvmi_watchdog_stop(struct kvmi_watchdog *dog)
{
	cancel_delayed_work_sync(&dog->work);
	destroy_delayed_work_on_stack(&dog->work);
}

/* Wait for the page, but not for ever. */
static long get_slow(struct mm_struct *mm, unsigned long hva,
		     unsigned int flags, struct page **page)
{
	struct kvmi_watchdog dog;
	int locked = 1;
	long ret;

	kvmi_watchdog_start(&dog);
	ret = mmap_read_lock_killable(mm);
	if (!ret) {
		ret = kvmi_get_page(mm, hva, flags, page, &locked);
		if (locked)
			mmap_read_unlock(mm);
	}

	kvmi_watchdog_stop(&dog);
	return ret;
}

/* The page, if it is mapped: no fault is taken, so nothing waits. */
static bool get_present(struct mm_struct *mm, unsigned long hva,
			unsigned int flags, struct page **page)
{
	bool got;

	kthread_use_mm(mm);
	got = get_user_pages_fast_only(hva, 1, flags, page) == 1;
	kthread_unuse_mm(mm);
	return got;
}

/* The slot may have gone meanwhile, and the VMM have something else there. */
static bool is_mapped_at(struct kvm *kvm, u64 gpa, bool write,
			 unsigned long hva)
{
	int srcu = srcu_read_lock(&kvm->srcu);
	unsigned long now;
	int err;

	err = find_hva(kvm, gpa, write, &now);
	srcu_read_unlock(&kvm->srcu, srcu);
	return !err && now == hva;
}

/*
 * With a reference on the VMM's mm. Who deletes a slot waits for kvm->srcu. A
 * page to be written has to be pinned, which always may fault.
 */
static int get_mapped_page(struct kvm *kvm, u64 gpa, unsigned int flags,
			   struct page **page)
{
	bool write = flags & FOLL_WRITE, got = false;
	unsigned long hva;
	int srcu, err;

	srcu = srcu_read_lock(&kvm->srcu);
	err = find_hva(kvm, gpa, write, &hva);
	if (!err && !write)
		got = get_present(kvm->mm, hva, flags, page);
	srcu_read_unlock(&kvm->srcu, srcu);
	if (err || got)
		return err;

	if (get_slow(kvm->mm, hva, flags, page) != 1)
		return -KVMI_ENOENT;
	if (is_mapped_at(kvm, gpa, write, hva))
		return 0;
	kvmi_put_page(*page, flags);
	return -KVMI_ENOENT;
}

static int get_gpa_page(struct kvm *kvm, u64 gpa, unsigned int flags,
			struct page **page)
{
	int err;

	might_sleep();
	/* SEV can be switched on when the VM is already hooked. */
	if (kvmi_backend_confidential(kvm))
		return -KVMI_EOPNOTSUPP;
	/* The VMM may be gone before its VM is. */
	if (!mmget_not_zero(kvm->mm))
		return -KVMI_ENOENT;
	err = get_mapped_page(kvm, gpa, flags, page);
	mmput(kvm->mm);
	return err;
}

int kvmi_backend_read(struct kvm *kvm, u64 gpa, void *buf, size_t size)
{
	struct page *page;
	int err;

	err = get_gpa_page(kvm, gpa, 0, &page);
	if (err)
		return err;
	memcpy(buf, page_address(page) + offset_in_page(gpa), size);
	kvmi_put_page(page, 0);
	return 0;
}

/*
 * KVM's own helper for this warns when no vCPU is running: v5.17 2efd61a608b0
 * ("KVM: Warn if mark_page_dirty() is called without an active vCPU").
 */
static void mark_dirty(struct kvm *kvm, gfn_t gfn)
{
	int srcu = srcu_read_lock(&kvm->srcu);
	struct kvm_memory_slot *slot;

	slot = __gfn_to_memslot(kvm_memslots(kvm), gfn);
	if (slot && slot->dirty_bitmap)
		set_bit_le(gfn - slot->base_gfn, slot->dirty_bitmap);
	srcu_read_unlock(&kvm->srcu, srcu);
}

int kvmi_backend_write(struct kvm *kvm, u64 gpa, const void *buf, size_t size)
{
	struct page *page;
	int err;

	err = get_gpa_page(kvm, gpa, FOLL_WRITE, &page);
	if (err)
		return err;
	memcpy(page_address(page) + offset_in_page(gpa), buf, size);
	kvmi_put_page(page, FOLL_WRITE);
	mark_dirty(kvm, gpa_to_gfn(gpa));
	return 0;
}

static int get_present_page(struct kvm *kvm, u64 gpa, struct page **page)
{
	unsigned long hva;
	int srcu, err;

	if (!mmget_not_zero(kvm->mm))
		return -KVMI_ENOENT;
	srcu = srcu_read_lock(&kvm->srcu);
	err = find_hva(kvm, gpa, true, &hva);
	if (!err && !get_present(kvm->mm, hva, FOLL_WRITE, page))
		err = -KVMI_EAGAIN;
	srcu_read_unlock(&kvm->srcu, srcu);
	mmput(kvm->mm);
	return err;
}

/* If the VMM has the page mapped for writing. */
int kvmi_backend_write_present(struct kvm *kvm, u64 gpa, const void *buf,
			       size_t size)
{
	struct page *page;
	int err;

	might_sleep();
	if (kvmi_backend_confidential(kvm))
		return -KVMI_EOPNOTSUPP;
	err = get_present_page(kvm, gpa, &page);
	if (err)
		return err;
	memcpy(page_address(page) + offset_in_page(gpa), buf, size);
	set_page_dirty_lock(page);
	put_page(page);
	mark_dirty(kvm, gpa_to_gfn(gpa));
	return 0;
}

u32 kvmi_backend_vcpu_count(struct kvm *kvm)
{
	return atomic_read(&kvm->online_vcpus);
}
