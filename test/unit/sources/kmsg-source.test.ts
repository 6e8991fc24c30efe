import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openKmsg } from '../../../exporter/sources/kernel-log/source.js';
import type { KernelLogBatch, LossBatch, StampedBatch } from '../../../exporter/sources/source.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';
import { MessageSourceUnderTest } from '../../helpers/message-source.js';
import { waitFor } from '../../helpers/wait-for.js';

const [EPERM, EACCES, EIO, EPIPE, ENOENT, ENOSYS] = [1, 13, 5, 32, 2, 38];
const BDF = '0000:03:00.0';
const DEVICE = ` SUBSYSTEM=pci\n DEVICE=+pci:${BDF}\n`;

const record = (sequence: number, text: string, continuation = DEVICE, priority = 4): string =>
  `${priority},${sequence},1000000,-;${text}\n${continuation}`;
const ofLog = (batch: StampedBatch | undefined): KernelLogBatch => {
  assert.equal(batch?.kind, 'kernel_log');
  return batch as KernelLogBatch;
};
const messages = (under: MessageSourceUnderTest): (string | undefined)[] =>
  under.batches.map((batch) => (batch.kind === 'kernel_log' ? batch.line?.message : batch.kind));

test('lines of the driver come with their device, those of TTM without, others not at all', async (t) => {
  const tree = new FixtureTree(t);
  tree.xeDevice(BDF, { card0: '226:0', renderD128: '226:128' });
  const under = new MessageSourceUnderTest(t, openKmsg, { config: { sysRoot: tree.root } });
  const before = process.hrtime.bigint();
  assert.ok('run' in (await under.open()));
  assert.deepEqual(under.readerOptions[0], {
    ...under.readerOptions[0],
    protocol: 'kmsg',
    path: '/nowhere/kmsg',
    sinceBoot: false,
    backend: 'linux',
  });
  under.post(record(1, `xe ${BDF}: [drm] VM worker error: -12`));
  under.post(record(2, 'nvme 0000:00:01.0: I/O error', ' SUBSYSTEM=pci\n DEVICE=+pci:0000:00:01.0\n'));
  under.post(record(3, `xe ${BDF}: [drm] VM worker error: -12`, DEVICE, 12));
  under.post(record(4, '[TTM] Buffer eviction failed', '', 3));
  under.post(record(5, 'xe 0000:99:00.0: [drm] *ERROR* GuC init failed with -EIO', ' DEVICE=+pci:0000:99:00.0\n', 3));
  await under.delivered(3);
  const [first, second, third] = under.batches.map(ofLog);
  assert.equal(first!.line?.message, 'VM worker error: -12');
  assert.equal(first!.device?.card, 'card0');
  assert.ok(first!.monotonicNs >= before && first!.monotonicNs <= process.hrtime.bigint());
  assert.deepEqual([second!.line?.message, second!.device], ['[TTM] Buffer eviction failed', undefined]);
  assert.equal(third!.device?.pciBdf, '0000:99:00.0', 'a device the driver could not bind');
  assert.equal(under.reader.stats().read, 5);
});

test('a process that calls itself like the driver does not speak for it', async (t) => {
  const under = new MessageSourceUnderTest(t, openKmsg);
  await under.open();
  under.post(record(1, `xe ${BDF}: page allocation failure: order:5`, ''));
  under.post(record(2, `xe ${BDF}: [drm] forged\\x0a DEVICE=+pci:${BDF}`, ''));
  under.post(record(3, `xe ${BDF}: [drm] true`));
  await under.delivered(3);
  const fromXe = under.batches.map((batch) => batch.kind === 'kernel_log' && batch.line?.fromXe);
  assert.deepEqual(fromXe, [false, false, true]);
});

test('a loss is a batch with the number of lines, in its place', async (t) => {
  const under = new MessageSourceUnderTest(t, openKmsg);
  await under.open();
  under.post(record(10, `xe ${BDF}: one`));
  await under.delivered(1);
  under.reader.postError(EPIPE);
  under.post(record(60, 'other', '', 6));
  await under.delivered(2);
  under.post(record(61, `xe ${BDF}: two`));
  await under.delivered(3);
  assert.deepEqual(messages(under), ['one', 'loss', 'two']);
  assert.equal((under.batches[1] as LossBatch).messages, 49);
});

