// SPDX-License-Identifier: GPL-2.0-only
/*
 * debugfs xestub/control: one command a line, "verb key=value ...". A write
 * returns after its events were posted; it fails at the first bad line, and
 * the lines before that one have taken effect.
 *
 * debugfs xestub/state: devices and clients as the driver sees them.
 *
 * debugfs dri/<address>/tile0/vram_mm, gtt_mm: what of TTM's text is the same
 * on every device.
 */
#include <linux/debugfs.h>
#include <linux/devcoredump.h>
#include <linux/mm.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string_helpers.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <uapi/linux/watch_queue.h>
#include <drm/drm_drv.h>
#include <drm/drm_print.h>

#include "xestub.h"

#define XESTUB_CONTROL_MAX	SZ_256K
#define XESTUB_VM_ERR		0

/*
 * struct drm_xe_watch_notification_vm_err of the series, with room for the
 * longer records that a later kernel may send.
 */
struct xestub_vm_err {
	struct watch_notification base;
	__u32 vm_id;
	__s32 error_code;
	__u8 later[112];
};

/* The value of every key a command may have; absent keys keep the default. */
struct xestub_command {
	char *device;
	char *method;
	char *text;
	u64 client;
	u64 vram;
	u32 vm;
	u32 queue;
	u32 node;
	u32 id;
	u32 value;
	u32 count;
	u32 len;
	u32 subtype;
	u32 level;
	u32 on;
	int error;
	int log;
};

static const struct xestub_command xestub_defaults = {
	.method = "rebind,bus-reset",
	.text = "**** Xe Device Coredump ****\n",
	.vm = 1,
	.queue = 1,
	.count = 1,
	.len = offsetof(struct xestub_vm_err, later),
	.subtype = XESTUB_VM_ERR,
	.level = 6,
	.error = -ENOMEM,
	.log = -1,
};

static int xestub_set_key(struct xestub_command *cmd, const char *key, char *value)
{
	if (!strcmp(key, "device"))
		cmd->device = value;
	else if (!strcmp(key, "method"))
		cmd->method = value;
	else if (!strcmp(key, "client"))
		return kstrtou64(value, 0, &cmd->client);
	else if (!strcmp(key, "vram"))
		return kstrtou64(value, 0, &cmd->vram);
	else if (!strcmp(key, "vm"))
		return kstrtou32(value, 0, &cmd->vm);
	else if (!strcmp(key, "queue"))
		return kstrtou32(value, 0, &cmd->queue);
	else if (!strcmp(key, "node"))
		return kstrtou32(value, 0, &cmd->node);
	else if (!strcmp(key, "id"))
		return kstrtou32(value, 0, &cmd->id);
	else if (!strcmp(key, "value"))
		return kstrtou32(value, 0, &cmd->value);
	else if (!strcmp(key, "count"))
		return kstrtou32(value, 0, &cmd->count);
	else if (!strcmp(key, "len"))
		return kstrtou32(value, 0, &cmd->len);
	else if (!strcmp(key, "subtype"))
		return kstrtou32(value, 0, &cmd->subtype);
	else if (!strcmp(key, "on"))
		return kstrtou32(value, 0, &cmd->on);
	else if (!strcmp(key, "level"))
		return kstrtou32(value, 0, &cmd->level);
	else if (!strcmp(key, "errno"))
		return kstrtoint(value, 0, &cmd->error);
	else if (!strcmp(key, "log"))
		return kstrtoint(value, 0, &cmd->log);
	else
		return -EINVAL;
	return 0;
}

static int xestub_parse(struct xestub_command *cmd, char *args)
{
	char *key, *value;
	int ret;

	while ((args = skip_spaces(args)) && *args) {
		/* text runs to the end of the line; \n in it is a new line. */
		if (str_has_prefix(args, "text=")) {
			cmd->text = args + strlen("text=");
			string_unescape_inplace(cmd->text, UNESCAPE_SPACE);
			return 0;
		}

		value = strsep(&args, " ");
		key = strsep(&value, "=");
		if (!value)
			return -EINVAL;
		ret = xestub_set_key(cmd, key, value);
		if (ret)
			return ret;
		if (!args)
			break;
	}
	return 0;
}

/* Caller holds xestub_devices_lock, which keeps the device bound. */
static struct xestub_device *xestub_find_device(const char *name)
{
	struct xestub_device *xe;

	list_for_each_entry(xe, &xestub_devices, link)
		if (name && !strcmp(dev_name(xe->drm.dev), name))
			return xe;
	return NULL;
}

