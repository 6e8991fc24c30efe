import {
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { LABEL, METRIC } from '../../exporter/names.js';
import { NAMESPACE_VARIABLE, ofGpus, PLACE } from './queries.js';
import { selector } from '../rules/promql.js';

/** The only data source a dashboard asks: the one that is chosen on it. */
export const DATASOURCE = { type: 'prometheus', uid: '${datasource}' } as const;

export function datasource(): DatasourceVariableBuilder {
  return new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus');
}

/** Cluster and node, each narrowed by those before it. */
export function places(): QueryVariableBuilder[] {
  return PLACE.map((label, index) => oneOrMore(placeVariable(label, index)));
}

/** One node of the chosen clusters: what happens on several cannot be told apart where PCI addresses repeat. */
export function oneNode(): QueryVariableBuilder[] {
  // Where no target has the label, the empty value matches it as well.
  return PLACE.map((label, index) =>
    index < PLACE.length - 1 ? oneOrMore(placeVariable(label, index)) : placeVariable(label, index),
  );
}

export function gpus(): QueryVariableBuilder {
  const ofNode = PLACE.map((label) => `${label}=~"$${label}"`);
  return oneOrMore(labelValues(LABEL.pciBdf, selector(METRIC.deviceInfo, ...ofNode), LABEL.pciBdf).label('GPU'));
}

export function namespaces(): QueryVariableBuilder {
  return oneOrMore(labelValues(NAMESPACE_VARIABLE, ofGpus(METRIC.clientVmRebindErrors), LABEL.k8sNamespace));
}

function placeVariable(label: string, index: number): QueryVariableBuilder {
  const before = PLACE.slice(0, index).map((earlier) => `${earlier}=~"$${earlier}"`);
  return labelValues(label, selector(METRIC.deviceInfo, ...before), label);
}

function labelValues(name: string, series: string, label: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .datasource(DATASOURCE)
    .query(`label_values(${series}, ${label})`)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc);
}

/** "All" is `.*`, which also matches series that do not have the label. */
function oneOrMore(variable: QueryVariableBuilder): QueryVariableBuilder {
  return variable
    .multi(true)
    .includeAll(true)
    .allValue('.*')
    .current({ selected: true, text: ['All'], value: ['$__all'] });
}
