// What operators ran into, said by the driver through the kernel's own log: each case on a GPU of its own, all at the same time.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { setTimeout as pass } from 'node:timers/promises';
import { EVENT } from '../../../exporter/events/index.js';
import { ATTRIBUTE } from '../../../exporter/names.js';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { OPERATOR_CASES, OPERATOR_GPU, type OperatorCase } from '../../helpers/operator-cases.js';
import { control, deviceState, driverState, waitFor } from '../guest-lib.js';

/** A log event, as `--events-stdout` writes it. */
type Told = { event_name: string; body: string; attributes: Record<string, string | number> };
type Devices = { devices: { pci_bdf: string; state: string; cause: { event: string } | null; advice: string }[] };

/** What the exporter says of its own accord. */
const CONCLUSIONS: readonly string[] = [EVENT.deviceHealthChanged, EVENT.vmRebindOutcome];

/** What is said so soon after another line is said with it: the pauses that matter are longer. */
const PAUSE_MS = 5_000;
/** The control file takes so many lines at once. */
const AT_ONCE = 20;

const CASES: readonly OperatorCase[] = [
  ...OPERATOR_CASES,
  {
    what: '10: a firmware file is not installed',
    lines: [
      [0, 4, 'Direct firmware load for xe/bmg_guc_70.bin failed with error -2'],
      [0, 4, '[drm] Tile0: GT0: GuC firmware xe/bmg_guc_70.bin: fetch failed with error -ENOENT'],
      [0, 3, '[drm] *ERROR* Tile0: GT0: Failed to initialize uC (-ENOENT)'],
      [0, 3, 'probe with driver xe failed with error -2'],
    ],
    state: 'lost',
    cause: EVENT.firmwareMissing,
    events: [EVENT.firmwareMissing, EVENT.deviceProbeFailed],
    consequences: [EVENT.deviceProbeFailed],
    says: [/xe\/bmg_guc_70\.bin.*the driver cannot start: install linux-firmware/],
  },
  {
    what: '11: a card off the bus is no virtual function',
    lines: [
      [0, 3, 'Unable to change power state from D3cold to D0, device inaccessible'],
      [0, 6, '[drm] Running in SR-IOV VF mode'],
      [0, 3, '[drm] *ERROR* VF: Tile0: GT0: Failed to reset GuC state (-EPROTO)'],
      [0, 3, 'probe with driver xe failed with error -71'],
    ],
    state: 'lost',
    cause: EVENT.deviceLost,
    events: [EVENT.deviceLost, EVENT.kernelLogError, EVENT.deviceProbeFailed],
    consequences: [EVENT.kernelLogError, EVENT.deviceProbeFailed],
  },
];

const gpus = driverState().devices.map(({ id }) => id);
assert.ok(gpus.length > CASES.length, `${gpus.length} GPUs for ${CASES.length} cases and one that is well`);
const [well = '', ...theirs] = gpus.reverse();
const wakesOf = (): number[] => gpus.map((gpu) => deviceState(gpu).wakes);

const exporter = await ExporterProcess.serve({ args: ['--events-stdout', '--event-rate-limit-per-minute=0'] });
after(() => exporter.stop('SIGKILL'));
await waitFor('the source', async () => (await exporter.metric('xe_exporter_source_up{source="kmsg"}')) === 1);

// The number of the watch-queue ioctl has been looked for on a file of the exporter's own by now.
const wakesBefore = wakesOf();

const told = (gpu: string): Told[] =>
  exporter.stdout
    .filter((line) => line.includes(`"${gpu}"`))
    .map((line) => JSON.parse(line) as Told)
    .filter(({ event_name: name }) => !CONCLUSIONS.includes(name));

async function healthOf(gpu: string): Promise<Devices['devices'][number] | undefined> {
  const response = await fetch(`${exporter.url}/devices`);
  return ((await response.json()) as Devices).devices.find(({ pci_bdf: pciBdf }) => pciBdf === gpu);
}

async function say(gpu: string, { lines }: OperatorCase): Promise<void> {
  let together: string[] = [];
  const flush = (): void => {
    for (let at = 0; at < together.length; at += AT_ONCE) control(...together.slice(at, at + AT_ONCE));
    together = [];
  };
  for (const [afterMs, level, text] of lines) {
    if (afterMs >= PAUSE_MS) {
      flush();
      await pass(afterMs);
    }
    together.push(`log device=${gpu} level=${level} text=${text}`);
  }
  flush();
}

const played = CASES.map((one, index) => ({ one, gpu: theirs[index]!, said: say(theirs[index]!, one) }));

for (const { one, gpu, said } of played) {
  test(one.what, async () => {
    await said;
    for (const [name, count] of Object.entries(one.counts ?? {})) {
      const series = name.replaceAll(OPERATOR_GPU, gpu);
      await waitFor(`${series} ${count}`, async () => (await exporter.metric(series)) === count);
    }
    for (const name of new Set(one.events)) {
      await waitFor(name, () => told(gpu).some(({ event_name: event }) => event === name));
    }
    await waitFor(one.state, async () => (await healthOf(gpu))?.state === one.state, 120_000);
    const health = await healthOf(gpu);
    assert.equal(health?.cause?.event, one.cause);
    assert.match(health?.advice ?? '', one.advice ?? /^/);
    assert.equal(await exporter.metric(`xe_device_health{pci_bdf="${gpu}",state="${one.state}"}`), 1);

    const names = new Set(told(gpu).map(({ event_name: name }) => name));
    assert.deepEqual([...names].sort(), [...new Set(one.events)].sort(), 'and nothing else');
    const ids = told(gpu).map(({ attributes }) => attributes[ATTRIBUTE.eventId]);
    for (const name of one.consequences ?? []) {
      const causes = told(gpu)
        .filter(({ event_name: event }) => event === name)
        .map(({ attributes }) => attributes[ATTRIBUTE.eventCauseId]);
      assert.ok(
        causes.some((cause) => ids.includes(cause)),
        `${name} follows from ${causes.join()}`,
      );
    }
    for (const pattern of one.says ?? []) {
      assert.ok(
        told(gpu).some(({ body }) => pattern.test(body)),
        String(pattern),
      );
    }
  });
}

test('none of it touches the GPU beside them, and none was woken', async () => {
  await Promise.all(played.map(({ said }) => said));
  assert.equal((await healthOf(well))?.state, 'ok');
  assert.deepEqual(told(well), []);
  assert.deepEqual(wakesOf(), wakesBefore);
  assert.equal(await exporter.stop(), 0);
});
