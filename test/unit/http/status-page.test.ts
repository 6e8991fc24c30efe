import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { createHttpServer, type HttpServerOptions } from '../../../exporter/http/server.js';
import { problemsOf, RUNBOOKS } from '../../../exporter/http/status/problems.js';
import type { NodeStatus } from '../../../exporter/http/status/node-status.js';
import { StreamSink } from '../../../exporter/sinks/stream/sink.js';
import type { FeatureReport } from '../../../exporter/features.js';
import { aClient, anEvent, aWorkload, recordOf } from '../../helpers/events.js';
import { aClientStatus, aDeviceStatus, aHealth, aNodeStatus, aSourceStatus } from '../../helpers/node-status.js';

const silent = { fatal() {}, error() {}, warn() {}, info() {}, debug() {} };
const EVIL = `<script>alert(1)</script><img src=x onerror="alert(1)">'"&amp;</td></style>`;

function feedOf(sink: StreamSink): NonNullable<HttpServerOptions['events']> {
  const accounting = { subscribers() {}, dropped() {}, missed() {} };
  return { feed: sink, limits: { subscribers: 1 }, accounting };
}

/** The worst a GPU of this page can be. */
const WEDGED = aHealth({
  state: 'wedged',
  reason: 'wedged',
  advice: 'Drain the node.',
  cause: { event: 'xe.device.wedged', id: 'a-1', time: '2026-01-31T12:00:00.000Z', body: 'It is wedged.' },
});

