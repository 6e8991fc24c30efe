import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Decoder } from '../../exporter/pipeline/decode/decoder.js';
import type { DeviceEvent } from '../../exporter/events/device-event.js';
import { eventDefinitions } from '../../exporter/events/index.js';
import type { StampedBatch } from '../../exporter/sources/source.js';
import { ATTRIBUTE } from '../../exporter/names.js';
import { devcoredumpHead } from '../../exporter/wire/devcoredump.js';
import { parseKmsgRecord, parseSyslogLine, type KernelLogLine } from '../../exporter/wire/kernel-log.js';
import { parseUevent, pciBdfOf } from '../../exporter/wire/uevent.js';
import { aDevice, anEvent } from '../helpers/events.js';
import { asKmsgRecord, escaped, fixturesEnding, recordsOf } from '../helpers/kernel-log.js';
import { UEVENT } from '../helpers/uevents.js';

/** Long enough to find something, short enough to run every time. */
const BOUNDS = { interruptAfterTimeLimit: 6_000, numRuns: 4_000 };

const NAMES: readonly string[] = Object.values(ATTRIBUTE);
const stamp = { source: 'kmsg', realtimeNs: 1_769_860_800_000_000_000n, monotonicNs: 5_000_000_000n } as const;

function decode(batch: StampedBatch): DeviceEvent[] {
  const events: DeviceEvent[] = [];
  let counted = 0;
  const decoder = new Decoder(eventDefinitions, {
    received: (_source, _event, count) => (counted += count),
    dropped: () => undefined,
  });
  decoder.decode(batch, (event) => events.push(event));
  assert.equal(counted, events.length);
  return events;
}

/** What holds of every event, whatever the kernel, or somebody in its place, wrote. */
function assertBounded(events: readonly DeviceEvent[]): void {
  assert.ok(events.length <= 1, 'never more than one event a message');
  for (const event of events) {
    const { definition, errorCode, details = {} } = event;
    assert.ok(Object.keys(details).length <= 10);
    for (const [name, value] of Object.entries({ ...details, ...definition.attributes(event) })) {
      assert.ok(NAMES.includes(name), name);
      if (typeof value === 'string') assert.ok(value.length <= 1024, `${name} has ${value.length} characters`);
      else assert.ok(Number.isSafeInteger(value), `${name} is ${value}`);
    }
    assert.ok(Number.isSafeInteger(errorCode) && Math.abs(errorCode) <= 9999);
    assert.ok([9, 13, 17, 21].includes(definition.severity(event)));
    assert.match(definition.body(anEvent(event)), /^[^\n]{1,400}\.$/);
    const { label } = definition.counter ?? {};
    if (label) assert.ok(label.values.includes(label.valueOf(event)));
  }
}

/** A string with pieces cut out, put in, doubled or replaced. */
function mutated(originals: readonly string[]): fc.Arbitrary<string> {
  const piece = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.constantFrom(
      '\n',
      '\0',
      '\\x0a',
      ';',
      ' DEVICE=+pci:0000:03:00.0\n',
      '] in x [1]',
      '-99999999999',
      '[drm] ',
      'GT0: ',
      '<3>',
    ),
  );
  const edit = fc.record({ at: fc.nat(300), remove: fc.nat(20), piece });
  return fc
    .tuple(fc.constantFrom(...originals), fc.array(edit, { maxLength: 4 }))
    .map(([text, edits]) =>
      edits.reduce((all, { at, remove, piece: put }) => all.slice(0, at) + put + all.slice(at + remove), text),
    );
}

const records = ['.good.txt', '.bad.txt'].flatMap((ending) =>
  fixturesEnding(ending).flatMap((path) => recordsOf(path + ending)),
);
const someText = fc.oneof(
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 400 }) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes).toString('utf8')) },
  {
    weight: 6,
    arbitrary: mutated([
      ...records,
      ...records.filter((record) => record.startsWith('<')).map((record) => asKmsgRecord(record)),
    ]),
  },
);

test('any line of the kernel log makes one bounded event or none, of the device that was stamped', () => {
  fc.assert(
    fc.property(someText, (text) => {
      for (const line of [parseKmsgRecord(text), parseSyslogLine(text)]) {
        const device = line?.pciBdf === undefined ? undefined : aDevice({ pciBdf: line.pciBdf });
        const events = decode({ kind: 'kernel_log', ...stamp, line, device });
        assertBounded(events);
        for (const event of events) {
          assert.equal(line?.facility, 0, 'a word of the kernel');
          assert.equal(event.device, device);
          if (event.definition.kernelLog?.from !== 'ttm') assert.ok(line?.fromXe && text.includes(line.pciBdf ?? '?'));
        }
      }
      const kmsg = parseKmsgRecord(text);
      if (kmsg?.pciBdf !== undefined)
        assert.ok(text.includes(`\n DEVICE=+pci:${kmsg.pciBdf}`), 'only the stamp names a device');
    }),
    BOUNDS,
  );
});

test('what user space writes never makes an event', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...records.filter((record) => record.startsWith('<'))),
      fc.integer({ min: 1, max: 255 }),
      (record, facility) => {
        const forged = record.replace(
          /^<(\d+)>/,
          (_, priority: string) => `<${(facility << 3) | (Number(priority) & 7)}>`,
        );
        for (const line of [parseSyslogLine(forged), parseKmsgRecord(asKmsgRecord(forged))]) {
          assert.deepEqual(decode({ kind: 'kernel_log', ...stamp, line, device: aDevice() }), []);
        }
      },
    ),
    BOUNDS,
  );
});

test('any text survives the escapes of the kernel', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      const line: KernelLogLine | undefined = parseKmsgRecord(`6,1,1,-;${escaped(text)}`);
      assert.equal(line?.message, text);
    }),
    BOUNDS,
  );
});

test('any uevent makes one bounded event or none', () => {
  const originals = Object.values(UEVENT).map((bytes) => Buffer.from(bytes).toString('latin1'));
  const someBytes = fc.oneof(
    fc.uint8Array({ maxLength: 600 }),
    mutated(originals).map((text) => new Uint8Array(Buffer.from(text, 'latin1'))),
  );
  fc.assert(
    fc.property(someBytes, (bytes) => {
      const uevent = parseUevent(bytes);
      if (uevent) assert.match(pciBdfOf(uevent) ?? '0000:00:00.0', /^[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$/);
      assertBounded(decode({ kind: 'uevent', ...stamp, source: 'uevent', uevent, device: aDevice() }));
    }),
    BOUNDS,
  );
});

test('any head of a dump is read within its bounds', () => {
  const dump =
    '**** Xe Device Coredump ****\nReason: r\nkernel: 7.2\nmodule: xe\nSnapshot time: 1\nUptime: 1\nProcess: p [1]\n';
  fc.assert(
    fc.property(mutated([dump]), (text) => {
      const head = devcoredumpHead(text);
      if (head === undefined) return;
      assert.ok((head.reason ?? '').length <= 256 && (head.process ?? '').length <= 64);
      assert.ok(head.pid === undefined || (Number.isSafeInteger(head.pid) && head.pid > 0));
      assert.doesNotMatch(`${head.reason}${head.process}`, /\n/);
    }),
    BOUNDS,
  );
});
