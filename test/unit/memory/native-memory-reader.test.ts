import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientTable } from '../../../exporter/clients/client-table.js';
import type { DeviceRead, NativeAddon } from '../../../exporter/native/binding.js';
import { loadNative } from '../../../exporter/native/load.js';
import type { MemoryItem, MemoryResult } from '../../../exporter/memory/memory-reader.js';
import { NativeMemoryReader } from '../../../exporter/memory/native-memory-reader.js';
import { aClient, aDevice } from '../../helpers/events.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';
import { waitFor } from '../../helpers/wait-for.js';

const addon = loadNative();
const MANAGER = (size: number, usage: number) => `  use_type: 1\n  use_tt: 0\n  size: ${size}\n  usage: ${usage}\n`;

function readerIn(root: string, native: Pick<NativeAddon, 'startReads' | 'pageSize'> = addon): NativeMemoryReader {
  return new NativeMemoryReader({
    native,
    procRoot: '/proc',
    sysRoot: `${root}/sys`,
    debugfsRoot: `${root}/debug`,
    devRoot: `${root}/dev`,
  });
}

/** Everything one read answers, until its end. */
async function read(
  reader: NativeMemoryReader,
  items: readonly MemoryItem[],
  { device = aDevice(), cancel = false } = {},
): Promise<MemoryResult[]> {
  const results: MemoryResult[] = [];
  let ends = 0;
  const callOff = reader.read(device, items, {
    onResult: (_, result) => results.push(result),
    onEnd: () => ends++,
  });
  assert.equal(results.length + ends, 0, 'nothing is called before it has returned');
  if (cancel) callOff();
  await waitFor(() => ends === 1, { what: 'the end' });
  return results;
}

test('regions from debugfs, under the names of 7.2 and of 6.12', async (t) => {
  const tree = new FixtureTree(t);
  tree.file('debug/dri/0000:03:00.0/tile0/vram_mm', MANAGER(12_000, 5_000));
  tree.file('debug/dri/0000:03:00.0/gtt_mm', MANAGER(10, 8192));
  tree.file('debug/dri/0000:04:00.0/vram0_mm', MANAGER(16_000, 7_000));
  const reader = readerIn(tree.root);
  assert.deepEqual(await read(reader, ['regions']), [
    [
      { region: 'vram0', usedBytes: 5_000, sizeBytes: 12_000 },
      { region: 'gtt', usedBytes: 8192, sizeBytes: 10 * addon.pageSize },
    ],
  ]);
  assert.deepEqual(await read(reader, ['regions'], { device: aDevice({ pciBdf: '0000:04:00.0' }) }), [
    [{ region: 'vram0', usedBytes: 7_000, sizeBytes: 16_000 }],
  ]);
});

test('without debugfs the render node is asked, and from then on it alone', async (t) => {
  const tree = new FixtureTree(t);
  const asked: string[][] = [];
  const reader = readerIn(tree.root, {
    pageSize: 4096,
    startReads: (reads, onResult) => {
      asked.push(reads.map(({ kind }) => kind));
      return addon.startReads(reads, onResult);
    },
  });
  const device = aDevice();
  const refused = { operation: 'open', errno: 2 };
  assert.deepEqual(await read(reader, ['regions'], { device }), [refused]);
  assert.deepEqual(await read(reader, ['regions'], { device }), [refused]);
  assert.deepEqual(asked, [['file', 'file', 'file', 'file', 'file'], ['mem_regions'], ['mem_regions']]);
});

test('an fd that has become the file of another client says nothing of this one', async (t) => {
  const device = aDevice();
  const fd = { pid: 7, fd: 3, minor: 128, startTime: 9n, comm: 'app' };
  const entry = new ClientTable(1).add(aClient({ drmClientId: 5, device }), [fd])!;
  const answer = (clientId: number) => {
    const reads: DeviceRead[] = [];
    const native: Pick<NativeAddon, 'startReads' | 'pageSize'> = {
      pageSize: 4096,
      startReads: (list, onResult) => {
        reads.push(...list);
        const text = `drm-driver:\txe\ndrm-client-id:\t${clientId}\ndrm-resident-vram0:\t2 KiB\n`;
        queueMicrotask(() => onResult(0, Buffer.from(text)));
        return () => undefined;
      },
    };
    return { reader: readerIn(new FixtureTree(t).root, native), reads };
  };
  const mine = answer(5);
  const [held] = await read(mine.reader, [entry], { device });
  assert.equal((held as readonly { residentBytes: number }[])[0]?.residentBytes, 2048);
  const [request] = mine.reads;
  assert.ok(request?.kind === 'fdinfo');
  assert.deepEqual([request.pid, request.startTime, request.fd, request.minor], [7, 9n, 3, 128]);
  assert.match(request.runtimeStatus, /0000:03:00\.0\/power\/runtime_status$/);
  assert.deepEqual(await read(answer(6).reader, [entry], { device }), [{ operation: 'client', errno: 3 }]);
});

test('no thread, nothing to read, and a client nobody holds are answered, too', async (t) => {
  const failure = { operation: 'pthread_create', errno: 11 };
  const native = { pageSize: 4096, startReads: () => failure };
  const { root } = new FixtureTree(t);
  assert.deepEqual(await read(readerIn(root, native), ['regions']), [failure]);
  assert.deepEqual(await read(readerIn(root), []), []);
  const entry = new ClientTable(1).add(aClient(), [])!;
  const [result] = await read(readerIn(root), [entry]);
  assert.ok(result && 'errno' in result);
});

test('what is called off is answered as such, parts of regions included', async (t) => {
  const tree = new FixtureTree(t);
  tree.file('debug/dri/0000:03:00.0/tile0/vram_mm', MANAGER(12_000, 5_000));
  const [result] = await read(readerIn(tree.root), ['regions'], { cancel: true });
  if (result && 'errno' in result) assert.equal(result.operation, 'cancelled');
  else assert.equal(result?.length, 1, 'it was faster');
});
