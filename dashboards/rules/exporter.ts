import { EVENT, LABEL, METRIC, RECEIVED_EVENTS, SOURCES, type FeatureName } from '../../exporter/names.js';
import type { Alert, RuleGroup } from './alert.js';
import type { RulesConfig } from './config.js';
import { anyOf, enclosed, maxBy, place, selector } from './promql.js';
import { gpu, onNode, SHARE } from './wording.js';

/** Sources that tell of rebind errors; without one of them the node is deaf, whatever else is up. */
const REBIND_SOURCES = SOURCES.filter((source) => RECEIVED_EVENTS[source].includes(EVENT.vmRebindError));

/** Whether the exporter is there and hears of events. */
export function exporterGroup(config: RulesConfig): RuleGroup {
  const alerts = [down(config), absent(config), sourceDown(config), coverageLow(config), fallbackMode(config)];
  return { name: 'xe-exporter.exporter', alerts };
}

/** Only where there is a GPU: nothing can be missed on a node without one. */
function whereDevices(config: RulesConfig): string {
  return `and on (${place(config).join(', ')}) ${METRIC.deviceInfo}`;
}

function down(config: RulesConfig): Alert {
  return {
    name: 'XeExporterDown',
    severity: 'critical',
    query: maxBy(config, ['job', 'instance'], selector('up', config.exporterSelector)),
    when: { below: 1 },
    for: config.exporterDownFor,
    summary: `xe-exporter {{ $labels.instance }}${onNode(config)} cannot be scraped`,
    description: `Nobody hears of GPU errors on this node, for ${config.exporterDownFor} or longer. First: see whether the node is up, then read the exporter's log.`,
  };
}

function absent(config: RulesConfig): Alert {
  return {
    name: 'XeExporterAbsent',
    severity: 'critical',
    query: `absent(${selector('up', config.exporterSelector)})`,
    when: { above: 0 },
    for: config.exporterAbsentFor,
    summary: 'Prometheus scrapes no xe-exporter at all',
    description:
      'Nobody hears of GPU errors on any node. First: see whether the exporter is deployed and whether Prometheus has targets for it.',
  };
}

/**
 * A source that should deliver and does not, or none that tells of rebind errors. What this node refuses or was told to leave out
 * (its feature is not active) is not down: another source takes its place, which XeExporterFallbackMode tells, or the second arm fires.
 */
function sourceDown(config: RulesConfig): Alert {
  const refused = selector(METRIC.featureInfo, `${LABEL.state}!="active"`);
  const each = [
    METRIC.sourceUp,
    whereDevices(config),
    `unless on (${[...place(config), LABEL.source].join(', ')}) label_replace(${refused}, "${LABEL.source}", "$1", "${LABEL.feature}", "(.*)")`,
  ];
  const ofErrors = selector(METRIC.sourceUp, anyOf(LABEL.source, REBIND_SOURCES));
  return {
    name: 'XeEventSourceDown',
    severity: 'warning',
    query: enclosed(
      `${maxBy(config, [LABEL.source], each.join('\n'))}\nor\n${maxBy(config, [], `${ofErrors}\n${whereDevices(config)}`)}`,
    ),
    when: { below: 1 },
    for: config.sourceDownFor,
    summary: `xe-exporter${onNode(config)} {{ with $labels.${LABEL.source} }}hears nothing from {{ . }}{{ else }}has no source of GPU memory errors{{ end }}`,
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
    summary: `Only ${SHARE} of the clients of ${gpu(config)} are watched`,
    description: `Errors of the others go unseen, for ${duration} now. First: see xe_client_attach_failures_total for the reason, then run "xe-exporter doctor" in the exporter's container.`,
  };
}

function fallbackMode(config: RulesConfig): Alert {
  const active = (feature: FeatureName) =>
    selector(METRIC.featureInfo, `${LABEL.feature}="${feature}"`, `${LABEL.state}="active"`);
  const query = `${active('kmsg')}\n${whereDevices(config)}\nunless on (${place(config).join(', ')}) ${active('watch_queue')}`;
  return {
    name: 'XeExporterFallbackMode',
    severity: 'info',
    query: maxBy(config, [], query),
    when: { above: 0 },
    for: config.fallbackFor,
    summary: `xe-exporter${onNode(config)} works without the watch queue`,
    description:
      'The kernel does not offer it or the exporter may not use it: errors come from the kernel log, which does not say whose job was hit. ' +
      'First: run "xe-exporter doctor" in the exporter\'s container; it says what the watch queue lacks.',
  };
}
