import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoName } from '../../wire/errno.js';
import { readPrivileges } from '../../host/privileges.js';
import type { XeDevice } from '../../host/device.js';
import { parseUevent, type Uevent } from '../../wire/uevent.js';
import { MessageRun, type ReadTime } from '../message-run.js';
import type { BatchHandler, SourceContext } from '../source.js';
import { supervised, type OpenSource, type SourceRefusal, type SourceRun } from '../supervised-source.js';
import { switchedOff } from '../switched-off.js';
import type { CoredumpCopies } from './coredumps/copies.js';
import { openCoredumpCopies } from './coredumps/open.js';
import { readDevcoredump } from './devcoredump.js';
import { deviceOf, deviceOfDump } from './device-of.js';

/** An unbind does not say which driver it was, so every PCI event has to pass. */
const KEEP = ['drm', 'devcoredump', 'pci'].map((subsystem) => `\0SUBSYSTEM=${subsystem}\0`);
/** Room for some thousand unread events; the kernel takes memory only for what is queued. */
const RECEIVE_BYTES = 8 << 20;
/** How long a coredump event waits for the head of the dump, which the driver may still be capturing. */
const COREDUMP_MS = 10_000;

/** The kernel's uevents: wedged devices, coredumps, and the driver bound and unbound. */
export const uevent = supervised(
  { name: 'uevent', feature: 'uevent', wanted: ({ mode }) => mode !== 'watch_queue' },
  openUevent,
);

const OWN_USER_NAMESPACE: SourceRefusal = {
  state: 'denied',
  reason: 'the kernel sends no uevents to the network of a user namespace of its own',
  fix: 'Run in the user namespace of the host (hostUsers: true).',
};

export function openUevent(context: SourceContext): OpenSource {
  const { config, native, accounting } = context;
  if (config.uevent === 'off') return () => Promise.resolve(switchedOff('--uevent=off'));
  return async (handler, onDied) => {
    if (readPrivileges(config.procRoot).inInitialUserNamespace === false) return { refused: OWN_USER_NAMESPACE };
    const copies = await openCoredumpCopies(context, handler);
    const delivery = new Delivery(context, handler, copies);
    const opened = MessageRun.open({
      source: 'uevent',
      native,
      origin: { protocol: 'uevent', receiveBytes: RECEIVE_BYTES },
      keep: KEEP,
      queueBytes: config.readerQueueBytes,
      onMessage: (bytes, time) => delivery.accept(parseUevent(bytes), time),
      handler,
      accounting,
      onDied,
    });
    if (!(opened instanceof MessageRun)) {
      return {
        refused: {
          state: 'unsupported',
          reason: `${opened.operation} of a uevent socket failed with ${errnoName(opened.errno)}`,
          fix: 'The kernel needs CONFIG_NET, and seccomp must allow netlink sockets.',
        },
      };
    }
    // After the socket, so that no dump falls in between.
    copies?.addPresent(config.sysRoot, (folder) => deviceOfDump(folder, context.devices));
    return { run: delivery.endingWith(opened) };
  };
}

/** Delivers uevents with the device each is about. */
class Delivery {
  readonly #context: SourceContext;
  readonly #handler: BatchHandler;
  readonly #copies: CoredumpCopies | undefined;
  readonly #reading = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  /** Addresses bound to another driver: an unbind does not name the driver, so the one that follows is ignored. */
  readonly #ofOthers = new Set<string>();

  constructor(context: SourceContext, handler: BatchHandler, copies: CoredumpCopies | undefined) {
    this.#context = context;
    this.#handler = handler;
    this.#copies = copies;
  }

  accept(uevent: Uevent | undefined, time: ReadTime): void {
    const { config, devices } = this.#context;
    // The table has to know a new device before its event is delivered, and to release one that leaves at once.
    if (uevent?.subsystem === 'pci' && BINDING.has(uevent.action)) devices.refresh();
    const found = uevent && deviceOf(uevent, devices, config.sysRoot);
    const device = found && this.#isOfOther(uevent, found) ? undefined : found;
    const batch = { kind: 'uevent', source: 'uevent', ...time, uevent, device } as const;
    if (uevent?.subsystem !== 'devcoredump' || uevent.action !== 'add' || device === undefined) {
      return this.#handler(batch);
    }
    const folder = join(config.sysRoot, uevent.devpath);
    this.#copies?.add({ folder, device });
    const head = readDevcoredump(folder);
    const waited = delay(COREDUMP_MS, {}, { ref: false, signal: this.#stopping.signal }).catch(() => ({}));
    const reading = Promise.race([head, waited]).then((details) => {
      this.#reading.delete(reading);
      this.#handler({ ...batch, details });
    });
    this.#reading.add(reading);
  }

  #isOfOther({ subsystem, action, values }: Uevent, { pciBdf }: XeDevice): boolean {
    if (subsystem !== 'pci' || (action !== 'bind' && action !== 'unbind')) return false;
    const wasOfOther = this.#ofOthers.delete(pciBdf);
    if (action === 'unbind') return wasOfOther;
    const isOfOther = values.get('DRIVER') !== 'xe';
    if (isOfOther) this.#ofOthers.add(pciBdf);
    return isOfOther;
  }

  /** The run; its stop also delivers the coredumps whose head is still being read, without the head. */
  endingWith(run: SourceRun): SourceRun {
    return {
      stop: async () => {
        await run.stop();
        this.#stopping.abort();
        await Promise.all([...this.#reading, this.#copies?.stop()]);
      },
    };
  }
}

const BINDING = new Set(['bind', 'unbind', 'remove']);