async function page(given: Partial<NodeStatus> = {}, options: Partial<HttpServerOptions> = {}) {
  const app = createHttpServer({
    registry: { render: async () => '' },
    readiness: () => ({ ready: true, reason: 'the watch_queue source is up' }),
    status: async () => aNodeStatus(given),
    devices: () => [],
    logger: silent,
    ...options,
  });
  after(() => app.close());
  const { statusCode, headers, body } = await app.inject('/');
  assert.equal(statusCode, 200, body);
  const text = body
    .replace(/<(style|script)>.*?<\/\1>/gs, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ');
  return { headers, body, text };
}

describe('the status page', () => {
  it('says at a glance that nothing is wrong', async () => {
    const { text, headers } = await page();
    assert.equal(headers['content-type'], 'text/html; charset=utf-8');
    assert.match(text, /node-a · version 1\.2\.3/);
    assert.match(
      text,
      /Nothing is wrong Ready: the watch_queue source is up\. As of [-0-9]+ [:0-9]+ 0 s ago \(UTC\)\./,
    );
    assert.match(text, /0000:03:00\.0 8086:e20b card0 · renderD128 ok in-tree 3 of 3 none none none/);
    assert.match(text, /watch_queue up 0 0 0/);
    assert.match(text, /Dropped inside the exporter: nothing\./);
  });

  it('shows devices, sources, features and drops as they are', async () => {
    const { text } = await page({
      devices: [
        aDeviceStatus({
          model: 'Intel Arc B580',
          health: WEDGED,
          driverVersion: '1.2',
          clients: 5,
          lastError: 1_769_860_800,
          rebindErrors: [
            ['ENOMEM', 7],
            ['EBUSY', 1],
          ],
          otherErrors: [['job timeouts', 2]],
        }),
      ],
      sources: [aSourceStatus({ up: false, received: 9, lost: 2, restarts: 4 })],
      features: [{ feature: 'watch_queue', state: 'denied', reason: 'no permission', fix: 'Add CAP_SYS_PTRACE.' }],
      drops: [
        { stage: 'sink', sink: 'otel_logs', reason: 'rate_limited', count: 3 },
        { stage: 'decode', sink: '', reason: 'malformed', count: 0 },
      ],
    });
    assert.match(
      text,
      /Intel Arc B580 card0 · renderD128 wedged since 2026-01-31 12:00:00 \d+ days ago 1\.2 3 of 5 out of memory \(ENOMEM\) 7 host memory busy \(EBUSY\) 1 job timeouts 2 2026-01-31 12:00:00 \d+ days ago/,
    );
    assert.match(text, /watch_queue down 9 2 4/);
    assert.match(text, /watch_queue denied no permission Add CAP_SYS_PTRACE\./);
    assert.match(text, /Dropped inside the exporter: 3 rate_limited \(otel_logs\)\./);
  });

  it('is calm about a node without a device, and about switched-off events', async () => {
    const { text, body } = await page({ devices: [] });
    assert.match(text, /Nothing is wrong/);
    assert.match(text, /This node has no xe device\./);
    assert.match(text, /Events are not shown here: the exporter runs with --no-events-http\./);
    assert.doesNotMatch(body, /href="events/);
  });

  it('has the latest events without its script, newest first', async () => {
    const sink = new StreamSink({ ringSize: 100 });
    for (let index = 1; index <= 60; index++) {
      const process = { executable: `job-${index}` };
      sink.accept(recordOf(anEvent({ vmId: index, client: aClient({ process }) })));
    }
    sink.accept(recordOf(anEvent({ client: aClient({ workload: aWorkload() }) }), 7));
    const { body, text } = await page({}, { events: feedOf(sink) });
    assert.equal(body.match(/<li data-id=/g)?.length, 50);
    assert.match(
      text,
      /Latest events .* 2026-01-31 12:00:00 \d+ days ago ENOMEM 0000:03:00\.0 · ml\/train-0 · and 7 like it Container main of pod ml\/train-0 lost/,
    );
    assert.match(text, /ENOMEM 0000:03:00\.0 · job-60 Process job-60 \(pid 4711\) lost GPU VM 60 /);
    assert.doesNotMatch(text, /GPU VM 11 /);
    assert.match(body, new RegExp(`data-last-id="${sink.instance}-61"`));
  });

  it('has what happened to the same victim again as one entry, with the newest sentence', async () => {
    const sink = new StreamSink({ ringSize: 100 });
    const other = aClient({ workload: aWorkload() });
    for (const vmId of [1, 2, 3]) {
      sink.accept(recordOf(anEvent({ vmId })));
      sink.accept(recordOf(anEvent({ vmId, client: other })));
    }
    sink.accept(recordOf(anEvent({ vmId: 4, errorCode: -62 })));
    const { body, text } = await page({}, { events: feedOf(sink) });
    assert.deepEqual(
      [...body.matchAll(/<li data-id="[^-]+-(\d+)".*data-count="(\d+)"/g)].map(([, id, count]) => [id, count]),
      [
        ['7', '1'],
        ['6', '3'],
        ['5', '3'],
      ],
    );
    assert.match(
      text,
      /ENOMEM ×3 since 12:00:00 0000:03:00\.0 · ml\/train-0 Container main of pod ml\/train-0 lost GPU VM 3 /,
    );
  });

  it('shows who holds the memory, whose errors they were, and where to read on', async () => {
    const now = Date.now() / 1000;
    const gib = 1024 ** 3;
    const { text, body } = await page({
      node: 'gpu 1',
      grafanaUrl: 'https://grafana.example.com',
      devices: [
        aDeviceStatus({
          lastError: now,
          memory: {
            usedBytes: 10 * gib,
            sizeBytes: 12 * gib,
            holders: [
              { owner: 'ml/train-0', bytes: 6 * gib },
              { owner: 'ml/train-1', bytes: 3 * gib },
            ],
          },
          history: [
            { ageMs: 300_000, usedShare: 0.5, errors: [0, 0] },
            { ageMs: 120_000, usedShare: 0.99, errors: [3, 0] },
            { ageMs: 0, usedShare: 0.83, errors: [0, 0] },
          ],
          victims: ['ml/train-1'],
        }),
      ],
      clients: [
        aClientStatus({ owner: 'ml/train-1', bytes: 3 * gib, errors: 3, lastError: now - 120, naming: 'trace' }),
        aClientStatus(),
        aClientStatus({ owner: 'python3 (pid 7)', container: '', process: '', bytes: undefined, naming: 'guess' }),
      ],
    });
    assert.match(
      text,
      /GPU 0000:03:00\.0 ran out of memory 3 times in the last 15 minutes\. Hit: ml\/train-1\. ml\/train-0 holds the most, 6\.0 of 12\.0 GiB\. Restart .* Runbook Dashboard/,
    );
    assert.ok(body.includes('/XeVMRebindOOM.md">Runbook</a>'));
    assert.ok(
      body.includes(
        'href="https://grafana.example.com/d/xe-node?var-node=gpu+1&amp;var-pci_bdf=0000%3A03%3A00.0&amp;from=now-1h&amp;to=now"',
      ),
    );
    assert.match(
      text,
      /10\.0 of 12\.0 GiB used \(83 %\) ml\/train-0 6\.0 GiB ml\/train-1 3\.0 GiB not attributed 1\.0 GiB/,
    );
    assert.deepEqual(
      [...body.matchAll(/<rect class="(\w+)" x="([\d.]+)" width="([\d.]+)" height="10"/g)].map((match) =>
        match.slice(1),
      ),
      [
        ['c0', '0.0', '500.0'],
        ['c1', '500.0', '250.0'],
        ['nobody', '750.0', '83.3'],
      ],
    );
    assert.match(text, /Last 15 minutes: 50 % to 99 % used, 3 errors, the last 2 min ago/);
    assert.equal(body.match(/<line class="error"/g)?.length, 1);
    assert.match(text, /ml\/train-0 main · python3 \(pid 4711\) 0000:03:00\.0 6\.0 GiB none none watched ml\/train-1/);
    assert.match(
      text,
      /3\.0 GiB 3 [-0-9]+ [:0-9]+ 2 min ago by the trace python3 \(pid 7\) 0000:03:00\.0 not known none none at best guessed/,
    );
  });

  it('leads to runbooks that exist', () => {
    for (const runbook of RUNBOOKS) assert.ok(existsSync(`dashboards/runbooks/${runbook}.md`), runbook);
  });

  it('lets no string from outside become markup', async () => {
    const sink = new StreamSink({ ringSize: 100 });
    sink.accept(recordOf(anEvent({ client: aClient({ process: { executable: EVIL } }) })));
    const status = {
      version: EVIL,
      node: EVIL,
      devices: [
        aDeviceStatus({
          pciBdf: EVIL,
          model: EVIL,
          nodes: [EVIL],
          driverVersion: EVIL,
          rebindErrors: [[EVIL as 'other', 1]],
          otherErrors: [[EVIL, 1]],
          lastError: Date.now() / 1000,
          memory: { usedBytes: 2, sizeBytes: 3, holders: [{ owner: EVIL, bytes: 1 }] },
          victims: [EVIL],
        }),
      ],
      clients: [aClientStatus({ pciBdf: EVIL, owner: EVIL, container: EVIL, process: EVIL })],
      grafanaUrl: EVIL,
      sources: [aSourceStatus({ name: EVIL as 'simulator' })],
      features: [{ feature: EVIL as 'otlp', state: EVIL as 'active', reason: EVIL, fix: EVIL }],
      drops: [{ stage: 'sink', sink: EVIL as 'stdout', reason: EVIL as 'closed', count: 1 }],
    } as const;
    const { body, headers } = await page(status, {
      events: feedOf(sink),
      readiness: () => ({ ready: false, reason: EVIL }),
    });
    assert.equal(body.split('<script').length, 2, 'its own script only');
    assert.equal(body.includes('<img'), false);
    assert.equal(body.split('</style>').length, 2);
    assert.ok(body.split('&lt;script&gt;alert(1)&lt;/script&gt;').length > 12);
    const policy = String(headers['content-security-policy']);
    assert.match(
      policy,
      /^default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+'; connect-src 'self'; /,
    );
    assert.doesNotMatch(policy, /unsafe/);
    assert.equal(headers['x-content-type-options'], 'nosniff');
  });

  it('loads nothing', async () => {
    const { body } = await page();
    assert.doesNotMatch(body.replace(/<script>.*<\/script>/s, ''), /<script|<link|<img|src=|@import|url\(|https?:/);
  });
});

describe('what is wrong', () => {
  const now = 1_769_860_800;
  const ready = { ready: true, reason: 'up' };
  const feature = (given: Partial<FeatureReport>): FeatureReport => ({
    feature: 'kubernetes',
    state: 'denied',
    reason: 'forbidden',
    fix: 'Bind the role.',
    ...given,
  });
  const problems = (given: Partial<NodeStatus>, readiness = ready) =>
    problemsOf(aNodeStatus(given), readiness, now).map(({ level, what, fix }) => `${level}: ${what} ${fix}`.trim());

  const table: readonly [what: string, given: Partial<NodeStatus>, expected: readonly RegExp[]][] = [
    ['nothing', {}, []],
    ['an old error', { devices: [aDeviceStatus({ lastError: now - 901 })] }, []],
    [
      'a recent error',
      { devices: [aDeviceStatus({ lastError: now - 899 })] },
      [/^warn: GPU 0000:03:00\.0 had VM rebind errors/],
    ],
    [
      'a wedged GPU',
      { devices: [aDeviceStatus({ health: WEDGED })] },
      [/^bad: GPU 0000:03:00\.0 is wedged.*It began at 2026-01-31T12:00:00Z: It is wedged\. Drain/],
    ],
    [
      'missing watches',
      { devices: [aDeviceStatus({ clientsWatched: 1 })] },
      [/^warn: 2 of 3 clients of GPU 0000:03:00\.0 are not watched.*doctor/],
    ],
    [
      'that nothing can be watched, once',
      {
        devices: [aDeviceStatus({ clientsWatched: 0 })],
        features: [feature({ feature: 'watch_queue', state: 'unsupported' })],
      },
      [],
    ],
    ['a loss', { sources: [aSourceStatus({ lost: 1 })] }, [/^warn: The kernel discarded events once\./]],
    ['losses', { sources: [aSourceStatus({ lost: 2 })] }, [/events twice\./]],
    ['the rate limit', { drops: [{ stage: 'sink', sink: 'stdout', reason: 'rate_limited', count: 9 }] }, []],
    [
      'a drop',
      { drops: [{ stage: 'reader', sink: '', reason: 'queue_full', count: 1 }] },
      [/^warn: The exporter dropped 1 event \(reader, queue_full\)\.$/],
    ],
    [
      'a denied feature',
      { features: [feature({})] },
      [/^warn: The exporter is denied kubernetes: forbidden\. Bind the role\.$/],
    ],
    ['an unsupported one', { features: [feature({ state: 'unsupported' })] }, []],
    [
      'one way of discovery denied',
      {
        features: [feature({ feature: 'discovery_debugfs' }), feature({ feature: 'discovery_proc', state: 'active' })],
      },
      [],
    ],
    [
      'all ways of discovery denied',
      { features: [feature({ feature: 'discovery_debugfs' }), feature({ feature: 'discovery_proc' })] },
      [/discovery_debugfs/, /discovery_proc/],
    ],
    [
      'the worst',
      { devices: [aDeviceStatus({ lastError: now }), aDeviceStatus({ health: WEDGED })] },
      [/^bad/, /^warn/],
    ],
  ];
  for (const [what, given, expected] of table) {
    it(`knows ${what}`, () => {
      const found = problems(given);
      assert.equal(found.length, expected.length, found.join('\n'));
      for (const [index, pattern] of expected.entries()) assert.match(found[index] ?? '', pattern);
    });
  }

  it('says why no events arrive, once, and what to do', () => {
    const features = [feature({ feature: 'watch_queue', reason: 'EPERM', fix: 'Add CAP_SYS_PTRACE.' })];
    assert.deepEqual(problems({ features }, { ready: false, reason: 'no event source is up' }), [
      'bad: Events do not arrive: no event source is up. Add CAP_SYS_PTRACE.',
    ]);
  });
});
