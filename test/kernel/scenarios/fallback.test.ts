// The kernels people run today: no watch ioctl, so that rebind errors come from the kernel log and the rest from uevents.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import {
  bindDriver,
  coredump,
  GPU0,
  GPU1,
  kernelLog,
  postVmError,
  RENDER1,
  startClient,
  unbindDriver,
  waitFor,
  wedge,
} from '../guest-lib.js';

const exporter = await ExporterProcess.serve({ args: ['--events-stdout'] });
after(() => exporter.stop('SIGKILL'));

const metric = async (name: string, labels: string): Promise<number> =>
  (await exporter.metric(`${name}{${labels}}`)) ?? NaN;
const errors = (bdf: string, errno: string): Promise<number> =>
  metric('xe_vm_rebind_errors_total', `pci_bdf="${bdf}",errno="${errno}"`);
const logged = (event: string, count = 1): Promise<Record<string, unknown>[]> =>
  waitFor(`${count} ${event}`, () => {
    const lines = exporter.stdout.map((line) => JSON.parse(line) as Record<string, unknown>);
    const found = lines.filter((line) => line['event_name'] === event);
    return found.length >= count ? found : undefined;
  });

test('ready by the kernel log and uevents, and one line says so', async () => {
  for (const source of ['kmsg', 'uevent']) {
    await waitFor(source, async () => (await metric('xe_exporter_source_up', `source="${source}"`)) === 1);
  }
  await waitFor('the line', () =>
    exporter.log.find(({ msg }) => String(msg).startsWith('VM rebind errors come from the kernel log')),
  );
  const ready = await fetch(`${exporter.url}/readyz`);
  assert.match(await ready.text(), /events come from kmsg, uevent/);
});

test('a rebind failure is on /metrics with its device and errno, and for no pod', async () => {
  const client = await startClient({ files: [RENDER1] });
  await waitFor('the client', async () => (await metric('xe_clients', `pci_bdf="${GPU1}"`)) === 1);
  postVmError({ client: client.id, errno: -12 });
  await waitFor('the error', async () => (await errors(GPU1, 'ENOMEM')) === 1);
  assert.equal(await errors(GPU0, 'ENOMEM'), 0);

  const [event] = await logged('xe.vm.rebind_error');
  const attributes = event!['attributes'] as Record<string, unknown>;
  assert.equal(attributes['pci.bdf'], GPU1);
  assert.equal(attributes['xe.event.source'], 'kmsg');
  assert.equal(attributes['xe.victim.inferred'], true, 'it was the only client');
  assert.equal(attributes['xe.victim.evidence'], 'only_client');
  assert.equal(attributes['process.pid'], client.pid);
  assert.match(String(event!['body']), /[Pp]robably/);
  const series = [...(await exporter.metrics())].filter(
    ([key, value]) => key.startsWith('xe_client_vm_rebind_errors_total') && value > 0,
  );
  assert.equal(series.length, 1);
  assert.match(series[0]![0], /k8s_pod_name="_unattributed"/);
  assert.equal(await metric('xe_exporter_events_unattributed_total', 'reason="no_pid"'), 1);
  await client.exit();
});

test('each further one is on /metrics, too', async (t) => {
  const client = await startClient({ files: [RENDER1] });
  for (let posted = 1; posted <= 5; posted++) {
    const since = performance.now();
    postVmError({ client: client.id, errno: -16 });
    await waitFor('the failure on /metrics', async () => (await errors(GPU1, 'EBUSY')) === posted);
    t.diagnostic(`on /metrics after ${Math.round(performance.now() - since)} ms`);
  }
  await client.exit();
});

test('watch follows the kernel log and uevents, says so, and prints the failure', async () => {
  const client = await startClient({ files: [RENDER1] });
  const watch = await ExporterProcess.run(['watch', '--json', '--errno=ENOSPC', '--count=1'], {}, ({ raw }) =>
    String(raw).startsWith('Watching') ? String(raw) : undefined,
  );
  assert.match(watch.url, /^Watching 0000:03:00\.0, 0000:04:00\.0: VM rebind errors come from the kernel log/);
  const before = await errors(GPU1, 'ENOSPC');
  postVmError({ client: client.id, errno: -12 }, { client: client.id, errno: -28 });
  assert.equal(await watch.exited, 0);
  assert.equal(watch.stdout.length, 1);
  const { event_name, attributes } = JSON.parse(watch.stdout[0]!) as {
    event_name: string;
    attributes: Record<string, unknown>;
  };
  assert.equal(event_name, 'xe.vm.rebind_error');
  assert.deepEqual([attributes['pci.bdf'], attributes['xe.event.source']], [GPU1, 'kmsg']);
  assert.equal(attributes['process.pid'], client.pid, 'the only client, by the same evidence as for serve');
  await waitFor('serve to count it, too', async () => (await errors(GPU1, 'ENOSPC')) === before + 1);
  await client.exit();
});

