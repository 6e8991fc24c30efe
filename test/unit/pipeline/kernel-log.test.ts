import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { DeviceEvent } from '../../../exporter/events/device-event.js';
import { eventDefinitions } from '../../../exporter/events/index.js';
import { ATTRIBUTE } from '../../../exporter/names.js';
import {
  asKmsgRecord,
  escaped,
  eventsOf,
  fixturesEnding,
  KERNEL_LOG_FIXTURES,
  parseRecord,
  recordsOf,
} from '../../helpers/kernel-log.js';
import { assertLinear } from '../../helpers/hostile-input.js';

/** What the expectations say of an event; the sequence number of the record is none of the message. */
function described({ definition, device, errorCode, details }: DeviceEvent): Record<string, unknown> {
  const { [ATTRIBUTE.kernelLogSequence]: _sequence, ...rest } = details ?? {};
  return {
    event: definition.name,
    ...(device && { device: device.pciBdf }),
    ...(errorCode !== 0 && { errorCode }),
    ...(Object.keys(rest).length > 0 && { details: rest }),
  };
}

function expected(path: string): { events: Record<string, unknown>[]; malformed: number } {
  return JSON.parse(readFileSync(join(KERNEL_LOG_FIXTURES, `${path}.expect.json`), 'utf8'));
}

const good = fixturesEnding('.good.txt').map((path) => [path, recordsOf(`${path}.good.txt`)] as const);

describe('messages of xe', () => {
  for (const [path, records] of good) {
    it(`${path} become the events expected of them, from syslog(2) and from /dev/kmsg`, () => {
      const kmsg = records.map((record) => (record.startsWith('<') ? asKmsgRecord(record) : record));
      for (const form of [records, kmsg]) {
        const { events, malformed } = eventsOf(form);
        assert.deepEqual({ events: events.map(described), malformed }, expected(path));
      }
    });
  }

  it('are what every pattern of every definition is for, and no line is for two', () => {
    const messages = good.flatMap(([, records]) => records.map((record) => parseRecord(record)?.message ?? ''));
    const unused = new Set(eventDefinitions.flatMap(({ kernelLog }) => kernelLog?.patterns ?? []));
    for (const message of messages) {
      const takers = eventDefinitions.flatMap(({ name, kernelLog }) =>
        (kernelLog?.patterns ?? [])
          .filter((pattern) => pattern.test(message) && (unused.delete(pattern), true))
          .map(() => name),
      );
      assert.ok(new Set(takers).size <= 1, `${message}: ${takers}`);
    }
    assert.deepEqual([...unused], [], 'a pattern without a line in the fixtures');
  });

  it('happened when the kernel says, not when they were read', () => {
    const [, second] = eventsOf([
      '<4>[86401.000000] xe 0000:03:00.0: [drm] VM worker error: -12',
      '<4>[86400.500000] xe 0000:03:00.0: [drm] VM worker error: -12',
    ]).events;
    assert.equal(second?.monotonicNs, 86_400_500_000_000n);
    assert.equal(second?.realtimeNs, 1_769_860_799_500_000_000n);
    for (const head of ['<4>', '<4>[99999999.000000] ']) {
      const [event] = eventsOf([`${head}xe 0000:03:00.0: [drm] VM worker error: -12`]).events;
      assert.equal(event?.realtimeNs, 1_769_860_800_000_000_000n, 'no stamp, or one of the future');
    }
  });
});

describe('a line that is not what it looks like', () => {
  for (const path of fixturesEnding('.bad.txt')) {
    it(`${path} gets no event, device or label that is not its own`, () => {
      const { events, malformed } = eventsOf(recordsOf(`${path}.bad.txt`));
      assert.deepEqual({ events: events.map(described), malformed }, expected(path));
    });
  }

  it('of 64 KiB becomes an event of bounded size', () => {
    const text = `xe 0000:03:00.0: [drm] *ERROR* a${'😀'.repeat(16_384)}`;
    const { events } = eventsOf([asKmsgRecord(`<3>[    1.000000] ${text}`)]);
    const message = String(events[0]?.details?.[ATTRIBUTE.kernelLogMessage]);
    assert.ok(message.length > 1000 && message.length <= 1024);
    assert.equal(Buffer.from(message).toString(), message, 'no half of a character');
  });
});

describe('the parsers', () => {
  it('read the prefix of every kernel version', () => {
    const prefixes: readonly [string, number | undefined, number | undefined][] = [
      ['', undefined, undefined],
      ['[drm] ', undefined, undefined],
      ['[drm] *ERROR* ', undefined, undefined],
      ['[drm] GT0: ', undefined, 0],
      ['[drm] Tile1: GT2: ', 1, 2],
      ['[drm] *ERROR* Tile0: ', 0, undefined],
      ['[drm] *ERROR* PF: Tile1: GT3: ', 1, 3],
      ['[drm] GT1: VF: ', undefined, 1],
      ['[drm:xe_gt_reset [xe]] Tile0: GT1: ', 0, 1],
      ['[drm:ffffffffc0a1b2c3] *ERROR* ', undefined, undefined],
    ];
    for (const [prefix, tile, gt] of prefixes) {
      const line = parseRecord(asKmsgRecord(`<6>[    1.000000] xe 0000:03:00.0: ${prefix}reset started`));
      assert.deepEqual([line?.message, line?.tile, line?.gt], ['reset started', tile, gt], prefix);
    }
  });

  it('read the forms of syslog(2)', () => {
    for (const head of [
      '<6>',
      '<6>[    1.000000] ',
      '<6>[    1.000000][    T1] ',
      '<6>[  C12] ',
      '<6>[123456.000000][T1234567] ',
    ]) {
      const line = parseRecord(`${head}xe 0000:03:00.0: [drm] GT0: reset started`);
      assert.deepEqual([line?.fromXe, line?.message, line?.level], [true, 'reset started', 6], head);
    }
  });

  it('undo what the kernel escapes', () => {
    for (const text of ['a\\x0ab', 'tab\tnewline\n', '\u00e9\ud83d\ude00', '\\\\x41', '\x7f\0']) {
      assert.equal(parseRecord(`6,1,1,-;${escaped(text)}`)?.message, text);
    }
  });

  it('and the patterns take time in proportion to a hostile line', () => {
    const starts = [
      '',
      'Timedout job: seqno=1, guc_id=1, flags=0x0 in ',
      'Engine reset: ',
      '[Hardware Error]: ',
      '[RAS]: ',
      '[TTM] ',
    ];
    const fillers = ['a', ' ', '0', ' [1]', '\\x0a', '[drm] ', 'GT0: ', 'Tile0 reported ', '] '];
    for (const start of starts) {
      for (const filler of fillers) {
        assertLinear(start + filler, (bytes) => {
          const tail = filler.repeat(bytes / filler.length);
          const records = [
            `3,1,1,-;xe 0000:03:00.0: [drm] ${start}${tail}\n SUBSYSTEM=pci\n DEVICE=+pci:0000:03:00.0`,
            `3,1,1,${tail}`,
            `<3>[${tail}`,
            `3,1,1,-;${start}${tail}\n DEVICE=${tail}`,
          ];
          return () => void eventsOf(records);
        });
      }
    }
  });
});
