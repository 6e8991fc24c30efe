import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import fc from 'fast-check';
import { EVENT } from '../../../exporter/events/index.js';
import type { XeDevice } from '../../../exporter/host/device.js';
import { ATTRIBUTE, DEVICE_HEALTH_STATES, METRIC } from '../../../exporter/names.js';
import { aDevice } from '../../helpers/events.js';
import { GPU0, GPU1, kernelLogNode } from '../../helpers/kernel-log-node.js';

describe('the health of a device', () => {
  it('follows a reset that completes, and logs its beginning and its end', (t) => {
    const { pipeline, say, healthOf, changes, advance } = kernelLogNode(t);
    pipeline.deviceAdded(GPU0);
    assert.deepEqual(changes(), [], 'that it is fit from the start is no news');
    say('[drm] Tile0: GT0: reset started');
    assert.equal(healthOf()?.state, 'recovering');
    advance(900);
    say('[drm] Tile0: GT0: reset done');
    assert.equal(healthOf()?.state, 'ok');
    assert.deepEqual(changes(), ['ok > recovering', 'recovering > ok']);
  });

  it('is unrecovered 30 s after a reset that nothing ends, with the first cause, and says not to unbind', async (t) => {
    const { pipeline, say, healthOf, changes, records, advance, now, series } = kernelLogNode(t);
    pipeline.deviceAdded(GPU0);
    pipeline.deviceAdded(GPU1);
    const began = new Date(now()).toISOString();
    for (let second = 0; second < 40; second++) {
      for (let line = 0; line < 50; line++) say('[drm] GT1: trying reset from guc_exec_queue_timedout_job [xe]');
      advance(1000);
    }
    const health = healthOf()!;
    assert.deepEqual([health.state, health.reason], ['unrecovered', 'reset_stuck']);
    assert.equal(health.sinceMs, Date.parse(began) + 30_000);
    assert.deepEqual([health.cause?.event, health.cause?.time], [EVENT.gtResetAttempt, began]);
    assert.match(health.cause?.body ?? '', /GT1 \(media/);
    assert.match(health.advice, /power-cycle.*do not unbind/);
    const [first, ...repeats] = records.filter(({ eventName }) => eventName === EVENT.gtResetAttempt);
    assert.ok(repeats.length < 10, 'two thousand lines are a few log events');
    assert.equal(first?.attributes[ATTRIBUTE.eventId], health.cause?.id);
    for (const { attributes } of [
      ...repeats,
      ...records.filter(({ eventName }) => eventName === EVENT.deviceHealthChanged),
    ])
      assert.equal(attributes[ATTRIBUTE.eventCauseId], health.cause?.id);
    assert.deepEqual(changes(), ['ok > recovering', 'recovering > unrecovered']);
    assert.equal(healthOf(GPU1)?.state, 'ok');
    const samples = await series();
    assert.equal(samples.get('xe_gt_reset_attempts_total{pci_bdf="0000:03:00.0"}'), 2000);
    assert.equal(samples.get(`${METRIC.deviceHealth}{pci_bdf="0000:03:00.0",state="unrecovered"}`), 1);
    assert.equal(samples.get(`${METRIC.deviceHealthChanged}{pci_bdf="0000:03:00.0"}`), health.sinceMs / 1000);
  });

  it('is not touched by what a job does', (t) => {
    const { pipeline, say, healthOf, changes } = kernelLogNode(t);
    pipeline.deviceAdded(GPU0);
    for (let time = 0; time < 50; time++) {
      say('[drm] VM worker error: -12');
      say('[drm] Tile0: GT0: Timedout job: seqno=1, lrc_seqno=1, guc_id=3, flags=0x0 in python3 [4711]');
      say('[drm] Tile0: GT0: Engine reset: engine_class=ccs, logical_mask: 0x1, guc_id=3');
      say('[drm] Fault response: Unsuccessful -ENOENT');
      say('[drm] Tile0: GT0: Engine memory CAT error: class=ccs, logical_mask: 0x1, guc_id=3');
      say('[drm] Xe device coredump has been created');
    }
    assert.equal(healthOf()?.state, 'ok');
    assert.deepEqual(changes(), []);
  });

  it('ends with the unbind, and a bind makes it fit again and says so', async (t) => {
    const { pipeline, say, healthOf, changes, series } = kernelLogNode(t);
    pipeline.deviceAdded(GPU0);
    say('[drm] CRITICAL: Xe has declared device 0000:03:00.0 as wedged.');
    assert.equal(healthOf()?.state, 'wedged');
    pipeline.deviceRemoved(GPU0);
    assert.equal(healthOf(), undefined);
    assert.equal(
      [...(await series()).keys()].some((name) => name.startsWith(`${METRIC.deviceHealth}{`)),
      false,
    );
    pipeline.deviceAdded(aDevice({ binding: 2 }));
    assert.deepEqual([healthOf()?.state, healthOf()?.cause], ['ok', undefined]);
    assert.deepEqual(changes(), ['ok > wedged', 'wedged > ok']);
  });

  it('of a device that comes with damaged firmware is survivability, also where nothing can tell', (t) => {
    const { pipeline, healthOf, changes } = kernelLogNode(t, { sees: false });
    pipeline.deviceAdded(GPU0, true);
    pipeline.deviceAdded(GPU1);
    assert.deepEqual([healthOf()?.state, healthOf(GPU1)?.state], ['survivability', 'unknown']);
    assert.deepEqual(changes(), ['unknown > survivability']);
  });

  it('is unknown while no source can tell, and what was going on then begins anew', (t) => {
    const { pipeline, say, healthOf, changes, advance } = kernelLogNode(t);
    pipeline.deviceAdded(GPU0);
    pipeline.sourceUp('uevent', true);
    say('[drm] Tile0: GT0: reset started');
    pipeline.sourceUp('kmsg', false);
    assert.equal(healthOf()?.state, 'recovering', 'the uevents still tell');
    pipeline.sourceUp('uevent', false);
    advance(60_000);
    assert.equal(healthOf()?.state, 'unknown', 'the reset may have ended unseen');
    pipeline.sourceUp('kmsg', true);
    assert.equal(healthOf()?.state, 'recovering');
    say('[drm] Tile0: GT0: reset done');
    assert.deepEqual(changes(), ['ok > recovering', 'recovering > unknown', 'unknown > recovering', 'recovering > ok']);
  });

  it('of faulting passes with a quiet time', (t) => {
    const { pipeline, say, healthOf, advance, changes } = kernelLogNode(t);
    pipeline.deviceAdded(GPU0);
    say('[drm] *ERROR* [Hardware Error]: TILE0 reported uncorrectable-errors (FATAL) error');
    assert.equal(healthOf()?.state, 'faulting');
    advance(5 * 60_000);
    assert.equal(healthOf()?.state, 'ok');
    assert.deepEqual(changes(), ['ok > faulting', 'faulting > ok']);
  });
});

describe('what the kernel log held before the exporter started', () => {
  it('says how each GPU is and since when, and nothing of it counts', async (t) => {
    const { pipeline, metrics, remember, healthOf, records, changes, series, now } = kernelLogNode(t, { sees: false });
    const lost = aDevice({ pciBdf: '0000:0c:00.0' });
    for (const gpu of [GPU0, GPU1]) metrics.devices.deviceDiscovered(gpu);
    for (const gpu of [GPU0, GPU1]) pipeline.deviceAdded(gpu);
    remember([
      [900, '[drm] CRITICAL: Xe has declared device 0000:04:00.0 as wedged.', GPU1],
      [800, 'probe with driver xe failed with error -2', lost],
      [700, '[drm] Using GuC firmware from xe/bmg_guc_70.bin version 70.44.1', GPU1],
      [600, '[drm] Tile0: GT0: reset started'],
    ]);
    assert.deepEqual(records, [], 'nothing is said before a source can tell');
    pipeline.sourceUp('kmsg', true);
    const [stuck, bound, missing] = [healthOf(), healthOf(GPU1), healthOf(lost)];
    assert.deepEqual([stuck?.state, stuck?.reason, stuck?.sinceMs], ['unrecovered', 'reset_stuck', now() - 570_000]);
    assert.deepEqual([stuck?.cause?.event, stuck?.cause?.id], [EVENT.gtReset, null]);
    assert.equal(bound?.state, 'ok', 'the driver has started on it since');
    assert.deepEqual([missing?.state, missing?.sinceMs], ['lost', now() - 800_000]);
    assert.deepEqual(changes().toSorted(), ['recovering > unrecovered', 'unknown > lost']);
    const samples = await series();
    assert.equal(samples.get('xe_gt_resets_total{pci_bdf="0000:03:00.0"}'), 0);
    assert.equal(samples.get(`${METRIC.eventsReceived}{source="kmsg",event="${EVENT.gtReset}"}`), undefined);
  });

  it('is of no account for a GPU that the driver is bound to after all', (t) => {
    const { pipeline, remember, healthOf, say } = kernelLogNode(t, { sees: false });
    pipeline.deviceAdded(GPU0);
    pipeline.sourceUp('uevent', true);
    remember([[900, 'probe with driver xe failed with error -2']]);
    assert.equal(healthOf()?.state, 'ok');
    say('[drm] Tile0: GT0: reset started');
    assert.equal(healthOf()?.state, 'recovering');
  });

  it('goes on: a reset that was open completes', (t) => {
    const { pipeline, remember, healthOf, say } = kernelLogNode(t, { sees: false });
    pipeline.deviceAdded(GPU0);
    remember([[2, '[drm] Tile0: GT0: reset started']]);
    pipeline.sourceUp('kmsg', true);
    assert.equal(healthOf()?.state, 'recovering');
    say('[drm] Tile0: GT0: reset done');
    assert.equal(healthOf()?.state, 'ok');
  });
});

test('100,000 identical lines are one incident, memory stays flat, and another GPU is heard at once', async (t) => {
  const { pipeline, metrics, say, records, healthOf, series, advance } = kernelLogNode(t);
  metrics.devices.deviceDiscovered(GPU1);
  for (const gpu of [GPU0, GPU1]) pipeline.deviceAdded(gpu);
  const storm = (lines: number): void => {
    for (let line = 0; line < lines; line++) say('[drm] GT1: trying reset from guc_exec_queue_timedout_job [xe]');
  };
  storm(20_000);
  const before = process.memoryUsage().heapUsed;
  storm(80_000);
  assert.ok(process.memoryUsage().heapUsed - before < 64 * 2 ** 20);
  say('[drm] VM worker error: -12', GPU1);
  const samples = await series();
  assert.equal(samples.get(`${METRIC.vmRebindErrors}{pci_bdf="0000:04:00.0",errno="ENOMEM"}`), 1);
  assert.equal(samples.get('xe_gt_reset_attempts_total{pci_bdf="0000:03:00.0"}'), 100_000);
  advance(31_000);
  assert.deepEqual(records.map(({ attributes }) => attributes[ATTRIBUTE.deviceHealth]).filter(Boolean), [
    'recovering',
    'unrecovered',
  ]);
  assert.equal(healthOf()?.cause?.event, EVENT.gtResetAttempt);
});

/** One thing that can happen to a node. */
const happening = fc.oneof(
  fc.record({
    what: fc.constant('line' as const),
    text: fc.constantFrom(
      'GT1: trying reset from guc_exec_queue_timedout_job [xe]',
      'Tile0: GT0: reset started',
      'Tile0: GT0: reset done',
      'GT1: reset done',
      'Tile0: GT0: reset failed (-ETIMEDOUT)',
      'CRITICAL: Xe has declared device 0000:03:00.0 as wedged.',
      'Runtime Survivability mode enabled',
      '[Hardware Error]: TILE0 reported uncorrectable-errors (FATAL) error',
      'VM worker error: -12',
    ),
    gpu: fc.boolean(),
  }),
  fc.record({ what: fc.constantFrom('bind' as const, 'unbind' as const), gpu: fc.boolean() }),
  fc.record({ what: fc.constantFrom('up' as const, 'down' as const) }),
  fc.record({ what: fc.constant('time' as const), ms: fc.nat(400_000) }),
);

test('whatever happens in whatever order, a bound device has one state, and a bind makes it fit', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(happening, { maxLength: 40 }), async (happenings) => {
      t.mock.timers.reset();
      const { pipeline, say, healthOf, series, records, advance } = kernelLogNode(t);
      const bound = new Set<XeDevice>();
      for (const one of happenings) {
        const device = 'gpu' in one && one.gpu ? GPU1 : GPU0;
        if (one.what === 'line') say(`[drm] ${one.text}`, device);
        if (one.what === 'up' || one.what === 'down') pipeline.sourceUp('kmsg', one.what === 'up');
        if (one.what === 'time') advance(one.ms);
        if (one.what === 'bind') {
          bound.add(device);
          pipeline.deviceAdded(device);
        }
        if (one.what === 'unbind' && bound.delete(device)) pipeline.deviceRemoved(device);
        const samples = await series();
        for (const gpu of [GPU0, GPU1]) {
          const ones = DEVICE_HEALTH_STATES.filter(
            (state) => samples.get(`${METRIC.deviceHealth}{pci_bdf="${gpu.pciBdf}",state="${state}"}`) === 1,
          );
          assert.deepEqual(ones, bound.has(gpu) ? [healthOf(gpu)?.state] : []);
        }
      }
      // Each change follows from the one before.
      for (const gpu of [GPU0, GPU1]) {
        const told = records.filter(
          ({ eventName, attributes }) =>
            eventName === EVENT.deviceHealthChanged && attributes[ATTRIBUTE.pciBdf] === gpu.pciBdf,
        );
        for (const { attributes } of told) {
          assert.notEqual(attributes[ATTRIBUTE.deviceHealth], attributes[ATTRIBUTE.deviceHealthPrevious]);
        }
      }
      pipeline.sourceUp('kmsg', true);
      for (const gpu of [GPU0, GPU1]) pipeline.deviceAdded(gpu);
      assert.deepEqual([healthOf(GPU0)?.state, healthOf(GPU1)?.state], ['ok', 'ok']);
      await pipeline.close(0);
    }),
    { numRuns: 150, interruptAfterTimeLimit: 20_000 },
  );
});
