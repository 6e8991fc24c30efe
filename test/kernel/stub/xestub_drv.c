// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PCI and DRM driver "xe", as far as an observer of its events can tell.
 */
#include <linux/moduleparam.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>
#include <drm/drm_print.h>
#include <uapi/drm/xe_drm.h>

#include "xestub.h"

#define XESTUB_NR_VM_GET_PROPERTY	0x0f
#define XESTUB_NR_VM_RESTART		0x10
#define XESTUB_NR_MAX			0x11
#define XESTUB_AUTOSUSPEND_MS		1000
#define XESTUB_MAX_DEVICES		64

LIST_HEAD(xestub_devices);
DEFINE_MUTEX(xestub_devices_lock);

unsigned int xestub_watch_nr = 0x0f;
module_param_named(watch_nr, xestub_watch_nr, uint, 0444);
MODULE_PARM_DESC(watch_nr, "ioctl number of the watch ioctl: 0x0f, 0x10, 0x11, or 0 for a stock kernel");

unsigned int xestub_device_count = 2;
module_param_named(devices, xestub_device_count, uint, 0444);
MODULE_PARM_DESC(devices, "number of GPUs, 0 to 64");

/* struct drm_xe_vm_get_property of Linux 7.2. */
struct xestub_vm_get_property {
	__u64 extensions;
	__u32 vm_id;
	__u32 property;
	__u32 size;
	__u32 pad;
	__u64 data;
	__u64 reserved[3];
};

/* struct drm_xe_vm_restart of the second revision of the series. */
struct xestub_vm_restart {
	__u32 vm_id;
	__u32 pad;
	__u64 timestamp_ns;
	__u64 reserved;
};

u64 xestub_vram_used(struct xestub_device *xe)
{
	struct drm_file *file;
	u64 used = READ_ONCE(xe->vram_used);

	mutex_lock(&xe->drm.filelist_mutex);
	list_for_each_entry(file, &xe->drm.filelist, lhead) {
		struct xestub_file *xef = file->driver_priv;

		used += READ_ONCE(xef->vram);
	}
	mutex_unlock(&xe->drm.filelist_mutex);
	return used;
}

static int xestub_query_mem_regions(struct xestub_device *xe,
				    struct drm_xe_device_query *query)
{
	struct drm_xe_query_mem_regions *regions;
	size_t size = struct_size(regions, mem_regions, 2);
	int ret = 0;

	if (query->size == 0) {
		query->size = size;
		return 0;
	}
	if (query->size != size)
		return -EINVAL;

	regions = kzalloc(size, GFP_KERNEL);
	if (!regions)
		return -ENOMEM;

	regions->num_mem_regions = 2;
	regions->mem_regions[0] = (struct drm_xe_mem_region) {
		.mem_class = DRM_XE_MEM_REGION_CLASS_SYSMEM,
		.instance = 0,
		.min_page_size = PAGE_SIZE,
		.total_size = (u64)totalram_pages() << PAGE_SHIFT,
	};
	regions->mem_regions[1] = (struct drm_xe_mem_region) {
		.mem_class = DRM_XE_MEM_REGION_CLASS_VRAM,
		.instance = 1,
		.min_page_size = SZ_64K,
		.total_size = xe->vram_size,
		.used = xestub_vram_used(xe),
		.cpu_visible_size = xe->vram_size,
		.cpu_visible_used = xestub_vram_used(xe),
	};

	if (copy_to_user(u64_to_user_ptr(query->data), regions, size))
		ret = -EFAULT;
	kfree(regions);
	return ret;
}

static int xestub_query_ioctl(struct drm_device *drm, void *data,
			      struct drm_file *file)
{
	struct drm_xe_device_query *query = data;

	if (query->extensions || query->reserved[0] || query->reserved[1])
		return -EINVAL;
	if (query->query != DRM_XE_DEVICE_QUERY_MEM_REGIONS)
		return -EINVAL;
	return xestub_query_mem_regions(to_xestub(drm), query);
}

