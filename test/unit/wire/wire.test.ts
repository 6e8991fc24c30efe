import assert from 'node:assert/strict';
import { test } from 'node:test';
import { watchRequest, WATCH_IOCTL_NUMBERS } from '../../../exporter/wire/watch-ioctl.js';
import {
  encodeRemoval,
  encodeVmError,
  forEachRecord,
  HEADER_BYTES,
  META_SUBTYPE,
  VM_ERR_BYTES,
  WATCH_TYPE,
  XE_SUBTYPE,
} from '../../../exporter/wire/watch-notification.js';
import { rawRecord } from '../../helpers/batches.js';

interface Visit {
  readonly type: number;
  readonly subtype: number;
  readonly watchId: number;
  readonly offset: number;
  readonly length: number;
}

function walk(bytes: Uint8Array, start = 0, end = bytes.length): { whole: boolean; visits: Visit[] } {
  const visits: Visit[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const whole = forEachRecord(view, start, end, (type, subtype, watchId, offset, length) => {
    visits.push({ type, subtype, watchId, offset, length });
  });
  return { whole, visits };
}

test('the requests of the three numbers, in the order they are tried', () => {
  assert.deepEqual(WATCH_IOCTL_NUMBERS.map(watchRequest), [0x4010644f, 0x40106451, 0x40106450]);
});

test('a VM error is 16 bytes: type 2 subtype 0, length and id in info, vm id, negative errno', () => {
  const bytes = encodeVmError(0xa5, 0x01020304, -12);
  assert.equal(Buffer.from(bytes).toString('hex'), '02000000' + '10a50000' + '04030201' + 'f4ffffff');
});

test('a removal notice is a bare header with the id', () => {
  assert.equal(Buffer.from(encodeRemoval(255)).toString('hex'), '00000000' + '08ff0000');
});

test('every watch id makes the round trip', () => {
  for (let id = 0; id < 256; id++) {
    const { whole, visits } = walk(Buffer.concat([encodeVmError(id, 1, -12), encodeRemoval(id)]));
    assert.ok(whole);
    assert.deepEqual(visits, [
      { type: WATCH_TYPE.DRM_XE_NOTIFY, subtype: XE_SUBTYPE.VM_ERR, watchId: id, offset: 0, length: VM_ERR_BYTES },
      { type: WATCH_TYPE.META, subtype: META_SUBTYPE.REMOVAL, watchId: id, offset: VM_ERR_BYTES, length: HEADER_BYTES },
    ]);
  }
});

test('every length from 8 to 127 is a record, also an odd one in front of another', () => {
  for (let length = 0; length <= 127; length++) {
    const { whole, visits } = walk(Buffer.concat([rawRecord(2, 0, 3, Math.max(length, 8), length), encodeRemoval(9)]));
    if (length < HEADER_BYTES) {
      assert.deepEqual({ whole, visits }, { whole: false, visits: [] }, `length ${length}`);
      continue;
    }
    assert.ok(whole, `length ${length}`);
    assert.deepEqual(
      visits.map((visit) => [visit.watchId, visit.offset, visit.length]),
      [
        [3, 0, length],
        [9, length, HEADER_BYTES],
      ],
    );
  }
});

test('type is 24 bits, subtype 8; bit 7 and the upper half of info are nobody’s length', () => {
  const bytes = rawRecord(0xfffffe, 0xff, 0, 8);
  new DataView(bytes.buffer).setUint32(4, 0xffff_0080 | 8 | (7 << 8), true);
  assert.deepEqual(walk(bytes).visits, [{ type: 0xfffffe, subtype: 0xff, watchId: 7, offset: 0, length: 8 }]);
});

test('what is cut off or longer than the buffer ends the walk, after the whole records before it', () => {
  const whole = encodeVmError(1, 2, -12);
  for (let cut = 1; cut < VM_ERR_BYTES; cut++) {
    const result = walk(Buffer.concat([whole, whole.subarray(0, cut)]));
    assert.equal(result.whole, false, `${cut} bytes left`);
    assert.equal(result.visits.length, 1);
  }
  assert.equal(walk(Buffer.concat([rawRecord(2, 0, 1, 16, 17)])).whole, false);
});

test('nothing at all is whole, and nothing outside of start and end is read', () => {
  assert.deepEqual(walk(new Uint8Array(0)), { whole: true, visits: [] });
  const bytes = Buffer.concat([new Uint8Array(8).fill(0xff), encodeRemoval(4), new Uint8Array(8).fill(0xff)]);
  const { whole, visits } = walk(bytes, 8, 16);
  assert.ok(whole);
  assert.deepEqual(
    visits.map(({ watchId }) => watchId),
    [4],
  );
});
