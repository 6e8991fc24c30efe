// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs and exec queues as far as their trace events go: what an application
 * makes with the driver's ioctls, and what the kernel does to it. Nothing is
 * ever mapped or run.
 */
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <drm/drm_drv.h>
#include <drm/drm_print.h>
#include <uapi/drm/xe_drm.h>

#include "xestub.h"
#include "xestub_trace.h"

/* enum flags of struct xe_vm, xe_vm_types.h */
#define XESTUB_VM_LR_MODE	BIT(1)
#define XESTUB_VM_SCRATCH_PAGE	BIT(3)
#define XESTUB_VM_FAULT_MODE	BIT(4)
#define XESTUB_VM_BANNED	BIT(5)

#define XESTUB_MAX_ASID		0xfffff

/* xe has one for each device, named xe-ordered-wq: one rebind at a time. */
static struct workqueue_struct *xestub_ordered_wq;

int xestub_vm_init(void)
{
	xestub_ordered_wq = alloc_ordered_workqueue("xe-ordered-wq", 0);
	return xestub_ordered_wq ? 0 : -ENOMEM;
}

/* Called with the last reference gone, from a workqueue, as in xe. */
static void xestub_vm_free_work(struct work_struct *work)
{
	struct xestub_vm *vm = container_of(work, struct xestub_vm, free_work);

	xestub_trace(xe_vm_free, vm);
	if (vm->asid)
		xa_erase(&vm->xe->asids, vm->asid);
	drm_dev_put(&vm->xe->drm);
	kfree(vm);
}

static void xestub_vm_release(struct kref *ref)
{
	struct xestub_vm *vm = container_of(ref, struct xestub_vm, ref);

	queue_work(system_unbound_wq, &vm->free_work);
}

void xestub_vm_put(struct xestub_vm *vm)
{
	kref_put(&vm->ref, xestub_vm_release);
}

/* NULL when the file has no such VM; otherwise with a reference. */
struct xestub_vm *xestub_vm_lookup(struct xestub_file *xef, u32 id)
{
	struct xestub_vm *vm;

	xa_lock(&xef->vms);
	vm = xa_load(&xef->vms, id);
	if (vm)
		kref_get(&vm->ref);
	xa_unlock(&xef->vms);
	return vm;
}

static u32 xestub_vm_flags(u32 create_flags)
{
	u32 flags = 0;

	if (create_flags & DRM_XE_VM_CREATE_FLAG_SCRATCH_PAGE)
		flags |= XESTUB_VM_SCRATCH_PAGE;
	if (create_flags & DRM_XE_VM_CREATE_FLAG_LR_MODE)
		flags |= XESTUB_VM_LR_MODE;
	if (create_flags & DRM_XE_VM_CREATE_FLAG_FAULT_MODE)
		flags |= XESTUB_VM_FAULT_MODE;
	return flags;
}

static int xestub_alloc_asid(struct xestub_vm *vm)
{
	u32 next = 0;

	if (!vm->xe->has_asid)
		return 0;
	return xa_alloc_cyclic(&vm->xe->asids, &vm->asid, vm,
			       XA_LIMIT(1, XESTUB_MAX_ASID), &next, GFP_KERNEL) < 0 ? -ENOMEM : 0;
}

int xestub_vm_create_ioctl(struct drm_device *drm, void *data,
			   struct drm_file *file)
{
	struct xestub_file *xef = file->driver_priv;
	struct drm_xe_vm_create *args = data;
	struct xestub_vm *vm;
	int ret;

	if (args->extensions || args->reserved[0] || args->reserved[1])
		return -EINVAL;

	vm = kzalloc(sizeof(*vm), GFP_KERNEL);
	if (!vm)
		return -ENOMEM;
	kref_init(&vm->ref);
	mutex_init(&vm->lock);
	INIT_LIST_HEAD(&vm->queues);
	INIT_WORK(&vm->free_work, xestub_vm_free_work);
	drm_dev_get(drm);
	vm->xe = to_xestub(drm);
	vm->xef = xef;
	vm->flags = xestub_vm_flags(args->flags);