/* No VM has faults or anything else to tell. */
static int xestub_vm_get_property_ioctl(struct drm_device *drm, void *data,
					struct drm_file *file)
{
	struct xestub_vm_get_property *args = data;

	if (args->extensions || args->pad ||
	    args->reserved[0] || args->reserved[1] || args->reserved[2])
		return -EINVAL;
	return -ENOENT;
}

static int xestub_vm_restart_ioctl(struct drm_device *drm, void *data,
				   struct drm_file *file)
{
	return -ENOENT;
}

/* Everything that needs a GPU. An observer has no business here. */
static int xestub_unused_ioctl(struct drm_device *drm, void *data,
			       struct drm_file *file)
{
	atomic_inc(&to_xestub(drm)->ioctls);
	return -EINVAL;
}

static struct drm_ioctl_desc xestub_ioctls[XESTUB_NR_MAX + 1];

static void xestub_set_ioctl(unsigned int nr, unsigned int dir, size_t size,
			     drm_ioctl_t *func, const char *name)
{
	xestub_ioctls[nr] = (struct drm_ioctl_desc) {
		.cmd = _IOC(dir, DRM_IOCTL_BASE, DRM_COMMAND_BASE + nr, size),
		.flags = DRM_RENDER_ALLOW,
		.func = func,
		.name = name,
	};
}

/*
 * Number 0x0f is VM_GET_PROPERTY in mainline and 0x10 VM_RESTART in the
 * second revision of the series, unless the watch ioctl sits there. A table
 * never has holes. Returns its length.
 */
static unsigned int xestub_fill_ioctls(void)
{
	const unsigned int rw = _IOC_READ | _IOC_WRITE;
	unsigned int nr;

	xestub_set_ioctl(DRM_XE_DEVICE_QUERY, rw,
			 sizeof(struct drm_xe_device_query),
			 xestub_query_ioctl, "XE_DEVICE_QUERY");
	for (nr = DRM_XE_DEVICE_QUERY + 1; nr < XESTUB_NR_VM_GET_PROPERTY; nr++)
		xestub_set_ioctl(nr, rw, 0, xestub_unused_ioctl, "XE_UNUSED");
	xestub_set_ioctl(DRM_XE_VM_CREATE, rw, sizeof(struct drm_xe_vm_create),
			 xestub_vm_create_ioctl, "XE_VM_CREATE");
	xestub_set_ioctl(DRM_XE_VM_DESTROY, _IOC_WRITE,
			 sizeof(struct drm_xe_vm_destroy),
			 xestub_vm_destroy_ioctl, "XE_VM_DESTROY");
	xestub_set_ioctl(DRM_XE_VM_BIND, _IOC_WRITE,
			 sizeof(struct drm_xe_vm_bind),
			 xestub_vm_bind_ioctl, "XE_VM_BIND");
	xestub_set_ioctl(DRM_XE_EXEC_QUEUE_CREATE, rw,
			 sizeof(struct drm_xe_exec_queue_create),
			 xestub_exec_queue_create_ioctl, "XE_EXEC_QUEUE_CREATE");
	xestub_set_ioctl(DRM_XE_EXEC_QUEUE_DESTROY, _IOC_WRITE,
			 sizeof(struct drm_xe_exec_queue_destroy),
			 xestub_exec_queue_destroy_ioctl, "XE_EXEC_QUEUE_DESTROY");
	xestub_set_ioctl(XESTUB_NR_VM_GET_PROPERTY, rw,
			 sizeof(struct xestub_vm_get_property),
			 xestub_vm_get_property_ioctl, "XE_VM_GET_PROPERTY");
	xestub_set_ioctl(XESTUB_NR_VM_RESTART, _IOC_WRITE,
			 sizeof(struct xestub_vm_restart),
			 xestub_vm_restart_ioctl, "XE_VM_RESTART");

#ifdef CONFIG_WATCH_QUEUE
	if (xestub_watch_nr) {
		/* Four 32-bit fields: see xestub_watch.c. */
		xestub_set_ioctl(xestub_watch_nr, _IOC_WRITE, 16,
				 xestub_watch_ioctl, "XE_WATCH_QUEUE");
		return xestub_watch_nr + 1;
	}
#endif
	return XESTUB_NR_VM_GET_PROPERTY + 1;
}

