/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _XE_TEST_H_
#define _XE_TEST_H_

#include <linux/types.h>

struct drm_device;
struct drm_file;
struct module;

/* xe_test_main.c: symbols of the running xe; NULL while it is not loaded. */
void *xe_test_symbol(const char *name);
/* A reference to the module xe, or NULL; give it back with module_put(). */
struct module *xe_test_get_xe(void);

/* xe_test_device.c: a PCI function bound to xe, with a DRM device. */
int xe_test_pci_init(void);
void xe_test_pci_exit(void);
int xe_test_bind(void);
void xe_test_unbind(void);
/* The device, or NULL; caller holds xe_test_lock. */
struct drm_device *xe_test_drm(void);

/* xe_test_vm.c: the rest with xe_test_lock held. */
int xe_test_vm_init(void);
void xe_test_vm_exit(void);
/* Where a struct xe_device would be whose DRM device is ours: that member is all there is. NULL without a device. */
void *xe_test_xe_device(void);
int xe_test_vm_create(u32 id, u64 client);
int xe_test_vm_kill(u32 id, int error);
int xe_test_vm_free(u32 id);
void xe_test_vm_free_of(struct drm_file *file);
void xe_test_vm_free_all(void);

/* xe_test_move.c */
int xe_test_move(u32 count, u32 from, u32 to, u32 bytes);

extern struct mutex xe_test_lock;

#endif
