import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { CoredumpCopyBatch, StampedBatch } from '../../../exporter/sources/source.js';
import { CoredumpFolder, copyName } from '../../../exporter/sources/uevent/coredumps/folder.js';
import { openUevent } from '../../../exporter/sources/uevent/source.js';
import { ATTRIBUTE } from '../../../exporter/names.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';
import { MessageSourceUnderTest } from '../../helpers/message-source.js';
import { waitFor } from '../../helpers/wait-for.js';

const BDF = '0000:03:00.0';
const MIB = 1024 ** 2;

function dump(seconds: number, process = 'python3'): string {
  return `**** Xe Device Coredump ****\nReason: Timedout job\nkernel: 7.2.0\nmodule: xe\nSnapshot time: ${seconds}.250000000\nUptime: 60.5\nProcess: ${process} [4711]\n`;
}

/** A node with one GPU and a sysfs of files; dumps are read by the real addon and copied to a real folder. */
class Node {
  readonly tree: FixtureTree;
  readonly folder: string;
  readonly under: MessageSourceUnderTest;
  #stop: () => Promise<void> = () => Promise.resolve();

  constructor(t: TestContext, given: { folder?: string; maxBytes?: number } = {}) {
    this.tree = new FixtureTree(t);
    this.tree.xeDevice(BDF, { card0: '226:0' });
    this.tree.directory('class/devcoredump');
    this.folder = given.folder ?? join(this.tree.root, 'copies');
    const config = { sysRoot: this.tree.root, coredumpDir: this.folder, coredumpMaxBytes: given.maxBytes ?? 4 * MIB };
    this.under = new MessageSourceUnderTest(t, openUevent, { config });
    t.after(() => this.#stop());
  }

  async start(): Promise<this> {
    const opened = await this.under.open();
    assert.ok('run' in opened);
    this.#stop = () => opened.run.stop();
    return this;
  }

  stop(): Promise<void> {
    return this.#stop();
  }

  /** The kernel has a dump; its data is that text, or a pipe that nobody has written to. */
  keep(number: number, text: string | undefined, bdf = BDF): string {
    const folder = `devices/virtual/devcoredump/devcd${number}`;
    this.tree.link(`${folder}/failing_device`, `../../../pci0000:00/${bdf}`);
    this.tree.link(`class/devcoredump/devcd${number}`, `../../${folder}`);
    const data = join(this.tree.root, folder, 'data');
    if (text === undefined) execFileSync('mkfifo', [data]);
    else writeFileSync(data, text);
    return data;
  }

  announce(number: number): void {
    const path = `/devices/virtual/devcoredump/devcd${number}`;
    this.under.post(
      [`add@${path}`, 'ACTION=add', `DEVPATH=${path}`, 'SUBSYSTEM=devcoredump', 'SEQNUM=1', ''].join('\0'),
    );
  }

  get told(): CoredumpCopyBatch[] {
    return this.under.batches.filter((batch: StampedBatch) => batch.kind === 'coredump_copy');
  }

  async tells(count: number): Promise<CoredumpCopyBatch[]> {
    await waitFor(() => this.told.length >= count, { what: `${count} copies, not ${this.told.length}` });
    return this.told;
  }

  copies(): string[] {
    return readdirSync(this.folder).sort();
  }

  feature() {
    return this.under.features.all().find(({ feature }) => feature === 'coredumps');
  }
}

describe('a coredump with --coredump-dir', () => {
  it('is copied whole, for its user alone, named by time, device and process, and only read', async (t) => {
    const node = await new Node(t).start();
    const text = dump(1_796_000_000) + 'x'.repeat(300_000);
    const data = node.keep(3, text);
    chmodSync(data, 0o400);
    node.announce(3);
    const [told] = await node.tells(1);
    const name = '20261130T005320.250Z_0000-03-00.0_python3.devcoredump';
    assert.deepEqual(node.copies(), [name]);
    assert.equal(readFileSync(join(node.folder, name), 'utf8'), text);
    assert.equal(statSync(join(node.folder, name)).mode & 0o777, 0o600);
    assert.equal(statSync(node.folder).mode & 0o777, 0o700);
    assert.equal(readFileSync(data, 'utf8'), text);
    assert.deepEqual(
      [told!.errorCode, told!.device.pciBdf, told!.details],
      [
        0,
        BDF,
        {
          [ATTRIBUTE.devcoredumpPath]: '/sys/devices/virtual/devcoredump/devcd3/data',
          [ATTRIBUTE.devcoredumpReason]: 'Timedout job',
          [ATTRIBUTE.executable]: 'python3',
          [ATTRIBUTE.pid]: 4711,
          [ATTRIBUTE.devcoredumpCopy]: join(node.folder, name),
          [ATTRIBUTE.devcoredumpCopySize]: text.length,
        },
      ],
    );
    assert.deepEqual(node.under.copies, { copied: 1, truncated: 0, failed: 0, removed: 0 });
    assert.equal(node.feature()?.state, 'active');
  });

  it('is cut at a quarter of the folder, and says so', async (t) => {
    const node = await new Node(t).start();
    node.keep(1, dump(5) + 'x'.repeat(2 * MIB));
    node.announce(1);
    const [told] = await node.tells(1);
    assert.equal(told!.details[ATTRIBUTE.devcoredumpTruncated], true);
    assert.equal(told!.details[ATTRIBUTE.devcoredumpCopySize], MIB);
    assert.equal(node.under.copies['truncated'], 1);
  });

  it('is copied at the start when its uevent was missed, and never twice', async (t) => {
    const node = new Node(t);
    node.keep(1, dump(5));
    node.keep(2, dump(6), '0000:99:00.0');
    await node.start();
    await node.tells(1);
    await node.stop();
    await node.start();
    node.announce(1);
    node.keep(4, dump(7));
    node.announce(4);
    await node.tells(2);
    assert.deepEqual(
      node.told.map(({ details }) => details[ATTRIBUTE.devcoredumpPath]),
      [1, 4].map((number) => `/sys/devices/virtual/devcoredump/devcd${number}/data`),
    );
    assert.equal(node.copies().length, 2);
  });

  it('makes the oldest make room, and touches no other file', async (t) => {
    const node = new Node(t);
    node.tree.file('copies/notes.txt', 'mine');
    node.tree.file('copies/.devcd9.partial', 'half of a copy');
    await node.start();
    for (const number of [1, 2, 3, 4]) {
      node.keep(number, dump(1000 + number) + 'x'.repeat(0.8 * MIB));
      node.announce(number);
      await node.tells(number);
    }
    const kept = [3, 4].map((number) => `19700101T00164${number}.250Z_0000-03-00.0_python3.devcoredump`);
    assert.deepEqual(node.copies(), [...kept, 'notes.txt']);
    assert.deepEqual(node.under.copies, { copied: 4, truncated: 0, failed: 0, removed: 2 });
  });

  it('that the driver still captures holds up no other dump, and not the end of the exporter', async (t) => {
    const node = await new Node(t).start();
    const pipe = node.keep(1, undefined);
    node.announce(1);
    node.keep(2, dump(6));
    node.announce(2);
    const [told] = await node.tells(1);
    assert.equal(told!.details[ATTRIBUTE.devcoredumpPath], '/sys/devices/virtual/devcoredump/devcd2/data');
    await node.stop();
    assert.equal(node.told.length, 1);
    // Lets the threads go that wait for the head.
    writeFileSync(pipe, '');
  });

  it('that is gone again is a failure with a reason', async (t) => {
    const node = await new Node(t).start();
    node.keep(1, dump(5));
    node.tree.remove('devices/virtual/devcoredump/devcd1/data');
    node.announce(1);
    const [told] = await node.tells(1);
    assert.equal(told!.errorCode, -2);
    assert.equal(told!.details[ATTRIBUTE.devcoredumpCopyError], 'open ended with ENOENT');
    assert.deepEqual([node.under.copies['failed'], node.copies()], [1, []]);
  });

  it('cannot be copied once the folder has gone', async (t) => {
    const node = await new Node(t).start();
    node.tree.remove('copies');
    node.keep(1, dump(5));
    node.announce(1);
    const [told] = await node.tells(1);
    assert.equal(told!.errorCode, -2);
    assert.equal(node.under.copies['failed'], 1);
  });
});

describe('the feature coredumps', () => {
  it('says what is missing', async (t) => {
    const file = new Node(t, { folder: '/dev/null/copies' });
    await file.start();
    assert.deepEqual(
      [file.feature()?.state, file.feature()?.reason],
      ['denied', 'cannot write to /dev/null/copies: ENOTDIR'],
    );
    file.keep(1, dump(5));
    file.announce(1);
    await file.under.delivered(1);
    assert.deepEqual(file.under.copies, {});

    const disabled = new Node(t);
    disabled.tree.file('class/devcoredump/disabled', '1\n');
    await disabled.start();
    assert.match(disabled.feature()?.reason ?? '', /disabled is 1/);

    const none = new Node(t);
    none.tree.remove('class/devcoredump');
    await none.start();
    assert.equal(none.feature()?.state, 'unsupported');
    assert.ok(!existsSync(none.folder));
  });
});

describe('the name of a copy', () => {
  it('leads nowhere else, whatever the process is called', () => {
    const head = { reason: undefined, snapshotMs: 0, pid: 1 };
    for (const process of ['../../etc/passwd', 'a b\tc', '', 'ä/\u0000', '.']) {
      assert.match(
        copyName({ ...head, process }, BDF, 0),
        /^19700101T000000\.000Z_0000-03-00\.0_[\w.-]*\.devcoredump$/,
      );
    }
    assert.match(copyName(undefined, BDF, 1000), /^19700101T000001\.000Z_0000-03-00\.0_unknown/);
  });

  it('is not taken by what is no copy', async (t) => {
    const tree = new FixtureTree(t);
    const folder = new CoredumpFolder(tree.root, { maxBytes: 4, maxCopies: 1 });
    mkdirSync(join(tree.root, '20260101T000000.000Z_0000-03-00.0_x.devcoredump'));
    tree.file('a.partial', 'x'.repeat(100));
    const name = '20270101T000000.000Z_0000-03-00.0_x.devcoredump';
    const { removed } = await folder.keep(join(tree.root, 'a.partial'), name);
    assert.equal(removed, 0);
    assert.ok(await folder.has(name));
  });
});
