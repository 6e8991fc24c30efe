import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eventDefinitions } from '../../exporter/events/index.js';
import { ATTRIBUTE } from '../../exporter/names.js';
import { Decoder } from '../../exporter/pipeline/decode/decoder.js';
import { VmKills } from '../../exporter/sources/trace/vm-kills.js';
import { TraceFields } from '../../exporter/wire/trace-fields.js';
import { numberField, parseTraceLine, pointerField, textField } from '../../exporter/wire/trace-line.js';
import { aDevice } from '../helpers/events.js';
import { aTraceLine, VM_FIELDS } from '../helpers/trace-lines.js';

/** Long enough to find something, short enough to run every time. */
const BOUNDS = { interruptAfterTimeLimit: 6_000, numRuns: 4_000 };

const byte = fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code));
/** A comm of the kernel: at most 15 bytes, of any kind. */
const comm = fc.string({ unit: byte.filter((char) => char !== '\0' && char !== '\n'), maxLength: 15 });
const id = fc.integer({ min: 1, max: 4_194_304 });
const hexDigits = '0123456789abcdef'.split('');
const pointer = fc
  .string({ unit: fc.constantFrom(...hexDigits), minLength: 16, maxLength: 16 })
  .filter((text) => !/^0+$/.test(text));

test('any bytes parse or are refused, within bounds', () => {
  const piece = fc.constantFrom(
    '-',
    '(',
    ') ',
    '[000] ',
    '1.000000: ',
    'xe_vm_kill: ',
    'dev=',
    '"',
    '=',
    ',',
    'a',
    ' ',
  );
  const text = fc.oneof(
    fc.string({ unit: byte, maxLength: 2_000 }),
    fc.array(piece, { maxLength: 400 }).map((pieces) => pieces.join('')),
    fc.array(piece, { maxLength: 100 }).map((pieces) => aTraceLine('xe_vm_kill', pieces.join(''))),
  );
  fc.assert(
    fc.property(text, (bytes) => {
      const line = parseTraceLine(bytes);
      if (line === undefined) return;
      assert.ok(Number.isSafeInteger(line.tid) && line.comm.length <= 16 && /^\w{1,64}$/.test(line.event));
      assert.ok(line.nanoseconds >= 0n);
      for (const name of bytes.match(/\w+(?==)/g) ?? []) {
        const number = numberField(line.fields, name);
        assert.ok(number === undefined || Number.isSafeInteger(number));
        assert.ok((textField(line.fields, name) ?? 'x').length > 0);
        assert.match(pointerField(line.fields, name) ?? '0x1234', /^(0x)?[0-9a-f]+$/i);
      }
    }),
    BOUNDS,
  );
});

/** What a field is, in one pattern. */
const FIELD = /(?<![\w$])([A-Za-z_]\w*)=(?:"(.*?)"(?= \w+=|$)|(\([^)]*\)|[^\s,"]*))/gs;

test('a field is what the pattern says, and the first of its name', () => {
  const piece = fc.constantFrom(...'"=, ()$1ab'.split(''), 'a=', ' b="', '" a=', ' ab=(', '$a=', '\xa0');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      const text = pieces.join('');
      const expected = new Map<string, string>();
      for (const [, name = '', quoted, bare = ''] of text.matchAll(FIELD)) {
        if (!expected.has(name))
          expected.set(name, Buffer.from(quoted ?? bare, 'latin1').toString(quoted === undefined ? 'latin1' : 'utf8'));
      }
      const fields = new TraceFields(text);
      for (const name of text.match(/[A-Za-z_]\w*(?==)/g) ?? [])
        assert.equal(fields.get(name), expected.get(name), name);
    }),
    BOUNDS,
  );
});

