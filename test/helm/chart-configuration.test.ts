import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../../exporter/config/load.js';
import { configOf, containerOf, only, refusal, render, type Manifest } from './chart.js';

test('the exporter takes the configuration of every case, with the same result as its own defaults', async () => {
  const given = await configOf(render({}));
  const own = await loadConfig('serve', { values: new Map(), problems: [] } as never, {});
  for (const [key, value] of Object.entries(own)) {
    if (key === 'configFile') continue;
    assert.deepEqual(given[key as keyof typeof given], value, key);
  }
});

test('doctor, run in the pod, judges the configuration of the chart', () => {
  const manifests = render({ sources: { kmsg: { enabled: 'off' } } });
  const { env, args, volumeMounts } = containerOf(manifests);
  const file: string = env.find(({ name }: Manifest) => name === 'XE_EXPORTER_CONFIG').value;
  const mount = volumeMounts.find(({ name }: Manifest) => name === 'config').mountPath;
  assert.equal(file, `${mount}/config.yaml`);
  assert.deepEqual(args, ['serve'], 'no flag that doctor would have to repeat');

  const folder = mkdtempSync(join(tmpdir(), 'xe-exporter-chart-'));
  try {
    const config = join(folder, 'config.yaml');
    writeFileSync(config, only(manifests, 'ConfigMap').data['config.yaml']);
    const doctor = (variables: object): string => {
      const options = { env: { PATH: process.env['PATH'], ...variables }, encoding: 'utf8' } as const;
      return spawnSync(process.execPath, ['dist/exporter/main.js', 'doctor', '--json'], options).stdout;
    };
    assert.match(doctor({ XE_EXPORTER_CONFIG: config }), /switched off by --kmsg/);
    assert.doesNotMatch(doctor({}), /switched off by --kmsg/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the device-only posture listens to uevents and to nothing else', async () => {
  const config = await configOf(render({ posture: 'device-only' }));
  assert.deepEqual(
    [config.mode, config.kmsg, config.uevent, config.kubernetes, config.memoryInterval],
    ['fallback', 'off', 'auto', 'off', 0],
  );
});

test('the trace posture reads trace, kernel log and uevents, and looks into no process', async () => {
  const config = await configOf(render({ posture: 'trace' }));
  assert.deepEqual(
    [config.mode, config.trace, config.kmsg, config.discovery, config.memoryInterval],
    ['fallback', 'auto', 'auto', 'proc', 0],
  );
});

test('big numbers reach the configuration as digits', async () => {
  const config = await configOf(render({ events: { rateLimitPerMinute: 1_000_000 }, otlp: { queueSize: 65_536 } }));
  assert.equal(config.eventRateLimitPerMinute, 1_000_000);
  assert.equal(config.otlpQueueSize, 65_536);
});

test('OTLP headers come from a Secret and stand in no ConfigMap', () => {
  const manifests = render({ otlp: { endpoint: 'http://collector:4318', headersSecret: { name: 'collector' } } });
  const headers = containerOf(manifests).env.find(({ name }: Manifest) => name === 'OTEL_EXPORTER_OTLP_HEADERS');
  assert.deepEqual(headers.valueFrom, { secretKeyRef: { name: 'collector', key: 'headers' } });
  assert.doesNotMatch(only(manifests, 'ConfigMap').data['config.yaml'], /headers/i);
});

test('a change of the configuration restarts the pods, a change of anything else does not', () => {
  const checksum = (values: object): string =>
    only(render(values), 'DaemonSet').spec.template.metadata.annotations['checksum/config'];
  assert.notEqual(checksum({}), checksum({ log: { level: 'debug' } }));
  assert.equal(checksum({}), checksum({ networkPolicy: { enabled: true } }));
});

test('what contradicts itself is refused with what to change', () => {
  const both = { serviceMonitor: { enabled: true }, podMonitor: { enabled: true } };
  assert.match(refusal(both), /every exporter would be scraped twice: disable one/);
  assert.match(refusal({ posture: 'device-only', deviceAccess: { method: 'plugin' } }), /set posture to full/);
  assert.match(refusal({ posture: 'trace', deviceAccess: { method: 'plugin' } }), /set posture to full/);
  const traceOff = { posture: 'trace', sources: { trace: { enabled: 'off' } } };
  assert.match(refusal(traceOff), /set sources\.trace\.enabled to auto/);
  assert.match(refusal({ posture: 'device-only', mode: 'watch_queue' }), /set posture to full/);
});

test('a typo in any block is refused with its path', () => {
  for (const [values, path] of [
    [{ discovery: { scanIntervall: '1s' } }, /discovery.*scanIntervall/s],
    [{ sources: { kmsg: { enabled: 'on' } } }, /sources[./]kmsg[./]enabled/],
    [{ events: { ringSize: 0 } }, /events[./]ringSize/],
    [{ metrics: { port: 70_000 } }, /metrics[./]port/],
    [{ serviceMonitor: { intervall: '30s' } }, /serviceMonitor.*intervall/s],
    [{ shutdownTimeout: '5' }, /shutdownTimeout/],
    [{ image: { digest: 'sha256:1' } }, /image[./]digest/],
    [{ tollerations: [] }, /tollerations/],
    [{ commonLabels: { 'app.kubernetes.io/name': 'other' } }, /commonLabels/],
    [{ image: { repository: '' } }, /image[./]repository/],
  ] as const) {
    for (const helm of ['Helm 3', 'Helm 4'] as const) assert.match(refusal(values, { helm }), path);
  }
});
