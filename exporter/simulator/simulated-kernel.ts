import { hrtime } from 'node:process';
import type { XeDevice } from '../host/device.js';
import { SimulatedTrace } from './simulated-trace.js';
import type { MessageOrigin, MessageReaderOptions, NativeAddon, NativeMessageReader } from '../native/binding.js';

/** The levels the driver logs with. */
const LEVEL = { error: 3, warning: 4, notice: 5, info: 6 } as const;

/**
 * The kernel log, the uevents and the trace of the simulated node. What it says goes through the real reader thread and the real
 * sources; only the device they read is a fake, which {@link native} provides. Formats: kernel/printk/printk.c and
 * lib/kobject_uevent.c.
 */
export class SimulatedKernel {
  /** The addon, whose message readers read this kernel's messages. */
  readonly native: NativeAddon;
  readonly trace = new SimulatedTrace((line) => this.#post('trace', line));
  readonly #readers = new Map<MessageOrigin['protocol'], NativeMessageReader>();
  #lines = 0;
  #uevents = 0;

  constructor(native: NativeAddon) {
    const readers = this.#readers;
    this.native = {
      ...native,
      MessageReader: class extends native.MessageReader {
        constructor(options: MessageReaderOptions) {
          super({ ...options, backend: 'fake' });
          readers.set(options.protocol, this);
        }
      },
    };
  }

  /** A line of the xe driver about one of its devices. */
  log({ pciBdf }: XeDevice, text: string, level: keyof typeof LEVEL = 'info'): void {
    const microseconds = hrtime.bigint() / 1000n;
    const prefix = level === 'error' ? '[drm] *ERROR*' : '[drm]';
    this.#post(
      'kmsg',
      `${LEVEL[level]},${++this.#lines},${microseconds},-;xe ${pciBdf}: ${prefix} ${text}\n SUBSYSTEM=pci\n DEVICE=+pci:${pciBdf}\n`,
    );
  }

  /** The driver gives the device up and says how it can be recovered. */
  wedged(device: XeDevice): void {
    const { pciBdf, card, cardMinor } = device;
    this.log(device, `CRITICAL: Xe has declared device ${pciBdf} as wedged.`, 'error');
    this.#uevent('change', `${folderOf(device)}/drm/${card}`, 'drm', [
      'WEDGED=rebind,bus-reset',
      'MAJOR=226',
      `MINOR=${cardMinor}`,
      `DEVNAME=dri/${card}`,
      'DEVTYPE=drm_minor',
    ]);
  }

  /** The driver releases the device, or is bound to it. */
  binding(action: 'bind' | 'unbind', device: XeDevice): void {
    const driver = action === 'bind' ? ['DRIVER=xe'] : [];
    this.#uevent(action, folderOf(device), 'pci', [...driver, `PCI_SLOT_NAME=${device.pciBdf}`]);
  }

  #uevent(action: string, devpath: string, subsystem: string, values: readonly string[]): void {
    const pairs = [`ACTION=${action}`, `DEVPATH=${devpath}`, `SUBSYSTEM=${subsystem}`, ...values];
    this.#post('uevent', [`${action}@${devpath}`, ...pairs, `SEQNUM=${++this.#uevents}`, ''].join('\0'));
  }

  /** Without a reader, or without room, a message is lost, as in any kernel. */
  #post(protocol: MessageOrigin['protocol'], message: string): void {
    this.#readers.get(protocol)?.post(Buffer.from(message));
  }
}

function folderOf({ pciBdf }: XeDevice): string {
  return `/devices/pci0000:00/0000:00:01.0/${pciBdf}`;
}
