import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse as parseYaml } from 'yaml';
import { loadConfig } from '../../exporter/config/load.js';
import { UNPRIVILEGED_UID } from '../../exporter/privileges/table.js';
import type { FeatureName } from '../../exporter/names.js';
import { capabilitiesOf, containerUid, privilegesOf } from '../helpers/privileges.js';
import { CHART, containerOf, NAMESPACE, only, podOf, refusal, render, template, type Manifest } from './chart.js';

const ALL: readonly FeatureName[] = [
  'watch_queue',
  'trace',
  'kmsg',
  'uevent',
  'discovery_proc',
  'discovery_debugfs',
  'memory',
];
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

test('AppArmor is unconfined only where other processes are looked into', () => {
  assert.deepEqual(containerOf(render({})).securityContext.appArmorProfile, { type: 'Unconfined' });
  assert.equal(containerOf(render({ posture: 'device-only' })).securityContext.appArmorProfile, undefined);
  const localhost = { type: 'Localhost', localhostProfile: 'xe-exporter' };
  assert.deepEqual(
    containerOf(render({ securityContext: { appArmorProfile: localhost } })).securityContext.appArmorProfile,
    localhost,
  );
});

test('the API server is asked for pods only when it is where names come from', () => {
  const asked = render({});
  assert.deepEqual(only(asked, 'ClusterRole').rules, [
    { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] },
  ]);
  assert.equal(podOf(asked).automountServiceAccountToken, true);
  for (const values of [{ attribution: { kubernetes: 'node' } }, { attribution: { kubernetes: 'off' } }]) {
    const manifests = render(values);
    assert.equal(
      manifests.some(({ kind }) => kind === 'ClusterRole'),
      false,
    );
    assert.equal(podOf(manifests).automountServiceAccountToken, false);
  }
  assert.deepEqual(
    hostPaths(podOf(render({ attribution: { kubernetes: 'node' } }))).filter((path) => path.startsWith('/var')),
    ['/var/log/pods', '/var/log/containers'],
  );
});

test('Events may be written in every namespace when they are wanted, and then only', () => {
  const events = { apiGroups: [''], resources: ['events'], verbs: ['create', 'patch'] };
  const pods = { apiGroups: [''], resources: ['pods'], verbs: ['list', 'watch'] };
  const wanted = { events: { kubernetesEvents: true } };
  for (const [values, rules] of [
    [wanted, [events, pods]],
    [{ ...wanted, attribution: { kubernetes: 'node' } }, [events]],
    [{ ...wanted, sources: { simulator: { enabled: true } } }, [events]],
  ] as const) {
    const manifests = render(values);
    assert.deepEqual(only(manifests, 'ClusterRole').rules, rules);
    assert.equal(podOf(manifests).automountServiceAccountToken, true);
  }
  assert.equal(only(render({}), 'ClusterRole').rules.length, 1);
});

test('Events are refused where pods have no names', () => {
  const wanted = { events: { kubernetesEvents: true } };
  for (const values of [{ posture: 'device-only' }, { attribution: { kubernetes: 'off' } }]) {
    assert.match(refusal({ ...values, ...wanted }), /needs the names of pods: set posture to full and attribution/);
  }
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
  assert.match(refusal({ sources: { simulator: { enabled: true } }, jobs: { enabled: true } }), /real jobs only/);
  assert.match(refusal({ jobs: { hostPath: 'run' } }), /hostPath/);
});

test('two releases in different namespaces do not share cluster-wide names', () => {
  const names = ['a', 'b'].map(
    (namespace) => only(render({}, { args: ['--namespace', namespace] }), 'ClusterRole').metadata.name,
  );
  assert.notEqual(names[0], names[1]);
});

test('the exporter takes the configuration of every case, with the same result as its own defaults', async () => {
  const given = await configOf(render({}));
  const own = await loadConfig('serve', { values: new Map(), problems: [] } as never, {});
  for (const [key, value] of Object.entries(own)) {
    if (key === 'configFile') continue;
    assert.deepEqual(given[key as keyof typeof given], value, key);
  }
});