/* Returns with the device's filelist_mutex held, which keeps the file open. */
static struct drm_file *xestub_lock_client(u64 id)
{
	struct xestub_device *xe;
	struct drm_file *file;

	list_for_each_entry(xe, &xestub_devices, link) {
		mutex_lock(&xe->drm.filelist_mutex);
		list_for_each_entry(file, &xe->drm.filelist, lhead)
			if (file->client_id == id)
				return file;
		mutex_unlock(&xe->drm.filelist_mutex);
	}
	return NULL;
}

static void xestub_unlock_client(struct drm_file *file)
{
	mutex_unlock(&file->minor->dev->filelist_mutex);
}

static int xestub_check_vm_err(const struct xestub_command *cmd)
{
	if (cmd->len < sizeof(struct watch_notification) ||
	    cmd->len > WATCH_INFO_LENGTH || cmd->subtype > 255)
		return -EINVAL;
	return 0;
}

static void xestub_post_vm_err(struct drm_file *file,
			       const struct xestub_command *cmd)
{
	struct xestub_file *xef = file->driver_priv;
	struct xestub_vm_err n = {
		.base.type = WATCH_TYPE_DRM_XE_NOTIFY,
		.base.subtype = cmd->subtype,
		.base.info = cmd->len << WATCH_INFO_LENGTH__SHIFT,
		.vm_id = cmd->vm,
		.error_code = cmd->error,
	};

	memset(n.later, 0xa5, sizeof(n.later));
	xestub_post(xef->watchers, &n.base, cmd->count);
}

void xestub_log_vm_err(struct xestub_device *xe, int error, bool warn)
{
	if (warn)
		drm_warn(&xe->drm, "VM worker error: %d\n", error);
	else
		drm_dbg(&xe->drm, "VM worker error: %d\n", error);
}

/*
 * A stock driver warns; the series turns that line into a debug message.
 * log=0 and log=1 overrule. A VM that the client really has is killed.
 */
static void xestub_fail_rebind(struct drm_file *file,
			       const struct xestub_command *cmd)
{
	struct xestub_vm *vm = xestub_vm_lookup(file->driver_priv, cmd->vm);
	bool warn = cmd->log < 0 ? !xestub_watch_nr : cmd->log;
	u32 i;

	for (i = 0; i < cmd->count; i++) {
		if (vm)
			xestub_vm_kill(vm, cmd->error, warn);
		else
			xestub_log_vm_err(to_xestub(file->minor->dev),
					  cmd->error, warn);
	}
	if (vm)
		xestub_vm_put(vm);
}

static int xestub_cmd_vm_error(const struct xestub_command *cmd)
{
	struct drm_file *file;
	int ret;

	ret = xestub_check_vm_err(cmd);
	if (ret)
		return ret;

	file = xestub_lock_client(cmd->client);
	if (!file)
		return -ENOENT;
	xestub_fail_rebind(file, cmd);
	xestub_post_vm_err(file, cmd);
	xestub_unlock_client(file);
	return 0;
}

/* Killed for another reason than a rebind: page tables or SVM. */
static int xestub_cmd_vm_kill(const struct xestub_command *cmd)
{
	struct drm_file *file = xestub_lock_client(cmd->client);
	struct xestub_vm *vm;

	if (!file)
		return -ENOENT;
	vm = xestub_vm_lookup(file->driver_priv, cmd->vm);
	if (vm) {
		xestub_vm_kill(vm, 0, false);
		xestub_vm_put(vm);
	}
	xestub_unlock_client(file);
	return vm ? 0 : -ENOENT;
}

static int xestub_fail_queue(const struct xestub_command *cmd, bool cat_error)
{
	struct drm_file *file = xestub_lock_client(cmd->client);
	int ret;

	if (!file)
		return -ENOENT;
	ret = xestub_queue_fault(file->driver_priv, cmd->queue, cat_error);
	xestub_unlock_client(file);
	return ret;
}

static int xestub_cmd_engine_reset(const struct xestub_command *cmd)
{
	return xestub_fail_queue(cmd, false);
}

static int xestub_cmd_cat_error(const struct xestub_command *cmd)
{
	return xestub_fail_queue(cmd, true);
}

/*
 * The uevent of drm_dev_wedged_event(), which 6.12 does not have yet. It is
 * sent each time, the log line only the first time, as in xe.
 */
