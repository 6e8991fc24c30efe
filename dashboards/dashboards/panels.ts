import {
  BigValueColorMode,
  BigValueGraphMode,
  BigValueTextMode,
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
import {
  FieldColorBuilder,
  FieldColorModeId,
  MappingType,
  SpecialValueMatch,
  ThresholdsConfigBuilder,
  ThresholdsMode,
} from '@grafana/grafana-foundation-sdk/dashboard';
import type { ValueMapping } from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as StateTimelineBuilder } from '@grafana/grafana-foundation-sdk/statetimeline';
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { DEFAULT_RULES_CONFIG, type Duration } from '../rules/config.js';
import { DATASOURCE } from './variables.js';

export interface Panel {
  readonly title: string;
  readonly description: string;
  /** What stands there instead of data: why there is none, and what to switch on. */
  readonly empty: string;
  /** In columns of 24. */
  readonly width: number;
  readonly height?: number;
  /** As Grafana calls it. */
  readonly unit?: string;
  readonly decimals?: number;
  /** Least step between two points; longer than the scrape interval where a fleet is drawn, or single events are. */
  readonly interval?: Duration;
}

/** Queries by what their lines are called; Grafana fills {{label}} in. */
type Lines = Readonly<Record<string, string>>;

/** What every panel builder can be told; the generated ones have no type in common. */
interface Framed {
  title(title: string): this;
  description(description: string): this;
  datasource(datasource: typeof DATASOURCE): this;
  span(width: number): this;
  height(height: number): this;
}

/** Gives a builder what says what the panel is and where it stands. */
export function framed<Builder extends Framed>(builder: Builder, panel: Panel, usualHeight = 8): Builder {
  return builder
    .title(panel.title)
    .description(panel.description)
    .datasource(DATASOURCE)
    .span(panel.width)
    .height(panel.height ?? usualHeight);
}

const REF_IDS = 'ABCDEFGHIJ';

/** The scrape interval as least step makes `$__rate_interval` hold four scrapes, whatever the data source is set to. */
export const query = (expression: string, index: number, interval = DEFAULT_RULES_CONFIG.scrapeInterval) =>
  new DataqueryBuilder().refId(REF_IDS[index]!).datasource(DATASOURCE).interval(interval).expr(expression);

const lines = (of: Lines, interval?: Duration) =>
  Object.entries(of).map(([legend, expression], index) =>
    query(expression, index, interval).range().legendFormat(legend),
  );

/** A colour, and others from a value upwards. */
export function thresholds(colours: readonly [base: string, ...[from: number, colour: string][]]) {
  const [base, ...rest] = colours;
  return new ThresholdsConfigBuilder()
    .mode(ThresholdsMode.Absolute)
    .steps([{ value: null, color: base }, ...rest.map(([value, color]) => ({ value, color }))]);
}

/** The colour of what is not known. */
const GREY = '#808080';

/** One number of now or of the whole range; what stands there instead has to be short, as it is as large as room permits. */
export function stat(
  panel: Panel & {
    readonly query: string;
    readonly limits: ReturnType<typeof thresholds>;
    /** Name of the value, beside it, with {{label}}. */
    readonly legend?: string;
  },
) {
  const builder = framed(new StatBuilder(), panel, 4)
    .unit(panel.unit ?? 'none')
    .noValue(panel.empty)
    .mappings([
      {
        type: MappingType.SpecialValue,
        options: { match: SpecialValueMatch.NullAndNan, result: { text: panel.empty, color: GREY } },
      },
    ])
    .thresholds(panel.limits)
    .colorMode(BigValueColorMode.Value)
    .graphMode(BigValueGraphMode.None)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .withTarget(
      query(panel.query, 0)
        .instant()
        .legendFormat(panel.legend ?? '__auto'),
    );
  if (panel.legend !== undefined) builder.textMode(BigValueTextMode.ValueAndName);
  if (panel.decimals !== undefined) builder.decimals(panel.decimals);
  return builder;
}

interface Graph extends Panel {
  readonly lines: Lines;
  /** `stacked` fills them, `bars` is for counts, `points` for what is known now and then. */
  readonly style?: 'stacked' | 'bars' | 'points';
  readonly max?: number;
  /** Colours of lines by name, where one means something. */
  readonly colours?: Readonly<Record<string, string>>;
  /** The same for lines that are no part of a stack but what it is held against: dashed. */
  readonly limits?: Readonly<Record<string, string>>;
  /** Lines that are dots on the graph, one a moment, by a regular expression that their names match, with their colour. */
  readonly dots?: Readonly<Record<string, string>>;
  /** Lines are nodes: neighbours in a rack have colours that nobody mixes up. */
  readonly ofNodes?: boolean;
  /** The same few lines along the whole graph: each has another colour, which can be another one the next time. */
  readonly fewLines?: boolean;
  /** Words for lines whose legend is a code. */
  readonly words?: Readonly<Record<string, string>>;
  /** One graph for each value of this variable, two beside each other. */
  readonly repeatedFor?: string;
}

