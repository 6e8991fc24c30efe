import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import ts from 'typescript';
import { TokenBucket } from '../../exporter/time/token-bucket.js';
import { Series } from '../../exporter/sinks/kubernetes-events/event-series.js';
import { aClient, aDevice, anEvent, aWorkload } from '../helpers/events.js';
import { ciValues, HELMS, lint, parse, template, tool, type HelmName, type Manifest } from './chart.js';

/**
 * Where the type of each kind comes from. The TypeScript compiler checks the manifests against them as literals: types of values,
 * missing fields, and fields that the API does not have.
 */
const OPERATOR = '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
const TYPES: Readonly<Record<string, { readonly module: string; readonly type: string }>> = {
  ...Object.fromEntries(
    [
      ['v1', 'ConfigMap'],
      ['v1', 'Pod'],
      ['v1', 'Service'],
      ['v1', 'ServiceAccount'],
      ['apps/v1', 'DaemonSet'],
      ['networking.k8s.io/v1', 'NetworkPolicy'],
      ['rbac.authorization.k8s.io/v1', 'ClusterRole'],
      ['rbac.authorization.k8s.io/v1', 'ClusterRoleBinding'],
      ['rbac.authorization.k8s.io/v1', 'Role'],
      ['rbac.authorization.k8s.io/v1', 'RoleBinding'],
      ['resource.k8s.io/v1', 'ResourceClaimTemplate'],
    ].map(([version, kind]) => [`${version}/${kind}`, { module: '@kubernetes/client-node', type: `V1${kind}` }]),
  ),
  ...Object.fromEntries(
    ['PodMonitor', 'PrometheusRule', 'ServiceMonitor'].map((kind) => [
      `monitoring.coreos.com/v1/${kind}`,
      { module: `${OPERATOR}/${kind}`, type: `I${kind}` },
    ]),
  ),
  'security.openshift.io/v1/SecurityContextConstraints': {
    module: './security-context-constraints',
    type: 'SecurityContextConstraints',
  },
  'grafana.integreatly.org/v1beta1/GrafanaDashboard': { module: './grafana-dashboard', type: 'GrafanaDashboard' },
};

/** What the exporter writes itself. */
const WRITTEN: typeof TYPES = { 'v1/Event': { module: '@kubernetes/client-node', type: 'CoreV1Event' } };

/** What the documents recommend. */
const RECOMMENDED: typeof TYPES = { 'batch/v1/Job': { module: '@kubernetes/client-node', type: 'V1Job' } };

/** No package has the types of grafana-operator: what the chart uses of api/v1beta1, by its documentation. */
const GRAFANA_DASHBOARD = `import type { V1ObjectMeta } from '@kubernetes/client-node';
export interface GrafanaDashboard {
  apiVersion: 'grafana.integreatly.org/v1beta1';
  kind: 'GrafanaDashboard';
  metadata: V1ObjectMeta;
  spec: {
    instanceSelector: { matchLabels?: Record<string, string> };
    allowCrossNamespaceImport?: boolean;
    folder?: string;
    resyncPeriod?: string;
    json?: string;
    configMapRef?: { name: string; key: string };
  };
}`;

/** Nor those of OpenShift: what the chart uses of security/v1, by github.com/openshift/api. */
const SECURITY_CONTEXT_CONSTRAINTS = `import type { V1ObjectMeta } from '@kubernetes/client-node';
type Strategy<Type extends string> = { type: Type };
export interface SecurityContextConstraints {
  apiVersion: 'security.openshift.io/v1';
  kind: 'SecurityContextConstraints';
  metadata: V1ObjectMeta;
  users: string[];
  groups: string[];
  allowHostPID: boolean;
  allowHostDirVolumePlugin: boolean;
  allowHostIPC: boolean;
  allowHostNetwork: boolean;
  allowHostPorts: boolean;
  allowPrivilegedContainer: boolean;
  allowPrivilegeEscalation?: boolean;
  defaultAllowPrivilegeEscalation?: boolean;
  allowedCapabilities: string[];
  defaultAddCapabilities: string[];
  requiredDropCapabilities: string[];
  readOnlyRootFilesystem: boolean;
  runAsUser: Strategy<'MustRunAs' | 'MustRunAsNonRoot' | 'MustRunAsRange' | 'RunAsAny'> & { uid?: number };
  seLinuxContext: Strategy<'MustRunAs' | 'RunAsAny'>;
  fsGroup: Strategy<'MustRunAs' | 'RunAsAny'>;
  supplementalGroups: Strategy<'MustRunAs' | 'RunAsAny'>;
  seccompProfiles: string[];
  volumes: ('configMap' | 'emptyDir' | 'hostPath' | 'projected' | 'secret')[];
}`;

