import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import type { XeClient } from '../../../exporter/clients/client.js';
import { vmRebindError } from '../../../exporter/events/definitions/vm-rebind-error.js';
import { eventOf, type DeviceEvent, type ReportKind } from '../../../exporter/events/device-event.js';
import { ATTRIBUTE, type SourceName } from '../../../exporter/names.js';
import { IncidentMerger } from '../../../exporter/pipeline/incidents/incident-merger.js';
import { aClient, aDevice } from '../../helpers/events.js';
import { manualClock, type ManualClock } from '../../helpers/manual-clock.js';

const DEVICE = aDevice();
/** What each source can say; the watch queue says all. */
const REPORTS: Partial<Record<SourceName, ReportKind>> = { kmsg: 'bare', trace: 'victim' };
const OTHER = aDevice({ pciBdf: '0000:04:00.0' });

/** A merger and reports of rebind errors as each source makes them; a client is named by its drm-client-id. */
function startAt(clock: ManualClock) {
  const published: DeviceEvent[] = [];
  const deduplicated: SourceName[] = [];
  const known = new Map<number, XeClient>();
  const merger = new IncidentMerger({
    next: (event) => void published.push(event),
    infer: () => ({ client: aClient({ drmClientId: 999 }), evidence: 'only_client' }),
    find: ({ details }) => known.get(Number(details?.[ATTRIBUTE.drmClientId])),
    accounting: { deduplicated: (source) => void deduplicated.push(source), unmerged: () => assert.fail('unmerged') },
    now: clock.now,
  });
  let sequence = 0;
  const report = (source: SourceName, given: Partial<DeviceEvent>, ago = 0) => {
    const monotonicNs = BigInt(Math.round((clock.now() - ago) * 1e6));
    const made = {
      definition: vmRebindError,
      source,
      report: REPORTS[source] ?? 'full',
      sequence: ++sequence,
      realtimeNs: 0n,
      monotonicNs,
    };
    merger.accept(eventOf({ ...made, device: DEVICE, ...given }));
  };
  const line = (code = -12, more: Partial<DeviceEvent> = {}, ago = 0) =>
    report('kmsg', { errorCode: code, ...more }, ago);
  const watch = (id: number, code = -12) =>
    report('watch_queue', { errorCode: code, vmId: 5, client: aClient({ drmClientId: id }) });
  /** What the trace says of a client that is in the table, of one that is not, or of a VM of which it knows nothing. */
  const trace = (id?: number, more: Partial<DeviceEvent> = {}, ago = 0) => {
    const details = {
      [ATTRIBUTE.victimEvidence]: 'kernel_trace',
      [ATTRIBUTE.pid]: id ?? 0,
      [ATTRIBUTE.drmClientId]: id ?? 0,
    };
    const client = id === undefined ? undefined : known.get(id);
    report('trace', { client, details: id === undefined ? undefined : details, ...more }, ago);
  };
  const enter = (...ids: number[]) => {
    for (const id of ids) known.set(id, aClient({ drmClientId: id, device: DEVICE }));
    merger.clientAdded();
  };
  /** What was published since the last call: the part, the error and whom it hit. */
  const take = () =>
    published.splice(0).map(({ phase, errorCode, client, inferred, details }) => {
      const traced = details?.[ATTRIBUTE.drmClientId];
      const whom =
        client?.drmClientId ??
        (inferred ? `maybe ${inferred.client.drmClientId}` : traced ? `pid ${String(traced)}` : '');
      return `${phase} ${errorCode} ${whom}`.trim();
    });
  return { ...clock, merger, published, deduplicated, line, watch, trace, enter, take };
}

const start = (t: TestContext) => startAt(manualClock(t));

