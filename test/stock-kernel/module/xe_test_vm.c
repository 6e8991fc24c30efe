// SPDX-License-Identifier: GPL-2.0-only
/*
 * Objects that look like struct xe_vm and struct xe_file to xe's tracepoints
 * and to its xe_vm_kill().
 */
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <drm/drm_device.h>
#include <drm/drm_file.h>
#include <drm/drm_print.h>

#include "xe_test.h"

#define XE_VM_FLAG_LR_MODE	BIT(1)

/* Offsets from the BTF of the xe that is loaded; 0 means not given. */
#define XE_TEST_OFFSET(name)			\
	static unsigned int name;		\
	module_param(name, uint, 0444)

XE_TEST_OFFSET(vm_size);
XE_TEST_OFFSET(vm_xe);
XE_TEST_OFFSET(vm_xef);
XE_TEST_OFFSET(vm_flags);
XE_TEST_OFFSET(vm_asid);
XE_TEST_OFFSET(vm_exec_queues);
XE_TEST_OFFSET(xef_size);
XE_TEST_OFFSET(xef_drm);
XE_TEST_OFFSET(xef_pid);
XE_TEST_OFFSET(xef_process_name);
/* Of the DRM device in struct xe_device: the one offset that may be 0. */
XE_TEST_OFFSET(xe_drm);

struct xe_test_vm {
	void *vm;
	void *xef;
	char *process_name;
	struct drm_file *file;
};

static DEFINE_XARRAY(xe_test_vms);
static u32 xe_test_next_asid;
/* One rebind at a time, as on a device of xe. */
static struct workqueue_struct *xe_test_ordered_wq;

int xe_test_vm_init(void)
{
	xe_test_ordered_wq = alloc_ordered_workqueue("xe-ordered-wq", 0);
	return xe_test_ordered_wq ? 0 : -ENOMEM;
}

void xe_test_vm_exit(void)
{
	destroy_workqueue(xe_test_ordered_wq);
}

#define member(object, offset, type) (*(type *)((char *)(object) + (offset)))

/*
 * Calls what is attached to a tracepoint of xe, in this context: the function
 * behind the branch that trace_xe_vm_create() is.
 */
static void xe_test_trace(const char *event, void *vm)
{
	int (*iterate)(void *data, void *vm);
	char name[64];

	snprintf(name, sizeof(name), "__traceiter_%s", event);
	iterate = xe_test_symbol(name);
	if (!iterate)
		return;
	preempt_disable_notrace();
	iterate(NULL, vm);
	preempt_enable_notrace();
}

void *xe_test_xe_device(void)
{
	struct drm_device *drm = xe_test_drm();

	return drm ? (char *)drm - xe_drm : NULL;
}

static struct drm_file *xe_test_find_file(struct drm_device *drm, u64 client)
{
	struct drm_file *file;

	lockdep_assert_held(&drm->filelist_mutex);
	list_for_each_entry(file, &drm->filelist, lhead)
		if (file->client_id == client)
			return file;
	return NULL;
}

/* What xe notes of the opener when a file is opened. */
static int xe_test_fill_xef(struct xe_test_vm *tv)
{
	struct task_struct *task;
	struct pid *pid;

	rcu_read_lock();
	pid = rcu_dereference(tv->file->pid);
	task = pid_task(pid, PIDTYPE_TGID);
	if (task)
		tv->process_name = kstrdup(task->comm, GFP_ATOMIC);
	member(tv->xef, xef_pid, pid_t) = pid_nr(pid);
	rcu_read_unlock();

	member(tv->xef, xef_drm, struct drm_file *) = tv->file;
	member(tv->xef, xef_process_name, char *) = tv->process_name;
	return tv->process_name ? 0 : -ESRCH;
}

static void xe_test_destroy(struct xe_test_vm *tv)
{
	kfree(tv->process_name);
	kfree(tv->xef);
	kfree(tv->vm);
	kfree(tv);
}

static struct xe_test_vm *xe_test_new(struct drm_file *file)
{
	struct xe_test_vm *tv = kzalloc(sizeof(*tv), GFP_KERNEL);

