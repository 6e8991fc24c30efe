import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SupervisedSource, type Opened } from '../../../exporter/sources/supervised-source.js';
import { FeatureBoard } from '../../../exporter/features.js';
import { aDevice } from '../../helpers/events.js';
import { waitFor } from '../../helpers/wait-for.js';

const REFUSED: Opened = { refused: { state: 'denied', reason: 'open failed with EPERM', fix: 'Give CAP_SYSLOG.' } };

/** A source whose every opening ends as the test says. */
function start(answers: (() => Opened)[], { needed = true, soundMs = 60_000 } = {}) {
  const features = new FeatureBoard();
  const log: string[] = [];
  const runs: { die: (reason: string) => void; stopped: number }[] = [];
  const source = new SupervisedSource({
    name: 'kmsg',
    feature: 'kmsg',
    features,
    devices: { devices: needed ? [aDevice()] : [] },
    soundMs,
    backoff: { firstMs: 1, maxMs: 4, random: () => 0 },
    open: async (_handler, onDied) => {
      const answer = answers.shift() ?? (() => ({ run: { stop: async () => undefined } }));
      const opened = answer();
      if ('refused' in opened) return opened;
      const run = { die: onDied, stopped: 0 };
      runs.push(run);
      return { ...opened, run: { stop: async () => void run.stopped++ } };
    },
    accounting: {
      upChanged: (_source, up) => log.push(up ? 'up' : 'not up'),
      restarted: () => log.push('restarted'),
    },
    onChanged: (_source, state, reason) => log.push(`${state}: ${reason}`),
  });
  return { source, features, log, runs };
}

const running = (): Opened => ({ run: { stop: async () => undefined } });

test('what the node refuses is a feature state, and stays refused until somebody asks again', async () => {
  const { source, features, log } = start([() => REFUSED, running]);
  await source.start(() => undefined);
  assert.equal(source.up, false);
  assert.deepEqual(features.all(), [
    { feature: 'kmsg', state: 'denied', reason: 'open failed with EPERM', fix: 'Give CAP_SYSLOG.' },
  ]);
  await source.retry();
  assert.equal(source.up, true);
  assert.equal(features.all()[0]?.state, 'active');
  assert.deepEqual(log, ['not up', 'up']);
  await source.stop();
});

test('a refusal on a node without a device is nothing to mend', async () => {
  const { source, features } = start([() => REFUSED], { needed: false });
  await source.start(() => undefined);
  assert.deepEqual(features.all()[0], {
    feature: 'kmsg',
    state: 'disabled',
    reason: 'this node has no xe device',
    fix: '',
  });
  await source.stop();
});

test('a run that dies is followed by another, and both changes are told once', async () => {
  const { source, features, log, runs } = start([]);
  await source.start(() => undefined);
  runs[0]!.die('read failed with EIO');
  runs[0]!.die('again');
  assert.equal(source.up, false);
  assert.equal(features.all()[0]?.state, 'active', 'the node still offers it');
  await waitFor(() => source.up, { what: 'the second run' });
  assert.deepEqual(log, ['up', 'not up', 'down: read failed with EIO', 'restarted', 'up', 'up: ']);
  await source.stop();
  assert.deepEqual(
    runs.map(({ stopped }) => stopped),
    [0, 1],
  );
});

test('pauses grow while runs are short', async () => {
  const { source, log, runs } = start([]);
  await source.start(() => undefined);
  for (let turn = 0; turn < 5; turn++) {
    runs.at(-1)!.die('read failed with EIO');
    await waitFor(() => source.up, { what: 'the next run' });
  }
  assert.equal(log.filter((line) => line === 'restarted').length, 5);
  await source.stop();
});

test('one that dies while it is being opened is started again, too', async () => {
  let dying: ((reason: string) => void) | undefined;
  let opened = 0;
  const features = new FeatureBoard();
  const source = new SupervisedSource({
    name: 'uevent',
    feature: 'uevent',
    features,
    devices: { devices: [aDevice()] },
    backoff: { firstMs: 1, maxMs: 1 },
    open: async (_handler, onDied) => {
      dying = onDied;
      if (opened++ === 0) dying('read failed with EIO');
      return running();
    },
    accounting: { upChanged: () => undefined, restarted: () => undefined },
  });
  await source.start(() => undefined);
  await waitFor(() => source.up, { what: 'the second run' });
  assert.equal(opened, 2);
  await source.stop();
});

test('a stop ends the waiting, and nothing is opened after it', async () => {
  const { source, log, runs } = start([]);
  await source.start(() => undefined);
  runs[0]!.die('read failed with EIO');
  const stopping = source.stop();
  assert.equal(source.stop(), stopping);
  await stopping;
  await source.retry();
  assert.equal(runs.length, 1);
  assert.equal(source.up, false);
  assert.ok(!log.includes('restarted'));
});
