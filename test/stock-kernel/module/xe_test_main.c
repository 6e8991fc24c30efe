// SPDX-License-Identifier: GPL-2.0-only
/*
 * A GPU for the real xe driver of a distribution's kernel, as far as an
 * observer of its tracing can tell.
 *
 * What is real: the kernel, xe.ko with its tracepoints, its BTF and its
 * xe_vm_kill(), the DRM core with its files and client ids. What is made up:
 * a PCI function with a device id that xe does not know, so that it can be
 * bound to xe without being probed; a DRM device on it; and the objects that
 * xe_vm_kill() works on. They have the members that xe's tracing reads, at the
 * offsets that the BTF of the running module gives (parameters).
 *
 * It proves that formats, contexts, access to members by BTF, and unloading
 * and loading of xe are what the exporter takes them for on this kernel. It
 * does not prove that a failing rebind ends in xe_vm_kill(): no VM is bound
 * and no memory runs out.
 *
 * debugfs xe_test/control takes one command a line:
 *
 *	bind			the function is bound to xe, the DRM device appears
 *	unbind			the opposite; needed before xe is unloaded
 *	create VM CLIENT	a VM of an open file, by its drm-client-id
 *	kill VM ERRNO		what the rebind worker does when a rebind fails;
 *				ERRNO 0: killed for another reason
 *	free VM
 *	move COUNT FROM TO BYTES
 *				a buffer moves so often from one memory type of
 *				TTM to another: 1 host memory, 2 VRAM
 *
 * VM is any number that is free. "create" and "move" run in the context of the
 * writer, as the ioctls do, "kill" and "free" on a workqueue.
 */
#include <linux/debugfs.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "xe_test.h"

DEFINE_MUTEX(xe_test_lock);

static struct dentry *xe_test_debugfs;
static unsigned long (*xe_test_kallsyms)(const char *name);

/* A probe is the way left to modules to find kallsyms_lookup_name(). */
static int xe_test_find_kallsyms(void)
{
	struct kprobe probe = { .symbol_name = "kallsyms_lookup_name" };
	int ret = register_kprobe(&probe);

	if (ret)
		return ret;
	xe_test_kallsyms = (void *)probe.addr;
	unregister_kprobe(&probe);
	return 0;
}

void *xe_test_symbol(const char *name)
{
	char qualified[64];

	/* Never a function of the same name elsewhere. */
	snprintf(qualified, sizeof(qualified), "xe:%s", name);
	return (void *)xe_test_kallsyms(qualified);
}

struct module *xe_test_get_xe(void)
{
	struct device_driver *driver = driver_find("xe", &pci_bus_type);

	return driver && try_module_get(driver->owner) ? driver->owner : NULL;
}

static int xe_test_run_line(char *line)
{
	u32 vm, count, from, to, bytes;
	char verb[16];
	u64 client;
	int error;

	if (sscanf(line, "create %u %llu", &vm, &client) == 2)
		return xe_test_vm_create(vm, client);
	if (sscanf(line, "kill %u %d", &vm, &error) == 2)
		return xe_test_vm_kill(vm, error);
	if (sscanf(line, "free %u", &vm) == 1)
		return xe_test_vm_free(vm);
	if (sscanf(line, "move %u %u %u %u", &count, &from, &to, &bytes) == 4)
		return xe_test_move(count, from, to, bytes);
	if (sscanf(line, "%15s", verb) != 1)
		return 0;
	if (!strcmp(verb, "bind"))
		return xe_test_bind();
	if (!strcmp(verb, "unbind")) {
		xe_test_unbind();
		return 0;
	}
	return -EINVAL;
}

/* Stops at the first line that fails; those before it have taken effect. */
static ssize_t xe_test_write(struct file *filp, const char __user *user,
			     size_t len, loff_t *pos)
{
	char *buffer, *lines, *line;
	int ret = 0;

	if (len > SZ_64K)
		return -E2BIG;
	lines = buffer = memdup_user_nul(user, len);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);

	mutex_lock(&xe_test_lock);
	while (!ret && (line = strsep(&lines, "\n")))
		ret = xe_test_run_line(line);
	mutex_unlock(&xe_test_lock);

	kfree(buffer);
	return ret ?: len;
}

static const struct file_operations xe_test_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = xe_test_write,
};

static int __init xe_test_init(void)
{
	int ret;

	ret = xe_test_find_kallsyms();
	if (ret)
		return ret;
	ret = xe_test_vm_init();
	if (ret)
		return ret;
	ret = xe_test_pci_init();
	if (ret) {
		xe_test_vm_exit();
		return ret;
	}
	xe_test_debugfs = debugfs_create_dir("xe_test", NULL);
	debugfs_create_file("control", 0200, xe_test_debugfs, NULL, &xe_test_fops);
	return 0;
}
module_init(xe_test_init);

static void __exit xe_test_exit(void)
{
	debugfs_remove(xe_test_debugfs);
	mutex_lock(&xe_test_lock);
	xe_test_unbind();
	mutex_unlock(&xe_test_lock);
	xe_test_pci_exit();
	xe_test_vm_exit();
}
module_exit(xe_test_exit);

MODULE_DESCRIPTION("A GPU for the tests of xe-exporter");
MODULE_LICENSE("GPL");
