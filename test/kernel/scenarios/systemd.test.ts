// The privileges of the systemd unit in INSTALL.md: not root, with two ambient capabilities and nothing beyond them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PRIVILEGES, UNPRIVILEGED_UID } from '../../../exporter/privileges/table.js';
import { capabilitiesOf } from '../../helpers/privileges.js';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { GPU0, postVmError, startClient, waitFor } from '../guest-lib.js';

const set = capabilitiesOf(PRIVILEGES).map((name) => `+${name.toLowerCase()}`);
const caps = ['-all', ...set].join(',');

test('another user than root, with ambient capabilities, sees the errors of everybody', async () => {
  const client = await startClient({ container: true, uid: 1001, undumpable: true });
  const exporter = await ExporterProcess.serve({
    launcher: [
      'setpriv',
      `--reuid=${UNPRIVILEGED_UID}`,
      `--regid=${UNPRIVILEGED_UID}`,
      '--clear-groups',
      `--inh-caps=${caps}`,
      `--ambient-caps=${set.join(',')}`,
      `--bounding-set=${caps}`,
      '--no-new-privs',
      '--',
    ],
  });
  const metric = (name: string): Promise<number | undefined> => exporter.metric(name);
  await waitFor('the client to be watched', async () => (await metric(`xe_clients_watched{pci_bdf="${GPU0}"}`)) === 1);
  for (const feature of ['watch_queue', 'discovery_proc', 'discovery_debugfs'])
    assert.equal(await metric(`xe_exporter_feature_info{feature="${feature}",state="active"}`), 1, feature);
  postVmError({ client: client.id });
  const counted = `xe_vm_rebind_errors_total{pci_bdf="${GPU0}",errno="ENOMEM"}`;
  await waitFor('the error to be counted', async () => (await metric(counted)) === 1);
  assert.equal(await exporter.stop(), 0);
  await client.exit();
});
