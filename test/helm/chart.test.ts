import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UNPRIVILEGED_UID } from '../../exporter/privileges/table.js';
import { configOf, containerOf, NAMESPACE, only, podOf, refusal, render, template, type Manifest } from './chart.js';

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
  assert.match(refusal({ web: { existingSecret: 'web', healthPort: 9464 } }), /probes need one without authentication/);
});

test('the pod has longer to stop than the exporter', () => {
  assert.equal(podOf(render({})).terminationGracePeriodSeconds, 10);
  assert.equal(podOf(render({ shutdownTimeout: '2m' })).terminationGracePeriodSeconds, 125);
  assert.equal(podOf(render({ shutdownTimeout: '250ms' })).terminationGracePeriodSeconds, 6);
});

test('exporters run where a label says that there is an Intel GPU, and simulators everywhere', () => {
  const terms = podOf(render({})).affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution
    .nodeSelectorTerms;
  assert.equal(terms.length, 3, 'each label is enough');
  assert.equal(podOf(render({ gpuNodesOnly: false })).affinity, undefined);
  assert.equal(podOf(render({ sources: { simulator: { enabled: true } } })).affinity, undefined);
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