test('what the kernel printed is read back, whatever the comm', () => {
  fc.assert(
    fc.property(
      fc.record({
        comm,
        tid: id,
        tgid: fc.oneof(id, fc.constant(undefined), fc.constant(null)),
        cpu: fc.integer({ min: 0, max: 8191 }),
        flags: fc.constantFrom('', '.B.1.', 'd..2', 'dNh1.'),
        seconds: fc.integer({ min: 0, max: 2 ** 31 }),
      }),
      fc.record({ vm: pointer, asid: fc.nat(0xfffff), flags: fc.nat(0x3ff) }),
      fc.constantFrom(...(Object.keys(VM_FIELDS) as (keyof typeof VM_FIELDS)[])),
      (parts, vm, kernel) => {
        const line = parseTraceLine(aTraceLine('xe_vm_free', VM_FIELDS[kernel](vm), parts));
        assert.ok(line);
        assert.deepEqual([line.tid, line.tgid], [parts.tid, parts.tgid ?? undefined]);
        assert.equal(line.comm, Buffer.from(parts.comm.trimStart(), 'latin1').toString('utf8'));
        assert.equal(line.nanoseconds, BigInt(parts.seconds) * 1_000_000_000n);
        assert.equal(pointerField(line.fields, 'vm'), vm.vm);
        assert.equal(numberField(line.fields, 'asid'), vm.asid);
      },
    ),
    BOUNDS,
  );
});

test('no comm can forge a field that stands in front of it', () => {
  fc.assert(
    fc.property(fc.oneof(comm, fc.constantFrom('" pid=1', '" client=9', 'x" dev="', '" pid=1 c="')), (name) => {
      const victim = `(xe_vm_kill+0x4/0xf0 [xe]) pid=191 client=700 dev="0000:03:00.0" comm="${name}"`;
      const line = parseTraceLine(aTraceLine('vmkill', victim, { comm: name.slice(0, 15) }));
      assert.ok(line);
      assert.equal(numberField(line.fields, 'pid'), 191);
      assert.equal(numberField(line.fields, 'client'), 700);
      assert.equal(textField(line.fields, 'dev'), '0000:03:00.0');
    }),
    BOUNDS,
  );
});

test('any lines make bounded events of VMs that died, and nothing throws', () => {
  const nothing = (): void => undefined;
  const decoder = new Decoder(eventDefinitions, { received: nothing, dropped: () => assert.fail('malformed') });
  const [vm, tid] = [pointer, fc.integer({ min: 1, max: 9 })];
  const someLine = fc.oneof(
    fc
      .tuple(fc.constantFrom('create', 'free', 'kill', 'rebind_worker_enter', 'rebind_worker_exit'), vm, tid, comm)
      .map(([event, of, thread, name]) =>
        aTraceLine(`xe_vm_${event}`, VM_FIELDS['6.16']({ vm: of }), { comm: name, tid: thread, tgid: thread }),
      ),
    fc
      .tuple(fc.bigInt({ min: -(2n ** 31n), max: 2n ** 64n }), comm, tid)
      .map(([number, name, thread]) =>
        aTraceLine('vm_kill', `pid=${number} client=${number} dev="0000:03:00.0" comm="${name}"`, { tid: thread }),
      ),
    fc.string({ unit: byte, maxLength: 200 }),
  );
  fc.assert(
    fc.property(fc.array(someLine, { maxLength: 40 }), (lines) => {
      const kills = new VmKills(0n, {
        onKill: (kill) => {
          const times = { realtimeNs: 1n, monotonicNs: kill.nanoseconds };
          decoder.decode({ kind: 'trace', source: 'trace', ...times, kill, device: aDevice() }, (event) => {
            const { [ATTRIBUTE.pid]: pid = 1, [ATTRIBUTE.drmClientId]: id = 1 } = event.details ?? {};
            for (const number of [pid, id]) assert.ok(Number.isSafeInteger(number) && Number(number) > 0);
            assert.ok(String(event.details?.[ATTRIBUTE.executable] ?? '').length <= 64);
            assert.match(event.definition.body(event), /^[^\n]{1,400}\.$/s);
          });
        },
        onCreated: (pid) => assert.ok(pid > 0),
        processOf: () => undefined,
        later: nothing,
      });
      for (const text of lines) {
        const line = parseTraceLine(text);
        if (line) kills.take(line);
      }
      kills.flush();
      assert.ok(kills.remembered <= 40);
    }),
    { ...BOUNDS, numRuns: 1_000 },
  );
});
