/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The trace events of xe that an observer follows, in the formats of the
 * releases: a copy of each for 6.8, 6.12 and 6.16, of which xestub_trace.c
 * keeps the one that the parameter "trace" asks for, under its own name.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM xe

#if !defined(_XESTUB_TRACE_H_) || defined(TRACE_HEADER_MULTI_READ)
#define _XESTUB_TRACE_H_

#include <linux/tracepoint.h>

#include "xestub.h"

/* --- VMs ----------------------------------------------------------------- */

DECLARE_EVENT_CLASS(xe_vm_6_8,
	TP_PROTO(struct xestub_vm *vm),
	TP_ARGS(vm),
	TP_STRUCT__entry(
		__field(struct xestub_vm *, vm)
		__field(u32, asid)
	),
	TP_fast_assign(
		__entry->vm = vm;
		__entry->asid = vm->asid;
	),
	TP_printk("vm=%p, asid=0x%05x", __entry->vm, __entry->asid)
);

DECLARE_EVENT_CLASS(xe_vm_6_12,
	TP_PROTO(struct xestub_vm *vm),
	TP_ARGS(vm),
	TP_STRUCT__entry(
		__string(dev, dev_name(vm->xe->drm.dev))
		__field(struct xestub_vm *, vm)
		__field(u32, asid)
	),
	TP_fast_assign(
		__assign_str(dev);
		__entry->vm = vm;
		__entry->asid = vm->asid;
	),
	TP_printk("dev=%s, vm=%p, asid=0x%05x", __get_str(dev),
		  __entry->vm, __entry->asid)
);

DECLARE_EVENT_CLASS(xe_vm_6_16,
	TP_PROTO(struct xestub_vm *vm),
	TP_ARGS(vm),
	TP_STRUCT__entry(
		__string(dev, dev_name(vm->xe->drm.dev))
		__field(struct xestub_vm *, vm)
		__field(u32, asid)
		__field(u32, flags)
	),
	TP_fast_assign(
		__assign_str(dev);
		__entry->vm = vm;
		__entry->asid = vm->asid;
		__entry->flags = vm->flags;
	),
	TP_printk("dev=%s, vm=%p, asid=0x%05x, vm flags=0x%05x",
		  __get_str(dev), __entry->vm, __entry->asid, __entry->flags)
);

#define XESTUB_VM_EVENT(name)						\
	DEFINE_EVENT(xe_vm_6_8, name##_6_8,				\
		     TP_PROTO(struct xestub_vm *vm), TP_ARGS(vm));	\
	DEFINE_EVENT(xe_vm_6_12, name##_6_12,				\
		     TP_PROTO(struct xestub_vm *vm), TP_ARGS(vm));	\
	DEFINE_EVENT(xe_vm_6_16, name##_6_16,				\
		     TP_PROTO(struct xestub_vm *vm), TP_ARGS(vm))

XESTUB_VM_EVENT(xe_vm_create);
XESTUB_VM_EVENT(xe_vm_free);
XESTUB_VM_EVENT(xe_vm_kill);
XESTUB_VM_EVENT(xe_vm_rebind_worker_enter);
XESTUB_VM_EVENT(xe_vm_rebind_worker_exit);

/* --- mappings ------------------------------------------------------------ */

DECLARE_EVENT_CLASS(xe_vma_6_8,
	TP_PROTO(struct xestub_vm *vm, u64 start, u64 end),
	TP_ARGS(vm, start, end),
	TP_STRUCT__entry(
		__field(void *, vma)
		__field(u32, asid)
		__field(u64, start)
		__field(u64, end)
		__field(u64, ptr)
	),
	TP_fast_assign(
		__entry->vma = vm;
		__entry->asid = vm->asid;
		__entry->start = start;
		__entry->end = end - 1;
		__entry->ptr = 0;
	),
	TP_printk("vma=%p, asid=0x%05x, start=0x%012llx, end=0x%012llx, userptr=0x%012llx,",
		  __entry->vma, __entry->asid, __entry->start, __entry->end,
		  __entry->ptr)
);

DECLARE_EVENT_CLASS(xe_vma_6_12,
	TP_PROTO(struct xestub_vm *vm, u64 start, u64 end),
	TP_ARGS(vm, start, end),
	TP_STRUCT__entry(
		__string(dev, dev_name(vm->xe->drm.dev))
		__field(void *, vma)
		__field(u32, asid)
		__field(u64, start)
		__field(u64, end)
		__field(u64, ptr)
	),
	TP_fast_assign(
		__assign_str(dev);
		__entry->vma = vm;
		__entry->asid = vm->asid;
		__entry->start = start;
		__entry->end = end - 1;
		__entry->ptr = 0;
	),
	TP_printk("dev=%s, vma=%p, asid=0x%05x, start=0x%012llx, end=0x%012llx, userptr=0x%012llx,",
		  __get_str(dev), __entry->vma, __entry->asid, __entry->start,
		  __entry->end, __entry->ptr)
);

