/** What a panel plugin tells Grafana about its fields: the options that a dashboard may override, and their defaults. */

import {
  applyFieldOverrides,
  cacheFieldDisplayNames,
  displayNameOverrideProcessor,
  FieldConfigOptionsRegistry,
  identityOverrideProcessor,
  thresholdsOverrideProcessor,
  valueMappingsOverrideProcessor,
} from '@grafana/data';

const item = (id, process = identityOverrideProcessor) => ({
  id,
  name: id,
  path: id.replace(/^custom\./, ''),
  isCustom: id.startsWith('custom.'),
  process,
  shouldApply: () => true,
  getItemsCount: () => 0,
});

const registry = new FieldConfigOptionsRegistry(() => [
  item('displayName', displayNameOverrideProcessor),
  item('thresholds', thresholdsOverrideProcessor),
  item('mappings', valueMappingsOverrideProcessor),
  ...['unit', 'decimals', 'min', 'max', 'noValue', 'color', 'links'].map((id) => item(id)),
  ...[
    'width',
    'cellOptions',
    'stacking',
    'fillOpacity',
    'lineStyle',
    'lineWidth',
    'drawStyle',
    'pointSize',
    'showPoints',
  ].map((id) => item(`custom.${id}`)),
]);

const TIMESERIES = {
  drawStyle: 'line',
  lineInterpolation: 'linear',
  lineWidth: 1,
  fillOpacity: 0,
  gradientMode: 'none',
  showPoints: 'auto',
  pointSize: 5,
  axisPlacement: 'auto',
  axisColorMode: 'text',
  axisBorderShow: false,
  axisCenteredZero: false,
  barAlignment: 0,
  barWidthFactor: 0.6,
  insertNulls: false,
  spanNulls: false,
  scaleDistribution: { type: 'linear' },
  stacking: { mode: 'none', group: 'A' },
  hideFrom: { legend: false, tooltip: false, viz: false },
  thresholdsStyle: { mode: 'off' },
};
const TABLE = { align: 'auto', cellOptions: { type: 'auto' }, filterable: false, inspect: false };
const CUSTOM = { timeseries: TIMESERIES, table: TABLE };
const COLOUR = { timeseries: 'palette-classic', table: 'thresholds', stat: 'thresholds' };
const THRESHOLDS = { mode: 'absolute', steps: [{ value: -Infinity, color: 'green' }] };

/** Field configuration of a panel, with what Grafana adds where the dashboard says nothing. */
export function fieldConfigOf({ type, fieldConfig: { defaults, overrides } }) {
  const thresholds = defaults.thresholds ?? THRESHOLDS;
  return {
    defaults: {
      color: { mode: COLOUR[type] ?? 'palette-classic' },
      ...defaults,
      thresholds: {
        ...thresholds,
        steps: thresholds.steps.map((step) => ({ ...step, value: step.value ?? -Infinity })),
      },
      custom: { ...CUSTOM[type], ...defaults.custom },
    },
    overrides,
  };
}

/** Frames with names, units, colours and links as the panel wants them. */
export function configured(data, panel, theme, replaceVariables) {
  const fieldConfig = fieldConfigOf(panel);
  const frames = applyFieldOverrides({
    data,
    fieldConfig,
    fieldConfigRegistry: registry,
    replaceVariables,
    theme,
    timeZone: 'utc',
  });
  cacheFieldDisplayNames(frames);
  return frames;
}
