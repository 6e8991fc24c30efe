import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse as parseYaml } from 'yaml';
import { FEATURES, type FeatureName } from '../../exporter/names.js';
import { capabilitiesOf, containerUid, privilegesOf } from '../helpers/privileges.js';
import { configOf, containerOf, hostPaths, NAMESPACE, only, podOf, refusal, render, type Manifest } from './chart.js';

/** What a posture leaves alone: these have values and tests of their own. */
const APART: readonly FeatureName[] = [
  'kubernetes',
  'kubernetes_events',
  'kubernetes_node_condition',
  'otlp',
  'otlp_metrics',
  'jobs',
  'coredumps',
  'ras',
];
const ALL = FEATURES.filter((name) => !APART.includes(name));
const without = (...names: readonly FeatureName[]): FeatureName[] => ALL.filter((name) => !names.includes(name));
/** Written without quotes, as people do: Helm reads false. */
const OFF = { memoryInterval: 'off' };

const postures: readonly { name: string; values: object; features: readonly FeatureName[] }[] = [
  { name: 'nothing is set', values: {}, features: ALL },
  { name: 'the kernel log is off', values: { sources: { kmsg: { enabled: 'off' } } }, features: without('kmsg') },
  {
    name: 'only the watch queue is wanted',
    values: { mode: 'watch_queue' },
    features: without('trace', 'kmsg', 'uevent'),
  },
  {
    name: 'debugfs is not wanted',
    values: { discovery: { method: 'proc' }, metrics: OFF },
    features: without('discovery_debugfs', 'memory'),
  },
  { name: 'the trace is off', values: { sources: { trace: { enabled: 'off' } } }, features: without('trace') },
  { name: 'the posture is trace', values: { posture: 'trace' }, features: ['trace', 'kmsg', 'uevent'] },
  {
    name: 'the posture is trace and the kernel log is off',
    values: { posture: 'trace', sources: { kmsg: { enabled: 'off' } } },
    features: ['trace', 'uevent'],
  },
  { name: 'the posture is device-only', values: { posture: 'device-only' }, features: ['uevent'] },
  { name: 'events are simulated', values: { sources: { simulator: { enabled: true } } }, features: [] },
];

for (const { name, values, features } of postures) {
  test(`the pod has what the privilege table says, and no more, when ${name}`, () => {
    const rows = privilegesOf(features);
    const capabilities = capabilitiesOf(rows);
    const manifests = render(values);
    const pod = podOf(manifests);
    const { securityContext } = containerOf(manifests);
    assert.deepEqual(securityContext.capabilities.add ?? [], capabilities);
    assert.deepEqual(securityContext.capabilities.drop, ['ALL']);
    const uid = rows.some(({ root }) => root) ? 0 : containerUid(capabilities);
    assert.equal(securityContext.runAsUser, uid);
    assert.equal(securityContext.runAsNonRoot, uid !== 0);
    assert.equal(
      pod.hostPID ?? false,
      rows.some(({ hostPid }) => hostPid),
    );
    const mounts = new Set(
      rows.flatMap((row) => row.mounts.filter(({ optional }) => !optional).map(({ path }) => path)),
    );
    assert.deepEqual(hostPaths(pod), [...mounts]);
  });
}

test('no values make the container privileged, writable or able to gain privileges', () => {
  for (const { values } of postures) {
    const { securityContext } = containerOf(render(values));
    assert.equal(securityContext.privileged, undefined);
    assert.equal(securityContext.allowPrivilegeEscalation, false);
    assert.equal(securityContext.readOnlyRootFilesystem, true);
    assert.deepEqual(podOf(render(values)).securityContext.seccompProfile, { type: 'RuntimeDefault' });
  }
  assert.match(refusal({ securityContext: { privileged: true } }), /securityContext/);
  assert.match(refusal({ securityContext: { capabilities: { add: ['SYS_ADMIN'] } } }), /capabilities/);
});

test('every mount is read-only, except the tracefs that the trace is set up in', () => {
  for (const values of [
    {},
    { attribution: { kubernetes: 'node' } },
    { web: { existingSecret: 'web' } },
    { posture: 'trace' },
  ]) {
    for (const { mountPath, readOnly } of containerOf(render(values)).volumeMounts)
      assert.equal(readOnly, mountPath !== '/sys/kernel/tracing', mountPath);
  }
});

test('coredumps are copied to a folder of the node when that is wanted, by uid 0 and without a capability', () => {
  const coredumps = { enabled: true, hostPath: '/srv/dumps', maxBytes: '2GiB' };
  const manifests = render({ posture: 'device-only', coredumps });
  const pod = podOf(manifests);
  const { securityContext, volumeMounts } = containerOf(manifests);
  assert.deepEqual([securityContext.runAsUser, securityContext.capabilities.add], [0, undefined]);
  const volume = pod.volumes.find(({ name }: Manifest) => name === 'coredumps');
  assert.deepEqual(volume.hostPath, { path: '/srv/dumps', type: 'DirectoryOrCreate' });
  const { mountPath, readOnly } = volumeMounts.find(({ name }: Manifest) => name === 'coredumps');
  assert.equal(readOnly, undefined);
  const config = parseYaml(only(manifests, 'ConfigMap').data['config.yaml']);
  assert.deepEqual([config.coredumpDir, config.coredumpMaxBytes], [mountPath, '2GiB']);

  const simulated = render({ coredumps, sources: { simulator: { enabled: true } } });
  assert.deepEqual(hostPaths(podOf(simulated)), []);
  assert.equal(parseYaml(only(simulated, 'ConfigMap').data['config.yaml']).coredumpDir, undefined);
  for (const deaf of [{ mode: 'watch_queue' }, { sources: { uevent: { enabled: 'off' } } }])
    assert.match(refusal({ coredumps, ...deaf }), /coredumps\.enabled needs uevents/);
  assert.match(refusal({ coredumps: { enabled: true, hostPath: 'dumps' } }), /hostPath/);
});