	if (!tv)
		return NULL;
	tv->file = file;
	tv->vm = kzalloc(vm_size, GFP_KERNEL);
	tv->xef = kzalloc(xef_size, GFP_KERNEL);
	if (!tv->vm || !tv->xef || xe_test_fill_xef(tv)) {
		xe_test_destroy(tv);
		return NULL;
	}
	INIT_LIST_HEAD(&member(tv->vm, vm_exec_queues, struct list_head));
	member(tv->vm, vm_xe, void *) = xe_test_xe_device();
	member(tv->vm, vm_xef, void *) = tv->xef;
	member(tv->vm, vm_asid, u32) = ++xe_test_next_asid;
	member(tv->vm, vm_flags, unsigned long) = XE_VM_FLAG_LR_MODE;
	return tv;
}

int xe_test_vm_create(u32 id, u64 client)
{
	struct drm_device *drm = xe_test_drm();
	struct xe_test_vm *tv = NULL;
	struct module *xe;
	struct drm_file *file;
	int ret = -ENOENT;

	if (!drm || !vm_size || !xef_size)
		return -ENODEV;
	xe = xe_test_get_xe();
	if (!xe)
		return -ENODEV;

	mutex_lock(&drm->filelist_mutex);
	file = xe_test_find_file(drm, client);
	if (file)
		tv = xe_test_new(file);
	if (tv)
		ret = xa_insert(&xe_test_vms, id, tv, GFP_KERNEL);
	mutex_unlock(&drm->filelist_mutex);

	if (!ret)
		xe_test_trace("xe_vm_create", tv->vm);
	else if (tv)
		xe_test_destroy(tv);
	module_put(xe);
	return ret;
}

struct xe_test_work {
	struct work_struct work;
	struct xe_test_vm *tv;
	int error;
};

/* The end of preempt_rebind_work_func(), with the driver's own text. */
static void xe_test_kill_work(struct work_struct *work)
{
	struct xe_test_work *kill = container_of(work, struct xe_test_work, work);
	void (*xe_vm_kill)(void *vm, bool unlocked) = xe_test_symbol("xe_vm_kill");
	struct drm_device *drm = xe_test_drm();
	void *vm = kill->tv->vm;

	if (kill->error) {
		xe_test_trace("xe_vm_rebind_worker_enter", vm);
		drm_warn(drm, "VM worker error: %d\n", kill->error);
	}
	/* The caller is said to hold the VM's lock: it is not taken. */
	xe_vm_kill(vm, false);
	if (kill->error)
		xe_test_trace("xe_vm_rebind_worker_exit", vm);
}

static void xe_test_free_work(struct work_struct *work)
{
	struct xe_test_work *free = container_of(work, struct xe_test_work, work);

	xe_test_trace("xe_vm_free", free->tv->vm);
}

static int xe_test_run(struct xe_test_vm *tv, int error, work_func_t func)
{
	struct xe_test_work run = { .tv = tv, .error = error };
	struct module *xe = xe_test_get_xe();

	if (!xe)
		return -ENODEV;
	INIT_WORK_ONSTACK(&run.work, func);
	queue_work(xe_test_ordered_wq, &run.work);
	flush_work(&run.work);
	destroy_work_on_stack(&run.work);
	module_put(xe);
	return 0;
}

int xe_test_vm_kill(u32 id, int error)
{
	struct xe_test_vm *tv = xa_load(&xe_test_vms, id);

	if (!tv || !xe_test_symbol("xe_vm_kill"))
		return -ENOENT;
	return xe_test_run(tv, error, xe_test_kill_work);
}

int xe_test_vm_free(u32 id)
{
	struct xe_test_vm *tv = xa_erase(&xe_test_vms, id);

	if (!tv)
		return -ENOENT;
	/* Without xe nobody can tell. */
	xe_test_run(tv, 0, xe_test_free_work);
	xe_test_destroy(tv);
	return 0;
}

/* The VMs of a file that is being closed. */
void xe_test_vm_free_of(struct drm_file *file)
{
	struct xe_test_vm *tv;
	unsigned long id;

	xa_for_each(&xe_test_vms, id, tv)
		if (tv->file == file)
			xe_test_vm_free(id);
}

void xe_test_vm_free_all(void)
{
	struct xe_test_vm *tv;
	unsigned long id;

	xa_for_each(&xe_test_vms, id, tv)
		xe_test_vm_free(id);
}