test('what does not fit the queue is reported as dropped', async (t) => {
  const under = new MessageSourceUnderTest(t, openKmsg, { config: { readerQueueBytes: 1024 } });
  const opened = await under.open();
  for (let i = 0; i < 1_000; i++) under.post(record(i, `xe ${BDF}: ${i}`));
  await waitFor(() => under.reader.stats().read === 1_000, { what: 'the reads' });
  assert.ok('run' in opened);
  await opened.run.stop();
  assert.ok(under.dropped > 0);
  assert.equal(under.batches.length + under.dropped, 1_000);
});

test('stop delivers what was read, and nothing follows', async (t) => {
  const under = new MessageSourceUnderTest(t, openKmsg);
  const opened = await under.open();
  assert.ok('run' in opened);
  for (let i = 0; i < 100; i++) under.post(record(i, `xe ${BDF}: ${i}`));
  await opened.run.stop();
  assert.equal(under.batches.length, 100);
  assert.equal(under.reader.post(Buffer.from('x')), false);
});

test('a flood leaves room for others', async (t) => {
  const under = new MessageSourceUnderTest(t, openKmsg);
  await under.open();
  const long = 'x'.repeat(1_000);
  for (let i = 0; i < 900; i++) under.post(record(i, `xe ${BDF}: ${long}`));
  await waitFor(() => under.reader.stats().read === 900, { what: 'the reads' });
  let atFirstTurn = 0;
  under.onBatch = () => {
    if (atFirstTurn === 0) setImmediate(() => (atFirstTurn = under.batches.length));
  };
  await under.delivered(900);
  assert.ok(atFirstTurn < 900, `${atFirstTurn} in one turn`);
});

test('a run that died says why, once, and the next one goes on where it has ended', async (t) => {
  const under = new MessageSourceUnderTest(t, openKmsg);
  await under.open();
  under.post(record(7, `xe ${BDF}: seen`));
  under.reader.postError(EIO);
  await waitFor(() => under.deaths.length > 0, { what: 'the death' });
  assert.deepEqual(under.deaths, ['read failed with EIO']);
  assert.deepEqual(messages(under), ['seen']);
  assert.equal(under.reader.post(Buffer.from('x')), false, 'closed');

  await under.open();
  assert.deepEqual(
    under.readerOptions.map((options) => options.protocol === 'kmsg' && options.sinceBoot),
    [false, true],
  );
  for (const sequence of [6, 7, 8]) under.post(record(sequence, `xe ${BDF}: ${sequence}`));
  await under.delivered(2);
  assert.deepEqual(messages(under), ['seen', '8']);
  assert.deepEqual(under.deaths.length, 1);
});

const line = (micros: number, text: string, priority = 4): string =>
  `<${priority}>[    5.${String(micros).padStart(6, '0')}] ${text}\n`;

/** syslog(2) with a text that a test changes. */
function syslog(t: { after(fn: () => unknown): void }, config = {}) {
  const ring = { text: '', looks: 0, errno: 0 };
  const under = new MessageSourceUnderTest(t, openKmsg, {
    config,
    refusal: { operation: 'open', errno: EPERM },
    ring(maxBytes) {
      ring.looks++;
      if (ring.errno) return { operation: 'syslog', errno: ring.errno };
      // As the kernel: whole records.
      const lines = ring.text.split(/(?<=\n)/);
      while (lines.join('').length > maxBytes) lines.shift();
      return { text: Buffer.from(lines.join('')), ringBytes: 1 << 17 };
    },
  });
  return { under, ring };
}