/** The client's types call what is a word of TypeScript otherwise. */
const RENAMED: Readonly<Record<string, string>> = { from: '_from' };

function literal(manifest: Manifest): string {
  const text = JSON.stringify(manifest, (_key, value: unknown) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [RENAMED[key] ?? key, inner]));
  });
  // And they have times parsed.
  return text.replace(/"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"/g, 'new Date($&)');
}

/** What the compiler says to these manifests; empty when they are right. */
function faults(manifests: readonly Manifest[]): string[] {
  const folder = mkdtempSync(join(tool('KUBERNETES_TYPES'), 'check-'));
  try {
    const file = join(folder, 'manifests.ts');
    writeFileSync(join(folder, 'grafana-dashboard.ts'), GRAFANA_DASHBOARD);
    writeFileSync(join(folder, 'security-context-constraints.ts'), SECURITY_CONTEXT_CONSTRAINTS);
    const lines = manifests.map((manifest, index) => {
      const name = `${manifest.apiVersion}/${manifest.kind}`;
      const known = TYPES[name] ?? WRITTEN[name] ?? RECOMMENDED[name];
      assert.ok(known, `there is no type for ${name}`);
      const alias = `T${index}`;
      return `import type { ${known.type} as ${alias} } from '${known.module}';\nexport const m${index}: ${alias} = ${literal(manifest)};`;
    });
    writeFileSync(file, lines.join('\n'));
    const program = ts.createProgram([file], {
      noEmit: true,
      strict: true,
      skipLibCheck: true,
      types: [],
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
    });
    return ts
      .getPreEmitDiagnostics(program)
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('every ci/*-values.yaml is linted and rendered by Helm 3 and Helm 4, alike, into objects the API knows', () => {
  const all: Manifest[] = [];
  for (const [name, path] of ciValues()) {
    const rendered = (Object.keys(HELMS) as HelmName[]).map((helm) => {
      const { status, said } = lint(path, { helm });
      assert.equal(status, 0, `${name} with ${helm}: ${said}`);
      return template(path, { helm });
    });
    assert.equal(rendered[0], rendered[1], `${name}: Helm 3 and Helm 4 differ`);
    all.push(...parse(rendered[0] ?? ''));
  }
  assert.deepEqual(faults(all), []);
  const seen = new Set(all.map(({ apiVersion, kind }) => `${apiVersion}/${kind}`));
  assert.deepEqual([...seen].sort(), Object.keys(TYPES).sort(), 'the matrix renders every kind');
});

test('an Event of the exporter is one the API knows', () => {
  const victim = {
    client: undefined,
    device: aDevice(),
    inferred: { client: aClient(), evidence: 'only_client' },
  } as const;
  const events = [anEvent(), anEvent(victim)].map((event) => {
    const series = new Series(event, aWorkload(), new TokenBucket({ burst: 1, intervalMs: 1 }));
    series.add(event, 0);
    return series.toEvent({ nodeName: 'node', instance: 'pod', instanceId: 'id', includeProcess: true });
  });
  assert.deepEqual(faults(events as unknown as Manifest[]), []);
  assert.match(
    faults([{ ...events[0], cause: '' }] as unknown as Manifest[]).join(),
    /'"?cause"?' does not exist in type/,
  );
});

test('the Job of docs/jobs.md is one the API knows', () => {
  const [job, ...more] = parse(readFileSync('docs/jobs/kubernetes-job.yaml', 'utf8'));
  assert.ok(job !== undefined && more.length === 0);
  assert.deepEqual(faults([job]), []);
});

test('the check of manifests finds unknown fields, wrong types and missing fields', () => {
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'x' } };
  assert.deepEqual(faults([service]), []);
  assert.match(faults([{ ...service, spec: { clusterIp: 'None' } }]).join(), /'"?clusterIp"?' does not exist in type/);
  assert.match(
    faults([{ ...service, spec: { ports: [{ port: '9464' }] } }]).join(),
    /'string' is not assignable to type 'number'/,
  );
  const monitor = { apiVersion: 'monitoring.coreos.com/v1', kind: 'ServiceMonitor', metadata: { name: 'x' } };
  assert.match(
    faults([{ ...monitor, spec: { endpoints: [{ port: 'metrics' }] } }]).join(),
    /'"?selector"?' is missing/,
  );
  assert.match(
    faults([{ ...monitor, spec: { selector: {}, endpoints: [{ honourLabels: false }] } }]).join(),
    /'"?honourLabels"?' does not exist in type/,
  );
});
