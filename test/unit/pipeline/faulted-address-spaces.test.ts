import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FaultedAddressSpaces } from '../../../exporter/pipeline/decode/faulted-address-spaces.js';
import { parseKmsgRecord, type KernelLogLine } from '../../../exporter/wire/kernel-log.js';

const BDF = '0000:03:00.0';

function aRecord(text: string, microseconds: number, bdf = BDF): KernelLogLine {
  const line = parseKmsgRecord(
    `6,1,${microseconds},-;xe ${bdf}: [drm] Tile0: GT0: ${text}\n SUBSYSTEM=pci\n DEVICE=+pci:${bdf}\n`,
  );
  assert.ok(line);
  return line;
}

const printed = (asid: number | string, at: number, bdf?: string) =>
  aRecord(`\\x0a\\x09ASID: ${asid}\\x0a\\x09Faulted Address: 0x0`, at, bdf);
const response = (at: number, bdf?: string) => aRecord('Fault response: Unsuccessful -EINVAL', at, bdf);

test('a response is that of the fault printed right before it', () => {
  const spaces = new FaultedAddressSpaces();
  spaces.observe(printed(31, 1_000));
  assert.equal(spaces.take(response(1_010)), 31);
  assert.equal(spaces.take(response(1_020)), undefined, 'nothing is open');
  spaces.observe(printed(32, 2_000));
  spaces.observe(printed(33, 2_005, '0000:04:00.0'));
  assert.equal(spaces.take(response(2_010)), 32, 'another device is another matter');
});

test('workers that print at the same time name nobody, unless all of them mean one', () => {
  const spaces = new FaultedAddressSpaces();
  spaces.observe(printed(31, 1_000));
  spaces.observe(printed(31, 1_001));
  assert.deepEqual([spaces.take(response(1_002)), spaces.take(response(1_003))], [31, 31]);
  spaces.observe(printed(31, 2_000));
  spaces.observe(printed(32, 2_001));
  assert.deepEqual([spaces.take(response(2_002)), spaces.take(response(2_003))], [undefined, undefined]);
  spaces.observe(printed(33, 3_000));
  assert.equal(spaces.take(response(3_001)), 33);
});

test('a fault whose response never came is forgotten, and lost lines leave nothing certain', () => {
  const spaces = new FaultedAddressSpaces();
  spaces.observe(printed(31, 1_000));
  spaces.observe(printed(32, 2_000_000));
  assert.equal(spaces.take(response(2_000_001)), 32);
  spaces.observe(printed(33, 3_000_000));
  spaces.lost();
  assert.equal(spaces.take(response(3_000_001)), undefined);
  spaces.observe(printed(34, 3_000_002));
  assert.equal(spaces.take(response(3_000_003)), undefined, 'its own print may be among the lost');
  spaces.observe(printed(35, 5_000_000));
  assert.equal(spaces.take(response(5_000_001)), 35);
});

test('numbers that are none are not taken', () => {
  const spaces = new FaultedAddressSpaces();
  for (const asid of ['-1', '99999999', '', '0x5']) spaces.observe(printed(asid, 1_000));
  assert.equal(spaces.take(response(1_001)), undefined);
});
