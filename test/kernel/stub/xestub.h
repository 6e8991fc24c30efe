/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A stand-in for the xe driver: real PCI functions, real DRM devices and the
 * watch ioctl of the xe event series, without a GPU behind them.
 *
 * This folder is linked into a Linux kernel and is therefore under the
 * kernel's licence, unlike the rest of the project.
 */
#ifndef _XESTUB_H_
#define _XESTUB_H_

#include <linux/atomic.h>
#include <linux/idr.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <drm/drm_device.h>
#include <drm/drm_file.h>

struct watch_list;
struct watch_notification;

/**
 * struct xestub_device - one made-up GPU
 */
struct xestub_device {
	struct drm_device drm;
	/** @link: entry in xestub_devices, under xestub_devices_lock */
	struct list_head link;
	/** @wedged: set once; only a new bind clears it, as in xe */
	atomic_t wedged;
	/** @vram_size: bytes of VRAM the device claims to have */
	u64 vram_size;
	/** @vram_used: bytes in use besides what the clients hold */
	u64 vram_used;
	/** @fdinfo_hangs: readers of fdinfo wait, where nothing but the driver ends it */
	bool fdinfo_hangs;
	/** @fdinfo_wait: where they wait */
	wait_queue_head_t fdinfo_wait;
	/** @wakes: how often the device left runtime suspend */
	atomic_t wakes;
	/** @ioctls: driver ioctls other than the watch ioctl and the query */
	atomic_t ioctls;
	/** @fdinfo_reads: how often a client's fdinfo was read */
	atomic_t fdinfo_reads;
	/** @has_asid: Xe2 and Ponte Vecchio number their VMs, older GPUs do not */
	bool has_asid;
	/** @asids: VMs by asid */
	struct xarray asids;
	/** @guc_ids: numbers of exec queues, reused at once as in xe */
	struct ida guc_ids;
	/** @ras: error counters; NULL without CONFIG_DRM_RAS */
	struct xestub_ras *ras;
};

/**
 * struct xestub_file - one open file, which is one DRM client
 */
struct xestub_file {
	/** @watchers: NULL without CONFIG_WATCH_QUEUE */
	struct watch_list *watchers;
	/** @vram: bytes fdinfo reports for vram0 */
	u64 vram;
	/** @drm: the file of the DRM core */
	struct drm_file *drm;
	/** @pid: process id of the opener, in the initial namespace */
	pid_t pid;
	/** @process_name: comm of the opener at that time */
	char process_name[TASK_COMM_LEN];
	/** @vms: by VM id, from 1 */
	struct xarray vms;
	/** @queues: by exec queue id, from 1 */
	struct xarray queues;
};

/**
 * struct xestub_vm - one GPU address space
 */
struct xestub_vm {
	struct kref ref;
	struct xestub_device *xe;
	/** @xef: valid while the file is open */
	struct xestub_file *xef;
	/** @lock: guards flags and queues */
	struct mutex lock;
	struct list_head queues;
	struct work_struct free_work;
	u32 asid;
	u32 flags;
};

/**
 * struct xestub_queue - one exec queue
 */
struct xestub_queue {
	struct xestub_vm *vm;
	struct list_head link;
	u16 guc_id;
};

extern struct list_head xestub_devices;
extern struct mutex xestub_devices_lock;
extern unsigned int xestub_watch_nr;
extern unsigned int xestub_device_count;

/* Bytes of VRAM in use: what the clients hold plus what was set by hand. */
u64 xestub_vram_used(struct xestub_device *xe);

static inline struct xestub_device *to_xestub(struct drm_device *drm)
{
	return container_of(drm, struct xestub_device, drm);
}

/* xestub_drv.c */
void xestub_resume(struct xestub_device *xe);
void xestub_release(struct xestub_device *xe);

/* xestub_pci.c */
int xestub_add_bridges(void);

/* xestub_control.c */
void xestub_control_init(void);
void xestub_device_debugfs_init(struct xestub_device *xe);

void xestub_log_vm_err(struct xestub_device *xe, int error, bool warn);

/* xestub_trace.c */
bool xestub_trace_asid_is_late(void);
bool xestub_trace_has_vm_kill_symbol(void);

/* xestub_fprobe.c */
void xestub_fprobe_vm_kill(struct xestub_vm *vm);

/* xestub_vm.c */
int xestub_vm_init(void);
void xestub_vm_file_init(struct xestub_file *xef);
void xestub_vm_file_fini(struct xestub_file *xef);
struct xestub_vm *xestub_vm_lookup(struct xestub_file *xef, u32 id);
void xestub_vm_put(struct xestub_vm *vm);
void xestub_vm_kill(struct xestub_vm *vm, int error, bool warn);
int xestub_queue_fault(struct xestub_file *xef, u32 id, bool cat_error);
int xestub_vm_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int xestub_vm_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int xestub_vm_bind_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int xestub_exec_queue_create_ioctl(struct drm_device *drm, void *data, struct drm_file *file);
int xestub_exec_queue_destroy_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

/* xestub_ras.c */
#define XESTUB_RAS_NODES	2
#ifdef CONFIG_DRM_RAS
int xestub_ras_init(struct xestub_device *xe);
int xestub_ras_set(struct xestub_device *xe, u32 node, u32 id, u32 value);
int xestub_ras_fail(struct xestub_device *xe, bool on);
#else
static inline int xestub_ras_init(struct xestub_device *xe)
{
	return 0;
}

static inline int xestub_ras_set(struct xestub_device *xe, u32 node, u32 id, u32 value)
{
	return -EOPNOTSUPP;
}

static inline int xestub_ras_fail(struct xestub_device *xe, bool on)
{
	return -EOPNOTSUPP;
}
#endif

/* xestub_watch.c */
#ifdef CONFIG_WATCH_QUEUE
struct watch_list *xestub_watch_list_alloc(void);
void xestub_watch_list_free(struct watch_list *watchers);
unsigned int xestub_watch_list_count(struct watch_list *watchers);
int xestub_watch_ioctl(struct drm_device *drm, void *data,
		       struct drm_file *file);
void xestub_post(struct watch_list *watchers, struct watch_notification *n,
		 unsigned int count);
#else
static inline struct watch_list *xestub_watch_list_alloc(void)
{
	return NULL;
}

static inline void xestub_watch_list_free(struct watch_list *watchers) { }

static inline unsigned int xestub_watch_list_count(struct watch_list *watchers)
{
	return 0;
}

static inline void xestub_post(struct watch_list *watchers,
			       struct watch_notification *n,
			       unsigned int count)
{
}
#endif

#endif