describe('what the trace says of a rebind error', () => {
  for (const delay of [0, 1, 900, 1_900]) {
    it(`names the victim of a line of ${delay} ms before`, (t) => {
      const { line, trace, enter, take, advance, deduplicated } = start(t);
      enter(1, 2);
      line();
      assert.deepEqual(take(), ['opened -12']);
      if (delay > 0) advance(delay);
      trace(1);
      assert.deepEqual(take(), ['concluded -12 1'], 'at once');
      advance(30_000);
      assert.deepEqual([take(), deduplicated], [[], ['trace']]);
    });

    it(`names the victim of a line of ${delay} ms after`, (t) => {
      const { line, trace, enter, take, advance, deduplicated } = start(t);
      enter(1, 2);
      trace(1);
      if (delay > 0) advance(delay);
      assert.deepEqual(take(), []);
      line();
      assert.deepEqual(take(), ['whole -12 1']);
      advance(30_000);
      assert.deepEqual([take(), deduplicated], [[], []]);
    });
  }

  it('is an incident by itself when no line comes', (t) => {
    const { trace, enter, take, advance } = start(t);
    enter(1);
    trace(1);
    advance(2_000);
    assert.deepEqual(take(), ['whole 0 1']);
  });

  it('waits for the line while the exporter does not run', (t) => {
    const { line, trace, enter, take, stall, advance, deduplicated } = start(t);
    enter(1);
    trace(1);
    stall(5_000);
    line(-12, {}, 5_000);
    advance(30_000);
    assert.deepEqual([take(), deduplicated], [['whole -12 1'], []]);
  });

  it('is waited for while the exporter does not run', (t) => {
    const { line, trace, enter, take, stall } = start(t);
    enter(1);
    line();
    stall(8_000);
    trace(1, {}, 8_000);
    assert.deepEqual(take(), ['opened -12', 'concluded -12 1']);
  });

  it('is counted once when the line is read late', (t) => {
    const { line, trace, enter, take, advance, deduplicated } = start(t);
    enter(1);
    line();
    trace(1);
    take();
    trace(1);
    advance(5_000);
    assert.deepEqual(take(), ['whole 0 1']);
    line(-12, {}, 5_000);
    advance(30_000);
    assert.deepEqual([take(), deduplicated], [[], ['trace', 'kmsg']]);
  });

  it('is not taken for a later line by mistake', (t) => {
    const { line, trace, enter, take, advance } = start(t);
    enter(1, 2);
    trace(1);
    advance(5_000);
    take();
    line();
    trace(2);
    assert.deepEqual(take(), ['opened -12', 'concluded -12 2']);
  });

  it('adds nothing when it comes after the wait', (t) => {
    const { line, trace, enter, take, advance, deduplicated } = start(t);
    enter(1);
    line();
    advance(4_000);
    assert.deepEqual(take(), ['opened -12', 'concluded -12 maybe 999']);
    trace(1, {}, 4_000);
    advance(30_000);
    assert.deepEqual([take(), deduplicated], [[], ['trace']]);
  });

  it('is paired in order, per device', (t) => {
    const { line, trace, enter, take } = start(t);
    enter(1, 2, 3);
    line(-12);
    line(-28);
    line(-62, { device: OTHER });
    trace(3, { device: OTHER });
    trace(1);
    trace(2);
    assert.deepEqual(take().slice(3), ['concluded -62 3', 'concluded -12 1', 'concluded -28 2']);
  });

  it('knows no victim: the order is kept, and the victim is inferred', (t) => {
    const { line, trace, enter, take, advance } = start(t);
    enter(2);
    line(-12);
    line(-28);
    trace(undefined);
    trace(2);
    advance(5_000);
    assert.deepEqual(take(), ['opened -12', 'opened -28', 'concluded -28 2', 'concluded -12 maybe 999']);
  });

  it('names a process that nobody has found yet: nobody else is inferred', (t) => {
    const { line, trace, take, advance } = start(t);
    line();
    trace(1);
    assert.deepEqual(take(), ['opened -12']);
    advance(5_000);
    assert.deepEqual(take(), ['concluded -12 pid 1']);
    trace(2);
    advance(5_000);
    assert.deepEqual(take(), ['whole 0 pid 2']);
  });

  for (const order of ['line', 'trace']) {
    it(`names a process that is found meanwhile, the ${order} first`, (t) => {
      const { line, trace, enter, take, advance } = start(t);
      if (order === 'line') line();
      trace(1);
      if (order === 'trace') line();
      assert.deepEqual(take(), [order === 'line' ? 'opened -12' : 'opened -12 pid 1']);
      enter(2);
      assert.deepEqual(take(), []);
      enter(1);
      assert.deepEqual(take(), ['concluded -12 1']);
      advance(30_000);
      assert.deepEqual(take(), []);
    });
  }

  it('waits no longer when the exporter stops', (t) => {
    const { merger, trace, line, enter, take, advance } = start(t);
    enter(1);
    trace(1);
    line(-28, { device: OTHER });
    merger.close();
    assert.deepEqual(take().sort(), ['concluded -28 maybe 999', 'opened -28', 'whole 0 1']);
    advance(30_000);
    assert.deepEqual(take(), []);
  });
});

it('watch queue, trace and kernel log make one incident in any order', (t) => {
  const orders = [
    ['line', 'watch', 'trace'],
    ['line', 'trace', 'watch'],
    ['watch', 'line', 'trace'],
    ['watch', 'trace', 'line'],
    ['trace', 'line', 'watch'],
    ['trace', 'watch', 'line'],
    ['watch', 'trace'],
    ['trace', 'watch'],
  ] as const;
  const started = start(t);
  started.enter(1, 2);
  for (const order of orders) {
    for (const victim of [1, 2]) {
      for (const source of order) {
        if (source === 'line') started.line();
        else started[source](victim);
      }
    }
    started.advance(30_000);
    const [first, second] = [1, 2].map((victim) =>
      order[0] === 'line' ? ['opened -12', `concluded -12 ${victim}`] : [`whole -12 ${victim}`],
    );
    assert.deepEqual(started.take(), [...first!, ...second!], order.join(', '));
  }
});

it('a client that watch and trace both name has to be the same', (t) => {
  const { watch, trace, enter, take, advance } = start(t);
  enter(1, 2);
  trace(2);
  watch(1);
  trace(1);
  watch(2);
  advance(30_000);
  assert.deepEqual(take(), ['whole -12 1', 'whole -12 2']);
});

