import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ownershipsOf } from '../../../exporter/sources/trace/ownership.js';
import { parseTraceLine } from '../../../exporter/wire/trace-line.js';
import { aTraceLine, QUEUE_FIELDS, VM_FIELDS, type TraceLineParts } from '../../helpers/trace-lines.js';

const APP: TraceLineParts = { comm: 'python3', tid: 205, tgid: 203 };
const OWNER = { pid: 203, comm: 'python3', drmClientId: undefined };

function told(event: string, fields: string, parts = APP, processOf: (tid: number) => number | undefined = () => 9) {
  const line = parseTraceLine(aTraceLine(event, fields, parts));
  assert.ok(line);
  return ownershipsOf(line, processOf);
}

for (const [kernel, fields] of Object.entries(QUEUE_FIELDS)) {
  test(`a queue of Linux ${kernel} belongs to the process that asks for it`, () => {
    const [queue, ...others] = told('xe_exec_queue_create', fields({ gt: 1, gucId: 7 }));
    assert.deepEqual(others, []);
    assert.deepEqual(queue, {
      nanoseconds: 8_105_997_000n,
      pciBdf: kernel === '6.8' ? undefined : '0000:03:00.0',
      object: { kind: 'exec_queue', gt: 1, gucId: 7 },
      owner: OWNER,
    });
  });
}

test('a queue of a group, and one over several engines, which has as many numbers', () => {
  const group = 'dev=0000:03:00.0, 5:0x1, gt=0, width=1 guc_id=9, guc_state=0x0, flags=0x20, primary=8';
  assert.deepEqual(told('xe_exec_queue_create_multi_queue', group)[0]?.object, {
    kind: 'exec_queue',
    gt: 0,
    gucId: 9,
  });
  const wide = told('xe_exec_queue_create', QUEUE_FIELDS['7.3']({ gucId: 4, width: 3 }));
  assert.deepEqual(
    wide.map(({ object }) => 'gucId' in object && object.gucId),
    [4, 5, 6],
  );
  assert.equal(told('xe_exec_queue_create', QUEUE_FIELDS['7.3']({ width: 65_535 })).length, 8);
});

test('a queue of the driver itself is nobody’s, whoever’s thread it was', () => {
  assert.equal(told('xe_exec_queue_create', QUEUE_FIELDS['7.3']({ flags: 0x41 }))[0]?.owner, undefined);
});

test('a thread whose process the trace has forgotten is looked up, and may be gone', () => {
  const forgotten = { comm: '<...>', tid: 205, tgid: undefined };
  const fields = QUEUE_FIELDS['6.12']({});
  assert.deepEqual(told('xe_exec_queue_create', fields, forgotten, (tid) => tid - 5)[0]?.owner, {
    pid: 200,
    comm: '',
    drmClientId: undefined,
  });
  assert.equal(told('xe_exec_queue_create', fields, forgotten, () => undefined)[0]?.owner, undefined);
});

test('an address space is that of who makes the VM, from Linux 6.16 on', () => {
  const space = told('xe_vm_create', VM_FIELDS['6.16']({ vm: '00000000b1c5e1f2', asid: 31 }));
  assert.deepEqual(space[0]?.object, { kind: 'address_space', asid: 31 });
  assert.deepEqual(space[0].owner, OWNER);
  assert.deepEqual(told('xe_vm_create', VM_FIELDS['6.12']({ vm: '00000000b1c5e1f2' })), [], 'there is none yet');
  const own = told('xe_vm_create', VM_FIELDS['6.16']({ vm: '00000000b1c5e1f2', asid: 31, flags: 0x4 }));
  assert.equal(own[0]?.owner, undefined);
});

test('other lines, and lines without a number, tell nothing', () => {
  assert.deepEqual(told('xe_vm_kill', VM_FIELDS['6.16']({ vm: '00000000b1c5e1f2', asid: 31 })), []);
  assert.deepEqual(told('xe_exec_queue_create', 'dev=0000:03:00.0, 5:0x1, gt=0, width=1'), []);
  assert.deepEqual(told('xe_exec_queue_create', 'guc_id=(fault), gt=0'), []);
});
