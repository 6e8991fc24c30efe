import { AnnotationQueryBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { LABEL, METRIC } from '../../exporter/names.js';
import { DEFAULT_RULES_CONFIG } from '../rules/config.js';
import { newsOverTime, ofClients, ofGpus, OOM, WORKLOAD } from './queries.js';
import { DATASOURCE } from './variables.js';

/** A mark on every graph where a GPU ran out of memory, with the name of whom it hit. */
export function outOfMemory(): AnnotationQueryBuilder {
  return new AnnotationQueryBuilder()
    .name('Out of GPU memory')
    .datasource(DATASOURCE)
    .enable(true)
    .iconColor('red')
    .expr(newsOverTime(ofClients(METRIC.clientVmRebindErrors, OOM), [LABEL.pciBdf, LABEL.errno, ...WORKLOAD]))
    .step(DEFAULT_RULES_CONFIG.scrapeInterval)
    .titleFormat('Out of GPU memory')
    .textFormat(`${WORKLOAD_LEGEND} on {{${LABEL.pciBdf}}} ({{${LABEL.errno}}})`)
    .tagKeys(LABEL.pciBdf);
}

/** A mark where the driver gave a GPU up. */
export function wedged(): AnnotationQueryBuilder {
  return new AnnotationQueryBuilder()
    .name('GPU wedged')
    .datasource(DATASOURCE)
    .enable(true)
    .iconColor('purple')
    .expr(newsOverTime(ofGpus(METRIC.deviceWedgedEvents), [LABEL.pciBdf]))
    .step(DEFAULT_RULES_CONFIG.scrapeInterval)
    .titleFormat('GPU wedged')
    .textFormat(`{{${LABEL.pciBdf}}}`)
    .tagKeys(LABEL.pciBdf);
}

/** Namespace and pod, or what stands in for them outside of Kubernetes; a label that is absent is empty. */
export const WORKLOAD_LEGEND = `{{${LABEL.k8sNamespace}}} {{${LABEL.k8sPod}}}{{${LABEL.systemdUnit}}}{{${LABEL.slurmJobId}}}`;
