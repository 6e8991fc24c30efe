import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import type protobuf from 'protobufjs';
import { startCollector } from '../helpers/collector.js';
import { aClient, anEvent, aWorkload, RECORD_ATTRIBUTES, recordOf } from '../helpers/events.js';
import { openOtelSink } from '../helpers/otel-sink.js';
import { officialMessage } from '../helpers/otlp-definitions.js';
import { decodeLogs, type ReceivedRecord } from '../helpers/otlp.js';
import { selfSigned } from '../helpers/tls.js';
import { waitFor } from '../helpers/wait-for.js';

/** What we send, read with the official OpenTelemetry definitions. */
let request: protobuf.Type;
before(() => {
  request = officialMessage('collector/logs/v1/logs_service.proto', 'collector.logs.v1.ExportLogsServiceRequest');
});

const client = aClient({ workload: aWorkload() });
const event = anEvent({ client, sequence: 3 });

function check(record: ReceivedRecord | undefined): void {
  assert.equal(record?.eventName, 'xe.vm.rebind_error');
  assert.equal(record?.severityNumber, 17);
  assert.equal(record?.severityText, undefined);
  assert.equal(record?.timeUnixNano, event.realtimeNs);
  assert.equal(record?.observedTimeUnixNano, event.realtimeNs);
  assert.match(String(record?.body), /ml\/train-0.*ENOMEM/);
  assert.deepEqual(record?.attributes, {
    'xe.event.id': 'node-a-42-3',
    ...RECORD_ATTRIBUTES,
    'container.id': client.workload?.containerId,
    'k8s.namespace.name': 'ml',
    'k8s.pod.name': 'train-0',
    'k8s.pod.uid': client.workload?.podUid,
    'k8s.container.name': 'main',
  });
  assert.deepEqual(record?.scope, { name: 'xe-exporter', version: '1.2.3' });
  const { 'telemetry.sdk.version': _version, ...resource } = record?.resource ?? {};
  assert.deepEqual(resource, {
    'service.name': 'xe-exporter',
    'service.version': '1.2.3',
    'service.instance.id': 'node-a-42',
    'host.name': 'node-a',
    'host.id': 'abc123',
    'telemetry.sdk.name': 'opentelemetry',
    'telemetry.sdk.language': 'nodejs',
  });
}

for (const compression of ['none', 'gzip']) {
  test(`the official definitions read our records, compression ${compression}`, async (t) => {
    const collector = await startCollector();
    t.after(() => collector.stop());
    const { sink, counts } = await openOtelSink(
      { endpoint: collector.url },
      { OTEL_EXPORTER_OTLP_COMPRESSION: compression },
    );
    sink.accept(recordOf(event));
    await sink.close(60_000);
    assert.equal(counts.exported, 1);
    const [received] = collector.requests;
    assert.ok(received);
    const encoding = received.headers['content-encoding'] ?? '';
    assert.equal(encoding, compression === 'gzip' ? 'gzip' : '');
    check(decodeLogs(received.body, encoding, request)[0]);
  });
}

test('a private certificate authority is trusted through OTEL_EXPORTER_OTLP_CERTIFICATE, and only then', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'xe-exporter-otlp-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const { key, cert, certFile } = selfSigned(folder);
  const collector = await startCollector({ tls: { key, cert } });
  t.after(() => collector.stop());
  const endpoint = collector.url;

  const stranger = await openOtelSink({ endpoint });
  stranger.sink.accept(recordOf(event));
  await waitFor(() => stranger.counts.failed === 1, { what: 'the certificate to be refused', deadlineMs: 60_000 });
  assert.ok(stranger.lines.some(({ message }) => message.includes('DEPTH_ZERO_SELF_SIGNED_CERT')));
  await stranger.sink.close(0);

  const { sink, counts } = await openOtelSink({ endpoint }, { OTEL_EXPORTER_OTLP_CERTIFICATE: certFile });
  sink.accept(recordOf(event));
  await sink.close(60_000);
  assert.equal(counts.exported, 1);
  check(decodeLogs(collector.requests[0]!.body, '', request)[0]);
});