test('where /nowhere/kmsg is closed, syslog(2) is read, every line once, and what is missing is said', async (t) => {
  const { under, ring } = syslog(t);
  ring.text = line(1, `xe ${BDF}: before`);
  const opened = await under.open();
  assert.ok('run' in opened);
  t.after(() => opened.run.stop());
  assert.match(opened.note ?? '', /syslog\(2\).*\/nowhere\/kmsg: open failed with EPERM/);
  ring.text += line(2, `xe ${BDF}: [drm] one`) + line(3, 'other', 6) + line(3, `xe ${BDF}: forged`, 12);
  await under.delivered(1);
  ring.text += line(4, '[TTM] two', 3) + line(4, '[TTM] two', 3);
  await under.delivered(4);
  // What user space wrote is delivered with its facility, which decoding refuses.
  const ofKernel = under.batches.filter((batch) => ofLog(batch).line?.facility === 0).map((batch) => ofLog(batch).line);
  assert.deepEqual(
    ofKernel.map((parsed) => parsed?.message),
    ['one', '[TTM] two', '[TTM] two'],
  );
  assert.deepEqual([ofKernel[0]?.pciBdf, ofKernel[0]?.microseconds], [BDF, 5_000_002]);
  assert.equal(ofLog(under.batches[0]).device?.pciBdf, BDF);
});

test('since boot, syslog(2) starts with what is there', async (t) => {
  const { under, ring } = syslog(t, { kmsgSinceBoot: true });
  ring.text = line(1, `xe ${BDF}: before`);
  const opened = await under.open();
  await under.delivered(1);
  assert.ok('run' in opened);
  await opened.run.stop();
});

test('more than the end of the ring is fetched when it is new, and a ring that ran over is a loss', async (t) => {
  const { under, ring } = syslog(t);
  ring.text = line(1, 'anchor');
  const opened = await under.open();
  const many = Array.from({ length: 3_000 }, (_, i) => line(i + 10, `xe ${BDF}: ${i}`)).join('');
  ring.text += many;
  await under.delivered(3_000);
  assert.deepEqual(
    under.kinds().filter((kind) => kind === 'loss'),
    [],
  );
  ring.text = line(9_000, `xe ${BDF}: after an overrun`);
  await under.delivered(3_002);
  assert.deepEqual(under.kinds().slice(-2), ['loss', 'kernel_log']);
  ring.text = '';
  await under.delivered(3_003);
  ring.text = line(9_001, `xe ${BDF}: after a clear`);
  await under.delivered(3_004);
  assert.deepEqual(under.kinds().slice(-2), ['loss', 'kernel_log']);
  assert.ok('run' in opened);
  await opened.run.stop();
});

test('syslog(2) that is refused later ends the run, and the next one goes on where it has ended', async (t) => {
  const { under, ring } = syslog(t);
  await under.open();
  ring.errno = EPERM;
  await waitFor(() => under.deaths.length > 0, { what: 'the death' });
  assert.deepEqual(under.deaths, ['syslog failed with EPERM']);
  ring.errno = 0;
  ring.text += line(5, `xe ${BDF}: meanwhile`);
  const opened = await under.open();
  assert.ok('run' in opened);
  await under.delivered(1);
  await opened.run.stop();
  const { looks } = ring;
  ring.text += line(6, `xe ${BDF}: later`);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([ring.looks, under.batches.length], [looks, 1]);
});

test('what the node refuses is a state with a reason and a fix', async (t) => {
  const refused = async (openErrno: number, syslogErrno: number) => {
    const under = new MessageSourceUnderTest(t, openKmsg, {
      refusal: { operation: 'open', errno: openErrno },
      ring: () => ({ operation: 'syslog', errno: syslogErrno }),
    });
    const opened = await under.open();
    assert.ok('refused' in opened);
    return opened.refused;
  };
  assert.deepEqual(await refused(EACCES, EPERM), {
    state: 'denied',
    reason: '/nowhere/kmsg: open failed with EACCES; syslog failed with EPERM',
    fix: 'Give CAP_SYSLOG, and let the container open /nowhere/kmsg for its sequence numbers and devices.',
  });
  assert.equal((await refused(ENOENT, EPERM)).state, 'denied');
  assert.equal((await refused(ENOENT, ENOSYS)).state, 'unsupported');
  const off = new MessageSourceUnderTest(t, openKmsg, { config: { kmsg: 'off' } });
  assert.deepEqual(await off.open(), { refused: { state: 'disabled', reason: 'switched off by --kmsg=off', fix: '' } });
  assert.equal(off.readers.length, 0);
});