test('doctor, run in the pod, judges the configuration of the chart', () => {
  const manifests = render({ sources: { kmsg: { enabled: 'off' } } });
  const { env, args, volumeMounts } = containerOf(manifests);
  const file: string = env.find(({ name }: Manifest) => name === 'XE_EXPORTER_CONFIG').value;
  const mount = volumeMounts.find(({ name }: Manifest) => name === 'config').mountPath;
  assert.equal(file, `${mount}/config.yaml`);
  assert.deepEqual(args, ['serve'], 'no flag that doctor would have to repeat');

  const folder = mkdtempSync(join(tmpdir(), 'xe-exporter-chart-'));
  try {
    const config = join(folder, 'config.yaml');
    writeFileSync(config, only(manifests, 'ConfigMap').data['config.yaml']);
    const doctor = (variables: object): string => {
      const options = { env: { PATH: process.env['PATH'], ...variables }, encoding: 'utf8' } as const;
      return spawnSync(process.execPath, ['dist/exporter/main.js', 'doctor', '--json'], options).stdout;
    };
    assert.match(doctor({ XE_EXPORTER_CONFIG: config }), /switched off by --kmsg/);
    assert.doesNotMatch(doctor({}), /switched off by --kmsg/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the pods stay on a node in trouble, and the claim survives the taint of a GPU in trouble', () => {
  const everything = ['NoSchedule', 'NoExecute'].map((effect) => ({ operator: 'Exists', effect }));
  assert.deepEqual(podOf(render({})).tolerations, everything);
  const claimed = (values: object): Manifest =>
    only(render({ deviceAccess: { method: 'dra', ...values } }), 'ResourceClaimTemplate').spec.spec.devices.requests[0];
  assert.deepEqual(claimed({}).exactly.tolerations, everything.toReversed());
  const some = [{ key: 'gpu.intel.com/health', operator: 'Exists', effect: 'NoExecute' }];
  assert.deepEqual(claimed({ dra: { tolerations: some } }).exactly.tolerations, some);
  assert.equal(claimed({ dra: { tolerations: [] } }).exactly.tolerations, undefined);
});

test('the device-only posture listens to uevents and to nothing else', async () => {
  const config = await configOf(render({ posture: 'device-only' }));
  assert.deepEqual(
    [config.mode, config.kmsg, config.uevent, config.kubernetes, config.memoryInterval],
    ['fallback', 'off', 'auto', 'off', 0],
  );
});

test('the trace posture reads trace, kernel log and uevents, and looks into no process', async () => {
  const config = await configOf(render({ posture: 'trace' }));
  assert.deepEqual(
    [config.mode, config.trace, config.kmsg, config.discovery, config.memoryInterval],
    ['fallback', 'auto', 'auto', 'proc', 0],
  );
});

test('big numbers reach the configuration as digits', async () => {
  const config = await configOf(render({ events: { rateLimitPerMinute: 1_000_000 }, otlp: { queueSize: 65_536 } }));
  assert.equal(config.eventRateLimitPerMinute, 1_000_000);
  assert.equal(config.otlpQueueSize, 65_536);
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
  assert.match(old, /resource\.k8s\.io\/v1.*1\.34 or newer, or method plugin/);
});

test('probes ask a port without authentication when the metrics port has one', async () => {
  const open = containerOf(render({}));
  assert.equal(open.livenessProbe.httpGet.port, 'metrics');
  const manifests = render({ web: { existingSecret: 'web' } });
  const closed = containerOf(manifests);
  assert.equal(closed.livenessProbe.httpGet.port, 'health');
  assert.equal(closed.readinessProbe.httpGet.port, 'health');
  const config = await configOf(manifests);
  assert.equal(config.webConfigFile, '/etc/xe-exporter/web/web-config.yaml');
  assert.deepEqual(config.healthAddress, { host: '', port: 9465 });
  assert.match(refusal({ web: { existingSecret: 'web', healthPort: 9464 } }), /a port without authentication/);
});

test('OTLP headers come from a Secret and stand in no ConfigMap', () => {
  const manifests = render({ otlp: { endpoint: 'http://collector:4318', headersSecret: { name: 'collector' } } });
  const headers = containerOf(manifests).env.find(({ name }: Manifest) => name === 'OTEL_EXPORTER_OTLP_HEADERS');
  assert.deepEqual(headers.valueFrom, { secretKeyRef: { name: 'collector', key: 'headers' } });
  assert.doesNotMatch(only(manifests, 'ConfigMap').data['config.yaml'], /headers/i);
});

test('the pod has longer to stop than the exporter', () => {
  assert.equal(podOf(render({})).terminationGracePeriodSeconds, 10);
  assert.equal(podOf(render({ shutdownTimeout: '2m' })).terminationGracePeriodSeconds, 125);
  assert.equal(podOf(render({ shutdownTimeout: '250ms' })).terminationGracePeriodSeconds, 6);
});

test('a change of the configuration restarts the pods, a change of anything else does not', () => {
  const checksum = (values: object): string =>
    only(render(values), 'DaemonSet').spec.template.metadata.annotations['checksum/config'];
  assert.notEqual(checksum({}), checksum({ log: { level: 'debug' } }));
  assert.equal(checksum({}), checksum({ networkPolicy: { enabled: true } }));
});

test('exporters run where a label says that there is an Intel GPU, and simulators everywhere', () => {
  const terms = podOf(render({})).affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution
    .nodeSelectorTerms;
  assert.equal(terms.length, 3, 'each label is enough');
  assert.equal(podOf(render({ gpuNodesOnly: false })).affinity, undefined);
  assert.equal(podOf(render({ sources: { simulator: { enabled: true } } })).affinity, undefined);
});

for (const kind of ['ServiceMonitor', 'PodMonitor'] as const) {
  const key = kind === 'ServiceMonitor' ? 'serviceMonitor' : 'podMonitor';
  const endpointOf = (manifests: Manifest[]): Manifest => {
    const { spec } = only(manifests, kind);
    return (spec.endpoints ?? spec.podMetricsEndpoints)[0];
  };

  test(`a ${kind} names node and job, and leaves the labels of the exporter alone`, () => {
    const endpoint = endpointOf(render({ [key]: { enabled: true } }, { release: 'anything' }));
    assert.equal(endpoint.honorLabels, false);
    assert.deepEqual(endpoint.relabelings, [
      { sourceLabels: ['__meta_kubernetes_pod_node_name'], targetLabel: 'node' },
      { targetLabel: 'job', replacement: 'xe-exporter' },
    ]);
  });

  test(`a ${kind} may scrape every 75 s at most, a quarter of the shortest window of the rules`, () => {
    assert.equal(endpointOf(render({ [key]: { enabled: true, interval: '75s' } })).interval, '75s');
    assert.match(
      refusal({ [key]: { enabled: true, interval: '76s' } }),
      new RegExp(`${key}\\.interval is 76s: .* at most 75s`),
    );
    assert.match(refusal({ [key]: { enabled: true, interval: '2m' } }), /at most 75s/);
  });
}

test('what contradicts itself is refused with what to change', () => {
  const both = { serviceMonitor: { enabled: true }, podMonitor: { enabled: true } };
  assert.match(refusal(both), /scrapes every exporter twice: disable one/);
  assert.match(refusal({ posture: 'device-only', deviceAccess: { method: 'plugin' } }), /set posture to full/);
  assert.match(refusal({ posture: 'trace', deviceAccess: { method: 'plugin' } }), /set posture to full/);
  const traceOff = { posture: 'trace', sources: { trace: { enabled: 'off' } } };
  assert.match(refusal(traceOff), /leave sources\.trace\.enabled at auto/);
  assert.match(refusal({ posture: 'device-only', mode: 'watch_queue' }), /set posture to full/);
});

test('alerts can be left out and relabelled by name', () => {
  const rules = (values: object): Manifest[] =>
    only(render({ prometheusRule: { enabled: true, rules: values } }), 'PrometheusRule').spec.groups.flatMap(
      (group: Manifest) => group.rules,
    );
  const all = rules({});
  const changed = rules({
    XeDeviceWedged: { labels: { severity: 'page', team: 'gpu' } },
    XeVMRebindOOM: { enabled: false },
  });
  assert.equal(changed.length, all.length - 1);
  assert.deepEqual(changed.find(({ alert }) => alert === 'XeDeviceWedged').labels, { severity: 'page', team: 'gpu' });
  const untouched = all.find(({ alert }) => alert === 'XeVMRebindTimeout');
  assert.match(
    untouched.annotations.summary,
    /\{\{ \$labels\.pci_bdf \}\}/,
    'templates of Prometheus survive those of Helm',
  );
  assert.match(refusal({ prometheusRule: { rules: { XeVMRebindOom: { enabled: false } } } }), /XeVMRebindOom/);
});

test('alerts link to the Grafana of the values', () => {
  const link = (prometheusRule: object): string =>
    only(render({ prometheusRule: { enabled: true, ...prometheusRule } }), 'PrometheusRule').spec.groups[0].rules[0]
      .annotations.dashboard_url;
  assert.match(link({}), /^\/d\/xe-node\?/);
  assert.match(link({ grafanaUrl: 'https://grafana.example.com/' }), /^https:\/\/grafana\.example\.com\/d\/xe-node\?/);
});

test('an alert takes a time, a severity and annotations of its own, and all of them another place for runbooks', () => {
  const groups = only(
    render({
      prometheusRule: {
        enabled: true,
        runbookUrlBase: 'https://wiki.example.com/xe/',
        rules: {
          XeDeviceWedged: { for: '2m', severity: 'page', annotations: { dashboard: 'https://grafana.example.com' } },
          XeVMRebindOOM: { annotations: { runbook_url: 'https://wiki.example.com/oom' } },
        },
      },
    }),
    'PrometheusRule',
  ).spec.groups;
  const alert = (name: string): Manifest =>
    groups.flatMap((group: Manifest) => group.rules).find((rule: Manifest) => rule.alert === name);
  const wedged = alert('XeDeviceWedged');
  assert.deepEqual([wedged.for, wedged.labels.severity], ['2m', 'page']);
  assert.equal(wedged.annotations.dashboard, 'https://grafana.example.com');
  assert.ok(wedged.annotations.summary);
  assert.equal(wedged.annotations.runbook_url, 'https://wiki.example.com/xe/XeDeviceWedged.md');
  assert.equal(alert('XeVMRebindOOM').annotations.runbook_url, 'https://wiki.example.com/oom');
  assert.equal(alert('XeExporterDown').annotations.runbook_url, 'https://wiki.example.com/xe/XeExporterDown.md');
  assert.match(refusal({ prometheusRule: { rules: { XeDeviceWedged: { for: 'soon' } } } }), /XeDeviceWedged[./]for/);
});

test('monitors, rules and dashboards may live in the namespace of those who read them', () => {
  const elsewhere = { enabled: true, namespace: 'monitoring' };
  const sidecar = { namespace: 'grafana', sidecar: { enabled: true } };
  const manifests = render({ serviceMonitor: elsewhere, prometheusRule: elsewhere, dashboards: sidecar });
  const monitor = only(manifests, 'ServiceMonitor');
  assert.equal(monitor.metadata.namespace, 'monitoring');
  assert.deepEqual(monitor.spec.namespaceSelector, { matchNames: [NAMESPACE] });
  assert.equal(only(manifests, 'PrometheusRule').metadata.namespace, 'monitoring');
  const maps = manifests.filter(({ metadata }) => metadata.labels?.grafana_dashboard === '1');
  assert.deepEqual([...new Set(maps.map(({ metadata }) => metadata.namespace))], ['grafana']);
});

test('limits of a scrape are whole numbers, however large', () => {
  const { spec } = only(
    render({ podMonitor: { enabled: true, sampleLimit: 2_000_000, labelLimit: 40 } }),
    'PodMonitor',
  );
  assert.deepEqual([spec.sampleLimit, spec.labelLimit, spec.targetLimit], [2_000_000, 40, undefined]);
});

test('everything is in the overriding namespace, and nothing in that of the release', () => {
  const manifests = render({
    namespaceOverride: 'elsewhere',
    serviceMonitor: { enabled: true },
    networkPolicy: { enabled: true },
  });
  const namespaces = manifests.map(({ metadata }) => metadata.namespace).filter((name) => name !== undefined);
  assert.deepEqual([...new Set(namespaces)], ['elsewhere']);
  assert.equal(only(manifests, 'ClusterRoleBinding').subjects[0].namespace, 'elsewhere');
  const test = only(manifests, 'Pod').spec.containers[0];
  assert.match(test.env.find(({ name }: Manifest) => name === 'SERVICE').value, /\.elsewhere\.svc$/);
});

test('a registry for all charts takes the place of the registry, and of nothing else', () => {
  const global = { imageRegistry: 'mirror.example.com:5000/cache', imagePullSecrets: [{ name: 'mirror' }] };
  const pullFrom = (repository: string): string =>
    containerOf(render({ global, image: { repository, tag: '1' } })).image;
  assert.equal(pullFrom('ghcr.io/a/b'), 'mirror.example.com:5000/cache/a/b:1');
  assert.equal(pullFrom('localhost:5000/b'), 'mirror.example.com:5000/cache/b:1');
  assert.equal(pullFrom('a/b'), 'mirror.example.com:5000/cache/a/b:1');
  const manifests = render({ global, imagePullSecrets: [{ name: 'own' }] });
  for (const pod of [podOf(manifests), only(manifests, 'Pod').spec])
    assert.deepEqual(pod.imagePullSecrets, [{ name: 'mirror' }, { name: 'own' }]);
});

test('the Service lists every exporter, or leads to the one on the node of the caller', () => {
  const headless = only(render({}), 'Service').spec;
  assert.deepEqual([headless.clusterIP, headless.type], ['None', undefined]);
  const local = only(render({ service: { type: 'ClusterIP', internalTrafficPolicy: 'Local' } }), 'Service').spec;
  assert.deepEqual([local.clusterIP, local.type, local.internalTrafficPolicy], [undefined, 'ClusterIP', 'Local']);
});

test('containers of others stand beside the exporter and before it, and take nothing from it', () => {
  const [wait, proxy] = [
    { name: 'wait', image: 'w' },
    { name: 'proxy', image: 'p' },
  ];
  const pod = podOf(render({ initContainers: [wait], sidecars: [proxy] }));
  assert.deepEqual(pod.initContainers, [wait]);
  assert.deepEqual(pod.containers.slice(1), [proxy]);
  assert.equal(pod.containers[0].name, 'exporter');
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

test('a typo in any block is refused with its path', () => {
  for (const [values, path] of [
    [{ discovery: { scanIntervall: '1s' } }, /discovery.*scanIntervall/s],
    [{ sources: { kmsg: { enabled: 'on' } } }, /sources[./]kmsg[./]enabled/],
    [{ events: { ringSize: 0 } }, /events[./]ringSize/],
    [{ metrics: { port: 70_000 } }, /metrics[./]port/],
    [{ serviceMonitor: { intervall: '30s' } }, /serviceMonitor.*intervall/s],
    [{ shutdownTimeout: '5' }, /shutdownTimeout/],
    [{ image: { digest: 'sha256:1' } }, /image[./]digest/],
    [{ tollerations: [] }, /tollerations/],
    [{ commonLabels: { 'app.kubernetes.io/name': 'other' } }, /commonLabels/],
    [{ image: { repository: '' } }, /image[./]repository/],
  ] as const) {
    for (const helm of ['Helm 3', 'Helm 4'] as const) assert.match(refusal(values, { helm }), path);
  }
});

test('dashboards are handed to the sidecar and to the Grafana operator as they are', () => {
  const folder = mkdtempSync(join(tmpdir(), 'xe-exporter-chart-'));
  try {
    cpSync(CHART, folder, { recursive: true });
    rmSync(join(folder, 'files/dashboards'), { recursive: true, force: true });
    const dashboards = { sidecar: { enabled: true }, grafanaOperator: { enabled: true } };
    const kinds = (manifests: Manifest[]): string[] => manifests.map(({ kind }) => kind);
    assert.equal(kinds(render({ dashboards }, { chart: folder })).includes('GrafanaDashboard'), false);

    mkdirSync(join(folder, 'files/dashboards'));
    const json = '{"title":"Node {{node}} <b>", "legend": "{{pci_bdf}}"}\n';
    writeFileSync(join(folder, 'files/dashboards/xe-node.json'), json);
    const manifests = render({ dashboards }, { chart: folder });
    assert.equal(only(manifests, 'GrafanaDashboard').spec.json, json);
    const map = manifests.find(({ metadata }) => metadata.labels?.grafana_dashboard === '1');
    assert.deepEqual(map.data, { 'xe-node.json': json });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the network policy lets scrapes and health checks in', () => {
  const from = [{ namespaceSelector: { matchLabels: { name: 'monitoring' } } }];
  const manifests = render({ networkPolicy: { enabled: true, from }, web: { existingSecret: 'web' } });
  const { ingress } = only(manifests, 'NetworkPolicy').spec;
  assert.deepEqual(ingress[0].ports, [{ port: 'metrics' }]);
  assert.deepEqual(ingress[0].from[0], from[0]);
  assert.deepEqual(ingress[1], { ports: [{ port: 'health' }] });
});

test('the test pod is not taken for an exporter', () => {
  const manifests = render({});
  const selector = only(manifests, 'Service').spec.selector;
  const labels = only(manifests, 'Pod').metadata.labels;
  assert.equal(
    Object.entries(selector).every(([key, value]) => labels[key] === value),
    false,
  );
  assert.equal(only(manifests, 'Pod').spec.containers[0].securityContext.runAsUser, UNPRIVILEGED_UID);
});

test('extra manifests are templates, and simulated nodes run the demo', () => {
  const extra = { apiVersion: 'v1', kind: 'Secret', metadata: { name: '{{ .Release.Name }}-extra' } };
  assert.equal(only(render({ extraManifests: [extra] }), 'Secret').metadata.name, 'xe-exporter-extra');
  assert.equal(containerOf(render({ sources: { simulator: { enabled: true } } })).args[0], 'demo');
});

test('the notes tell the next step of this installation', () => {
  const notes = (values: object): string =>
    template({
      ...values,
      extraManifests: ['note: |\n  {{- include (print $.Template.BasePath "/NOTES.txt") . | nindent 2 }}'],
    });
  assert.match(notes({}), /Nothing scrapes it yet/);
  assert.match(notes({}), /pod-security.kubernetes.io\/enforce=privileged/);
  assert.match(notes({}), /watch queue will be `denied`/);
  assert.doesNotMatch(notes({ deviceAccess: { method: 'plugin' } }), /watch queue will be/);
  assert.doesNotMatch(notes({ posture: 'device-only' }), /pod-security/);
  assert.match(notes({ serviceMonitor: { enabled: true } }), /No alerts are installed yet/);
  assert.match(notes({ sources: { simulator: { enabled: true } } }), new RegExp(`-n ${NAMESPACE} port-forward`));
});

function hostPaths(pod: Manifest): string[] {
  return pod.volumes.filter((volume: Manifest) => volume.hostPath).map((volume: Manifest) => volume.hostPath.path);
}

/** What the exporter makes of the ConfigMap. */
function configOf(manifests: readonly Manifest[]) {
  const text: string = only(
    manifests.filter(({ metadata }) => metadata.name === 'xe-exporter'),
    'ConfigMap',
  ).data['config.yaml'];
  assert.ok(parseYaml(text));
  const values = new Map([['configFile', ['config.yaml']]]);
  return loadConfig('serve', { values, problems: [] } as never, {}, () => text);
}
