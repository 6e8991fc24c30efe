import { vmRebindError } from '../../exporter/events/definitions/vm-rebind-error.js';
import { isReceivedFrom } from '../../exporter/events/index.js';
import { LABEL, METRIC, SOURCES } from '../../exporter/names.js';
import type { Alert, RuleGroup } from './alert.js';
import type { RulesConfig } from './config.js';
import { anyOf, enclosed, maxBy, place, selector } from './promql.js';
import { gpu, onNode, SHARE, spoken } from './wording.js';

/** Sources that report rebind errors; without one of them the node is deaf, whatever else is up. */
const REBIND_SOURCES = SOURCES.filter((source) => isReceivedFrom(source, vmRebindError));

const EXPORTERS = { dashboard: 'xe-exporter-health', title: 'Exporters' } as const;
const SOURCES_PANEL = { dashboard: 'xe-exporter-health', title: 'Sources that are down' } as const;

/** Whether the exporter is there and receives events. */
export function exporterGroup(config: RulesConfig): RuleGroup {
  const alerts = [down(config), manyDown(config), absent(config), sourceDown(config), coverageLow(config)];
  return { name: 'xe-exporter.exporter', alerts };
}

function down(config: RulesConfig): Alert {
  return {
    name: 'XeExporterDown',
    severity: 'warning',
    query: maxBy(config, ['job', 'instance'], selector('up', config.exporterSelector)),
    when: { below: 1 },
    for: config.exporterDownFor,
    panel: EXPORTERS,
    summary: `xe-exporter {{ $labels.instance }}${onNode(config)} cannot be scraped`,
    description: `GPU errors on this node have gone unmonitored for at least ${spoken(config.exporterDownFor)}. First: check whether the node is up, then read the exporter's log.`,
  };
}

/** One node without its exporter can wait until morning, a share of the fleet cannot. */
function manyDown(config: RulesConfig): Alert {
  const { share, nodes } = config.manyExportersDown;
  const { clusterLabel } = config;
  const up = selector('up', config.exporterSelector);
  const down = `count by (${clusterLabel}) (${up} < 1) >= ${nodes}`;
  return {
    name: 'XeExportersDown',
    severity: 'critical',
    query: enclosed(`(${down})\n/ on (${clusterLabel})\ncount by (${clusterLabel}) (${up})`),
    when: { above: share },
    for: config.exporterDownFor,
    panel: EXPORTERS,
    summary: `${SHARE} of all xe-exporters{{ with $labels.${clusterLabel} }} of cluster {{ . }}{{ end }} cannot be scraped`,
    description: `GPU errors on these nodes have gone unmonitored for at least ${spoken(config.exporterDownFor)}. First: check for a network fault or a bad rollout of the exporter; XeExporterDown lists the nodes.`,
  };
}

function absent(config: RulesConfig): Alert {
  return {
    name: 'XeExporterAbsent',
    severity: 'critical',
    query: `absent(${selector('up', config.exporterSelector)})`,
    when: { above: 0 },
    for: config.exporterAbsentFor,
    panel: EXPORTERS,
    summary: 'Prometheus does not scrape any xe-exporter',
    description:
      'GPU errors are not monitored on any node. First: check that the exporter is deployed and that Prometheus has targets for it.',
  };
}

/**
 * A source that should deliver and does not, or no source of rebind errors at all. What this node refuses or was told to leave out (its
 * feature is not active) is not down: another source takes its place, or the second arm fires. Only where there is a GPU: nothing can
 * be missed on a node without one.
 */
function sourceDown(config: RulesConfig): Alert {
  const refused = selector(METRIC.featureInfo, anyOf(LABEL.feature, SOURCES), `${LABEL.state}!="active"`);
  const each = [
    maxBy(config, [LABEL.source], METRIC.sourceUp),
    `unless on (${[...place(config), LABEL.source].join(', ')}) label_replace(${refused}, "${LABEL.source}", "$1", "${LABEL.feature}", "(.*)")`,
  ];
  const none = maxBy(config, [], selector(METRIC.sourceUp, anyOf(LABEL.source, REBIND_SOURCES)));
  const onPlace = `on (${place(config).join(', ')})`;
  return {
    name: 'XeEventSourceDown',
    severity: 'warning',
    query: enclosed(`${enclosed(`${each.join('\n')}\nor\n${none}`)} < 1\nand ${onPlace} ${METRIC.deviceInfo}`),
    when: { below: 1 },
    for: config.sourceDownFor,
    panel: SOURCES_PANEL,
    summary: `xe-exporter${onNode(config)} {{ with $labels.${LABEL.source} }}receives nothing from {{ . }}{{ else }}has no source of GPU memory errors{{ end }}`,
    description:
      'GPU errors on this node may go unseen. First: run "xe-exporter doctor" in the exporter\'s container; it says what is missing.',
  };
}

function coverageLow(config: RulesConfig): Alert {
  const { ratio, for: duration } = config.coverage;
  const clients = (metric: string) => maxBy(config, [LABEL.pciBdf], metric);
  const sourceUp = selector(METRIC.sourceUp, `${LABEL.source}="watch_queue"`);
  const watched = `${clients(METRIC.clientsWatched)}\n/\n${clients(METRIC.clients)}`;
  return {
    name: 'XeWatchCoverageLow',
    severity: 'warning',
    query: enclosed(`${watched}\nand on (${place(config).join(', ')}) ${sourceUp} == 1`),
    when: { below: ratio },
    for: duration,
    panel: { dashboard: 'xe-node', title: 'GPU clients' },
    summary: `Only ${SHARE} of the clients of ${gpu(config)} are watched`,
    description: `Errors of the others have had no named victim for ${spoken(duration)}. First: look at xe_client_attach_failures_total for the reason, then run "xe-exporter doctor" in the exporter's container.`,
  };
}
