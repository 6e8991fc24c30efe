import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { EVENT, EVENT_METRIC } from '../../../exporter/events/index.js';
import { METRIC } from '../../../exporter/names.js';
import { HUNG, OTHER, stormyNode } from '../../helpers/stormy-node.js';
import { waitFor } from '../../helpers/wait-for.js';

const LINES = 300_000;
/** So many lines at once, which is more than the queue of the reader holds. */
const BURST = 15_000;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
function heap(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

test('a GPU that repeats one line hides no other GPU, costs no memory, and no line of it is lost uncounted', async (t) => {
  const { under, run, records, series } = await stormyNode(t);
  let sequence = 0;
  const say = async (pciBdf: string, text: string): Promise<void> => {
    const line = `6,${++sequence},1000000,-;xe ${pciBdf}: [drm] ${text}\n SUBSYSTEM=pci\n DEVICE=+pci:${pciBdf}\n`;
    while (!under.reader.post(Buffer.from(line))) await nextTurn();
  };
  const storm = async (lines: number): Promise<void> => {
    for (let line = 1; line <= lines; line++) {
      await say(HUNG, 'GT1: trying reset from guc_exec_queue_timedout_job [xe]');
      if (line % BURST === 0) await nextTurn();
    }
  };
  const rebindErrors = `${METRIC.vmRebindErrors}{pci_bdf="${OTHER}",errno="ENOMEM"}`;

  await storm(LINES / 2);
  const before = heap();
  await storm(LINES / 2);
  // The queue is full of the storm: the line of the other GPU is posted again until it has found room.
  let posted = 0;
  await waitFor(
    async () => {
      await say(OTHER, 'VM worker error: -12');
      posted++;
      await nextTurn();
      return (await series()).get(rebindErrors)! > 0;
    },
    { what: 'the rebind error of the other GPU' },
  );
  await run.stop();
  assert.ok(heap() - before < 8 << 20, 'memory stays flat');

  const samples = await series();
  const counted = samples.get(`${EVENT_METRIC.gtResetAttempt}{pci_bdf="${HUNG}"}`)! + samples.get(rebindErrors)!;
  assert.ok(counted > 0);
  assert.equal(counted + under.dropped, LINES + posted, 'every line is counted, or counted as dropped');
  const told = records.filter(({ eventName }) => eventName === EVENT.gtResetAttempt);
  assert.ok(told.length > 0 && told.length < 50, `${told.length} log events`);
});
