import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { DEVCOREDUMP_HEAD_BYTES, devcoredumpHead } from '../../../exporter/wire/devcoredump.js';

const read = (name: string) => readFileSync(`test/fixtures/devcoredump/${name}`, 'utf8');

test('the head of a dump names the reason and the process', () => {
  assert.deepEqual(devcoredumpHead(read('7.1-mtl.txt')), {
    reason: 'Timedout job - seqno=4294967170, lrc_seqno=4294967170, guc_id=35, flags=0x0',
    snapshotMs: 1_782_000_000_000,
    process: 'repro',
    pid: 1516750,
  });
  assert.deepEqual(devcoredumpHead(read('6.12-dg1.txt')), {
    reason: undefined,
    snapshotMs: 1_733_555_164_168,
    process: 'ffmpeg',
    pid: undefined,
  });
});

test('no process is none, and a name may be anything', () => {
  const of = (process: string) => {
    const head = devcoredumpHead(read('7.1-mtl.txt').replace('repro [1516750]', process));
    return [head?.process, head?.pid];
  };
  assert.deepEqual(of('no process [-1]'), [undefined, undefined]);
  assert.deepEqual(of('a] [1 [77]'), ['a] [1', 77]);
  assert.deepEqual(of('a\nReason: forged [77]'), ['a', undefined]);
  assert.deepEqual(of('[31m [77]'), ['[31m', 77]);
});

test('anything else is no dump of xe, and a long one is not read on', () => {
  const dump = read('7.1-mtl.txt');
  for (const text of [
    '',
    'x',
    `\n${dump}`,
    dump.slice(0, 40),
    dump.replace('Xe', 'Panthor'),
    dump.replace('kernel: ', 'kern: '),
  ]) {
    assert.equal(devcoredumpHead(text), undefined);
  }
  const long = devcoredumpHead(dump.replace('Timedout', 'T'.repeat(DEVCOREDUMP_HEAD_BYTES)));
  assert.equal(long?.reason?.length, 256);
  assert.equal(devcoredumpHead(`**** Xe Device Coredump ****\n${'Reason: '.repeat(100_000)}`), undefined);
});
