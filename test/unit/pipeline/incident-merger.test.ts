import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { deviceCoredump } from '../../../exporter/events/definitions/device-coredump.js';
import {
  eventOf,
  type DeviceEvent,
  type EventDefinition,
  type ReportKind,
} from '../../../exporter/events/device-event.js';
import { deviceWedged } from '../../../exporter/events/definitions/device-wedged.js';
import { gtReset } from '../../../exporter/events/definitions/gt-reset.js';
import { vmRebindError } from '../../../exporter/events/definitions/vm-rebind-error.js';
import { IncidentMerger, type IncidentMergerOptions } from '../../../exporter/pipeline/incidents/incident-merger.js';
import { ATTRIBUTE, type SourceName } from '../../../exporter/names.js';
import { aClient, aDevice } from '../../helpers/events.js';
import { manualClock, type ManualClock } from '../../helpers/manual-clock.js';

const WINDOW = 10_000;
const WAIT = 3_000;

const DEVICES = [aDevice(), aDevice({ pciBdf: '0000:04:00.0' })];

function start(t: TestContext, given: Partial<IncidentMergerOptions> = {}) {
  return startAt(manualClock(t), given);
}

/** What each source can say; the others say all. */
const REPORT: Partial<Record<SourceName, ReportKind>> = { kmsg: 'bare', trace: 'victim' };

/** A merger, what it published and counted, and reports as each source makes them. */
function startAt(clock: ManualClock, given: Partial<IncidentMergerOptions> = {}) {
  const published: DeviceEvent[] = [];
  const deduplicated: SourceName[] = [];
  const unmerged: SourceName[] = [];
  const merger = new IncidentMerger({
    next: (event) => void published.push(event),
    accounting: {
      deduplicated: (source) => void deduplicated.push(source),
      unmerged: (source) => void unmerged.push(source),
    },
    now: clock.now,
    ...given,
  });
  let sequence = 0;
  const report = (
    source: SourceName,
    definition: EventDefinition,
    more: Partial<DeviceEvent> & { ago?: number } = {},
  ) => {
    const monotonicNs = BigInt(clock.now() - (more.ago ?? 0)) * 1_000_000n;
    const client = source === 'watch_queue' ? aClient({ device: more.device ?? DEVICES[0]! }) : undefined;
    const device = 'device' in more ? more.device : DEVICES[0];
    const times = { realtimeNs: 0n, monotonicNs };
    const event = {
      definition,
      source,
      report: REPORT[source] ?? 'full',
      sequence: ++sequence,
      ...times,
      client,
      device,
      ...more,
    };
    merger.accept(eventOf(event));
  };
  const kmsg = (more: Parameters<typeof report>[2] = {}) => report('kmsg', vmRebindError, { errorCode: -12, ...more });
  const watch = (more: Parameters<typeof report>[2] = {}) =>
    report('watch_queue', vmRebindError, { errorCode: -12, vmId: 5, ...more });
  /** What was published since the last call, as `sequence phase client-id`. */
  const take = () =>
    published.splice(0).map((event) => [event.sequence, event.phase, event.client?.drmClientId].join(' ').trim());
  return { ...clock, merger, published, deduplicated, unmerged, report, kmsg, watch, take };
}

