import { LABEL, METRIC } from '../../exporter/names.js';
import type { Alert, RuleGroup } from './alert.js';
import type { RulesConfig } from './config.js';
import { anyOf, enclosed, eventsWithin, maxBy, place, selector } from './promql.js';
import { COUNT, inTheLast, onNode, spoken, TIMES } from './wording.js';

const panel = (title: string) => ({ dashboard: 'xe-exporter-health', title }) as const;

/** Whether what the exporter receives arrives whole. */
export function deliveryGroup(config: RulesConfig): RuleGroup {
  const alerts = [lost(config), attribution(config), otlp(config), capped(config)];
  return { name: 'xe-exporter.delivery', alerts };
}

/** By the kernel, and by the exporter's own reader when it is too slow: either way they were not counted. */
function lost(config: RulesConfig): Alert {
  const window = config.lossWindow;
  const reader = [`${LABEL.stage}="reader"`, `${LABEL.reason}="queue_full"`];
  return {
    name: 'XeEventsLost',
    severity: 'warning',
    query: eventsWithin(config, {
      counters: [{ metric: METRIC.eventsLost }, { metric: METRIC.eventsDropped, matchers: reader }],
      by: [],
      window,
      increaseOnly: true,
    }),
    when: { above: 0 },
    panel: panel('Events lost or without a victim'),
    summary: `GPU events were lost${onNode(config)}`,
    description: `Events were lost ${TIMES} ${inTheLast(window)}, one or more each time: every count of this node is a lower bound. First: look for a storm of errors on one GPU; it has alerts of its own.`,
  };
}

/** The kernel log never names a victim (reason no_pid): the health dashboard shows on how many nodes that is so. */
function attribution(config: RulesConfig): Alert {
  const { window, errors } = config.attribution;
  const onPlace = `on (${place(config).join(', ')})`;
  const feature = (state: string) =>
    maxBy(config, [], selector(METRIC.featureInfo, `${LABEL.feature}="kubernetes"`, `${LABEL.state}="${state}"`));
  const denied = `${feature('denied')}\nand ${onPlace} ${METRIC.deviceInfo}`;
  const unnamed = eventsWithin(config, {
    counters: [{ metric: METRIC.eventsUnattributed, matchers: [anyOf(LABEL.reason, ['client_gone', 'no_container'])] }],
    by: [],
    window,
    increaseOnly: true,
  });
  return {
    name: 'XeAttributionFailing',
    severity: 'info',
    query: enclosed(`${denied}\nor\n${unnamed} >= ${errors}\nand ${onPlace} ${feature('active')}`),
    when: { above: 0 },
    panel: panel('Events lost or without a victim'),
    summary: `xe-exporter${onNode(config)} cannot name the pods behind GPU errors`,
    description: `At least ${errors} errors ${inTheLast(window)} have no pod, or the exporter is not allowed to look up pod names. First: run "xe-exporter doctor" in its container and read the check of pod names.`,
  };
}

function otlp(config: RulesConfig): Alert {
  const { window, for: duration } = config.otlp;
  return {
    name: 'XeOTLPExportFailing',
    severity: 'warning',
    query: eventsWithin(config, {
      counters: [{ metric: METRIC.otlpRecords, matchers: [anyOf(LABEL.result, ['failed', 'dropped'])] }],
      by: [LABEL.signal],
      window,
      increaseOnly: true,
    }),
    when: { above: 0 },
    for: duration,
    panel: panel('Failures of the exporters'),
    summary: `xe-exporter${onNode(config)} cannot deliver {{ $labels.${LABEL.signal} }} over OTLP`,
    description: `About ${COUNT} log events or data points ${inTheLast(window)} did not reach the collector, and this has gone on for ${spoken(duration)}; /metrics is complete. First: read the exporter's log for the collector's answer.`,
  };
}

function capped(config: RulesConfig): Alert {
  const window = config.cardinalityWindow;
  return {
    name: 'XeExporterCardinalityCapped',
    severity: 'info',
    query: eventsWithin(config, {
      counters: [{ metric: METRIC.seriesOverflow }],
      by: [LABEL.metric],
      window,
      increaseOnly: true,
    }),
    when: { above: 0 },
    panel: panel('Failures of the exporters'),
    summary: `xe-exporter${onNode(config)} reached its per-container series limit`,
    description: `${inTheLast(window).replace('in', 'In')} about ${COUNT} containers exceeded the limit of {{ $labels.${LABEL.metric} }} and are now counted under "_other". First: find out what starts so many GPU jobs; the log events still name each one.`,
  };
}