DECLARE_EVENT_CLASS(xe_vma_6_16,
	TP_PROTO(struct xestub_vm *vm, u64 start, u64 end),
	TP_ARGS(vm, start, end),
	TP_STRUCT__entry(
		__string(dev, dev_name(vm->xe->drm.dev))
		__field(void *, vma)
		__field(struct xestub_vm *, vm)
		__field(u32, asid)
		__field(u64, start)
		__field(u64, end)
		__field(u64, ptr)
	),
	TP_fast_assign(
		__assign_str(dev);
		__entry->vma = vm;
		__entry->vm = vm;
		__entry->asid = vm->asid;
		__entry->start = start;
		__entry->end = end - 1;
		__entry->ptr = 0;
	),
	TP_printk("dev=%s, vma=%p, vm=%p, asid=0x%05x, start=0x%012llx, end=0x%012llx, userptr=0x%012llx",
		  __get_str(dev), __entry->vma, __entry->vm, __entry->asid,
		  __entry->start, __entry->end, __entry->ptr)
);

#define XESTUB_VMA_EVENT(name)						\
	DEFINE_EVENT(xe_vma_6_8, name##_6_8,				\
		     TP_PROTO(struct xestub_vm *vm, u64 start, u64 end), \
		     TP_ARGS(vm, start, end));				\
	DEFINE_EVENT(xe_vma_6_12, name##_6_12,				\
		     TP_PROTO(struct xestub_vm *vm, u64 start, u64 end), \
		     TP_ARGS(vm, start, end));				\
	DEFINE_EVENT(xe_vma_6_16, name##_6_16,				\
		     TP_PROTO(struct xestub_vm *vm, u64 start, u64 end), \
		     TP_ARGS(vm, start, end))

XESTUB_VMA_EVENT(xe_vma_bind);

/* --- queues -------------------------------------------------------------- */

DECLARE_EVENT_CLASS(xe_exec_queue_6_8,
	TP_PROTO(struct xestub_queue *q),
	TP_ARGS(q),
	TP_STRUCT__entry(
		__field(u32, class)
		__field(u32, logical_mask)
		__field(u8, gt_id)
		__field(u16, width)
		__field(u16, guc_id)
		__field(u32, guc_state)
		__field(u32, flags)
	),
	TP_fast_assign(
		__entry->class = 4;
		__entry->logical_mask = 1;
		__entry->gt_id = 0;
		__entry->width = 1;
		__entry->guc_id = q->guc_id;
		__entry->guc_state = 0;
		__entry->flags = 0;
	),
	TP_printk("%d:0x%x, gt=%d, width=%d, guc_id=%d, guc_state=0x%x, flags=0x%x",
		  __entry->class, __entry->logical_mask, __entry->gt_id,
		  __entry->width, __entry->guc_id, __entry->guc_state,
		  __entry->flags)
);

DECLARE_EVENT_CLASS(xe_exec_queue_6_12,
	TP_PROTO(struct xestub_queue *q),
	TP_ARGS(q),
	TP_STRUCT__entry(
		__string(dev, dev_name(q->vm->xe->drm.dev))
		__field(u32, class)
		__field(u32, logical_mask)
		__field(u8, gt_id)
		__field(u16, width)
		__field(u16, guc_id)
		__field(u32, guc_state)
		__field(u32, flags)
	),
	TP_fast_assign(
		__assign_str(dev);
		__entry->class = 4;
		__entry->logical_mask = 1;
		__entry->gt_id = 0;
		__entry->width = 1;
		__entry->guc_id = q->guc_id;
		__entry->guc_state = 0;
		__entry->flags = 0;
	),
	TP_printk("dev=%s, %d:0x%x, gt=%d, width=%d, guc_id=%d, guc_state=0x%x, flags=0x%x",
		  __get_str(dev), __entry->class, __entry->logical_mask,
		  __entry->gt_id, __entry->width, __entry->guc_id,
		  __entry->guc_state, __entry->flags)
);

/* The format has not changed since 6.12; the copy is for the name. */
#define XESTUB_QUEUE_EVENT(name)					\
	DEFINE_EVENT(xe_exec_queue_6_8, name##_6_8,			\
		     TP_PROTO(struct xestub_queue *q), TP_ARGS(q));	\
	DEFINE_EVENT(xe_exec_queue_6_12, name##_6_12,			\
		     TP_PROTO(struct xestub_queue *q), TP_ARGS(q));	\
	DEFINE_EVENT(xe_exec_queue_6_12, name##_6_16,			\
		     TP_PROTO(struct xestub_queue *q), TP_ARGS(q))

XESTUB_QUEUE_EVENT(xe_exec_queue_create);
XESTUB_QUEUE_EVENT(xe_exec_queue_destroy);
XESTUB_QUEUE_EVENT(xe_exec_queue_kill);
XESTUB_QUEUE_EVENT(xe_exec_queue_reset);
XESTUB_QUEUE_EVENT(xe_exec_queue_memory_cat_error);

/* Fires an event in whichever format is in use: the others cannot be enabled. */
#define xestub_trace(name, ...)				\
	do {						\
		trace_##name##_6_8(__VA_ARGS__);	\
		trace_##name##_6_12(__VA_ARGS__);	\
		trace_##name##_6_16(__VA_ARGS__);	\
	} while (0)

#endif

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE xestub_trace
#include <trace/define_trace.h>