describe('a rebind error that watch queue and kernel log report', () => {
  // In milliseconds between the two; the victim is that of the watch if its report comes within the wait.
  for (const delay of [0, 1, WAIT - 1, WAIT, WINDOW - 1, WINDOW]) {
    it(`is one, the kernel log first and the watch ${delay} ms later`, (t) => {
      const { kmsg, watch, take, advance, deduplicated } = start(t);
      kmsg();
      assert.deepEqual(take(), ['1 opened'], 'the device is counted at once');
      if (delay > 0) advance(delay);
      watch();
      advance(WAIT);
      assert.deepEqual(take(), [delay < WAIT ? '1 concluded 7' : '1 concluded']);
      assert.deepEqual(deduplicated, ['watch_queue']);
    });

    it(`is one, the watch first and the kernel log ${delay} ms later`, (t) => {
      const { kmsg, watch, take, advance, deduplicated } = start(t);
      watch();
      assert.deepEqual(take(), ['1 whole 7']);
      if (delay > 0) advance(delay);
      kmsg();
      advance(2 * WAIT);
      assert.deepEqual(take(), []);
      assert.deepEqual(deduplicated, ['kmsg']);
    });
  }

  it('is one when the line was read late: what counts is when it happened', (t) => {
    const { kmsg, watch, take, advance, deduplicated } = start(t);
    watch();
    advance(WINDOW - 1);
    kmsg({ ago: WINDOW - 1 });
    assert.deepEqual(take(), ['1 whole 7']);
    assert.deepEqual(deduplicated, ['kmsg']);
  });

  it('has the victim, the VM and the lines of both', (t) => {
    const { kmsg, watch, published } = start(t);
    kmsg({ details: { [ATTRIBUTE.kernelLogSequence]: 9 } });
    watch();
    const [, victim] = published;
    assert.equal(victim?.source, 'kmsg');
    assert.equal(victim.client?.process.pid, 4711);
    assert.equal(victim.vmId, 5);
    assert.equal(victim.details?.[ATTRIBUTE.kernelLogSequence], 9);
  });

  it('leaves the next one that waits to its own report when its report comes after the wait', (t) => {
    const { kmsg, watch, take, advance, deduplicated } = start(t);
    const of = (drmClientId: number) => ({ client: aClient({ drmClientId, device: DEVICES[0]! }) });
    kmsg();
    advance(WAIT + 500);
    kmsg();
    assert.deepEqual(take(), ['1 opened', '1 concluded', '2 opened']);
    watch(of(31));
    assert.deepEqual(take(), [], 'the first has been put down to nobody');
    watch(of(32));
    assert.deepEqual(take(), ['2 concluded 32']);
    assert.deepEqual(deduplicated, ['watch_queue', 'watch_queue']);
  });

  it('leaves the one that waits to its own report when another one was told whole for want of room', (t) => {
    const { kmsg, watch, take, advance } = start(t, { maxWaiting: 1 });
    const of = (drmClientId: number) => ({ client: aClient({ drmClientId, device: DEVICES[0]! }) });
    kmsg();
    advance(1_000);
    kmsg();
    advance(WAIT - 1_000);
    kmsg();
    assert.deepEqual(take(), ['1 opened', '2 whole', '1 concluded', '3 opened']);
    for (const id of [31, 32, 33]) watch(of(id));
    assert.deepEqual(take(), ['3 concluded 33']);
  });

  it('stays in order when the line of the first is so old that nothing pairs with it any more', (t) => {
    const { kmsg, watch, take, advance } = start(t);
    kmsg({ ago: WINDOW - 1 });
    advance(1_000);
    kmsg();
    watch({ client: aClient({ drmClientId: 32, device: DEVICES[0]! }) });
    assert.deepEqual(take(), ['1 opened', '2 opened', '2 concluded 32']);
    advance(WAIT);
    assert.deepEqual(take(), ['1 concluded']);
  });

  for (const order of ['kmsg', 'watch'] as const) {
    it(`are two when they are further apart than the window, ${order} first`, (t) => {
      const { kmsg, watch, published, advance, deduplicated } = start(t);
      if (order === 'kmsg') kmsg();
      else watch();
      advance(WINDOW + 1_000);
      if (order === 'kmsg') watch();
      else kmsg();
      assert.equal(published.filter(({ phase }) => phase !== 'concluded').length, 2);
      assert.deepEqual(deduplicated, []);
    });

    it(`are many in a storm, each once, ${order} first`, (t) => {
      const { kmsg, watch, published, advance, deduplicated } = start(t);
      const [first, second] = order === 'kmsg' ? [kmsg, watch] : [watch, kmsg];
      for (let storm = 0; storm < 3_000; storm++) first();
      advance(5);
      for (let storm = 0; storm < 3_000; storm++) second();
      assert.equal(published.filter(({ phase }) => phase !== 'concluded').length, 3_000);
      assert.equal(deduplicated.length, 3_000);
      assert.equal(published.filter(({ phase, client }) => phase !== 'opened' && client !== undefined).length, 3_000);
    });
  }

  it('are two on two devices, and with two error codes', (t) => {
    const { kmsg, watch, take, deduplicated } = start(t);
    kmsg();
    watch({ device: DEVICES[1]! });
    watch({ errorCode: -62 });
    assert.deepEqual(take(), ['1 opened', '2 whole 7', '3 whole 7']);
    assert.deepEqual(deduplicated, []);
  });

  it('are two when one source reports two', (t) => {
    const { kmsg, watch, take } = start(t);
    watch();
    watch();
    kmsg({ device: DEVICES[1]! });
    kmsg({ device: DEVICES[1]! });
    assert.deepEqual(take(), ['1 whole 7', '2 whole 7', '3 opened', '4 opened']);
  });
});

