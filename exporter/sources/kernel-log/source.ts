import { join } from 'node:path';
import { errnoName } from '../../wire/errno.js';
import type { DeviceTable } from '../../host/device-table.js';
import type { NativeFailure } from '../../native/binding.js';
import { parseKmsgRecord } from '../../wire/kernel-log.js';
import { MessageRun, now } from '../message-run.js';
import type { BatchHandler, SourceContext } from '../source.js';
import { supervised, type OpenSource, type SourceRefusal } from '../supervised-source.js';
import { switchedOff } from '../switched-off.js';
import { deliverLine } from './deliver-line.js';
import { readKernelLogHistory } from './history.js';
import { SyslogRun } from './syslog-run.js';
import { ANCHOR_BYTES, SyslogTail } from './syslog-tail.js';

/** Lines of the xe driver and of TTM: what follows the ";" is the text (kernel/printk/printk.c, Linux 7.2). */
const KEEP = [';xe ', ';[TTM] '];

/** The errors of a file and of a system call that the kernel does not have. */
const ABSENT = new Set(['ENOENT', 'ENXIO', 'ENODEV', 'ENOSYS']);

/** The kernel log, from now on or since boot; from syslog(2) where /dev/kmsg is closed to us. */
export const kmsg = supervised(
  { name: 'kmsg', feature: 'kmsg', wanted: ({ mode }) => mode !== 'watch_queue' },
  openKmsg,
);

export function openKmsg({ config, native, devices, accounting }: SourceContext): OpenSource {
  if (config.kmsg === 'off') return () => Promise.resolve(switchedOff('--kmsg=off'));
  const path = join(config.devRoot, 'kmsg');
  // What outlasts a run: the next one goes on where the last has ended.
  const tail = new SyslogTail();
  let delivered: number | undefined;

  return async (handler, onDied) => {
    if (!config.kmsgSinceBoot) delivered ??= recall(path, devices, handler);
    const after = delivered ?? -1;
    const opened = MessageRun.open({
      source: 'kmsg',
      native,
      origin: { protocol: 'kmsg', path, sinceBoot: config.kmsgSinceBoot || delivered !== undefined },
      keep: KEEP,
      queueBytes: config.readerQueueBytes,
      onMessage(bytes, time) {
        const line = parseKmsgRecord(bytes.toString('utf8'));
        if (line?.sequence !== undefined) {
          if (line.sequence <= after) return;
          delivered = line.sequence;
        }
        deliverLine(line, time, devices, handler);
      },
      handler,
      accounting,
      onDied,
    });
    if (opened instanceof MessageRun) return { run: opened };

    const ring = await native.readKernelRing(ANCHOR_BYTES);
    if ('operation' in ring) return { refused: refusal(path, opened, ring) };
    if (!tail.started && !config.kmsgSinceBoot) tail.next(Buffer.from(ring.text));
    return {
      run: new SyslogRun({ native, devices, tail, handler, onDied }),
      note: `read by syslog(2) once a second, without the numbers that show every loss: ${path}: ${said(opened)}`,
    };
  };
}

/** Hands on what the log holds already. @returns the number of its newest record; the reader goes on behind it */
function recall(path: string, devices: Pick<DeviceTable, 'named'>, handler: BatchHandler): number | undefined {
  const history = readKernelLogHistory(path);
  const lines = (history?.lines ?? []).map((line) => ({ line, device: devices.named(line.pciBdf!) }));
  if (lines.length > 0) handler({ kind: 'history', source: 'kmsg', ...now(), lines });
  return history?.last;
}

function refusal(path: string, kmsgSaid: NativeFailure, syslogSaid: NativeFailure): SourceRefusal {
  const absent = ABSENT.has(errnoName(kmsgSaid.errno)) && ABSENT.has(errnoName(syslogSaid.errno));
  return {
    state: absent ? 'unsupported' : 'denied',
    reason: `${path}: ${said(kmsgSaid)}; ${said(syslogSaid)}`,
    fix: absent
      ? 'The kernel needs CONFIG_PRINTK.'
      : `Give CAP_SYSLOG, and let the container open ${path} for its sequence numbers and devices.`,
  };
}

function said({ operation, errno }: NativeFailure): string {
  return `${operation} failed with ${errnoName(errno)}`;
}
