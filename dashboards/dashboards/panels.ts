import {
  BigValueColorMode,
  BigValueGraphMode,
  GraphDrawStyle,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import { MappingType, ThresholdsConfigBuilder, ThresholdsMode } from '@grafana/grafana-foundation-sdk/dashboard';
import type { DynamicConfigValue, ValueMapping } from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as StateTimelineBuilder } from '@grafana/grafana-foundation-sdk/statetimeline';
import { PanelBuilder as TableBuilder } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { DEFAULT_RULES_CONFIG } from '../rules/config.js';
import { DATASOURCE } from './variables.js';

interface Panel {
  readonly title: string;
  readonly description: string;
  /** What stands there instead of data: why there is none, and what to switch on. */
  readonly empty: string;
  /** In columns of 24. */
  readonly width: number;
  readonly height?: number;
  /** As Grafana calls it. */
  readonly unit?: string;
}

/** Queries by what their lines are called; Grafana fills {{label}} in. */
type Lines = Readonly<Record<string, string>>;

const REF_IDS = 'ABCDEFGH';

/** The scrape interval as least step makes `$__rate_interval` hold four scrapes, whatever the data source is set to. */
const query = (expression: string, index: number) =>
  new DataqueryBuilder()
    .refId(REF_IDS[index]!)
    .datasource(DATASOURCE)
    .interval(DEFAULT_RULES_CONFIG.scrapeInterval)
    .expr(expression);

const lines = (of: Lines) =>
  Object.entries(of).map(([legend, expression], index) => query(expression, index).range().legendFormat(legend));

/** A colour, and others from a value upwards. */
export function thresholds(colours: readonly [base: string, ...[from: number, colour: string][]]) {
  const [base, ...rest] = colours;
  return new ThresholdsConfigBuilder()
    .mode(ThresholdsMode.Absolute)
    .steps([{ value: null, color: base }, ...rest.map(([value, color]) => ({ value, color }))]);
}

/** One number of now or of the whole range. */
export function stat(panel: Panel & { readonly query: string; readonly limits: ReturnType<typeof thresholds> }) {
  return new StatBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(DATASOURCE)
    .span(panel.width)
    .height(panel.height ?? 4)
    .unit(panel.unit ?? 'none')
    .noValue(panel.empty)
    .thresholds(panel.limits)
    .colorMode(BigValueColorMode.Background)
    .graphMode(BigValueGraphMode.None)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .withTarget(query(panel.query, 0).instant());
}

/** Lines over time; `stacked` fills them, `bars` is for counts. */
export function timeseries(
  panel: Panel & { readonly lines: Lines; readonly style?: 'stacked' | 'bars'; readonly max?: number },
) {
  const builder = new TimeseriesBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(DATASOURCE)
    .span(panel.width)
    .height(panel.height ?? 8)
    .unit(panel.unit ?? 'short')
    .noValue(panel.empty)
    .min(0)
    .showPoints(VisibilityMode.Never)
    .legend(
      new VizLegendOptionsBuilder()
        .showLegend(true)
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .calcs([]),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
    .targets(lines(panel.lines));
  if (panel.max !== undefined) builder.max(panel.max);
  if (panel.style === undefined) return builder;
  builder.stacking(new StackingConfigBuilder().group('A').mode(StackingMode.Normal));
  return panel.style === 'bars'
    ? builder.drawStyle(GraphDrawStyle.Bars).fillOpacity(80)
    : builder.fillOpacity(40).lineWidth(1);
}

/** States 0 and 1 over time, one line a series. */
export function stateTimeline(
  panel: Panel & { readonly lines: Lines; readonly states: readonly [zero: string, one: string]; readonly bad: 0 | 1 },
) {
  const option = (value: 0 | 1) => ({ text: panel.states[value], color: value === panel.bad ? 'red' : 'green' });
  const mapping: ValueMapping = { type: MappingType.ValueToText, options: { '0': option(0), '1': option(1) } };
  return new StateTimelineBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(DATASOURCE)
    .span(panel.width)
    .height(panel.height ?? 8)
    .noValue(panel.empty)
    .mappings([mapping])
    .showValue(VisibilityMode.Auto)
    .mergeValues(true)
    .legend(
      new VizLegendOptionsBuilder()
        .showLegend(false)
        .displayMode(LegendDisplayMode.Hidden)
        .placement(LegendPlacement.Bottom)
        .calcs([]),
    )
    .targets(lines(panel.lines));
}

export interface Column {
  /** Name of the field: a label, or `Value #A` of the first query. */
  readonly field: string;
  readonly title: string;
  readonly unit?: string;
  /** Where a click on the cell leads. */
  readonly link?: { readonly title: string; readonly url: string };
}

/** One row for each label set, with the values of all queries; columns that are not named are hidden. */
export function table(panel: Panel & { readonly queries: readonly string[]; readonly columns: readonly Column[] }) {
  const builder = new TableBuilder()
    .title(panel.title)
    .description(panel.description)
    .datasource(DATASOURCE)
    .span(panel.width)
    .height(panel.height ?? 8)
    .noValue(panel.empty)
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
  for (const { title, unit, link } of panel.columns) {
    const properties: DynamicConfigValue[] = [
      ...(unit === undefined ? [] : [{ id: 'unit', value: unit }]),
      ...(link === undefined ? [] : [{ id: 'links', value: [link] }]),
    ];
    if (properties.length > 0) builder.overrideByName(title, properties);
  }
  return builder;
}
