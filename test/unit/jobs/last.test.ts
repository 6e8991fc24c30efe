import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Workload } from '../../../exporter/clients/client.js';
import type { CodedError } from '../../../exporter/errors.js';
import { deviceWedged } from '../../../exporter/events/definitions/device-wedged.js';
import { jobTimeout } from '../../../exporter/events/definitions/job-timeout.js';
import { pageFault } from '../../../exporter/events/definitions/page-fault.js';
import { vmRebindOutcome } from '../../../exporter/events/definitions/vm-rebind-outcome.js';
import type { DeviceEvent } from '../../../exporter/events/device-event.js';
import { endReason } from '../../../exporter/sinks/jobs/end-reason.js';
import { LastEvents, type LastEvent } from '../../../exporter/sinks/jobs/last-events.js';
import { JobsSink } from '../../../exporter/sinks/jobs/sink.js';
import { StateFile } from '../../../exporter/sinks/jobs/state-file.js';
import { aClient, anEvent, aWorkload } from '../../helpers/events.js';
import { folder } from '../../helpers/jobs-socket.js';
import { waitFor } from '../../helpers/wait-for.js';

const NOON = 1_769_860_800_123;

describe('the reason of an end', () => {
  const cases: readonly (readonly [Partial<DeviceEvent>, string | undefined])[] = [
    [{ errorCode: -12 }, 'memory'],
    [{ errorCode: -28 }, 'memory'],
    [{ errorCode: 0 }, 'memory'],
    [{ errorCode: -62 }, 'hang'],
    [{ errorCode: -5 }, 'fault'],
    [{ definition: jobTimeout, errorCode: 0 }, 'hang'],
    [{ definition: pageFault, errorCode: 0 }, 'fault'],
    [{ definition: deviceWedged, errorCode: 0 }, 'device_lost'],
    [{ definition: vmRebindOutcome, outcome: 'survived' }, undefined],
  ];
  for (const [given, reason] of cases) {
    const event = anEvent(given);
    it(`of ${event.definition.name} ${event.errorCode} is ${reason}`, () => assert.equal(endReason(event), reason));
  }
});

describe('the last event of a workload', () => {
  const sink = (last = new LastEvents(() => NOON)) =>
    new JobsSink({ instanceId: 'node-a-42', includeProcess: true, last });
  const find = (jobs: JobsSink, workload: Workload) => jobs.lastOf(workload.owner!, workload);

  it('is its own, and the newest', () => {
    const jobs = sink();
    const other = aWorkload({ pod: 'train-1', owner: `pod:${randomUUID()}` });
    jobs.accept(anEvent({ client: aClient({ workload: aWorkload() }) }));
    jobs.accept(anEvent({ client: aClient({ workload: aWorkload() }), errorCode: -62 }));
    assert.equal(find(jobs, aWorkload())?.reason, 'hang');
    assert.equal(find(jobs, other), undefined);
  });

  it('of a whole device is that of those who have it open', () => {
    const jobs = sink();
    const client = aClient({ workload: aWorkload() });
    const entry = { client, holders: [], watched: true, removalMayBeLost: false, absences: 0 };
    const wedged = anEvent({ definition: deviceWedged, client: undefined, device: client.device, errorCode: 0 });
    jobs.clientListener.added?.(entry);
    assert.deepEqual(jobs.devicesOf(aWorkload().owner!), ['0000:03:00.0']);
    jobs.accept(wedged);
    assert.equal(find(jobs, aWorkload())?.reason, 'device_lost');

    const later = sink();
    later.clientListener.added?.(entry);
    later.clientListener.removed?.(entry);
    later.accept(wedged);
    assert.equal(find(later, aWorkload()), undefined);
    assert.deepEqual(later.devicesOf(aWorkload().owner!), []);
  });

  it('is that of a pod of the same name in the same namespace, too', () => {
    const jobs = sink();
    jobs.accept(anEvent({ client: aClient({ workload: aWorkload() }) }));
    const anew = aWorkload({ podUid: randomUUID(), owner: `pod:${randomUUID()}` });
    assert.equal(find(jobs, anew)?.reason, 'memory');
    assert.equal(find(jobs, { ...anew, namespace: 'other' }), undefined);
    assert.equal(find(jobs, { ...anew, namespace: '', pod: '' }), undefined);
  });

  it('is forgotten after a day, and with more workloads than there is room for', () => {
    let now = 0;
    const last = new LastEvents(() => now);
    const event = (owner: string): LastEvent => ({ owner, pod: '', reason: 'memory', timeMs: now, json: '{}' });
    for (let index = 0; index <= 1024; index++) last.add(event(`slurm:${index}`));
    assert.equal(last.find('slurm:0', undefined), undefined);
    assert.ok(last.find('slurm:1024', undefined));
    now = 24 * 3_600_000;
    assert.equal(last.find('slurm:1024', undefined), undefined);
  });
});

describe('the state file', () => {
  function open(path: string) {
    const last = new LastEvents(() => NOON);
    const failures: CodedError[] = [];
    const file = new StateFile({ path, content: () => last.serialise(), failed: (error) => failures.push(error) });
    const text = file.open();
    const isOurs = text === '' || last.restore(text);
    const sink = new JobsSink({ instanceId: 'i', includeProcess: true, last, file });
    return { sink, failures, isOurs };
  }
  const event = anEvent({ client: aClient({ workload: aWorkload() }) });
  const found = ({ sink }: ReturnType<typeof open>) => sink.lastOf(aWorkload().owner!, aWorkload());

  it('carries it over a restart, for nobody else to read', async (t) => {
    const path = join(folder(t), 'jobs.json');
    const before = open(path);
    before.sink.accept(event);
    await before.sink.close();
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const after = open(path);
    assert.deepEqual(found(after), found(before));
    assert.equal(found(after)?.reason, 'memory');
    assert.ok(!existsSync(`${path}~`));
  });

  it('is written while the exporter runs, in case it is killed', async (t) => {
    const path = join(folder(t), 'jobs.json');
    const { sink } = open(path);
    sink.accept(event);
    await waitFor(() => existsSync(path), { what: 'the file', deadlineMs: 20_000 });
    assert.match(readFileSync(path, 'utf8'), /"reason":"memory"/);
    await sink.close();
  });

  for (const [what, text] of [
    ['garbage', '\0\0'],
    ['another schema', '{"schema":99,"events":[]}'],
    [
      'a record that is none',
      '{"schema":1,"events":[{"owner":"a","pod":"","reason":"memory","timeMs":1,"json":"}{"}]}',
    ],
    ['a reason that is none', '{"schema":1,"events":[{"owner":"a","pod":"","reason":"x","timeMs":1,"json":"{}"}]}'],
  ] as const) {
    it(`with ${what} is not believed`, (t) => {
      const path = join(folder(t), 'jobs.json');
      writeFileSync(path, text);
      const opened = open(path);
      assert.equal(opened.isOurs, false);
      assert.equal(found(opened), undefined);
    });
  }

  it('that cannot be written is said once, and costs nothing else', async (t) => {
    const { sink, failures } = open(join(folder(t), 'missing', 'jobs.json'));
    sink.accept(event);
    await sink.close();
    assert.deepEqual(
      failures.map(({ code }) => code),
      ['XEE_JOBS_STATE_FILE'],
    );
    assert.match(failures[0]!.message, /ENOENT/);
    assert.equal(sink.lastOf(aWorkload().owner!, aWorkload())?.reason, 'memory');
  });
});