/*
 * The real driver resumes the GPU for every ioctl, every close and every
 * read of fdinfo; the count of wakes shows a test who does so.
 */
void xestub_resume(struct xestub_device *xe)
{
	pm_runtime_get_sync(xe->drm.dev);
}

void xestub_release(struct xestub_device *xe)
{
	pm_runtime_mark_last_busy(xe->drm.dev);
	pm_runtime_put_autosuspend(xe->drm.dev);
}

static long xestub_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct drm_file *file = filp->private_data;
	struct drm_device *drm = file->minor->dev;
	struct xestub_device *xe = to_xestub(drm);
	long ret;
	int idx;

	if (atomic_read(&xe->wedged))
		return -ECANCELED;
	if (!drm_dev_enter(drm, &idx))
		return -ENODEV;

	xestub_resume(xe);
	ret = drm_ioctl(filp, cmd, arg);
	xestub_release(xe);
	drm_dev_exit(idx);
	return ret;
}

static int xestub_open(struct drm_device *drm, struct drm_file *file)
{
	struct xestub_file *xef = kzalloc(sizeof(*xef), GFP_KERNEL);

	if (!xef)
		return -ENOMEM;

	xef->watchers = xestub_watch_list_alloc();
	if (IS_ENABLED(CONFIG_WATCH_QUEUE) && !xef->watchers) {
		kfree(xef);
		return -ENOMEM;
	}

	xestub_vm_file_init(xef);
	xef->drm = file;
	xef->pid = task_tgid_nr(current);
	get_task_comm(xef->process_name, current->group_leader);
	file->driver_priv = xef;
	return 0;
}

static void xestub_postclose(struct drm_device *drm, struct drm_file *file)
{
	struct xestub_device *xe = to_xestub(drm);
	struct xestub_file *xef = file->driver_priv;
	int idx;

	if (drm_dev_enter(drm, &idx)) {
		xestub_resume(xe);
		xestub_release(xe);
		drm_dev_exit(idx);
	}

	xestub_vm_file_fini(xef);
	xestub_watch_list_free(xef->watchers);
	kfree(xef);
}

static void xestub_show_fdinfo(struct drm_printer *p, struct drm_file *file)
{
	struct xestub_device *xe = to_xestub(file->minor->dev);
	struct xestub_file *xef = file->driver_priv;
	const struct drm_memory_stats none = { };
	const struct drm_memory_stats vram = {
		.private = READ_ONCE(xef->vram),
		.resident = READ_ONCE(xef->vram),
	};

	atomic_inc(&xe->fdinfo_reads);
	xestub_resume(xe);
	/* xe waits like this for queues that are being removed. */
	wait_event(xe->fdinfo_wait, !READ_ONCE(xe->fdinfo_hangs));
	drm_print_memory_stats(p, &none, DRM_GEM_OBJECT_RESIDENT |
			       DRM_GEM_OBJECT_PURGEABLE, "system");
	drm_print_memory_stats(p, &none, DRM_GEM_OBJECT_RESIDENT, "gtt");
	drm_print_memory_stats(p, &vram, DRM_GEM_OBJECT_RESIDENT, "vram0");
	drm_printf(p, "drm-cycles-ccs:\t%llu\n", 0ull);
	drm_printf(p, "drm-total-cycles-ccs:\t%llu\n", ktime_get_ns());
	xestub_release(xe);
}

static const struct file_operations xestub_fops = {
	.owner = THIS_MODULE,
	.open = drm_open,
	.release = drm_release_noglobal,
	.unlocked_ioctl = xestub_ioctl,
	.poll = drm_poll,
	.read = drm_read,
	.llseek = noop_llseek,
	.show_fdinfo = drm_show_fdinfo,
	.fop_flags = FOP_UNSIGNED_OFFSET,
};

