// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nodes of the real drm-ras family, as xe_drm_ras.c registers them: two a
 * device, with the counters of xe_drm.h. As on Crescent Island in Linux 7.3,
 * whoever reads a counter wakes the device.
 */
#include <linux/device.h>
#include <linux/slab.h>
#include <drm/drm_managed.h>
#include <drm/drm_ras.h>

#include "xestub.h"

#define XESTUB_RAS_FIRST	1
#define XESTUB_RAS_LAST		5

static const char * const xestub_ras_nodes[XESTUB_RAS_NODES] = {
	"correctable-errors", "uncorrectable-errors",
};

static const char * const xestub_ras_errors[XESTUB_RAS_LAST + 1] = {
	NULL, "core-compute", "soc-internal", "device-memory", "pcie", "fabric",
};

struct xestub_ras {
	struct drm_ras_node nodes[XESTUB_RAS_NODES];
	atomic_t counters[XESTUB_RAS_NODES][XESTUB_RAS_LAST + 1];
	bool fails;
};

static int xestub_ras_query(struct drm_ras_node *node, u32 id,
			    const char **name, u32 *value)
{
	struct xestub_device *xe = node->priv;
	struct xestub_ras *ras = xe->ras;

	/* As Ponte Vecchio, which counts no errors of its PCIe here. */
	if (!strcmp(xestub_ras_errors[id], "pcie"))
		return -ENOENT;
	xestub_resume(xe);
	*name = xestub_ras_errors[id];
	*value = atomic_read(&ras->counters[node - ras->nodes][id]);
	xestub_release(xe);
	/* Where the mailbox fails, so does the whole dump. */
	return READ_ONCE(ras->fails) ? -EIO : 0;
}

static void xestub_ras_remove(struct drm_device *drm, void *node)
{
	drm_ras_node_unregister(node);
}

int xestub_ras_init(struct xestub_device *xe)
{
	struct xestub_ras *ras = drmm_kzalloc(&xe->drm, sizeof(*ras), GFP_KERNEL);
	unsigned int i;
	int ret;

	if (!ras)
		return -ENOMEM;
	xe->ras = ras;
	for (i = 0; i < XESTUB_RAS_NODES; i++) {
		struct drm_ras_node *node = &ras->nodes[i];

		node->device_name = dev_name(xe->drm.dev);
		node->node_name = xestub_ras_nodes[i];
		node->type = DRM_RAS_NODE_TYPE_ERROR_COUNTER;
		node->error_counter_range.first = XESTUB_RAS_FIRST;
		node->error_counter_range.last = XESTUB_RAS_LAST;
		node->query_error_counter = xestub_ras_query;
		node->priv = xe;
		ret = drm_ras_node_register(node);
		if (ret)
			return ret;
		ret = drmm_add_action_or_reset(&xe->drm, xestub_ras_remove, node);
		if (ret)
			return ret;
	}
	return 0;
}

int xestub_ras_set(struct xestub_device *xe, u32 node, u32 id, u32 value)
{
	if (node >= XESTUB_RAS_NODES || id < XESTUB_RAS_FIRST || id > XESTUB_RAS_LAST)
		return -EINVAL;
	atomic_set(&xe->ras->counters[node][id], value);
	return 0;
}

int xestub_ras_fail(struct xestub_device *xe, bool on)
{
	WRITE_ONCE(xe->ras->fails, on);
	return 0;
}