test('hardware error counters take NET_ADMIN, and only where they are wanted', () => {
  const capabilities = (values: object): unknown => containerOf(render(values)).securityContext.capabilities.add ?? [];
  const metrics = { rasInterval: '5m' };
  assert.deepEqual(capabilities({ posture: 'device-only' }), []);
  assert.deepEqual(capabilities({ posture: 'device-only', metrics: { rasInterval: 'off' } }), []);
  assert.deepEqual(capabilities({ posture: 'device-only', metrics: { rasInterval: false } }), [], 'as Helm reads off');
  assert.deepEqual(capabilities({ posture: 'device-only', metrics }), ['NET_ADMIN']);
  assert.deepEqual(capabilities({ metrics, sources: { simulator: { enabled: true } } }), []);
  const config = only(render({ metrics }), 'ConfigMap').data['config.yaml'];
  assert.equal(parseYaml(config).rasInterval, '5m');
});

test('AppArmor is unconfined only where other processes are looked into', () => {
  assert.deepEqual(containerOf(render({})).securityContext.appArmorProfile, { type: 'Unconfined' });
  assert.equal(containerOf(render({ posture: 'device-only' })).securityContext.appArmorProfile, undefined);
  const localhost = { type: 'Localhost', localhostProfile: 'xe-exporter' };
  assert.deepEqual(
    containerOf(render({ securityContext: { appArmorProfile: localhost } })).securityContext.appArmorProfile,
    localhost,
  );
});

test("the jobs' socket lies in a folder of the host, with the state beside it and not below it", async () => {
  for (const posture of ['full', 'trace']) {
    const manifests = render({ posture, jobs: { enabled: true, hostPath: '/var/run/gpu-jobs' } });
    const pod = podOf(manifests);
    assert.equal(pod.hostPID, true);
    const volume = pod.volumes.find(({ name }: Manifest) => name === 'jobs');
    assert.deepEqual(volume.hostPath, { path: '/var/run/gpu-jobs', type: 'DirectoryOrCreate' });
    const mount = pod.containers[0].volumeMounts.find(({ name }: Manifest) => name === 'jobs');
    const { jobsSocket, jobsStateFile } = await configOf(manifests);
    assert.equal(jobsSocket, `${mount.mountPath}/socket/jobs.sock`);
    assert.equal(jobsStateFile, `${mount.mountPath}/jobs.json`);
    assert.notEqual(mount.readOnly, true);
  }
  assert.ok(!hostPaths(podOf(render({}))).includes('/run/xe-exporter'));
  assert.equal((await configOf(render({}))).jobsSocket, undefined);
  assert.match(refusal({ posture: 'device-only', jobs: { enabled: true } }), /set posture to full or trace/);
  assert.match(refusal({ sources: { simulator: { enabled: true } }, jobs: { enabled: true } }), /exclude each other/);
  assert.match(refusal({ jobs: { hostPath: 'run' } }), /hostPath/);
});

test('a render node comes from the device plugin or from a claim, never from a hostPath', () => {
  const plugin = containerOf(render({ deviceAccess: { method: 'plugin' } })).resources;
  assert.equal(plugin.limits['gpu.intel.com/monitoring'], '1');
  assert.equal(plugin.limits.memory, '256Mi');
  const manifests = render({ deviceAccess: { method: 'dra' } });
  assert.deepEqual(containerOf(manifests).resources.claims, [{ name: 'gpus' }]);
  assert.equal(podOf(manifests).resourceClaims[0].resourceClaimTemplateName, 'xe-exporter');
  assert.equal(only(manifests, 'ResourceClaimTemplate').spec.spec.devices.requests[0].exactly.adminAccess, true);
  assert.match(refusal({ deviceAccess: { method: 'hostPath' } }), /deviceAccess[./]method/);
  const old = refusal({ deviceAccess: { method: 'dra' } }, { args: ['--kube-version', '1.33.0'] });
  assert.match(old, /1\.34 or newer \(resource\.k8s\.io\/v1\), but this is v1\.33\.0: upgrade it/);
});

for (const { name, values } of postures) {
  test(`on OpenShift the pod is allowed what it asks for, and no more, when ${name}`, () => {
    const manifests = render({ ...values, openshift: { enabled: true } });
    const allowed = only(manifests, 'SecurityContextConstraints');
    const pod = podOf(manifests);
    const { securityContext } = containerOf(manifests);
    assert.deepEqual(allowed.users, [`system:serviceaccount:${NAMESPACE}:xe-exporter`]);
    assert.equal(allowed.allowHostPID, pod.hostPID ?? false);
    assert.deepEqual(allowed.allowedCapabilities, securityContext.capabilities.add ?? []);
    assert.equal(allowed.runAsUser.uid, securityContext.runAsUser);
    assert.equal(allowed.allowHostDirVolumePlugin, hostPaths(pod).length > 0);
    assert.equal(allowed.allowPrivilegedContainer, false);
    assert.equal(securityContext.seLinuxOptions?.type, pod.hostPID ? 'spc_t' : undefined);
  });
}
