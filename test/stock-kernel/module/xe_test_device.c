// SPDX-License-Identifier: GPL-2.0-only
/*
 * One PCI function that is a page of configuration space on a root bus of its
 * own, 0010:03:00.0, and the DRM device that xe would have made of it.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/unaligned.h>
#include <linux/version.h>
#include <drm/drm_drv.h>
#include <drm/drm_file.h>
#include <drm/drm_ioctl.h>

#include "xe_test.h"

#define XE_TEST_DOMAIN	0x10
#define XE_TEST_BUS	3
/* In no table of any release: xe must not probe it. */
#define XE_TEST_DEVICE	0xe2ff

static u8 xe_test_config[PCI_CFG_SPACE_SIZE];
static struct pci_bus *xe_test_root;
static struct pci_dev *xe_test_pdev;
static struct drm_device *xe_test_device;

static int xe_test_config_read(struct pci_bus *bus, unsigned int devfn,
			       int where, int size, u32 *val)
{
	u32 value = 0;

	if (devfn || where + size > PCI_CFG_SPACE_SIZE) {
		PCI_SET_ERROR_RESPONSE(val);
		return PCIBIOS_DEVICE_NOT_FOUND;
	}
	memcpy(&value, xe_test_config + where, size);
	*val = value;
	return PCIBIOS_SUCCESSFUL;
}

/* The base address registers stay zero, which means that there are none. */
static int xe_test_config_write(struct pci_bus *bus, unsigned int devfn,
				int where, int size, u32 val)
{
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops xe_test_pci_ops = {
	.read = xe_test_config_read,
	.write = xe_test_config_write,
};

static struct pci_sysdata xe_test_sysdata = {
	.domain = XE_TEST_DOMAIN,
	.node = NUMA_NO_NODE,
};

static struct resource xe_test_busn = {
	.name = "xe_test",
	.start = XE_TEST_BUS,
	.end = XE_TEST_BUS,
	.flags = IORESOURCE_BUS,
};

/*
 * What pci_dev->driver points to while the function is bound: the PCI core
 * calls its remove(), and xe's would look for a GPU it has never probed.
 */
static struct pci_driver xe_test_no_callbacks;

int xe_test_pci_init(void)
{
	LIST_HEAD(resources);

	put_unaligned_le16(PCI_VENDOR_ID_INTEL, xe_test_config + PCI_VENDOR_ID);
	put_unaligned_le16(XE_TEST_DEVICE, xe_test_config + PCI_DEVICE_ID);
	put_unaligned_le16(PCI_CLASS_DISPLAY_OTHER, xe_test_config + PCI_CLASS_DEVICE);

	pci_add_resource(&resources, &xe_test_busn);
	xe_test_root = pci_scan_root_bus(NULL, XE_TEST_BUS, &xe_test_pci_ops,
					 &xe_test_sysdata, &resources);
	if (!xe_test_root) {
		pci_free_resource_list(&resources);
		return -ENOMEM;
	}
	pci_bus_add_devices(xe_test_root);
	xe_test_pdev = pci_get_slot(xe_test_root, 0);
	if (!xe_test_pdev) {
		xe_test_pci_exit();
		return -ENODEV;
	}
	return 0;
}

void xe_test_pci_exit(void)
{
	pci_dev_put(xe_test_pdev);
	pci_lock_rescan_remove();
	pci_stop_root_bus(xe_test_root);
	pci_remove_root_bus(xe_test_root);
	pci_unlock_rescan_remove();
}

static void xe_test_postclose(struct drm_device *drm, struct drm_file *file)
{
	mutex_lock(&xe_test_lock);
	xe_test_vm_free_of(file);
	mutex_unlock(&xe_test_lock);
}

static const struct file_operations xe_test_drm_fops = {
	.owner = THIS_MODULE,
	.open = drm_open,
	.release = drm_release_noglobal,
	.unlocked_ioctl = drm_ioctl,
	.poll = drm_poll,
	.read = drm_read,
	.llseek = noop_llseek,
	.show_fdinfo = drm_show_fdinfo,
	.fop_flags = FOP_UNSIGNED_OFFSET,
};

static const struct drm_driver xe_test_drm_driver = {
	.driver_features = DRIVER_RENDER,
	.postclose = xe_test_postclose,
	.fops = &xe_test_drm_fops,
	.name = "xe",
	.desc = "Intel Xe2 Graphics",
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
	.date = "20201103",
#endif
	.major = 1,
	.minor = 1,
};

struct drm_device *xe_test_drm(void)
{
	lockdep_assert_held(&xe_test_lock);
	return xe_test_device;
}

/* What the driver core does after a successful probe. */
static int xe_test_bind_driver(struct device *dev)
{
	struct device_driver *driver = driver_find("xe", &pci_bus_type);
	int ret;

	if (!driver)
		return -ENODEV;
	device_lock(dev);
	dev->driver = driver;
	ret = device_bind_driver(dev);
	if (ret) {
		dev->driver = NULL;
	} else {
		to_pci_dev(dev)->driver = &xe_test_no_callbacks;
		/* As for a probe; pci_device_remove() gives both back. */
		pci_dev_get(to_pci_dev(dev));
		pm_runtime_get_sync(dev);
	}
	device_unlock(dev);
	return ret;
}

int xe_test_bind(void)
{
	struct device *dev = &xe_test_pdev->dev;
	struct drm_device *drm;
	int ret;

	if (xe_test_device)
		return -EBUSY;
	ret = xe_test_bind_driver(dev);
	if (ret)
		return ret;
	drm = drm_dev_alloc(&xe_test_drm_driver, dev);
	if (IS_ERR(drm)) {
		device_release_driver(dev);
		return PTR_ERR(drm);
	}
	ret = drm_dev_register(drm, 0);
	if (ret) {
		drm_dev_put(drm);
		device_release_driver(dev);
		return ret;
	}
	xe_test_device = drm;
	return 0;
}

void xe_test_unbind(void)
{
	if (!xe_test_device)
		return;
	xe_test_vm_free_all();
	drm_dev_unplug(xe_test_device);
	drm_dev_put(xe_test_device);
	xe_test_device = NULL;
	device_release_driver(&xe_test_pdev->dev);
}
