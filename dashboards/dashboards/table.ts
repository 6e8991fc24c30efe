import type { DynamicConfigValue } from '@grafana/grafana-foundation-sdk/dashboard';
import { TableSortByFieldStateBuilder } from '@grafana/grafana-foundation-sdk/common';
import { PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table';
import { framed, query, type Panel } from './panels.js';

export interface Column {
  /** Name of the field: a label, or `Value #A` of the first query. */
  readonly field: string;
  readonly title: string;
  readonly unit?: string;
  /** In pixels; columns without one share what is left. */
  readonly width?: number;
  /** Where a click on the cell leads. */
  readonly link?: { readonly title: string; readonly url: string };
  /** Words for values, and their colours. */
  readonly words?: Readonly<Record<string, { readonly text: string; readonly color: string }>>;
  readonly decimals?: number;
  /** Draws a share of 0 to 1 as a bar. */
  readonly bar?: boolean;
}

interface Table extends Panel {
  readonly queries: readonly string[];
  readonly columns: readonly Column[];
  /** Title of the column whose largest value comes first. */
  readonly sortedBy: string;
}

/** What a cell without a value says: the text of the empty panel would stand there. */
const EMPTY_CELL = '–';

/** One row for each label set, with the values of all queries; columns that are not named are hidden. */
export function table(panel: Table) {
  const builder = framed(new TableBuilder(), panel)
    .noValue(panel.empty)
    .sortBy([new TableSortByFieldStateBuilder().displayName(panel.sortedBy).desc(true)])
    .targets(panel.queries.map((expression, index) => query(expression, index).instant().format(PromQueryFormat.Table)))
    .withTransformation({ id: 'merge', options: {} })
    .withTransformation({
      id: 'filterFieldsByName',
      options: { include: { names: panel.columns.map(({ field }) => field) } },
    })
    .withTransformation({
      id: 'organize',
      options: {
        indexByName: Object.fromEntries(panel.columns.map(({ field }, index) => [field, index])),
        renameByName: Object.fromEntries(panel.columns.map(({ field, title }) => [field, title])),
      },
    });
  for (const { title, unit, width, link, words, decimals, bar } of panel.columns) {
    const properties: DynamicConfigValue[] = [
      { id: 'noValue', value: EMPTY_CELL },
      ...(unit === undefined ? [] : [{ id: 'unit', value: unit }]),
      ...(width === undefined ? [] : [{ id: 'custom.width', value: width }]),
      ...(decimals === undefined ? [] : [{ id: 'decimals', value: decimals }]),
      ...(words === undefined ? [] : inWords(words)),
      ...(bar ? SHARE_BAR : []),
      ...(link === undefined ? [] : [{ id: 'links', value: [link] }]),
    ];
    builder.overrideByName(title, properties);
  }
  return builder;
}

const SHARE_BAR: DynamicConfigValue[] = [
  { id: 'custom.cellOptions', value: { type: 'gauge', mode: 'basic' } },
  { id: 'min', value: 0 },
  { id: 'max', value: 1 },
  { id: 'color', value: { mode: 'fixed', fixedColor: 'blue' } },
];

function inWords(options: NonNullable<Column['words']>): DynamicConfigValue[] {
  return [
    { id: 'mappings', value: [{ type: 'value', options }] },
    { id: 'custom.cellOptions', value: { type: 'color-text' } },
  ];
}