	/* Releases up to 6.16 give it its asid after the event. */
	if (xestub_trace_asid_is_late())
		xestub_trace(xe_vm_create, vm);
	ret = xestub_alloc_asid(vm);
	if (!xestub_trace_asid_is_late())
		xestub_trace(xe_vm_create, vm);

	ret = ret ?: xa_alloc(&xef->vms, &args->vm_id, vm, xa_limit_32b, GFP_KERNEL);
	if (ret)
		xestub_vm_put(vm);
	return ret;
}

static void xestub_queue_free(struct xestub_queue *q)
{
	xestub_trace(xe_exec_queue_destroy, q);
	mutex_lock(&q->vm->lock);
	list_del(&q->link);
	mutex_unlock(&q->vm->lock);
	ida_free(&q->vm->xe->guc_ids, q->guc_id);
	xestub_vm_put(q->vm);
	kfree(q);
}

int xestub_vm_destroy_ioctl(struct drm_device *drm, void *data,
			    struct drm_file *file)
{
	struct xestub_file *xef = file->driver_priv;
	struct drm_xe_vm_destroy *args = data;
	struct xestub_vm *vm = xestub_vm_lookup(xef, args->vm_id);
	int ret = 0;

	if (!vm)
		return -ENOENT;
	mutex_lock(&vm->lock);
	if (!list_empty(&vm->queues))
		ret = -EBUSY;
	else if (xa_erase(&xef->vms, args->vm_id))
		xestub_vm_put(vm);
	mutex_unlock(&vm->lock);
	xestub_vm_put(vm);
	return ret;
}

/* One mapping, of which nothing is kept. */
int xestub_vm_bind_ioctl(struct drm_device *drm, void *data,
			 struct drm_file *file)
{
	struct drm_xe_vm_bind *args = data;
	struct xestub_vm *vm;

	if (args->extensions || args->num_binds != 1)
		return -EINVAL;
	vm = xestub_vm_lookup(file->driver_priv, args->vm_id);
	if (!vm)
		return -ENOENT;
	xestub_trace(xe_vma_bind, vm, args->bind.addr,
		     args->bind.addr + args->bind.range);
	xestub_vm_put(vm);
	return 0;
}

int xestub_exec_queue_create_ioctl(struct drm_device *drm, void *data,
				   struct drm_file *file)
{
	struct xestub_file *xef = file->driver_priv;
	struct drm_xe_exec_queue_create *args = data;
	struct xestub_queue *q;
	int ret;

	q = kzalloc(sizeof(*q), GFP_KERNEL);
	if (!q)
		return -ENOMEM;
	q->vm = xestub_vm_lookup(xef, args->vm_id);
	if (!q->vm) {
		kfree(q);
		return -ENOENT;
	}

	ret = ida_alloc_max(&q->vm->xe->guc_ids, U16_MAX, GFP_KERNEL);
	if (ret < 0) {
		xestub_vm_put(q->vm);
		kfree(q);
		return ret;
	}
	q->guc_id = ret;

	mutex_lock(&q->vm->lock);
	if (q->vm->flags & XESTUB_VM_BANNED)
		ret = -ENOENT;
	else
		ret = xa_alloc(&xef->queues, &args->exec_queue_id, q,
			       xa_limit_32b, GFP_KERNEL);
	list_add_tail(&q->link, &q->vm->queues);
	mutex_unlock(&q->vm->lock);

	xestub_trace(xe_exec_queue_create, q);
	if (ret)
		xestub_queue_free(q);
	return ret;
}

int xestub_exec_queue_destroy_ioctl(struct drm_device *drm, void *data,
				    struct drm_file *file)
{
	struct xestub_file *xef = file->driver_priv;
	struct drm_xe_exec_queue_destroy *args = data;
	struct xestub_queue *q = xa_erase(&xef->queues, args->exec_queue_id);

	if (!q)
		return -ENOENT;
	xestub_queue_free(q);
	return 0;
}

