// A burst while JavaScript is blocked: what was counted plus the notice of loss tell the truth.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { GPU0, postVmError, startClient, waitFor } from '../guest-lib.js';

const BLOCKED_SECONDS = 3;
/** Blocks the JavaScript thread on SIGUSR2, and says when it does; the reader thread goes on. */
const BLOCKER = `data:text/javascript,${encodeURIComponent(`
import { writeSync } from 'node:fs';
process.on('SIGUSR2', () => {
  writeSync(2, '{"blocked":true}\\n');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${BLOCKED_SECONDS * 1000});
});`)}`;

const exporter = await ExporterProcess.serve({ execArgv: ['--import', BLOCKER] });
after(() => exporter.stop('SIGKILL'));
const client = await startClient();
await waitFor('the watch', async () => (await exporter.metric(`xe_clients_watched{pci_bdf="${GPU0}"}`)) === 1);

const BURST = 2000;
const LOST = 'xe_exporter_events_lost_total{source="watch_queue"}';
const ENOMEM = `xe_vm_rebind_errors_total{pci_bdf="${GPU0}",errno="ENOMEM"}`;
const ETIME = `xe_vm_rebind_errors_total{pci_bdf="${GPU0}",errno="ETIME"}`;

async function blockJavaScript(): Promise<void> {
  const before = exporter.log.length;
  exporter.child.kill('SIGUSR2');
  await waitFor('JavaScript to be blocked', () => exporter.log.slice(before).some(({ blocked }) => blocked));
}

test(`${BURST} events at once: all counted, or a loss is`, async () => {
  await blockJavaScript();
  postVmError({ client: client.id, count: BURST });
  // The last word: posted after the burst into a ring that may still be full, so it is said until it is heard.
  const metrics = await waitFor('an event after the burst', async () => {
    postVmError({ client: client.id, errno: -62 });
    const now = await exporter.metrics();
    return (now.get(ETIME) ?? 0) > 0 && now;
  });
  const counted = metrics.get(ENOMEM)!;
  const lost = metrics.get(LOST)!;
  assert.ok(counted <= BURST && counted >= 512, `counted ${counted}`);
  assert.equal(lost > 0, counted < BURST, `counted ${counted} of ${BURST}, ${lost} notices of loss`);
  assert.equal(metrics.get('xe_exporter_events_dropped_total{stage="reader",sink="",reason="queue_full"}'), 0);
  assert.ok(metrics.get('xe_exporter_event_latency_seconds_count')! >= counted);
});

test('bursts that fit the ring lose nothing, however long JavaScript is blocked', async () => {
  const before = await exporter.metrics();
  await blockJavaScript();
  const posted = 400;
  postVmError({ client: client.id, count: posted });
  await waitFor('all of them', async () => (await exporter.metric(ENOMEM)) === before.get(ENOMEM)! + posted);
  assert.equal(await exporter.metric(LOST), before.get(LOST));
});

test('the loss is a log event of its own', async () => {
  assert.equal(await client.exit(), 0);
  assert.equal(
    await exporter.metric('xe_exporter_events_received_total{source="watch_queue",event="xe.exporter.events_lost"}'),
    await exporter.metric(LOST),
  );
});
