import { AnnotationQueryBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { EVENT_METRIC } from '../../exporter/events/index.js';
import { LABEL } from '../../exporter/names.js';
import { DEFAULT_RULES_CONFIG } from '../rules/config.js';
import { firing, newsOverTime, ofGpus, PLACE } from './queries.js';
import { DATASOURCE } from './variables.js';

/** A mark where the driver declared a GPU dead. */
export function wedged(): AnnotationQueryBuilder {
  return mark('GPU wedged', 'purple', newsOverTime(ofGpus(EVENT_METRIC.deviceWedged), [LABEL.pciBdf]))
    .textFormat(`{{${LABEL.pciBdf}}}`)
    .tagKeys(LABEL.pciBdf);
}

/** Marks while alerts fire that concern a fleet: from the alerts, because counting a fleet's events for each point takes minutes. */
export function fleetAlerts(): AnnotationQueryBuilder {
  const name = 'Wedged GPUs and missing exporters';
  return mark(name, 'purple', firing('alertname=~"XeDeviceWedged|XeExportersDown"'))
    .textFormat(`{{alertname}} ${PLACE.map((label) => `{{${label}}}`).join(' ')} {{${LABEL.pciBdf}}}`)
    .tagKeys('alertname');
}

function mark(name: string, colour: string, expression: string): AnnotationQueryBuilder {
  return new AnnotationQueryBuilder()
    .name(name)
    .datasource(DATASOURCE)
    .enable(true)
    .iconColor(colour)
    .expr(expression)
    .step(DEFAULT_RULES_CONFIG.scrapeInterval)
    .titleFormat(name);
}
