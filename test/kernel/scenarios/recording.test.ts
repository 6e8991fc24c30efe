// Records what test/golden replays: watch records, kernel log lines and uevents of one scenario, as the native readers read them. What is
// committed has to be what this kernel says, apart from its numbers. With XE_TEST_RECORD, a folder, a new recording is written there.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildFlow } from '../../../exporter/app/flow.js';
import { realNode } from '../../../exporter/app/real-node.js';
import { parseArguments } from '../../../exporter/config/argv.js';
import { loadConfig } from '../../../exporter/config/load.js';
import { FeatureBoard } from '../../../exporter/features.js';
import { createLogger } from '../../../exporter/logger.js';
import { ExporterMetrics } from '../../../exporter/metrics/exporter-metrics.js';
import { loadNative } from '../../../exporter/native/load.js';
import { readRecording, writeRecording, type Recorded } from '../../golden/recording.js';
import * as guest from '../guest-lib.js';
import { GPU0, GPU1, kernelLog, postVmError, startClient, waitFor } from '../guest-lib.js';
import { Recorder } from '../recorder.js';

const NAME = 'both-sources.jsonl';

/** More than a driver that does not answer can cost a stop. */
const STOP_MS = 10_000;

test('the recording of the golden files is what a kernel says', async () => {
  const args = parseArguments(['serve', '--scan-interval=250ms', '--kubernetes=off', '--memory-interval=off']);
  const config = await loadConfig('serve', args, {});
  const features = new FeatureBoard();
  const logger = createLogger({ level: 'error', format: 'json', stream: process.stderr });
  const recorder = new Recorder();
  const flow = await buildFlow({
    node: realNode({ config, env: {}, logger }, recorder.tap(loadNative()), features),
    metrics: new ExporterMetrics({ sources: [], version: '', revision: '', nodeVersion: '' }),
    features,
    logger,
    sinks: {},
    instanceId: 'i',
    includeProcess: true,
  });
  flow.clients.subscribe(recorder.clientListener);
  await flow.start();
  const devices = [...flow.devices.devices];
  const count = (what: Recorded['what']): number => recorder.messages.filter((each) => each.what === what).length;
  const said = (what: 'kmsg' | 'uevent', words: string): Promise<true> =>
    waitFor(words, () => recorder.messages.some((each) => each.what === what && each.text.includes(words)));

  const trainer = await startClient({ comm: 'trainer' });
  const renderer = await startClient({ comm: 'renderer' });
  const other = await startClient({ files: [guest.RENDER1], comm: 'other' });
  await waitFor('the watches', () => [...flow.clients.entries()].filter(({ watched }) => watched).length === 3);

  postVmError({ client: trainer.id, vm: 1, log: true });
  await waitFor('the first record', () => count('watch_queue') === 1);
  await said('kmsg', 'VM worker error: -12');
  postVmError({ client: renderer.id, vm: 2, errno: -62, log: true });
  await waitFor('the second record', () => count('watch_queue') === 2);
  await said('kmsg', 'VM worker error: -62');
  const job = 'seqno=4294967169, lrc_seqno=4294967169, guc_id=2, flags=0x0';
  kernelLog(GPU0, 5, `[drm] Tile0: GT0: Timedout job: ${job} in renderer [${renderer.pid}]`);
  kernelLog(GPU0, 6, '[drm] Tile0: GT0: reset started');
  await said('kmsg', 'reset started');
  guest.wedge(GPU1);
  await said('uevent', 'WEDGED=');
  await other.exit();
  guest.unbindDriver(GPU1);
  await said('uevent', 'unbind@');
  guest.bindDriver(GPU1);
  await said('uevent', '\0DRIVER=xe');
  await trainer.exit();
  await waitFor('both removals', () => count('client_removed') === 2);
  await flow.stop(STOP_MS);
  await renderer.exit();

  const { clients, messages } = recorder;
  const folder = process.env.XE_TEST_RECORD;
  if (folder) writeFileSync(join(folder, NAME), writeRecording({ kernel: release(), devices, clients, messages }));
  const committed = readRecording(join('test/golden/recordings', NAME));
  assert.deepEqual(shapes(messages), shapes(committed.messages));
});

/** What is the same in every run: the messages of each kind in their order, without numbers. */
function shapes(messages: readonly Recorded[]): Record<string, string[]> {
  const of = (what: Recorded['what'], shape: (each: Recorded) => string): string[] =>
    messages.filter((each) => each.what === what).map(shape);
  const words = (each: Recorded): string => ('text' in each ? each.text.replace(/\d+/g, '#') : '');
  return {
    watch_queue: of('watch_queue', (each) =>
      'bytes' in each ? `${Buffer.from(each.bytes, 'base64').length} bytes` : '',
    ),
    kmsg: of('kmsg', words),
    uevent: of('uevent', words).filter((text) => text.includes('SUBSYSTEM=drm') || text.includes('DRIVER=xe')),
  };
}
