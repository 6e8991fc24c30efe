import { dumpRequest, numberOf, parseMessages, textOf } from './generic-netlink.js';

/** The generic netlink family of the error counters of GPUs (include/uapi/drm/drm_ras.h, Linux 7.2). */
export const DRM_RAS_FAMILY = 'drm-ras';

const VERSION = 1;
const COMMAND = { LIST_NODES: 1, GET_ERROR_COUNTER: 2 } as const;
const NODE = { ID: 1, DEVICE_NAME: 2, NODE_NAME: 3, TYPE: 4 } as const;
const COUNTER = { NODE_ID: 1, ERROR_NAME: 3, ERROR_VALUE: 4 } as const;
const TYPE_ERROR_COUNTER = 1;

/** What is looked at of one answer: far more than xe has, two nodes a device with five counters each. */
const MOST_NODES = 256;
const MOST_COUNTERS = 64;

/** A name becomes the value of a label. */
const NAME = /^[\w-]{1,64}$/;

/** A group of error counters of one device. */
export interface RasNode {
  /** Given when the driver is bound, and not for ever. */
  readonly id: number;
  /** On xe, its PCI address. */
  readonly device: string;
  /** On xe, `correctable-errors` or `uncorrectable-errors`. */
  readonly name: string;
}

/** One error counter of a node. */
export interface RasCounter {
  /** What failed, such as `device-memory`. */
  readonly error: string;
  /** Since the driver was bound, or whoever has CAP_NET_ADMIN cleared it; it wraps at 2^32. */
  readonly value: number;
}

/** Asks for the nodes of all devices, which reaches none of them. */
export function nodesRequest(family: number): Uint8Array {
  return dumpRequest(family, COMMAND.LIST_NODES, VERSION);
}

/** Asks for the counters of a node, which can wake its device (xe_ras.c, Linux 7.3). */
export function countersRequest(family: number, node: number): Uint8Array {
  return dumpRequest(family, COMMAND.GET_ERROR_COUNTER, VERSION, { [COUNTER.NODE_ID]: node });
}

/** The nodes with error counters; undefined when the answer is damaged. Nodes of a kind or with names not known here are left out. */
export function parseNodes(answer: Uint8Array): readonly RasNode[] | undefined {
  return parseMessages(answer)
    ?.slice(0, MOST_NODES)
    .flatMap((attributes) => {
      const id = numberOf(attributes, NODE.ID);
      const device = textOf(attributes, NODE.DEVICE_NAME);
      const name = textOf(attributes, NODE.NODE_NAME) ?? '';
      const isCounter = numberOf(attributes, NODE.TYPE) === TYPE_ERROR_COUNTER;
      return isCounter && id !== undefined && device !== undefined && NAME.test(name) ? [{ id, device, name }] : [];
    });
}

/** The counters of a node; undefined when the answer is damaged. */
export function parseCounters(answer: Uint8Array): readonly RasCounter[] | undefined {
  return parseMessages(answer)
    ?.slice(0, MOST_COUNTERS)
    .flatMap((attributes) => {
      const error = textOf(attributes, COUNTER.ERROR_NAME) ?? '';
      const value = numberOf(attributes, COUNTER.ERROR_VALUE);
      return value !== undefined && NAME.test(error) ? [{ error, value }] : [];
    });
}
