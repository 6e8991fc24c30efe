import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { PresentClients } from '../../../exporter/pipeline/identify/present-clients.js';
import { namedClient } from '../../../exporter/pipeline/identify/named-process.js';
import { ClientTable } from '../../../exporter/clients/client-table.js';
import { eventOf, type DeviceEvent } from '../../../exporter/events/device-event.js';
import { jobTimeout } from '../../../exporter/events/definitions/job-timeout.js';
import { vmRebindError } from '../../../exporter/events/definitions/vm-rebind-error.js';
import { VictimInference } from '../../../exporter/pipeline/identify/victim-inference.js';
import { ATTRIBUTE } from '../../../exporter/names.js';
import { aClient, aDevice } from '../../helpers/events.js';
import { manualClock } from '../../helpers/manual-clock.js';

/** Clients of one device, each named by its pid; what is concluded is told as `pid evidence`. */
function start(t: TestContext) {
  const { now, advance } = manualClock(t);
  const clients = new PresentClients(now);
  const inference = new VictimInference({ clients, now });
  const table = new ClientTable(10_000);
  table.subscribe(inference);
  table.subscribe(clients);
  const device = aDevice();
  let drmClientId = 0;
  const open = (pid: number, createdAt?: string) =>
    table.add(aClient({ drmClientId: ++drmClientId, device, process: { pid, createdAt } }), [])!;
  const close = (entry: ReturnType<typeof open>) => table.remove(entry);
  const at = () => ({ realtimeNs: BigInt(now()) * 1_000_000n, monotonicNs: BigInt(now()) * 1_000_000n });
  const line = (given: Partial<DeviceEvent>): DeviceEvent =>
    eventOf({
      definition: vmRebindError,
      source: 'kmsg',
      report: 'bare',
      sequence: 1,
      device,
      errorCode: -12,
      ...at(),
      ...given,
    });
  const jobLine = (pid: number) => line({ definition: jobTimeout, details: { [ATTRIBUTE.pid]: pid } });
  const conclude = (event: DeviceEvent) => {
    const inferred = inference.infer(event);
    return inferred && `${inferred.client.process.pid} ${inferred.evidence}`;
  };
  return { inference, clients, device, open, close, line, jobLine, conclude, advance };
}

test('the only client of the device', (t) => {
  const { open, line, conclude, advance } = start(t);
  assert.equal(conclude(line({})), undefined, 'nobody is there');
  open(1);
  const error = line({});
  advance(3_000);
  assert.equal(conclude(error), '1 only_client');
});

test('one process is one victim, however many clients it has', (t) => {
  const { open, line, conclude } = start(t);
  open(1);
  open(1);
  assert.equal(conclude(line({})), '1 only_client');
});

test('nobody of two that go on as before, nor of one and another that was found later', (t) => {
  const { open, line, conclude, advance } = start(t);
  open(1);
  const error = line({});
  advance(100);
  open(2);
  assert.equal(conclude(error), undefined);
  assert.equal(conclude(line({})), undefined);
});

for (const [when, found] of [
  [-1_001, undefined],
  [-1_000, '1 client_closed'],
  [0, '1 client_closed'],
  [3_000, '1 client_closed'],
  [3_001, undefined],
] as const) {
  test(`a client that closes ${when} ms after the error is ${found ? '' : 'no '}evidence`, (t) => {
    const { open, close, line, conclude, advance } = start(t);
    const [first] = [open(1), open(2), open(3)];
    advance(5_000);
    if (when < 0) close(first);
    advance(Math.max(1, -when));
    const error = line({});
    advance(Math.max(1, when));
    if (when >= 0) {
      const late = { ...error, monotonicNs: error.monotonicNs + BigInt(when === 0 ? 1_000_000 : 0) };
      close(first);
      assert.equal(conclude(late), found);
    } else assert.equal(conclude(error), found);
  });
}

test('nobody of two that close, nor one that came after the error', (t) => {
  const { open, close, line, conclude, advance } = start(t);
  const [first, second] = [open(1), open(2), open(3)];
  advance(10);
  const error = line({});
  advance(10);
  const passer = open(4);
  close(passer);
  assert.equal(conclude(error), undefined, 'a passer-by cannot have been hit');
  close(first);
  assert.equal(conclude(error), '1 client_closed');
  close(second);
  assert.equal(conclude(error), undefined);
});

test('the process of a job that did not end, also when it closed before its line was read', (t) => {
  const { inference, open, close, line, jobLine, conclude, advance } = start(t);
  const [first] = [open(1), open(2)];
  advance(10);
  const error = line({});
  close(first);
  inference.observe(jobLine(1));
  assert.equal(conclude(error), '1 job_timeout');
});

test('nobody when the evidence is at odds', (t) => {
  const { inference, open, close, line, jobLine, conclude, advance } = start(t);
  const [first] = [open(1), open(2), open(3)];
  advance(10);
  const error = line({});
  inference.observe(jobLine(2));
  assert.equal(conclude(error), '2 job_timeout');
  close(first);
  assert.equal(conclude(error), undefined, 'one was named, another closed');
});

test('nobody when the kernel names a process that is no client, or two', (t) => {
  const { inference, open, line, jobLine, conclude } = start(t);
  open(1);
  inference.observe(jobLine(99));
  assert.equal(conclude(line({})), undefined);
  inference.observe(jobLine(1));
  assert.equal(conclude(line({})), undefined);
});

test('that all clients of a device go when it is unbound tells nothing', (t) => {
  const { inference, device, open, close, line, conclude, advance } = start(t);
  const [first, second] = [open(1), open(2)];
  advance(10);
  const error = line({});
  inference.deviceRemoved(device);
  close(first);
  close(second);
  assert.equal(conclude(error), undefined);
  inference.deviceAdded(device);
  const next = open(5);
  assert.equal(conclude(error), undefined, 'who came later cannot have been hit');
  open(6);
  advance(10);
  const other = line({});
  close(next);
  assert.equal(conclude(other), '5 client_closed');
});

test('what was observed is forgotten, and bounded', (t) => {
  const { inference, open, close, advance } = start(t);
  for (let pid = 0; pid < 5_000; pid++) close(open(pid));
  assert.equal(inference.kept, 1024);
  advance(8_001);
  assert.equal(inference.kept, 0);
});

test('a line that names a process is that of its one client on the device', (t) => {
  const { clients, open, jobLine, line, advance } = start(t);
  open(1, '2026-01-31T11:59:59.000Z');
  open(2);
  open(2);
  open(3, '2026-01-31T12:00:05.000Z');
  advance(1_000);
  const named = (event: DeviceEvent) => namedClient(event, clients)?.drmClientId;
  assert.equal(named(jobLine(1)), 1);
  assert.equal(named(jobLine(2)), undefined, 'which of its two clients is not said');
  assert.equal(named(jobLine(3)), undefined, 'it began after that: its pid was another process');
  assert.equal(named(jobLine(99)), undefined);
  assert.equal(named(line({})), undefined);
  assert.equal(named({ ...jobLine(1), device: aDevice({ pciBdf: '0000:04:00.0' }) }), undefined);
});
