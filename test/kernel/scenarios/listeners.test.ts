// Several listeners on one file: the application's own, `serve`, and `watch` beside it.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, test } from 'node:test';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { driverState, GPU0, postVmError, startClient, waitFor } from '../guest-lib.js';

const CONFIG = '/tmp/xe-exporter.yaml';
writeFileSync(CONFIG, '{}\n');
const exporter = await ExporterProcess.serve({ args: [`--config=${CONFIG}`] });
after(() => exporter.stop('SIGKILL'));
const client = await startClient({ comm: 'two-ears' });
const ENOMEM = `xe_vm_rebind_errors_total{pci_bdf="${GPU0}",errno="ENOMEM"}`;

test("the application's own listener with its own filter, and the exporter, do not disturb each other", async () => {
  // Its filter lets subtype 1 pass only: no VM error.
  assert.deepEqual(await client.send('watch 0 9 2'), { ok: true });
  await waitFor('the exporter to attach', () => driverState().clients[0]?.watches === 2);
  postVmError({ client: client.id, vm: 1 }, { client: client.id, subtype: 1 });
  await waitFor('the exporter to count', async () => (await exporter.metric(ENOMEM)) === 1);
  const { records } = await client.send('read');
  assert.deepEqual(
    records?.map(({ subtype, id }) => [subtype, id]),
    [[1, 9]],
  );
});

test('watch prints the events it was asked for, beside serve', async () => {
  const watch = await ExporterProcess.run(
    ['watch', '--json', '--errno=ENOSPC', `--pid=${client.pid}`, '--count=2', '--scan-interval=250ms'],
    {},
    ({ raw }) => (String(raw).startsWith('Watching') ? String(raw) : undefined),
  );
  await waitFor('the third watch', () => driverState().clients[0]?.watches === 3);
  postVmError({ client: client.id, errno: -12 }, { client: client.id, vm: 4, errno: -28, count: 2 });
  assert.equal(await watch.exited, 0);
  const events = watch.stdout.map((line) => JSON.parse(line) as { attributes: Record<string, unknown> });
  assert.deepEqual(
    events.map(({ attributes }) => [attributes['error.type'], attributes['xe.vm.id'], attributes['process.pid']]),
    [
      ['ENOSPC', 4, client.pid],
      ['ENOSPC', 4, client.pid],
    ],
  );
  await waitFor('serve to count all', async () => {
    const metrics = await exporter.metrics();
    return (
      metrics.get(ENOMEM) === 2 && metrics.get(`xe_vm_rebind_errors_total{pci_bdf="${GPU0}",errno="ENOSPC"}`) === 2
    );
  });
});

test('SIGHUP replaces the kernel filter of pipes that are running; a mistake in the file leaves it', async () => {
  const reload = async (text: string, answer: RegExp): Promise<void> => {
    const before = exporter.log.length;
    writeFileSync(CONFIG, text);
    exporter.child.kill('SIGHUP');
    await waitFor(`the log to say ${answer}`, () =>
      exporter.log.slice(before).some(({ msg }) => answer.test(String(msg))),
    );
  };
  const count = async (): Promise<number> => (await exporter.metric(ENOMEM)) ?? NaN;
  const before = await count();
  await reload('events: [none]\n', /configuration reloaded/);
  postVmError({ client: client.id });
  await reload('events: [all]\n', /was not reloaded: .*events/);
  postVmError({ client: client.id });
  await reload('events: [xe.vm.rebind_error]\n', /configuration reloaded/);
  postVmError({ client: client.id });
  await waitFor('the third event', async () => (await count()) > before);
  assert.equal(await count(), before + 1);
  await client.exit();
});
