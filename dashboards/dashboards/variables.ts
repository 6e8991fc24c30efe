import {
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { LABEL, METRIC } from '../../exporter/telemetry/names.js';
import { NAMESPACE_VARIABLE, ofGpus, PLACE } from './queries.js';
import { selector } from '../rules/promql.js';

/** The only data source a dashboard asks: the one that is chosen on it. */
export const DATASOURCE = { type: 'prometheus', uid: '${datasource}' } as const;

export function datasource(): DatasourceVariableBuilder {
  return new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus');
}

/** Cluster and node, each narrowed by those before it. */
export function places(): QueryVariableBuilder[] {
  return PLACE.map((label, index) => {
    const before = PLACE.slice(0, index).map((earlier) => `${earlier}=~"$${earlier}"`);
    return labelValues(label, selector(METRIC.deviceInfo, ...before), label);
  });
}

export function gpus(): QueryVariableBuilder {
  const ofNode = PLACE.map((label) => `${label}=~"$${label}"`);
  return labelValues(LABEL.pciBdf, selector(METRIC.deviceInfo, ...ofNode), LABEL.pciBdf).label('GPU');
}

export function namespaces(): QueryVariableBuilder {
  return labelValues(NAMESPACE_VARIABLE, ofGpus(METRIC.clientVmRebindErrors), LABEL.k8sNamespace);
}

/** "All" is `.*`, which also matches series that do not have the label. */
function labelValues(name: string, series: string, label: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .datasource(DATASOURCE)
    .query(`label_values(${series}, ${label})`)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue('.*')
    .current({ selected: true, text: ['All'], value: ['$__all'] });
}
