import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { displayError } from '../../../exporter/events/definitions/display-error.js';
import { gtReset } from '../../../exporter/events/definitions/gt-reset.js';
import { jobTimeout } from '../../../exporter/events/definitions/job-timeout.js';
import { vmRebindError } from '../../../exporter/events/definitions/vm-rebind-error.js';
import type { DeviceEvent } from '../../../exporter/events/device-event.js';
import { EVENT, EVENT_METRIC } from '../../../exporter/events/index.js';
import { ATTRIBUTE } from '../../../exporter/names.js';
import { Storms } from '../../../exporter/pipeline/storms.js';
import { anEvent } from '../../helpers/events.js';
import { GPU0, GPU1, kernelLogNode } from '../../helpers/kernel-log-node.js';
import { manualClock } from '../../helpers/manual-clock.js';

function start(t: TestContext) {
  const { now, advance } = manualClock(t);
  const published: DeviceEvent[] = [];
  const storms = new Storms({ next: (event) => void published.push(event), now });
  const say = (said: string | undefined, given: Partial<DeviceEvent> = {}): void =>
    storms.accept(anEvent({ definition: gtReset, report: 'bare', source: 'kmsg', client: undefined, said, ...given }));
  /** What was published since the last call: phase, and how many reports it stands for. */
  const take = (): string[] => published.splice(0).map(({ phase, repeats }) => `${phase} ${1 + repeats}`);
  return { storms, say, take, advance, published };
}

test('the first reports pass whole, the rest is counted at once and summed up', (t) => {
  const { storms, say, take, advance } = start(t);
  for (let report = 0; report < 1_000; report++) say('a');
  const counted = take();
  assert.deepEqual(counted.slice(0, 6), [...Array<string>(5).fill('whole 1'), 'opened 1']);
  assert.equal(counted.length, 1_000);
  advance(10_000);
  assert.deepEqual(take(), ['concluded 995']);
  for (let second = 0; second < 30; second++) {
    for (let report = 0; report < 10; report++) say('a');
    advance(1_000);
  }
  assert.deepEqual(
    take().filter((event) => !event.startsWith('opened')),
    ['concluded 100', 'concluded 100', 'concluded 100'],
  );
  advance(60_000);
  assert.deepEqual([take(), storms.remembered], [[], 0], 'it is over and forgotten');
  say('a');
  assert.deepEqual(take(), ['whole 1']);
});

test('it hides no other line, no line of another GPU, and nothing that hit a client', (t) => {
  const { say, take, published } = start(t);
  for (let report = 0; report < 100; report++) say('a');
  take();
  say('b');
  say(undefined);
  assert.deepEqual(take(), ['whole 1', 'whole 1']);
  for (const definition of [vmRebindError, jobTimeout, displayError]) {
    for (let report = 0; report < 100; report++) say(`${definition.name}`, { definition });
  }
  assert.ok(published.every(({ phase }) => phase === 'whole'));
});

test('reports of any pace are all counted once and all told', (t) => {
  const { storms, say, published, advance } = start(t);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 0, max: 12_000 })), { maxLength: 80 }),
      (reports) => {
        published.length = 0;
        for (const [said, afterMs] of reports) {
          if (afterMs > 0) advance(afterMs % 4 === 0 ? afterMs : 0);
          say(said);
        }
        for (let step = 0; step < 8; step++) advance(10_000);
        const counted = published.filter(({ phase }) => phase !== 'concluded');
        const told = published.filter(({ phase }) => phase !== 'opened');
        assert.equal(counted.length, reports.length);
        assert.equal(
          told.reduce((sum, { repeats }) => sum + 1 + repeats, 0),
          reports.length,
        );
        assert.equal(storms.remembered, 0);
      },
    ),
  );
});

test('what is remembered is bounded, and its end tells what it held back', (t) => {
  const { storms, say, take } = start(t);
  for (let line = 0; line < 10_000; line++) say(`line ${line}`);
  assert.equal(take().length, 10_000);
  assert.ok(storms.remembered <= 256);
  for (let report = 0; report < 10; report++) say('line 0');
  take();
  storms.close();
  assert.deepEqual(take(), ['concluded 6']);
});

test('on the node: each line is counted at once, and the log says how many there were, with the first as the cause', async (t) => {
  const { pipeline, metrics, say, records, series, advance } = kernelLogNode(t);
  for (const gpu of [GPU0, GPU1]) {
    metrics.devices.deviceDiscovered(gpu);
    pipeline.deviceAdded(gpu);
  }
  for (let line = 0; line < 1_000; line++) say('[drm] Tile0: GT0: reset started');
  say('[drm] Tile0: GT0: reset started', GPU1);
  const samples = await series();
  assert.equal(samples.get(`${EVENT_METRIC.gtReset}{pci_bdf="0000:03:00.0"}`), 1_000);
  assert.equal(samples.get(`${EVENT_METRIC.gtReset}{pci_bdf="0000:04:00.0"}`), 1);
  const resets = () => records.filter(({ eventName }) => eventName === EVENT.gtReset);
  assert.equal(resets().length, 6);
  advance(10_000);
  const [first] = resets();
  const last = resets().at(-1);
  assert.equal(last?.attributes[ATTRIBUTE.suppressedCount], 994);
  assert.equal(last?.attributes[ATTRIBUTE.eventCauseId], first?.attributes[ATTRIBUTE.eventId]);
  assert.match(last?.body ?? '', /; the driver has repeated this 994 times\.$/);
  assert.equal(
    (await series()).get(`${EVENT_METRIC.gtReset}{pci_bdf="0000:03:00.0"}`),
    1_000,
    'the sum moves no counter again',
  );
});
