// The container image on a kernel that has something to watch: its root folder, the capabilities of the table and not one more,
// and a client in another container. What a container runtime does with namespaces, chroot and capabilities is done by hand.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, describe, it } from 'node:test';
import { UNPRIVILEGED_UID, type Capability } from '../../../exporter/privileges/table.js';
import { USUAL_CAPABILITIES } from '../../helpers/privileges.js';
import { CAPABILITY } from '../../../exporter/host/privileges.js';
import { ExporterProcess } from '../../helpers/exporter-process.js';
import { driverState, GPU0, postVmError, startClient, waitFor, type GuestClient } from '../guest-lib.js';

const root = process.env['XE_TEST_CONTAINER_ROOT'] ?? '';
const NUMBERS: Readonly<Record<Capability, number>> = {
  DAC_READ_SEARCH: CAPABILITY.dacReadSearch,
  NET_ADMIN: 12,
  SYSLOG: 34,
  SYS_PTRACE: CAPABILITY.sysPtrace,
};
const ALL = USUAL_CAPABILITIES;
const WATCHED = `xe_clients_watched{pci_bdf="${GPU0}"}`;
const COUNTED = `xe_vm_rebind_errors_total{pci_bdf="${GPU0}",errno="ENOMEM"}`;

/** One as usual, and one that only CAP_SYS_PTRACE may look into; its /proc/<pid>/fd is root's. */
const ordinary = await startClient({ container: true, uid: 1001 });
const guarded = await startClient({ container: true, uid: 1001, undumpable: true });
after(() => Promise.all([ordinary.exit(), guarded.exit()]));

const watches = ({ id }: GuestClient): number =>
  driverState().clients.find((client) => client.id === id)?.watches ?? NaN;

/** Process 0's file system and pids as with --pid=host; the root folder is read-only, as all of the guest's is. */
function container(uid: number, kept: readonly Capability[]): readonly string[] {
  const last = Number(readFileSync('/proc/sys/kernel/cap_last_cap', 'utf8'));
  const numbers = kept.map((name) => NUMBERS[name]);
  const dropped = Array.from({ length: last + 1 }, (_, number) => number).filter((number) => !numbers.includes(number));
  const mounts = ['proc', 'sys', 'dev'].map((name) => `mount --rbind /${name} ${root}/${name}`).join(' && ');
  const user = uid === 0 ? '' : `--uid=${uid}`;
  const capsh = `exec capsh --chroot=${root} --drop=${dropped.join(',')} ${user} --no-new-privs --shell=/usr/local/bin/node`;
  return [
    'unshare',
    '--mount',
    'sh',
    '-c',
    `${mounts} && ${capsh} -- "$@"`,
    'container',
    '--optimize-for-size',
    '/app/dist/exporter/main.js',
  ];
}

function capabilitySets(pid: number | undefined): Record<string, string> {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Object.fromEntries(
    [...status.matchAll(/^(Cap\w+|NoNewPrivs):\t(\w+)$/gm)].map(([, name, value]) => [name, value]),
  );
}

/** Says that it is denied, watches nobody of these, and lives. */
async function degrades(program: readonly string[], unseen: readonly GuestClient[]): Promise<void> {
  await waitFor('nobody to watch any more', () => unseen.every((client) => watches(client) === 0));
  const exporter = await ExporterProcess.serve({ program });
  try {
    await waitFor('discovery denied', () =>
      exporter.log.find(({ feature, state }) => feature === 'discovery_proc' && state === 'denied'),
    );
    assert.equal((await fetch(`${exporter.url}/healthz`)).status, 200);
    assert.deepEqual(
      unseen.map(watches),
      unseen.map(() => 0),
    );
  } finally {
    assert.equal(await exporter.stop(), 0);
  }
}

describe('the image', () => {
  it('watches the clients of other containers with exactly the capabilities of the table', async () => {
    const exporter = await ExporterProcess.serve({ program: container(0, ALL) });
    await waitFor('both to be watched', async () => (await exporter.metric(WATCHED)) === 2);
    const set = ALL.reduce((bits, name) => bits | (1n << BigInt(NUMBERS[name])), 0n)
      .toString(16)
      .padStart(16, '0');
    const { CapPrm, CapEff, CapBnd, NoNewPrivs } = capabilitySets(exporter.child.pid);
    assert.deepEqual(
      { CapPrm, CapEff, CapBnd, NoNewPrivs },
      { CapPrm: set, CapEff: set, CapBnd: set, NoNewPrivs: '1' },
    );
    for (const feature of ['watch_queue', 'discovery_proc', 'discovery_debugfs'])
      assert.equal(await exporter.metric(`xe_exporter_feature_info{feature="${feature}",state="active"}`), 1, feature);
    postVmError({ client: ordinary.id }, { client: guarded.id });
    await waitFor('the errors to be counted', async () => (await exporter.metric(COUNTED)) === 2);
    assert.equal(await exporter.stop(), 0);
  });

  it('degrades without CAP_DAC_READ_SEARCH', () =>
    degrades(
      container(
        0,
        ALL.filter((name) => name !== 'DAC_READ_SEARCH'),
      ),
      [ordinary],
    ));

  it('degrades without CAP_SYS_PTRACE', () =>
    degrades(
      container(
        0,
        ALL.filter((name) => name !== 'SYS_PTRACE'),
      ),
      [ordinary, guarded],
    ));

  it('degrades as its own user', () => degrades(container(UNPRIVILEGED_UID, []), [ordinary, guarded]));

  it('gains nothing as its own user from capabilities in the bounding set', () =>
    degrades(container(UNPRIVILEGED_UID, ALL), [ordinary, guarded]));
});
