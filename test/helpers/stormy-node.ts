import type { TestContext } from 'node:test';
import { openKmsg } from '../../exporter/sources/kernel-log/source.js';
import { parseExposition } from './exposition.js';
import { FixtureTree } from './fixture-tree.js';
import { MessageSourceUnderTest } from './message-source.js';
import { recordedPipeline } from './recorded-pipeline.js';

/** A GPU that repeats itself, and another one. */
export const HUNG = '0000:03:00.0';
export const OTHER = '0000:04:00.0';

/** The kernel log of a node with two GPUs, from the reader thread to the counters. */
export async function stormyNode(t: Pick<TestContext, 'after'>) {
  const tree = new FixtureTree(t);
  tree.xeDevice(HUNG, { card0: '226:0', renderD128: '226:128' });
  tree.xeDevice(OTHER, { card1: '226:1', renderD129: '226:129' });
  const { metrics, pipeline, records } = recordedPipeline(['kmsg']);
  t.after(() => pipeline.close(0));
  const under = new MessageSourceUnderTest(t, openKmsg, { config: { sysRoot: tree.root }, handler: pipeline.handle });
  for (const device of under.devices.devices) {
    metrics.devices.deviceDiscovered(device);
    pipeline.deviceAdded(device);
  }
  pipeline.sourceUp('kmsg', true);
  const opened = await under.open();
  if (!('run' in opened)) throw new Error('the reader does not open');
  const series = async () => parseExposition(await metrics.registry.render('text'));
  return { under, run: opened.run, records, series };
}