describe('a rebind error of the kernel log alone', () => {
  it('has no victim but the one concluded when the wait is over', (t) => {
    const client = aClient();
    const { kmsg, published, advance } = start(t, { infer: () => ({ client, evidence: 'only_client' }) });
    kmsg();
    advance(WAIT - 1);
    assert.equal(published.length, 1);
    advance(1);
    assert.equal(published[1]?.phase, 'concluded');
    assert.equal(published[1]?.client, undefined, 'a conclusion is not knowledge');
    assert.deepEqual(published[1]?.inferred, { client, evidence: 'only_client' });
  });

  it('is concluded at once at the close; later ones are told whole', (t) => {
    const { merger, kmsg, take, advance } = start(t);
    kmsg();
    kmsg();
    merger.close();
    kmsg();
    merger.close();
    advance(2 * WINDOW);
    assert.deepEqual(take(), ['1 opened', '2 opened', '1 concluded', '2 concluded', '3 whole']);
    assert.deepEqual(merger.remembered, { kinds: 0, waiting: 0, traces: 0 });
  });

  it('is told whole and at once when too many wait, and still merged', (t) => {
    const { kmsg, watch, take, deduplicated } = start(t, { maxWaiting: 1 });
    kmsg();
    kmsg();
    watch();
    watch();
    assert.deepEqual(take(), ['1 opened', '2 whole', '1 concluded 7']);
    assert.deepEqual(deduplicated, ['watch_queue', 'watch_queue']);
  });

  it('counts twice rather than not at all when there is no room to remember it, and that is counted', (t) => {
    const { kmsg, watch, take, unmerged } = start(t, { maxKinds: 1 });
    kmsg({ errorCode: -12 });
    kmsg({ errorCode: -62 });
    watch({ errorCode: -62 });
    assert.deepEqual(take(), ['1 opened', '2 whole', '3 whole 7']);
    assert.deepEqual(unmerged, ['kmsg', 'watch_queue']);
  });

  it('passes without a device, which there is nothing to merge by', (t) => {
    const { kmsg, watch, take } = start(t);
    kmsg({ device: undefined });
    watch({ device: undefined, client: undefined });
    assert.deepEqual(take(), ['1 whole', '2 whole']);
  });

  it('is one when the same line is read again', (t) => {
    const { kmsg, report, take, deduplicated, advance } = start(t);
    const line = (sequence: number) => ({ details: { [ATTRIBUTE.kernelLogSequence]: sequence } });
    kmsg(line(3));
    report('kmsg', gtReset, line(4));
    advance(2 * WINDOW);
    kmsg(line(3));
    report('kmsg', gtReset, line(4));
    report('kmsg', gtReset, line(5));
    assert.deepEqual(take(), ['1 opened', '2 whole', '1 concluded', '5 whole']);
    assert.deepEqual(deduplicated, ['kmsg', 'kmsg']);
  });
});

