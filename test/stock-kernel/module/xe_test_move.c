// SPDX-License-Identifier: GPL-2.0-only
/*
 * An object that looks like struct xe_bo to xe's tracepoint xe_bo_move, which
 * is called as xe_bo_move() does it right before it copies.
 */
#include <linux/module.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "xe_test.h"

/* Offsets from the BTF of the xe that is loaded. */
#define XE_TEST_OFFSET(name)			\
	static unsigned int name;		\
	module_param(name, uint, 0444)

XE_TEST_OFFSET(bo_bytes);
XE_TEST_OFFSET(bo_bdev);
XE_TEST_OFFSET(bo_size);
/* 0 where xe has no size of its own. */
XE_TEST_OFFSET(bo_own_size);
XE_TEST_OFFSET(xe_ttm);

/* Of xe's table of names: system, gtt, vram0, vram1. */
#define XE_TEST_MEMORY_TYPES	4
#define XE_TEST_MOVES_AT_ONCE	1000

#define member(object, offset, type) (*(type *)((char *)(object) + (offset)))

static void *xe_test_bo(char *xe_device, u32 bytes)
{
	void *bo = kzalloc(bo_bytes, GFP_KERNEL);

	if (!bo)
		return NULL;
	member(bo, bo_bdev, void *) = xe_device + xe_ttm;
	member(bo, bo_size, size_t) = bytes;
	if (bo_own_size)
		member(bo, bo_own_size, size_t) = bytes;
	return bo;
}

int xe_test_move(u32 count, u32 from, u32 to, u32 bytes)
{
	int (*iterate)(void *data, void *bo, u32 new, u32 old, bool lacks_source);
	char *xe_device = xe_test_xe_device();
	struct module *xe;
	void *bo;
	u32 i;

	if (from >= XE_TEST_MEMORY_TYPES || to >= XE_TEST_MEMORY_TYPES)
		return -EINVAL;
	if (!xe_device || !bo_bytes)
		return -ENODEV;
	xe = xe_test_get_xe();
	if (!xe)
		return -ENODEV;
	iterate = xe_test_symbol("__traceiter_xe_bo_move");
	bo = xe_test_bo(xe_device, bytes);
	if (!iterate || !bo) {
		kfree(bo);
		module_put(xe);
		return -ENOENT;
	}

	for (i = 0; i < count; i++) {
		preempt_disable_notrace();
		iterate(NULL, bo, to, from, false);
		preempt_enable_notrace();
		if (i % XE_TEST_MOVES_AT_ONCE == 0)
			cond_resched();
	}
	kfree(bo);
	module_put(xe);
	return 0;
}