test('each kind of trouble of the kernel log counts for its device', async () => {
  const lines: readonly (readonly [metric: string, level: number, text: string])[] = [
    [
      'xe_job_timeouts_total',
      5,
      '[drm] Tile0: GT0: Timedout job: seqno=4, lrc_seqno=4, guc_id=2, flags=0x0 in python3 [4711]',
    ],
    [
      'xe_engine_resets_total',
      6,
      '[drm] Tile0: GT0: Engine reset: engine_class=ccs, logical_mask: 0x1, guc_id=2, state=0x3',
    ],
    ['xe_gt_resets_total', 6, '[drm] Tile0: GT0: reset started'],
    ['xe_page_faults_unserviced_total', 6, '[drm] Tile0: GT0: Fault response: Unsuccessful -EINVAL'],
    [
      'xe_memory_cat_errors_total',
      6,
      '[drm] Tile0: GT0: Engine memory CAT error [3]: class=ccs, logical_mask: 0x1, guc_id=2',
    ],
    ['xe_kernel_log_unknown_errors_total', 3, '[drm] *ERROR* Tile0: GT0: something nobody has heard of'],
  ];
  for (const [name, level, text] of lines) {
    kernelLog(GPU0, level, text);
    await waitFor(name, async () => (await metric(name, `pci_bdf="${GPU0}"`)) === 1);
    assert.equal(await metric(name, `pci_bdf="${GPU1}"`), 0, name);
  }
});

test('a coredump told by log and uevent counts once, with its path', async () => {
  coredump(
    GPU0,
    '**** Xe Device Coredump ****\nReason: Timedout job - seqno=4\nkernel: 7.2\nmodule: xe\nSnapshot time: 1.0\nUptime: 2.0\nProcess: python3 [4711]\n',
  );
  const [event] = await logged('xe.device.coredump');
  const attributes = event!['attributes'] as Record<string, unknown>;
  assert.match(String(attributes['xe.devcoredump.path']), /^\/sys\/devices\/virtual\/devcoredump\/devcd\d+\/data$/);
  assert.equal(attributes['xe.devcoredump.reason'], 'Timedout job - seqno=4');
  assert.equal(await metric('xe_devcoredumps_total', `pci_bdf="${GPU0}"`), 1);
});

test('a wedged device shows, once however often it is told, and clears when the driver is bound again', async () => {
  wedge(GPU1);
  wedge(GPU1);
  await waitFor('the gauge', async () => (await metric('xe_device_wedged', `pci_bdf="${GPU1}"`)) === 1);
  const [event] = await logged('xe.device.wedged');
  assert.equal((event!['attributes'] as Record<string, unknown>)['xe.device.recovery'], 'rebind,bus-reset');
  unbindDriver(GPU1);
  bindDriver(GPU1);
  await waitFor('the end', async () => (await metric('xe_device_wedged', `pci_bdf="${GPU1}"`)) === 0);
  assert.equal(await metric('xe_device_wedged_events_total', `pci_bdf="${GPU1}"`), 1);
  assert.equal((await logged('xe.device.wedged')).length, 1);
  wedge(GPU1);
  await waitFor(
    'the second wedging',
    async () => (await metric('xe_device_wedged_events_total', `pci_bdf="${GPU1}"`)) === 2,
  );
});

test('nothing was lost, dropped or malformed, and it stops in order', async () => {
  for (const source of ['kmsg', 'uevent']) {
    assert.equal(await metric('xe_exporter_events_lost_total', `source="${source}"`), 0, source);
  }
  assert.equal(await metric('xe_exporter_events_dropped_total', 'stage="decode",sink="",reason="malformed"'), 0);
  assert.equal(await exporter.stop(), 0);
});