describe('a wedged device', () => {
  const methods = { details: { [ATTRIBUTE.deviceRecovery]: 'rebind,bus-reset' } };

  for (const delay of [0, 1, 999]) {
    it(`is one incident with the recovery methods, the kernel log first and the uevent ${delay} ms later`, (t) => {
      const { report, published, advance, deduplicated } = start(t);
      report('kmsg', deviceWedged);
      if (delay > 0) advance(delay);
      report('uevent', deviceWedged, methods);
      advance(WINDOW);
      assert.deepEqual(
        published.map(({ phase, details }) => [phase, details?.[ATTRIBUTE.deviceRecovery]]),
        [
          ['opened', undefined],
          ['concluded', 'rebind,bus-reset'],
        ],
      );
      assert.deepEqual(deduplicated, ['uevent']);
    });
  }

  for (const delay of [0, 1, 5_000, 3_600_000]) {
    it(`is one incident, the uevent first, and whatever repeats it ${delay} ms later`, (t) => {
      const { report, take, advance, deduplicated } = start(t);
      report('uevent', deviceWedged, methods);
      if (delay > 0) advance(delay);
      report('kmsg', deviceWedged);
      report('uevent', deviceWedged, methods);
      assert.deepEqual(take(), ['1 whole']);
      assert.deepEqual(deduplicated, ['kmsg', 'uevent']);
    });
  }

  it('is logged without the methods when no uevent comes within a second', (t) => {
    const { report, take, advance } = start(t);
    report('kmsg', deviceWedged);
    advance(1_000);
    report('uevent', deviceWedged, methods);
    assert.deepEqual(take(), ['1 opened', '1 concluded']);
  });

  it('can wedge again after a rebind; a late line of before does not', (t) => {
    const { merger, report, take, advance, deduplicated } = start(t);
    report('uevent', deviceWedged, methods);
    advance(1_000);
    merger.ended(DEVICES[0]!.pciBdf);
    advance(1_000);
    report('kmsg', deviceWedged, { ago: 2_000 });
    assert.deepEqual(take(), ['1 whole']);
    assert.deepEqual(deduplicated, ['kmsg']);
    report('kmsg', deviceWedged);
    assert.deepEqual(take(), ['3 opened']);
  });

  it('that was bound meanwhile and wedged again: each uevent is of its own time', (t) => {
    const { merger, report, published, advance } = start(t);
    report('kmsg', deviceWedged);
    advance(200);
    merger.ended(DEVICES[0]!.pciBdf);
    advance(200);
    report('kmsg', deviceWedged);
    report('uevent', deviceWedged, methods);
    report('uevent', deviceWedged, { ...methods, ago: 300 });
    assert.deepEqual(
      published.map(({ sequence, phase }) => `${sequence} ${phase}`),
      ['1 opened', '2 opened', '2 concluded', '1 concluded'],
    );
  });

  it('is one of its own on each device', (t) => {
    const { merger, report, take } = start(t);
    for (const device of DEVICES) report('uevent', deviceWedged, { device });
    merger.ended(DEVICES[1]!.pciBdf);
    for (const device of DEVICES) report('uevent', deviceWedged, { device });
    assert.deepEqual(take(), ['1 whole', '2 whole', '4 whole']);
  });
});

describe('a devcoredump', () => {
  const path = { details: { [ATTRIBUTE.devcoredumpPath]: '/sys/devices/virtual/devcoredump/devcd1/data' } };

  it('is one with what both say, the kernel log first', (t) => {
    const { report, published, advance, deduplicated } = start(t);
    report('kmsg', deviceCoredump, { details: { [ATTRIBUTE.kernelLogSequence]: 7 } });
    advance(500);
    report('uevent', deviceCoredump, path);
    assert.deepEqual(published[1]?.details, { ...path.details, [ATTRIBUTE.kernelLogSequence]: 7 });
    assert.deepEqual(deduplicated, ['uevent']);
  });

  it('is one, the uevent first; the next is another', (t) => {
    const { report, take, advance } = start(t);
    report('uevent', deviceCoredump, path);
    advance(500);
    report('kmsg', deviceCoredump);
    report('kmsg', deviceCoredump);
    assert.deepEqual(take(), ['1 whole', '3 opened']);
  });
});

/** One report on its way: read `at`, happened `ago` before that. */
interface Report {
  readonly at: number;
  readonly ago: number;
  readonly source: 'kmsg' | 'watch_queue';
  readonly device: number;
  readonly code: number;
}

const incident = fc.record({
  happened: fc.integer({ min: 0, max: 40_000 }),
  device: fc.nat({ max: 1 }),
  code: fc.constantFrom(-12, -62),
  watchDelay: fc.oneof(fc.constantFrom(0, 1), fc.nat({ max: WINDOW - 1 })),
  lineDelay: fc.oneof(fc.constantFrom(0, 1), fc.nat({ max: 4_000 })),
  by: fc.constantFrom<readonly Report['source'][]>(['kmsg'], ['watch_queue'], ['kmsg', 'watch_queue']),
});

type Incident = typeof incident extends fc.Arbitrary<infer Value> ? Value : never;

