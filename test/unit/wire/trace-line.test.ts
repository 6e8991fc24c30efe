import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { numberField, parseTraceLine, pointerField, textField } from '../../../exporter/wire/trace-line.js';
import { aTraceLine, VM_FIELDS } from '../../helpers/trace-lines.js';

const VM = '00000000b1c5e1f2';

function parse(text: string) {
  const line = parseTraceLine(text);
  assert.ok(line, `not parsed: ${text}`);
  return line;
}

describe('the header of a trace line', () => {
  it('has thread, process, time and event, with or without the columns of the options', () => {
    const expected = { comm: 'ollama', tid: 204, tgid: 203, nanoseconds: 8_105_997_000n, event: 'xe_vm_kill' };
    for (const flags of ['', '.B.1.', 'd..2', '.....', '....1.']) {
      const { fields, ...header } = parse(aTraceLine('xe_vm_kill', 'dev=x', { tid: 204, tgid: 203, flags }));
      assert.deepEqual(header, expected, flags);
      assert.deepEqual([fields.get('dev'), fields.get('vm')], ['x', undefined]);
      assert.equal(parse(aTraceLine('xe_vm_kill', '', { tgid: null, flags })).tgid, undefined);
      assert.equal(parse(aTraceLine('xe_vm_kill', '', { tgid: undefined, flags })).tgid, undefined);
    }
  });

  it('is the one that was seen on 7.3.4', () => {
    const line = parse(
      '     kworker/0:0-9       [000] .B.1.     8.105997: vmkill: (xe_vm_kill+0x4/0xf0 [xe]) pid=191 comm="ollama" asid=16 fl=0x2 client=700',
    );
    assert.equal(line.comm, 'kworker/0:0');
    assert.equal(numberField(line.fields, 'pid'), 191);
    assert.equal(textField(line.fields, 'comm'), 'ollama');
    assert.equal(numberField(line.fields, 'fl'), 2);
    assert.equal(numberField(line.fields, 'client'), 700);
  });

  it('stands any comm, also one that imitates it', () => {
    for (const comm of [
      'a b',
      'x-1',
      '-',
      '<...>',
      'kworker/u16:3+xe',
      '[000] 1.0: x: ',
      '-1 (1) [0] 1: ',
      'x-1 [0] 1.000000',
      '',
      'é',
      ' lead',
    ]) {
      const bytes = Buffer.from(comm).toString('latin1').slice(0, 15);
      const line = parse(aTraceLine('xe_vm_create', 'dev=x', { comm: bytes, tid: 77, tgid: 70 }));
      assert.deepEqual([line.tid, line.tgid, line.event], [77, 70, 'xe_vm_create'], comm);
      assert.equal(line.comm, Buffer.from(bytes, 'latin1').toString().trimStart());
    }
  });

  it('is found behind a newline in the comm', () => {
    const [head, tail] = aTraceLine('xe_vm_create', 'dev=x', { comm: 'a\nb', tid: 5, tgid: 4 }).split('\n');
    assert.equal(parseTraceLine(head ?? ''), undefined);
    assert.deepEqual(parse(tail ?? '').tgid, 4);
  });

  it('has times and ids of any size', () => {
    const line = parse(aTraceLine('xe_vm_free', '', { tid: 4_194_304, tgid: 4_194_303, seconds: 31_536_000.000001 }));
    assert.deepEqual([line.tid, line.tgid, line.nanoseconds], [4_194_304, 4_194_303, 31_536_000_000_001_000n]);
  });

  it('is missing from other lines', () => {
    for (const text of [
      '',
      '# tracer: nop',
      'CPU:1 [LOST 5 EVENTS]',
      'b" dev="0000:03:00.0"',
      aTraceLine('xe_vm_create', `dev=${'x'.repeat(1024)}`),
      '-'.repeat(1024),
    ]) {
      assert.equal(parseTraceLine(text), undefined, text);
    }
  });
});

describe('the fields of a trace line', () => {
  it('are found by name in the formats of all kernels', () => {
    for (const [kernel, format] of Object.entries(VM_FIELDS)) {
      const { fields } = parse(aTraceLine('xe_vm_kill', format({ vm: VM, asid: 0x1f, flags: 0x22 })));
      assert.equal(pointerField(fields, 'vm'), VM, kernel);
      assert.equal(numberField(fields, 'asid'), 0x1f, kernel);
      assert.equal(textField(fields, 'dev'), kernel === '6.8' ? undefined : '0000:03:00.0');
      assert.equal(numberField(fields, 'flags'), kernel === '6.16' ? 0x22 : undefined);
    }
  });

  it('are found among others, in any order', () => {
    const queue = parse(
      aTraceLine('xe_exec_queue_create', 'dev=0000:03:00.0, 3:0x1, gt=0, width=1, guc_id=27, guc_state=0x0, flags=0x4'),
    );
    assert.equal(numberField(queue.fields, 'guc_id'), 27);
    assert.equal(numberField(queue.fields, 'gt'), 0);
    const vma = parse(
      aTraceLine(
        'xe_vma_bind',
        `dev=0000:03:00.0, vma=0000000012345678, vm=${VM}, asid=0x00001, start=0x000000100000, end=0x0000001fffff, userptr=0x000000000000,`,
      ),
    );
    assert.equal(pointerField(vma.fields, 'vm'), VM);
  });

  it('keep the text of a comm with quotes, and what it imitates does not count', () => {
    const { fields } = parse(
      aTraceLine('vmkill', '(xe_vm_kill+0x4/0xf0 [xe]) pid=191 client=7 dev="0000:03:00.0" comm="a" pid=1 "b"'),
    );
    assert.equal(numberField(fields, 'pid'), 191);
    assert.equal(textField(fields, 'comm'), 'a');
    const quoted = parse(aTraceLine('vmkill', 'pid=191 comm="say "hi" now"'));
    assert.equal(textField(quoted.fields, 'comm'), 'say "hi" now');
  });

  it('are absent where the kernel could not read them', () => {
    const { fields } = parse(
      aTraceLine('vmkill', '(xe_vm_kill+0x4/0xf0 [xe]) pid=0 comm=(fault) asid=0 fl=0x4 client=0 dev="0000:03:00.0"'),
    );
    assert.equal(textField(fields, 'comm'), undefined);
    assert.equal(numberField(fields, 'pid'), 0);
    assert.equal(textField(fields, 'dev'), '0000:03:00.0');
    for (const text of ['(____ptrval____)', '(null)', '0000000000000000', '', 'x']) {
      assert.equal(pointerField(parse(aTraceLine('xe_vm_kill', `vm=${text}`)).fields, 'vm'), undefined, text);
    }
    for (const text of ['', 'x', '0x', '1e3', '18446744073709551615', '0xffffffffffffffff', '--1']) {
      assert.equal(numberField(parse(aTraceLine('e', `n=${text}`)).fields, 'n'), undefined, text);
    }
  });
});
