// The kernel log of a driver without the watch ioctl: floods, overruns, forgeries, and what is left without /dev/kmsg.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { GPU0, kernelLog, waitFor, writeMessages } from '../guest-lib.js';

/** Else the kernel lets each writer have ten lines in five seconds. */
writeFileSync('/proc/sys/kernel/printk_devkmsg', 'on\n');

const READER = fileURLToPath(new URL('../kmsg-reader.js', import.meta.url));
const ENOMEM = `xe_vm_rebind_errors_total{pci_bdf="${GPU0}",errno="ENOMEM"}`;
const LOST = 'xe_exporter_events_lost_total{source="kmsg"}';
const UP = 'xe_exporter_source_up{source="kmsg"}';
const REBIND_ERROR = '[drm] VM worker error: -12';

interface Figures {
  readonly read: number;
  readonly foreign: number;
  readonly kept: number;
  readonly dropped: number;
  readonly missing: number;
  readonly lossNotices: number;
  readonly sequences: readonly number[];
}

/** What the native reader made of what `flood` wrote between a first and a last line of the driver. */
async function readDuring(flood: (reader: { stop(): void; go(): void }) => Promise<void>): Promise<Figures> {
  const child = spawn(process.execPath, [READER], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, '"reading"');
  kernelLog(GPU0, 6, 'the start');
  assert.equal((await lines.next()).value, '"begun"');
  await flood({ stop: () => child.kill('SIGSTOP'), go: () => child.kill('SIGCONT') });
  kernelLog(GPU0, 6, 'the end');
  return JSON.parse(String((await lines.next()).value)) as Figures;
}

/** Read and missing are all numbers the kernel gave out between the first and the last line. */
function addsUp({ read, missing, sequences }: Figures): number {
  const numbers = sequences.at(-1)! - sequences[0]! + 1;
  assert.equal(read + missing, numbers);
  return numbers;
}

test('100,000 lines of others and 1,000 of the driver: what is not read is counted as missing', async () => {
  const figures = await readDuring(async () => {
    const flood = writeMessages('kmsg', 100_000, 100_000, 'unrelated');
    for (let i = 0; i < 1_000; i++) {
      kernelLog(GPU0, 6, `line ${i}`);
      if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await flood;
  });
  assert.ok(addsUp(figures) >= 101_002);
  assert.equal(figures.dropped, 0);
  assert.equal(figures.kept, figures.sequences.length);
  assert.ok(figures.kept + figures.missing >= 1_002);
  console.log(`# read ${figures.read}, missing ${figures.missing} in ${figures.lossNotices} notices`);
});

test('a ring that ran over while nobody read is counted exactly', async () => {
  const figures = await readDuring(async (reader) => {
    reader.stop();
    await writeMessages('kmsg', 20_000, 0, 'unrelated');
    reader.go();
  });
  assert.ok(addsUp(figures) >= 20_002);
  assert.ok(figures.lossNotices > 0 && figures.missing > 10_000, JSON.stringify({ ...figures, sequences: [] }));
});

async function serve(...args: string[]): Promise<ExporterProcess> {
  const exporter = await ExporterProcess.serve({ args });
  await waitFor('the source', async () => (await exporter.metric(UP)) === 1);
  return exporter;
}

test('the exporter counts what the driver says, not what user space writes, and says what it missed', async () => {
  kernelLog(GPU0, 4, REBIND_ERROR); // Before the start.
  const exporter = await serve();
  writeFileSync('/dev/kmsg', `<4>xe ${GPU0}: ${REBIND_ERROR}`);
  kernelLog(GPU0, 4, REBIND_ERROR);
  await waitFor('the error', async () => (await exporter.metric(ENOMEM)) === 1);
  assert.equal(await exporter.metric(LOST), 0);

  exporter.child.kill('SIGSTOP');
  await writeMessages('kmsg', 20_000, 0, 'unrelated');
  exporter.child.kill('SIGCONT');
  const lost = await waitFor('the loss', async () => (await exporter.metric(LOST)) || undefined);
  assert.ok(lost > 10_000 && lost < 20_002, `${lost} lost`);
  kernelLog(GPU0, 4, REBIND_ERROR);
  await waitFor('the next error', async () => (await exporter.metric(ENOMEM)) === 2);
  assert.equal(await exporter.stop(), 0);
});

test('since boot: what happened before the start', async () => {
  const before = `seen by none ${process.pid}`;
  kernelLog(GPU0, 4, REBIND_ERROR);
  kernelLog(GPU0, 6, before);
  const exporter = await serve('--kmsg-since-boot');
  await waitFor('the errors', async () => ((await exporter.metric(ENOMEM)) ?? 0) >= 1);
  assert.equal(await exporter.stop(), 0);
});

test('where /dev/kmsg is closed, syslog(2) is read', async () => {
  const exporter = await serve('--path-dev=/nowhere');
  const line = exporter.log.find(({ feature }) => feature === 'kmsg');
  assert.match(String(line?.['reason']), /syslog\(2\).*\/nowhere\/kmsg: open failed with ENOENT/);
  writeFileSync('/dev/kmsg', `<4>xe ${GPU0}: ${REBIND_ERROR}`);
  for (const count of [1, 2]) {
    kernelLog(GPU0, 4, REBIND_ERROR);
    await waitFor(`error ${count}`, async () => (await exporter.metric(ENOMEM)) === count);
  }
  assert.equal(await exporter.stop(), 0);
});

test('without CAP_SYSLOG it is denied, with a fix', async () => {
  writeFileSync('/proc/sys/kernel/dmesg_restrict', '1');
  const exporter = await ExporterProcess.serve({
    launcher: ['setpriv', '--bounding-set=-syslog', '--inh-caps=-syslog', '--'],
  });
  const line = await waitFor('the state', () =>
    exporter.log.find(({ feature, state }) => feature === 'kmsg' && state === 'denied'),
  );
  assert.match(String(line['reason']), /^\/dev\/kmsg: open failed with EPERM; syslog failed with EPERM$/);
  assert.match(String(line['fix']), /CAP_SYSLOG/);
  assert.equal(await exporter.metric(UP), 0);
  assert.equal(await exporter.stop(), 0);
});