static int xestub_cmd_wedge(const struct xestub_command *cmd)
{
	struct xestub_device *xe = xestub_find_device(cmd->device);
	bool recoverable = strcmp(cmd->method, "none");
	char wedged[64];
	char *envp[] = { wedged, NULL };

	if (!xe)
		return -ENOENT;
	if (snprintf(wedged, sizeof(wedged), "WEDGED=%s", cmd->method) >= sizeof(wedged))
		return -EINVAL;

	if (!atomic_xchg(&xe->wedged, 1))
		drm_err(&xe->drm,
			"CRITICAL: Xe has declared device %s as wedged.\n"
			"This is the stub of the test suite.\n"
			"No ioctl works until the driver is bound again.\n"
			"No GPU was harmed.\n",
			dev_name(xe->drm.dev));
	drm_info(&xe->drm, "device wedged, %s\n",
		 recoverable ? "needs recovery" : "but no recovery needed");
	return kobject_uevent_env(&xe->drm.primary->kdev->kobj, KOBJ_CHANGE, envp);
}

static int xestub_cmd_coredump(const struct xestub_command *cmd)
{
	struct xestub_device *xe = xestub_find_device(cmd->device);
	size_t len = strlen(cmd->text);
	char *data;

	if (!xe)
		return -ENOENT;
	/* dev_coredumpv() takes vmalloc memory and frees it. */
	data = vmalloc(len + 1);
	if (!data)
		return -ENOMEM;
	strscpy(data, cmd->text, len + 1);

	drm_info(&xe->drm, "Xe device coredump has been created\n");
	drm_info(&xe->drm, "Check your /sys/class/drm/card%d/device/devcoredump/data\n",
		 xe->drm.primary->index);
	dev_coredumpv(xe->drm.dev, data, len, GFP_KERNEL);
	return 0;
}

/* Any line of the kernel log: text follows the "xe 0000:03:00.0: ". */
static int xestub_cmd_log(const struct xestub_command *cmd)
{
	struct xestub_device *xe = xestub_find_device(cmd->device);
	char level[] = { KERN_SOH_ASCII, '0' + cmd->level, '\0' };

	if (!xe)
		return -ENOENT;
	if (cmd->level > 7)
		return -EINVAL;
	dev_printk(level, xe->drm.dev, "%s\n", cmd->text);
	return 0;
}

/* Bytes of vram0: of one client, or of the device besides its clients. */
static int xestub_cmd_memory(const struct xestub_command *cmd)
{
	struct xestub_device *xe;
	struct drm_file *file;

	if (cmd->device) {
		xe = xestub_find_device(cmd->device);
		if (!xe)
			return -ENOENT;
		WRITE_ONCE(xe->vram_used, cmd->vram);
		return 0;
	}

	file = xestub_lock_client(cmd->client);
	if (!file)
		return -ENOENT;
	WRITE_ONCE(((struct xestub_file *)file->driver_priv)->vram, cmd->vram);
	xestub_unlock_client(file);
	return 0;
}

/* Readers of a client's fdinfo wait from now on, or no longer. */
static int xestub_cmd_hang(const struct xestub_command *cmd)
{
	struct xestub_device *xe = xestub_find_device(cmd->device);

	if (!xe)
		return -ENOENT;
	WRITE_ONCE(xe->fdinfo_hangs, cmd->on);
	wake_up_all(&xe->fdinfo_wait);
	return 0;
}

/* An error counter of drm-ras. */
static int xestub_cmd_ras(const struct xestub_command *cmd)
{
	struct xestub_device *xe = xestub_find_device(cmd->device);

	if (!xe)
		return -ENOENT;
	return xestub_ras_set(xe, cmd->node, cmd->id, cmd->value);
}

/* Queries of its error counters fail from now on, or no longer. */
static int xestub_cmd_fail_ras(const struct xestub_command *cmd)
{
	struct xestub_device *xe = xestub_find_device(cmd->device);

	if (!xe)
		return -ENOENT;
	return xestub_ras_fail(xe, cmd->on);
}

static const struct {
	const char *verb;
	int (*run)(const struct xestub_command *cmd);
} xestub_verbs[] = {
	{ "vm_error", xestub_cmd_vm_error },
	{ "vm_kill", xestub_cmd_vm_kill },
	{ "engine_reset", xestub_cmd_engine_reset },
	{ "cat_error", xestub_cmd_cat_error },
	{ "wedge", xestub_cmd_wedge },
	{ "coredump", xestub_cmd_coredump },
	{ "log", xestub_cmd_log },
	{ "memory", xestub_cmd_memory },
	{ "hang_fdinfo", xestub_cmd_hang },
	{ "ras", xestub_cmd_ras },
	{ "fail_ras", xestub_cmd_fail_ras },
};

