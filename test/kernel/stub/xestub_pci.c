// SPDX-License-Identifier: GPL-2.0-only
/*
 * PCI functions that exist only as a page of configuration space: one host
 * bridge per GPU, so that the first sits at 0000:03:00.0, the second at
 * 0000:04:00.0 and so on. Bus 0 belongs to UML's own virtual bridge.
 */
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/unaligned.h>

#include "xestub.h"

#define XESTUB_FIRST_BUS	3
#define XESTUB_PM_CAP		0x40

/* Arc B580 and Data Center GPU Flex 170, in turn. */
static const u16 xestub_device_ids[] = { 0xe20b, 0x56c0 };

struct xestub_bridge {
	struct resource busn;
	char name[16];
	u8 config[PCI_CFG_SPACE_SIZE];
};

static void xestub_fill_config(u8 *config, unsigned int index)
{
	u16 device_id = xestub_device_ids[index % ARRAY_SIZE(xestub_device_ids)];

	put_unaligned_le16(PCI_VENDOR_ID_INTEL, config + PCI_VENDOR_ID);
	put_unaligned_le16(device_id, config + PCI_DEVICE_ID);
	put_unaligned_le16(PCI_STATUS_CAP_LIST, config + PCI_STATUS);
	put_unaligned_le16(PCI_CLASS_DISPLAY_OTHER, config + PCI_CLASS_DEVICE);
	put_unaligned_le16(PCI_VENDOR_ID_INTEL, config + PCI_SUBSYSTEM_VENDOR_ID);
	put_unaligned_le16(0x1100 + index, config + PCI_SUBSYSTEM_ID);

	/* Power management, so that runtime suspend really reaches D3hot. */
	config[PCI_CAPABILITY_LIST] = XESTUB_PM_CAP;
	config[XESTUB_PM_CAP] = PCI_CAP_ID_PM;
	put_unaligned_le16(3, config + XESTUB_PM_CAP + PCI_PM_PMC);
	put_unaligned_le16(PCI_PM_CTRL_NO_SOFT_RESET,
			   config + XESTUB_PM_CAP + PCI_PM_CTRL);
}

static int xestub_config_read(struct pci_bus *bus, unsigned int devfn,
			      int where, int size, u32 *val)
{
	struct xestub_bridge *xb = bus->sysdata;
	u32 value = 0;

	if (devfn || where + size > PCI_CFG_SPACE_SIZE) {
		PCI_SET_ERROR_RESPONSE(val);
		return PCIBIOS_DEVICE_NOT_FOUND;
	}

	memcpy(&value, xb->config + where, size);
	*val = le32_to_cpu((__force __le32)value);
	return PCIBIOS_SUCCESSFUL;
}

/*
 * Writable are the command register and the power state, nothing else: the
 * base address registers read as zero, which means that there are none.
 */
static int xestub_config_write(struct pci_bus *bus, unsigned int devfn,
			       int where, int size, u32 val)
{
	struct xestub_bridge *xb = bus->sysdata;

	if (devfn)
		return PCIBIOS_DEVICE_NOT_FOUND;

	if (where == PCI_COMMAND)
		put_unaligned_le16(val, xb->config + where);
	else if (where == XESTUB_PM_CAP + PCI_PM_CTRL)
		put_unaligned_le16((val & PCI_PM_CTRL_STATE_MASK) |
				   PCI_PM_CTRL_NO_SOFT_RESET,
				   xb->config + where);
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops xestub_pci_ops = {
	.read = xestub_config_read,
	.write = xestub_config_write,
};

static int xestub_add_bridge(unsigned int index)
{
	struct pci_host_bridge *bridge;
	struct xestub_bridge *xb;
	int ret;

	bridge = pci_alloc_host_bridge(sizeof(*xb));
	if (!bridge)
		return -ENOMEM;

	xb = pci_host_bridge_priv(bridge);
	xestub_fill_config(xb->config, index);
	snprintf(xb->name, sizeof(xb->name), "xestub %u", index);
	xb->busn = (struct resource) {
		.name = xb->name,
		.start = XESTUB_FIRST_BUS + index,
		.end = XESTUB_FIRST_BUS + index,
		.flags = IORESOURCE_BUS,
	};

	bridge->sysdata = xb;
	bridge->busnr = xb->busn.start;
	bridge->ops = &xestub_pci_ops;
	pci_add_resource(&bridge->windows, &xb->busn);

	ret = pci_host_probe(bridge);
	if (ret)
		pci_free_host_bridge(bridge);
	return ret;
}

int xestub_add_bridges(void)
{
	unsigned int i;
	int ret;

	for (i = 0; i < xestub_device_count; i++) {
		ret = xestub_add_bridge(i);
		if (ret)
			return ret;
	}
	return 0;
}
