import { LABEL, METRIC } from '../../exporter/names.js';
import type { Alert, RuleGroup } from './alert.js';
import type { RulesConfig } from './config.js';
import { anyOf, enclosed, eventsWithin, maxBy, place, selector } from './promql.js';
import { COUNT, onNode, SHARE } from './wording.js';

/** Whether what the exporter hears arrives whole. */
export function deliveryGroup(config: RulesConfig): RuleGroup {
  const alerts = [lost(config), attribution(config), otlp(config), capped(config)];
  return { name: 'xe-exporter.delivery', alerts };
}

/** By the kernel, and by the exporter's own reader when it is too slow: either way nobody counted them. */
function lost(config: RulesConfig): Alert {
  const window = config.lossWindow;
  const kernel = eventsWithin(config, { metric: METRIC.eventsLost, series: [LABEL.source], by: [], window });
  const reader = eventsWithin(config, {
    metric: METRIC.eventsDropped,
    matchers: [`${LABEL.stage}="reader"`, `${LABEL.reason}="queue_full"`],
    series: [LABEL.stage, LABEL.sink, LABEL.reason],
    by: [],
    window,
  });
  return {
    name: 'XeEventsLost',
    severity: 'warning',
    query: enclosed(`${kernel}\n+\n${reader}`),
    when: { above: 0 },
    summary: `GPU events${onNode(config)} were lost`,
    description: `Losses in ${window}: about ${COUNT}, each of one event or more. All counts of this node are a lower bound. First: look for a storm of errors on one GPU; it has alerts of its own.`,
  };
}

/** The kernel log never names anybody (reason no_pid): XeExporterFallbackMode tells of that. */
function attribution(config: RulesConfig): Alert {
  const { window, ratio } = config.attribution;
  const onPlace = `on (${place(config).join(', ')})`;
  const feature = (state: string) => {
    const info = selector(METRIC.featureInfo, `${LABEL.feature}="kubernetes"`, `${LABEL.state}="${state}"`);
    return maxBy(config, [], `${info} and ${onPlace} ${METRIC.deviceInfo}`);
  };
  const unnamed = eventsWithin(config, {
    metric: METRIC.eventsUnattributed,
    matchers: [anyOf(LABEL.reason, ['client_gone', 'no_container'])],
    series: [LABEL.reason],
    by: [],
    window,
  });
  const all = eventsWithin(config, {
    metric: METRIC.vmRebindErrors,
    series: [LABEL.pciBdf, LABEL.errno],
    by: [],
    window,
  });
  return {
    name: 'XeAttributionFailing',
    severity: 'info',
    query: enclosed(`${feature('denied')}\nor\n${unnamed}\n/\n${all}\nand ${onPlace} ${feature('active')}`),
    when: { above: ratio },
    summary: `xe-exporter${onNode(config)} cannot name the pods of GPU errors`,
    description: `${SHARE} of the errors in ${window} have no pod, or the exporter may not ask for names. First: run "xe-exporter doctor" in its container and see the check of pod names.`,
  };
}

function otlp(config: RulesConfig): Alert {
  const { window, for: duration } = config.otlp;
  return {
    name: 'XeOTLPExportFailing',
    severity: 'warning',
    query: eventsWithin(config, {
      metric: METRIC.otlpRecords,
      matchers: [anyOf(LABEL.result, ['failed', 'dropped'])],
      series: [LABEL.signal, LABEL.result],
      by: [],
      window,
    }),
    when: { above: 0 },
    for: duration,
    summary: `xe-exporter${onNode(config)} cannot deliver log events over OTLP`,
    description: `About ${COUNT} log events in ${window} did not reach the collector, for ${duration} now; the metrics are complete. First: read the exporter's log for the collector's answer.`,
  };
}

function capped(config: RulesConfig): Alert {
  const window = config.cardinalityWindow;
  return {
    name: 'XeExporterCardinalityCapped',
    severity: 'info',
    query: eventsWithin(config, { metric: METRIC.seriesOverflow, series: [LABEL.metric], by: [LABEL.metric], window }),
    when: { above: 0 },
    summary: `xe-exporter${onNode(config)} has more containers than series`,
    description: `About ${COUNT} containers of {{ $labels.${LABEL.metric} }} share the series "_other" in ${window}. First: find out what starts so many GPU jobs; the log events still name each.`,
  };
}