/** Lines over time. */
export function timeseries(panel: Graph) {
  const builder = framed(new TimeseriesBuilder(), panel)
    .unit(panel.unit ?? 'short')
    .noValue(panel.empty)
    .min(0)
    .showPoints(VisibilityMode.Never)
    // A line keeps its colour when others come and go.
    .colorScheme(
      new FieldColorBuilder().mode(FieldColorModeId[panel.fewLines ? 'PaletteClassic' : 'PaletteClassicByName']),
    )
    .legend(
      new VizLegendOptionsBuilder()
        .showLegend(true)
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .calcs([]),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending))
    .targets(lines(panel.lines, panel.interval));
  if (panel.interval !== undefined) builder.interval(panel.interval);
  if (panel.max !== undefined) builder.max(panel.max);
  if (panel.decimals !== undefined) builder.decimals(panel.decimals);
  if (panel.ofNodes) NODE_COLOURS.forEach((colour, digit) => builder.overrideByRegexp(endsIn(digit), fixed(colour)));
  for (const [name, colour] of Object.entries(panel.colours ?? {})) builder.overrideByName(name, fixed(colour));
  for (const [name, value] of Object.entries(panel.words ?? {})) {
    builder.overrideByName(name, [{ id: 'displayName', value }]);
  }
  for (const [name, colour] of Object.entries(panel.limits ?? {})) {
    builder.overrideByName(name, [...fixed(colour), ...LIMIT]);
  }
  for (const [pattern, colour] of Object.entries(panel.dots ?? {})) {
    builder.overrideByRegexp(pattern, [...fixed(colour), ...DOTS]);
  }
  if (panel.repeatedFor !== undefined) builder.repeat(panel.repeatedFor).repeatDirection('h').maxPerRow(2);
  if (panel.style === undefined) return builder;
  if (panel.style === 'points') return builder.drawStyle(GraphDrawStyle.Points).showPoints(VisibilityMode.Always);
  builder.stacking(new StackingConfigBuilder().group('A').mode(StackingMode.Normal));
  return panel.style === 'bars'
    ? builder.drawStyle(GraphDrawStyle.Bars).fillOpacity(80).decimals(0)
    : builder.fillOpacity(40).lineWidth(1);
}

/**
 * Colours of nodes by the last digit of their name. The palette by name gives one of 56 colours, many of them alike, and the one by order
 * gives errors green first.
 */
const NODE_COLOURS = [
  '#4e79a7',
  '#f28e2b',
  '#e15759',
  '#76b7b2',
  '#edc948',
  '#b07aa1',
  '#ff9da7',
  '#9c755f',
  '#7f7f7f',
  '#6a51c7',
];

/** The last digit of the host name, without a domain. */
const endsIn = (digit: number) => `/^[^.]*${digit}[^.\\d]*(?:\\.|$)/`;

const fixed = (fixedColor: string) => [{ id: 'color', value: { mode: 'fixed', fixedColor } }];

const LIMIT = [
  { id: 'custom.stacking', value: { mode: StackingMode.None, group: 'limits' } },
  { id: 'custom.fillOpacity', value: 0 },
  { id: 'custom.lineStyle', value: { fill: 'dash', dash: [8, 8] } },
];

const DOTS = [
  { id: 'custom.stacking', value: { mode: StackingMode.None, group: 'dots' } },
  { id: 'custom.drawStyle', value: GraphDrawStyle.Points },
  { id: 'custom.showPoints', value: VisibilityMode.Always },
  { id: 'custom.pointSize', value: 10 },
];

/** States over time, one line a series. */
export function stateTimeline(
  panel: Panel & {
    readonly lines: Lines;
    /** What the values 0, 1, 2 and so on mean, and their colours. */
    readonly states: readonly (readonly [text: string, color: string])[];
  },
) {
  const options = Object.fromEntries(panel.states.map(([text, color], value) => [String(value), { text, color }]));
  const mapping: ValueMapping = { type: MappingType.ValueToText, options };
  return framed(new StateTimelineBuilder(), panel)
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