/* Not const: num_ioctls depends on the parameters. */
static struct drm_driver xestub_driver = {
	.driver_features = DRIVER_RENDER,
	.open = xestub_open,
	.postclose = xestub_postclose,
	.show_fdinfo = xestub_show_fdinfo,
	.ioctls = xestub_ioctls,
	.fops = &xestub_fops,
	.name = "xe",
	.desc = "Intel Xe2 Graphics",
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
	.date = "20201103",
#endif
	.major = 1,
	.minor = 1,
};

static int xestub_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct device *dev = &pdev->dev;
	struct xestub_device *xe;
	int ret;

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;

	xe = devm_drm_dev_alloc(dev, &xestub_driver, struct xestub_device, drm);
	if (IS_ERR(xe))
		return PTR_ERR(xe);

	xe->vram_size = 12ull * SZ_1G;
	xe->has_asid = pdev->device == 0xe20b;
	xa_init_flags(&xe->asids, XA_FLAGS_ALLOC1);
	ida_init(&xe->guc_ids);
	init_waitqueue_head(&xe->fdinfo_wait);
	pci_set_drvdata(pdev, xe);

	ret = xestub_ras_init(xe);
	if (ret)
		return ret;
	ret = drm_dev_register(&xe->drm, 0);
	if (ret)
		return ret;

	xestub_device_debugfs_init(xe);
	mutex_lock(&xestub_devices_lock);
	list_add_tail(&xe->link, &xestub_devices);
	mutex_unlock(&xestub_devices_lock);

	/* Give back the reference the PCI core holds during probe. */
	pm_runtime_use_autosuspend(dev);
	pm_runtime_set_autosuspend_delay(dev, XESTUB_AUTOSUSPEND_MS);
	pm_runtime_allow(dev);
	pm_runtime_mark_last_busy(dev);
	pm_runtime_put_autosuspend(dev);
	return 0;
}

static void xestub_remove(struct pci_dev *pdev)
{
	struct xestub_device *xe = pci_get_drvdata(pdev);

	mutex_lock(&xestub_devices_lock);
	list_del(&xe->link);
	mutex_unlock(&xestub_devices_lock);

	pm_runtime_get_sync(&pdev->dev);
	pm_runtime_forbid(&pdev->dev);
	pm_runtime_dont_use_autosuspend(&pdev->dev);

	/* As in xe: no REMOVAL now; open files keep their watches. */
	drm_dev_unplug(&xe->drm);
}

static int xestub_runtime_suspend(struct device *dev)
{
	return 0;
}

static int xestub_runtime_resume(struct device *dev)
{
	struct xestub_device *xe = dev_get_drvdata(dev);

	atomic_inc(&xe->wakes);
	return 0;
}

static DEFINE_RUNTIME_DEV_PM_OPS(xestub_pm_ops, xestub_runtime_suspend,
				 xestub_runtime_resume, NULL);

static const struct pci_device_id xestub_ids[] = {
	{ PCI_VDEVICE(INTEL, 0xe20b) },
	{ PCI_VDEVICE(INTEL, 0x56c0) },
	{ }
};

static struct pci_driver xestub_pci_driver = {
	.name = "xe",
	.id_table = xestub_ids,
	.probe = xestub_probe,
	.remove = xestub_remove,
	.driver.pm = pm_ptr(&xestub_pm_ops),
};

static int __init xestub_init(void)
{
	int ret;

	if (xestub_watch_nr && (xestub_watch_nr < XESTUB_NR_VM_GET_PROPERTY ||
				xestub_watch_nr > XESTUB_NR_MAX))
		return -EINVAL;
	if (xestub_device_count > XESTUB_MAX_DEVICES)
		return -EINVAL;
	if (!IS_ENABLED(CONFIG_WATCH_QUEUE))
		xestub_watch_nr = 0;

	xestub_driver.num_ioctls = xestub_fill_ioctls();
	ret = xestub_vm_init();
	if (ret)
		return ret;
	ret = pci_register_driver(&xestub_pci_driver);
	if (ret)
		return ret;

	xestub_control_init();
	return xestub_add_bridges();
}
/* After UML's own PCI bridge, which owns bus 0. */
late_initcall(xestub_init);