void xestub_vm_file_init(struct xestub_file *xef)
{
	xa_init_flags(&xef->vms, XA_FLAGS_ALLOC1);
	xa_init_flags(&xef->queues, XA_FLAGS_ALLOC1);
}

/* At the last close: nobody looks anything up any more. */
void xestub_vm_file_fini(struct xestub_file *xef)
{
	struct xestub_queue *q;
	struct xestub_vm *vm;
	unsigned long id;

	xa_for_each(&xef->queues, id, q)
		xestub_queue_free(q);
	xa_destroy(&xef->queues);
	xa_for_each(&xef->vms, id, vm)
		xestub_vm_put(vm);
	xa_destroy(&xef->vms);
}

/* xe_vm_kill(); caller holds the VM's lock. */
static void xestub_vm_kill_locked(struct xestub_vm *vm)
{
	struct xestub_queue *q;

	xestub_fprobe_vm_kill(vm);
	vm->flags |= XESTUB_VM_BANNED;
	xestub_trace(xe_vm_kill, vm);
	list_for_each_entry(q, &vm->queues, link)
		xestub_trace(xe_exec_queue_kill, q);
}

struct xestub_kill {
	struct work_struct work;
	struct xestub_vm *vm;
	/* 0: not the rebind worker's doing */
	int error;
	bool warn;
};

static void xestub_kill_work(struct work_struct *work)
{
	struct xestub_kill *kill = container_of(work, struct xestub_kill, work);
	struct xestub_vm *vm = kill->vm;

	mutex_lock(&vm->lock);
	if (kill->error) {
		xestub_trace(xe_vm_rebind_worker_enter, vm);
		xestub_log_vm_err(vm->xe, kill->error, kill->warn);
	}
	xestub_vm_kill_locked(vm);
	if (kill->error)
		xestub_trace(xe_vm_rebind_worker_exit, vm);
	mutex_unlock(&vm->lock);
}

/*
 * Kills a VM from a kernel worker and waits for that: after a failed rebind,
 * or with error 0 for another reason. Unlike xe it kills a banned VM again.
 */
void xestub_vm_kill(struct xestub_vm *vm, int error, bool warn)
{
	struct xestub_kill kill = { .vm = vm, .error = error, .warn = warn };

	INIT_WORK_ONSTACK(&kill.work, xestub_kill_work);
	queue_work(xestub_ordered_wq, &kill.work);
	flush_work(&kill.work);
	destroy_work_on_stack(&kill.work);
}

struct xestub_queue_fault {
	struct work_struct work;
	struct xestub_queue *q;
	bool cat_error;
};

static void xestub_queue_fault_work(struct work_struct *work)
{
	struct xestub_queue_fault *fault =
		container_of(work, struct xestub_queue_fault, work);
	struct xestub_queue *q = fault->q;
	struct drm_device *drm = &q->vm->xe->drm;

	if (fault->cat_error) {
		drm_info(drm, "Tile0: GT0: Engine memory CAT error [3]: class=ccs, logical_mask: 0x1, guc_id=%u\n",
			 q->guc_id);
		xestub_trace(xe_exec_queue_memory_cat_error, q);
	} else {
		drm_info(drm, "Tile0: GT0: Engine reset: engine_class=ccs, logical_mask: 0x1, guc_id=%u, state=0x3\n",
			 q->guc_id);
		xestub_trace(xe_exec_queue_reset, q);
	}
}

/* An engine reset or a memory CAT error of one queue, with its log line. */
int xestub_queue_fault(struct xestub_file *xef, u32 id, bool cat_error)
{
	struct xestub_queue_fault fault = { .cat_error = cat_error };

	fault.q = xa_load(&xef->queues, id);
	if (!fault.q)
		return -ENOENT;
	INIT_WORK_ONSTACK(&fault.work, xestub_queue_fault_work);
	queue_work(xestub_ordered_wq, &fault.work);
	flush_work(&fault.work);
	destroy_work_on_stack(&fault.work);
	return 0;
}