/** The kernel log is read in order, and lines behind a late one are late, too. */
function reportsOf(incidents: readonly Incident[]): Report[] {
  let read = 0;
  const reports: Report[] = [];
  for (const { happened, device, code, watchDelay, lineDelay, by } of incidents.toSorted(
    (a, b) => a.happened - b.happened,
  )) {
    if (by.includes('watch_queue'))
      reports.push({ at: happened + watchDelay, ago: 0, source: 'watch_queue', device, code });
    if (!by.includes('kmsg')) continue;
    read = Math.max(read, happened + lineDelay);
    reports.push({ at: read, ago: read - happened, source: 'kmsg', device, code });
  }
  return reports.sort((a, b) => a.at - b.at);
}

/** Plays the reports and lets all windows end. */
function play(clock: ManualClock, reports: readonly Report[]) {
  const run = startAt(clock);
  const begin = clock.now();
  for (const { at, ago, source, device, code } of reports) {
    const ahead = begin + at - clock.now();
    if (ahead > 0) clock.advance(ahead);
    run.report(source, vmRebindError, { ago, device: DEVICES[device]!, errorCode: code });
  }
  clock.advance(3 * WINDOW);
  const counted = run.published.filter(({ phase }) => phase !== 'concluded');
  const of = (events: readonly DeviceEvent[], device: number, code: number) =>
    events.filter((event) => event.device?.pciBdf === DEVICES[device]!.pciBdf && event.errorCode === code).length;
  const published = (phase: DeviceEvent['phase']) =>
    run.published.filter((event) => event.phase === phase).map(({ sequence }) => sequence);
  assert.equal(counted.length + run.deduplicated.length, reports.length, 'counted + deduplicated = reports');
  assert.deepEqual(
    published('concluded').toSorted(byNumber),
    published('opened').toSorted(byNumber),
    'each one that was opened was concluded',
  );
  assert.deepEqual(run.merger.remembered, { kinds: 0, waiting: 0, traces: 0 }, 'nothing is left');
  return { counted: (device: number, code: number) => of(counted, device, code) };
}

const byNumber = (a: number, b: number): number => a - b;
const KEYS = [0, 1].flatMap((device) => [-12, -62].map((code) => [device, code] as const));

describe('incidents at random', () => {
  it('count once each when both sources report all of them within the window', (t) => {
    const clock = manualClock(t);
    fc.assert(
      fc.property(fc.array(incident, { maxLength: 40 }), (some) => {
        const incidents = some.map((one) => ({ ...one, by: ['kmsg', 'watch_queue'] as const }));
        const { counted } = play(clock, reportsOf(incidents));
        for (const [device, code] of KEYS) {
          const expected = incidents.filter((one) => one.device === device && one.code === code).length;
          assert.equal(counted(device, code), expected);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('never count less than any one source reports', (t) => {
    const clock = manualClock(t);
    fc.assert(
      fc.property(fc.array(incident, { maxLength: 40 }), (incidents) => {
        const reports = reportsOf(incidents);
        const { counted } = play(clock, reports);
        for (const [device, code] of KEYS) {
          const by = (source: string) =>
            reports.filter((one) => one.source === source && one.device === device && one.code === code).length;
          assert.ok(counted(device, code) >= Math.max(by('kmsg'), by('watch_queue')));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('of wedging count once for each time between two binds', (t) => {
    const clock = manualClock(t);
    const step = fc.record({ after: fc.nat({ max: 2_000 }), what: fc.constantFrom('kmsg', 'uevent', 'bound') });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { merger, report, published, deduplicated, advance } = startAt(clock);
        let [wedged, expected, reports] = [false, 0, 0];
        for (const { after, what } of steps) {
          advance(after + 1);
          if (what === 'bound') {
            merger.ended(DEVICES[0]!.pciBdf);
            wedged = false;
            advance(1);
          } else {
            report(what as SourceName, deviceWedged);
            reports++;
            if (!wedged) expected++;
            wedged = true;
          }
        }
        advance(3 * WINDOW);
        const counted = published.filter(({ phase }) => phase !== 'concluded').length;
        assert.equal(counted, expected);
        assert.equal(counted + deduplicated.length, reports);
        assert.equal(published.length - counted, published.filter(({ phase }) => phase === 'opened').length);
        assert.equal(merger.remembered.waiting, 0);
      }),
      { numRuns: 200 },
    );
  });
});
