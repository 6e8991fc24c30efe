import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

/** The file that a person writes. Today the message counts as an error that has no event of its own. */
const DEFINITION = `import { define } from '../definition.js';
import { onGpu } from '../text/place.js';

/** A TLB invalidation got no answer. */
export const tlbTimeout = define({
  name: 'xe.tlb.timeout',
  summary: 'a TLB invalidation got no answer',
  kernelLog: { patterns: [/^TLB invalidation fence timeout, seqno=\\d{1,10} recv=\\d{1,10}$/] },
  counter: { name: 'xe_tlb_timeouts_total', help: 'TLB invalidations that timed out.' },
  severity: () => 17,
  errorType: () => 'tlb_timeout',
  body: (event) => \`A TLB invalidation\${onGpu(event)} timed out.\`,
});
`;

/** Uses the event as sinks, rules and dashboards do: a name that the list does not have does not compile. */
const READER = `import { EVENT, EVENT_METRIC, eventDefinitions, isReceivedFrom } from './exporter/events/index.js';
import { ExporterMetrics } from './exporter/metrics/exporter-metrics.js';
import { Pipeline } from './exporter/pipeline/pipeline.js';
import { PrometheusSink } from './exporter/sinks/prometheus.js';
import { parseKmsgRecord } from './exporter/wire/kernel-log.js';

// @ts-expect-error: not in the list
void EVENT.tlbTimeouts;
// @ts-expect-error: an event without a counter
void EVENT_METRIC.deviceBound;

const metrics = new ExporterMetrics({ sources: ['kmsg'], sinks: [], version: '', revision: '', nodeVersion: '', processMetrics: false });
const logged: string[] = [];
const log = { name: 'stdout', accept: ({ body }: { body: string }) => void logged.push(body), close: async () => {} } as const;
const sinks = { counting: [new PrometheusSink(metrics)], logs: [log] };
const pipeline = new Pipeline(metrics, sinks, { instanceId: 'i', includeProcess: true });
const pciBdf = '0000:03:00.0';
const device = {
  pciBdf, card: 'card0', render: 'renderD128', cardMinor: 0, renderMinor: 128, vendorId: '0x8086', deviceId: '0xe20b',
  model: '', driverVersion: '', serial: '', physicalFunction: '', numaNode: -1, binding: 1,
};
const count = async () => {
  const text = await metrics.registry.render('text');
  return text.split('\\n').find((line) => line.startsWith(\`\${EVENT_METRIC.tlbTimeout}{\`));
};
metrics.devices.deviceDiscovered(device);
const before = await count();
const line = parseKmsgRecord(\`3,1,1000,-;xe \${pciBdf}: [drm] *ERROR* TLB invalidation fence timeout, seqno=7 recv=6\\n SUBSYSTEM=pci\\n DEVICE=+pci:\${pciBdf}\\n\`);
const [realtimeNs, monotonicNs] = [BigInt(Date.now()) * 1_000_000n, process.hrtime.bigint()];
pipeline.handle({ kind: 'kernel_log', source: 'kmsg', line, device, realtimeNs, monotonicNs });
const definition = eventDefinitions.find(({ name }) => name === EVENT.tlbTimeout);
console.log(JSON.stringify({
  before, after: await count(), logged,
  sources: (['kmsg', 'uevent'] as const).filter((source) => definition && isReceivedFrom(source, definition)),
}));
`;

test('a new event is one file and one line: it is typed, decoded, born at 0, counted and logged', (t) => {
  const tree = mkdtempSync(join(tmpdir(), 'xe-exporter-new-event-'));
  t.after(() => rmSync(tree, { recursive: true }));
  cpSync('exporter', join(tree, 'exporter'), { recursive: true });
  symlinkSync(join(process.cwd(), 'node_modules'), join(tree, 'node_modules'));
  const { compilerOptions } = JSON.parse(readFileSync('tsconfig.json', 'utf8')) as { compilerOptions: object };
  const options = { ...compilerOptions, incremental: false, tsBuildInfoFile: undefined, sourceMap: false };
  writeFileSync(join(tree, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['reader.ts'] }));
  writeFileSync(join(tree, 'package.json'), '{"type":"module"}');
  writeFileSync(join(tree, 'reader.ts'), READER);

  // What a person does.
  writeFileSync(join(tree, 'exporter/events/definitions/tlb-timeout.ts'), DEFINITION);
  const list = join(tree, 'exporter/events/index.ts');
  const before = readFileSync(list, 'utf8');
  const after = before
    .replace(/^import .*ttm-out-of-memory/m, "import { tlbTimeout } from './definitions/tlb-timeout.js';\n$&")
    .replace(/^ {2}ttmOutOfMemory,$/m, '  tlbTimeout,\n$&');
  writeFileSync(list, after);

  const tsc = join(process.cwd(), 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', tree], { encoding: 'utf8' });
  const said = execFileSync(process.execPath, [join(tree, 'dist/reader.js')], { encoding: 'utf8' });

  assert.deepEqual(JSON.parse(said), {
    before: 'xe_tlb_timeouts_total{pci_bdf="0000:03:00.0"} 0',
    after: 'xe_tlb_timeouts_total{pci_bdf="0000:03:00.0"} 1',
    logged: ['A TLB invalidation on GPU 0000:03:00.0 timed out.'],
    sources: ['kmsg'],
  });
  assert.deepEqual(changedFiles(tree), ['events/definitions/tlb-timeout.ts', 'events/index.ts']);
  assert.equal(after.split('\n').length - before.split('\n').length, 2, 'one line in the list and its import');
});

/** Files of exporter/ that differ between this tree and the copy. */
function changedFiles(tree: string): string[] {
  const files = readdirSync(join(tree, 'exporter'), { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.ts'),
  );
  const ours = new Set(readdirSync('exporter', { recursive: true, encoding: 'utf8' }));
  const differs = (path: string) =>
    !ours.has(path) ||
    readFileSync(join('exporter', path), 'utf8') !== readFileSync(join(tree, 'exporter', path), 'utf8');
  return files.filter(differs).toSorted();
}
