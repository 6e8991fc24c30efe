// Hardware error counters from the real drm-ras family, whose nodes the stub registers as xe does on server GPUs.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { control, deviceState, GPU0, GPU1, startClientIn, unbindDriver, bindDriver, waitFor } from '../guest-lib.js';

const MAIN = fileURLToPath(new URL('../../../exporter/main.js', import.meta.url));
/** 6.12 has no such family. */
const HAS_FAMILY = Number(/^\d+/.exec(readFileSync('/proc/sys/kernel/osrelease', 'utf8'))?.[0]) >= 7;
const NODE = { corrected: 0, uncorrected: 1 } as const;
const ERROR = { 'core-compute': 1, 'device-memory': 3, fabric: 5 } as const;

const series = (bdf: string, severity: keyof typeof NODE, component: string): string =>
  `xe_device_ras_errors_total{pci_bdf="${bdf}",severity="${severity}",component="${component}"}`;
const feature = (state: string): string => `xe_exporter_feature_info{feature="ras",state="${state}"}`;

function setCounter(bdf: string, severity: keyof typeof NODE, error: keyof typeof ERROR, value: number): void {
  control(`ras device=${bdf} node=${NODE[severity]} id=${ERROR[error]} value=${value}`);
}

/** Without what else would wake a device: finding the watch ioctl. */
async function serve(t: TestContext, ...args: string[]): Promise<ExporterProcess> {
  const exporter = await ExporterProcess.serve({ args: ['--memory-interval=off', '--xe-watch-ioctl=off', ...args] });
  t.after(() => exporter.stop('SIGKILL'));
  return exporter;
}

const is = (exporter: ExporterProcess, name: string, value: number | undefined): Promise<unknown> =>
  waitFor(`${name} ${value}`, async () => (await exporter.metric(name)) === value);

function doctor(...launcher: readonly string[]): { status: string; seen: string; fix: string } {
  const [program = '', ...args] = [
    ...launcher,
    process.execPath,
    MAIN,
    'doctor',
    '--json',
    '--ras-interval=15s',
    '--xe-watch-ioctl=off',
  ];
  const { stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  assert.notEqual(stdout, '', stderr);
  const { checks } = JSON.parse(stdout) as { checks: { check: string; status: string; seen: string; fix: string }[] };
  return checks.find(({ check }) => check === 'ras')!;
}

test('nobody asks unless that is wanted', async (t) => {
  await is(await serve(t), feature('disabled'), 1);
});

test('a kernel without the family: unsupported, and doctor says what it takes', { skip: HAS_FAMILY }, async (t) => {
  const exporter = await serve(t, '--ras-interval=15s');
  await is(exporter, feature('unsupported'), 1);
  assert.ok([...(await exporter.metrics()).keys()].every((name) => !name.startsWith('xe_device_ras_errors_total{')));
  const { status, seen, fix } = doctor();
  assert.equal(status, 'warn');
  assert.match(seen, /no netlink family drm-ras/);
  assert.match(fix, /CONFIG_DRM_RAS/);
});

test('counters are read, cleared ones go on, and a sleeping device stays asleep', { skip: !HAS_FAMILY }, async (t) => {
  const client = await startClientIn(t, {});
  setCounter(GPU0, 'corrected', 'device-memory', 7);
  setCounter(GPU0, 'uncorrected', 'fabric', 2);
  setCounter(GPU1, 'corrected', 'core-compute', 4_294_967_295);
  await waitFor('the other device asleep', () => runtimeStatus(GPU1) === 'suspended');
  const asleep = deviceState(GPU1);
  await client.send('version 0');
  const exporter = await serve(t, '--ras-interval=15s');
  /** Its own ioctls keep the device of the client awake. */
  const read = (name: string, value: number): Promise<unknown> =>
    waitFor(`${name} ${value}`, async () => {
      await client.send('version 0');
      return (await exporter.metric(name)) === value;
    });
  await read(series(GPU0, 'corrected', 'device-memory'), 7);
  assert.equal(await exporter.metric(series(GPU0, 'uncorrected', 'fabric')), 2);
  assert.equal(await exporter.metric(series(GPU0, 'corrected', 'pcie')), undefined, 'the driver has no such counter');
  assert.equal(await exporter.metric(feature('active')), 1);

  setCounter(GPU0, 'corrected', 'device-memory', 3);
  await read(series(GPU0, 'corrected', 'device-memory'), 10);
  assert.deepEqual(deviceState(GPU1), asleep, 'not woken by two reads of the other one');
  assert.equal(await exporter.metric(series(GPU1, 'corrected', 'core-compute')), undefined);
});

test('a driver that fails is named, and one that is bound again counts from 0', { skip: !HAS_FAMILY }, async (t) => {
  const client = await startClientIn(t, {});
  setCounter(GPU0, 'corrected', 'device-memory', 1);
  control(`fail_ras device=${GPU0} on=1`);
  await client.send('version 0');
  const failing = await serve(t, '--ras-interval=15s');
  await waitFor('the failure in the log', () =>
    failing.log.some(({ feature, reason }) => feature === 'ras' && /0000:03:00\.0.*EIO/.test(String(reason))),
  );
  assert.equal(await failing.metric(series(GPU0, 'corrected', 'device-memory')), undefined);
  await client.exit();

  unbindDriver(GPU0);
  bindDriver(GPU0);
  const again = await startClientIn(t, {});
  await again.send('version 0');
  await is(await serve(t, '--ras-interval=15s'), series(GPU0, 'corrected', 'device-memory'), 0);
});

test('without CAP_NET_ADMIN: denied, and doctor names the capability', { skip: !HAS_FAMILY }, () => {
  assert.equal(doctor().status, 'ok');
  const { status, seen, fix } = doctor('setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin', '--');
  assert.equal(status, 'fail', seen);
  assert.match(seen, /EPERM/);
  assert.match(fix, /CAP_NET_ADMIN/);
  const only = ['setpriv', '--reuid=1001', '--regid=1001', '--clear-groups'];
  const ambient = doctor(...only, '--inh-caps=+net_admin', '--ambient-caps=+net_admin', '--');
  assert.equal(ambient.status, 'ok', 'and it is enough');
});

function runtimeStatus(bdf: string): string {
  return readFileSync(`/sys/bus/pci/devices/${bdf}/power/runtime_status`, 'utf8').trim();
}
