import { DEFAULT_PORT } from '../../exporter/names.js';
import { optionSchema, type Schema } from './option-schema.js';
import { OPTION_VALUES } from './values-map.js';

const text: Schema = { type: 'string' };
const flag: Schema = { type: 'boolean' };
const port: Schema = { type: 'integer', minimum: 1, maximum: 65_535 };
/** Objects and lists of the Kubernetes API: the API server checks them. */
const kubernetesObject: Schema = { type: 'object' };
const kubernetesList: Schema = { type: 'array', items: { type: 'object' } };
const strings: Schema = { type: 'object', additionalProperties: text };
/** Labels of an object; those the chart selects by are its own. */
const labels: Schema = {
  ...strings,
  patternProperties: { '^(app\\.kubernetes\\.io/(name|instance|version|managed-by)|helm\\.sh/chart)$': { not: {} } },
};
/** A Secret key: both names may be empty together. */
const secretKey = block({ name: text, key: text });
/** A duration of Prometheus that the chart can compare. */
const interval: Schema = { type: 'string', pattern: '^[1-9][0-9]*(s|m)$' };

/** An object whose keys are all known, so that a typo is refused with its path. */
function block(properties: Readonly<Record<string, Schema>>): Schema {
  return { type: 'object', additionalProperties: false, properties };
}

/** Zero would reject everything, so null is no limit. */
const limit: Schema = { type: ['integer', 'null'], minimum: 1 };

const monitor = block({
  enabled: flag,
  namespace: text,
  interval,
  scrapeTimeout: { type: 'string' },
  labels,
  annotations: strings,
  scheme: { enum: ['http', 'https'] },
  tlsConfig: kubernetesObject,
  basicAuth: kubernetesObject,
  authorization: kubernetesObject,
  proxyUrl: text,
  relabelings: kubernetesList,
  metricRelabelings: kubernetesList,
  podTargetLabels: { type: 'array', items: text },
  attachMetadata: block({ node: flag }),
  sampleLimit: limit,
  targetLimit: limit,
  labelLimit: limit,
  labelNameLengthLimit: limit,
  labelValueLengthLimit: limit,
});