static int xestub_run_line(char *line)
{
	struct xestub_command cmd = xestub_defaults;
	char *verb;
	int ret, i;

	line = skip_spaces(line);
	if (!*line)
		return 0;

	verb = strsep(&line, " ");
	for (i = 0; i < ARRAY_SIZE(xestub_verbs); i++) {
		if (strcmp(verb, xestub_verbs[i].verb))
			continue;
		ret = line ? xestub_parse(&cmd, line) : 0;
		return ret ?: xestub_verbs[i].run(&cmd);
	}
	return -EINVAL;
}

static ssize_t xestub_control_write(struct file *filp, const char __user *user,
				    size_t len, loff_t *pos)
{
	char *buffer, *lines, *line;
	int ret = 0;

	if (len > XESTUB_CONTROL_MAX)
		return -E2BIG;
	lines = buffer = memdup_user_nul(user, len);
	if (IS_ERR(buffer))
		return PTR_ERR(buffer);

	mutex_lock(&xestub_devices_lock);
	while (!ret && (line = strsep(&lines, "\n")))
		ret = xestub_run_line(line);
	mutex_unlock(&xestub_devices_lock);

	kfree(buffer);
	return ret ?: len;
}

static const struct file_operations xestub_control_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = xestub_control_write,
};

static void xestub_show_client(struct seq_file *m, struct drm_file *file)
{
	struct xestub_file *xef = file->driver_priv;
	struct pid *pid;

	rcu_read_lock();
	pid = rcu_dereference(file->pid);
	seq_printf(m, "client id=%llu device=%s owner=%d watches=%u vram=%llu\n",
		   file->client_id, dev_name(file->minor->dev->dev), pid_vnr(pid),
		   xestub_watch_list_count(xef->watchers), READ_ONCE(xef->vram));
	rcu_read_unlock();
}

static int xestub_state_show(struct seq_file *m, void *unused)
{
	struct xestub_device *xe;
	struct drm_file *file;

	mutex_lock(&xestub_devices_lock);
	list_for_each_entry(xe, &xestub_devices, link) {
		seq_printf(m, "device id=%s wedged=%d wakes=%d fdinfo_reads=%d foreign_ioctls=%d\n",
			   dev_name(xe->drm.dev), atomic_read(&xe->wedged),
			   atomic_read(&xe->wakes), atomic_read(&xe->fdinfo_reads),
			   atomic_read(&xe->ioctls));
		mutex_lock(&xe->drm.filelist_mutex);
		list_for_each_entry_reverse(file, &xe->drm.filelist, lhead)
			xestub_show_client(m, file);
		mutex_unlock(&xe->drm.filelist_mutex);
	}
	mutex_unlock(&xestub_devices_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(xestub_state);

static int xestub_vram_mm_show(struct seq_file *m, void *unused)
{
	struct xestub_device *xe = m->private;

	seq_printf(m, "  use_type: 1\n  use_tt: 0\n  size: %llu\n  usage: %llu\n",
		   xe->vram_size, xestub_vram_used(xe));
	seq_printf(m, "man size:%llu\n", xe->vram_size);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(xestub_vram_mm);

/* Its size is in pages. */
static int xestub_gtt_mm_show(struct seq_file *m, void *unused)
{
	seq_printf(m, "  use_type: 1\n  use_tt: 1\n  size: %lu\n  usage: 0\n",
		   totalram_pages());
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(xestub_gtt_mm);

/* DRM removes the folder when the device is unplugged. */
void xestub_device_debugfs_init(struct xestub_device *xe)
{
	struct dentry *dir = xe->drm.debugfs_root;

	debugfs_create_file("gtt_mm", 0444, dir, xe, &xestub_gtt_mm_fops);
	dir = debugfs_create_dir("tile0", dir);
	debugfs_create_file("vram_mm", 0444, dir, xe, &xestub_vram_mm_fops);
}

void xestub_control_init(void)
{
	struct dentry *dir = debugfs_create_dir("xestub", NULL);

	debugfs_create_file("control", 0200, dir, NULL, &xestub_control_fops);
	debugfs_create_file("state", 0400, dir, NULL, &xestub_state_fops);
}