interface Failure {
  readonly code: number;
  /** When its line and its trace are read, in milliseconds after it happened. */
  readonly lineAfter: number;
  readonly traceAfter: number;
  readonly gap: number;
  readonly lost: 'nothing' | 'line' | 'trace' | 'both';
}

const failureOf = (lost: fc.Arbitrary<Failure['lost']>): fc.Arbitrary<Failure> =>
  fc.record({
    code: fc.constantFrom(-12, -28, -62),
    lineAfter: fc.integer({ min: 0, max: 400 }),
    traceAfter: fc.integer({ min: 0, max: 400 }),
    gap: fc.integer({ min: 0, max: 3_000 }),
    lost,
  });

/** Failures of the clients 1, 2, ... without a watch queue. Each source is read in order: nothing overtakes what came before it. */
function play(clock: ManualClock, failures: readonly Failure[]) {
  const { line, trace, enter, published, merger, advance, now } = startAt(clock);
  if (failures.length > 0) enter(...failures.map((_, index) => index + 1));
  let at = now();
  let [lineAt, traceAt] = [0, 0];
  const reads = failures.flatMap(({ code, lineAfter, traceAfter, gap, lost }, index) => {
    at += gap;
    lineAt = Math.max(lineAt, at + lineAfter);
    traceAt = Math.max(traceAt, at + traceAfter);
    const happened = at;
    return [
      ...(isRead(lost, 'line') ? [{ at: lineAt, read: () => line(code, {}, now() - happened) }] : []),
      ...(isRead(lost, 'trace') ? [{ at: traceAt, read: () => trace(index + 1, {}, now() - happened) }] : []),
    ];
  });
  for (const { at: readAt, read } of reads.toSorted((a, b) => a.at - b.at)) {
    if (readAt > now()) advance(readAt - now());
    read();
  }
  advance(60_000);
  assert.deepEqual(merger.remembered, { kinds: 0, waiting: 0, traces: 0 });
  return {
    counted: published.filter(({ phase }) => phase !== 'concluded').map(({ errorCode }) => errorCode),
    victims: published
      .filter(({ phase }) => phase !== 'opened')
      .map(({ client, errorCode }) => ({ id: client?.drmClientId, errorCode })),
  };
}

const isRead = (lost: Failure['lost'], report: 'line' | 'trace'): boolean => lost !== 'both' && lost !== report;
const sorted = (numbers: readonly number[]): number[] => numbers.toSorted((a, b) => a - b);

it('each error is counted once, with its code, for the right client, whatever comes late', (t) => {
  const clock = manualClock(t);
  fc.assert(
    fc.property(fc.array(failureOf(fc.constant('nothing')), { maxLength: 30 }), (failures) => {
      const { counted, victims } = play(clock, failures);
      assert.deepEqual(sorted(counted), sorted(failures.map(({ code }) => code)));
      assert.deepEqual(
        victims.toSorted((a, b) => Number(a.id) - Number(b.id)),
        failures.map(({ code }, index) => ({ id: index + 1, errorCode: code })),
      );
    }),
    { numRuns: 300 },
  );
});

it('whatever is lost, each victim that the trace names counts once, nobody else is named, and no error counts twice', (t) => {
  const clock = manualClock(t);
  const lost = fc.constantFrom('nothing', 'nothing', 'line', 'trace', 'both' as const);
  fc.assert(
    fc.property(fc.array(failureOf(lost), { maxLength: 30 }), (failures) => {
      const { counted, victims } = play(clock, failures);
      const named = failures.flatMap(({ lost }, index) => (isRead(lost, 'trace') ? [index + 1] : []));
      const lines = failures.filter(({ lost }) => isRead(lost, 'line')).length;
      const reported = failures.filter(({ lost }) => lost !== 'both').length;
      assert.deepEqual(sorted(victims.flatMap(({ id }) => id ?? [])), named);
      assert.ok(counted.length >= Math.max(lines, named.length), `${counted.length} of ${lines} and ${named.length}`);
      assert.ok(counted.length <= reported, `${counted.length} of ${reported}`);
    }),
    { numRuns: 600 },
  );
});

it('what is lost of one error does not touch another one that is far from it', (t) => {
  const clock = manualClock(t);
  const lost = fc.constantFrom('nothing', 'line', 'trace' as const);
  const far = failureOf(lost).map((failure) => ({ ...failure, gap: failure.gap + 2_500 }));
  fc.assert(
    fc.property(fc.array(far, { maxLength: 20 }), (failures) => {
      const { counted, victims } = play(clock, failures);
      // Without its line an error has no code, without its trace no client.
      const expected = failures.map(({ code, lost }, index) => ({
        id: lost === 'trace' ? undefined : index + 1,
        errorCode: lost === 'line' ? 0 : code,
      }));
      const text = (list: readonly object[]): string[] => list.map((one) => JSON.stringify(one)).sort();
      assert.deepEqual(sorted(counted), sorted(expected.map(({ errorCode }) => errorCode)));
      assert.deepEqual(text(victims), text(expected));
    }),
    { numRuns: 300 },
  );
});