/** Everything that is not an option of the exporter. Nothing in it makes a container privileged. */
function blocks(alerts: readonly string[]): Schema {
  const rule = block({
    enabled: flag,
    // A duration of Prometheus.
    for: { type: 'string', pattern: '^([0-9]+(ms|[smhdwy]))+$' },
    severity: { type: 'string', minLength: 1 },
    labels: strings,
    annotations: strings,
  });
  return block({
    // Charts that have this one as a dependency hand these down.
    global: { type: 'object', properties: { imageRegistry: text, imagePullSecrets: kubernetesList } },
    enabled: flag,
    image: block({
      repository: { type: 'string', minLength: 1 },
      tag: text,
      digest: { type: 'string', pattern: '^(sha256:[0-9a-f]{64})?$' },
      pullPolicy: { enum: ['Always', 'IfNotPresent', 'Never'] },
    }),
    imagePullSecrets: kubernetesList,
    nameOverride: text,
    fullnameOverride: text,
    namespaceOverride: text,
    commonLabels: labels,
    posture: { enum: ['full', 'trace', 'device-only'] },
    deviceAccess: block({
      method: { enum: ['none', 'plugin', 'dra'] },
      plugin: block({ resource: { type: 'string', pattern: '^[a-z0-9.-]+/[A-Za-z0-9._-]+$' } }),
      dra: block({
        deviceClassName: { type: 'string', minLength: 1 },
        adminAccess: flag,
        tolerations: kubernetesList,
      }),
    }),
    sources: block({
      watchQueue: block({}),
      kmsg: block({}),
      uevent: block({}),
      trace: block({}),
      simulator: block({ enabled: flag }),
    }),
    coredumps: block({ enabled: flag, hostPath: { type: 'string', pattern: '^/.' } }),
    discovery: block({}),
    attribution: block({}),
    metrics: block({ port }),
    events: block({}),
    jobs: block({ enabled: flag, hostPath: { type: 'string', pattern: '^/.+' } }),
    otlp: block({
      protocol: { enum: ['', 'http/protobuf', 'http/json', 'grpc'] },
      headersSecret: secretKey,
      tls: block({ existingSecret: text, caKey: text, certKey: text, keyKey: text }),
      resourceAttributes: strings,
    }),
    log: block({}),
    web: block({ existingSecret: text, key: { type: 'string', minLength: 1 }, healthPort: port }),
    serviceAccount: block({ create: flag, name: text, annotations: strings }),
    rbac: block({ create: flag }),
    podSecurityContext: block({
      fsGroup: { type: 'integer' },
      supplementalGroups: { type: 'array', items: { type: 'integer' } },
      seLinuxOptions: kubernetesObject,
      seccompProfile: kubernetesObject,
    }),
    securityContext: block({ seLinuxOptions: kubernetesObject, appArmorProfile: kubernetesObject }),
    openshift: block({ enabled: flag }),
    resources: block({ limits: kubernetesObject, requests: kubernetesObject }),
    priorityClassName: text,
    runtimeClassName: text,
    dnsPolicy: { enum: ['', 'ClusterFirst', 'ClusterFirstWithHostNet', 'Default', 'None'] },
    dnsConfig: kubernetesObject,
    revisionHistoryLimit: { type: 'integer', minimum: 0 },
    updateStrategy: kubernetesObject,
    daemonSetAnnotations: strings,
    podAnnotations: strings,
    podLabels: labels,
    gpuNodesOnly: flag,
    gpuNodeLabels: { type: 'array', items: { type: 'string', minLength: 1 }, minItems: 1 },
    nodeSelector: strings,
    tolerations: kubernetesList,
    affinity: kubernetesObject,
    probes: block({ liveness: kubernetesObject, readiness: kubernetesObject }),
    service: block({
      type: { enum: ['Headless', 'ClusterIP', 'NodePort', 'LoadBalancer'] },
      internalTrafficPolicy: { enum: ['Cluster', 'Local'] },
      annotations: strings,
    }),
    serviceMonitor: monitor,
    podMonitor: monitor,
    prometheusRule: block({
      enabled: flag,
      namespace: text,
      labels,
      grafanaUrl: text,
      annotations: strings,
      runbookUrlBase: text,
      rules: block(Object.fromEntries(alerts.map((alert) => [alert, rule]))),
    }),
    dashboards: block({
      namespace: text,
      sidecar: block({ enabled: flag, labels, annotations: strings }),
      grafanaOperator: block({ enabled: flag, instanceSelector: kubernetesObject, folder: text }),
    }),
    networkPolicy: block({ enabled: flag, from: kubernetesList }),
    tests: block({ enabled: flag, timeoutSeconds: { type: 'integer', minimum: 1 } }),
    extraArgs: { type: 'array', items: { type: 'string', pattern: '^--' } },
    extraEnv: kubernetesList,
    extraVolumes: kubernetesList,
    extraVolumeMounts: kubernetesList,
    initContainers: kubernetesList,
    sidecars: kubernetesList,
    extraManifests: { type: 'array', items: { type: ['object', 'string'] } },
  });
}

/**
 * values.schema.json: the blocks above with every option of the mapping at its place.
 * @param alerts names of the alerts in the PrometheusRule
 */
export function valuesSchema(alerts: readonly string[]): Schema {
  const schema = structuredClone(blocks(alerts)) as Tree;
  for (const { option, value } of OPTION_VALUES) {
    const path = value.split('.');
    const leaf = path.pop() ?? '';
    path.reduce((node, key) => child(node, key), schema).properties[leaf] = optionSchema(option);
  }
  Object.assign(child(schema, 'metrics').properties['port'] ?? {}, { default: DEFAULT_PORT });
  return { $schema: 'http://json-schema.org/draft-07/schema#', title: 'Values of the xe-exporter chart', ...schema };
}

interface Tree extends Schema {
  readonly properties: Record<string, Schema>;
}

function child(node: Tree, key: string): Tree {
  const found = node.properties[key];
  if (found === undefined) throw new Error(`the mapping names ${key}, which is no block of the schema`);
  return found as Tree;
}
