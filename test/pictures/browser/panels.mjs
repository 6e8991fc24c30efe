/** The panels, drawn with Grafana's own components as its panel plugins do. */

import {
  dateTime,
  getFieldDisplayValues,
  standardTransformers,
  standardTransformersRegistry,
  transformDataFrame,
} from '@grafana/data';
import { BigValue, TimeSeries, useTheme2 } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { createElement as h, useEffect, useLayoutEffect, useState } from 'react';
import { configured, fieldConfigOf } from './field-config.mjs';
import { seriesFrames, tableFrames } from './frames.mjs';
import { StateTimeline } from './state-timeline.mjs';

const { mergeTransformer, filterFieldsByNameTransformer, organizeFieldsTransformer } = standardTransformers;
standardTransformersRegistry.setInit(() =>
  [mergeTransformer, filterFieldsByNameTransformer, organizeFieldsTransformer].map((transformation) => ({
    id: transformation.id,
    name: transformation.name,
    transformation: async () => transformation,
  })),
);

/** The inside of a panel. `drawn` is called when there is nothing more to wait for. */
export function Body(props) {
  const Kind = { stat: Stat, timeseries: Graph, table: Table, 'state-timeline': Timeline }[props.answered.panel.type];
  return h(Kind, props);
}

function Empty({ panel }) {
  const style = {
    display: 'flex',
    height: '100%',
    alignItems: 'center',
    justifyContent: 'center',
    textAlign: 'center',
  };
  return h('div', { style }, panel.fieldConfig.defaults.noValue);
}

function useDrawn(drawn) {
  useEffect(() => drawn(), [drawn]);
}

function Stat({ answered, range, width, height, replaceVariables, drawn }) {
  const theme = useTheme2();
  useDrawn(drawn);
  const { panel } = answered;
  const { reduceOptions, colorMode, graphMode, justifyMode, textMode, wideLayout } = panel.options;
  const data = configured(seriesFrames(answered, range), panel, theme, replaceVariables);
  const fieldConfig = fieldConfigOf(panel);
  const [found] = getFieldDisplayValues({ fieldConfig, reduceOptions, replaceVariables, theme, data, timeZone: 'utc' });
  const value = found?.display ?? { text: panel.fieldConfig.defaults.noValue, numeric: NaN };
  const name = textMode === 'value_and_name' ? value.title : '';
  const mode = textMode === 'value_and_name' ? textMode : 'value';
  const look = { colorMode, graphMode, justifyMode, textMode: mode, wideLayout };
  return h(BigValue, { ...look, value: { ...value, title: name }, width, height, theme });
}

function Graph({ answered, marks, range, width, height, replaceVariables, drawn }) {
  const theme = useTheme2();
  useDrawn(drawn);
  const { panel } = answered;
  const frames = configured(seriesFrames(answered, range), panel, theme, replaceVariables);
  if (frames.length === 0) return h(Empty, { panel });
  const { legend } = panel.options;
  const between = { from: dateTime(1000 * range.from), to: dateTime(1000 * range.to) };
  const timeRange = { ...between, raw: between };
  const options = { frames, timeRange, timeZone: ['utc'], legend, width, height, structureRev: 1 };
  return h(TimeSeries, options, (config) => h(Marks, { config, marks }));
}

/** Vertical lines where something happened, with a band between them where it lasted. */
function Marks({ config, marks }) {
  useLayoutEffect(() => {
    config.addHook('draw', ({ ctx, bbox, valToPos }) => {
      ctx.save();
      ctx.setLineDash([5, 5]);
      const bottom = bbox.top + bbox.height;
      for (const { from, until, color } of marks) {
        const [left, right] = [from, until].map((time) => Math.round(valToPos(1000 * time, 'x', true)));
        ctx.strokeStyle = ctx.fillStyle = color;
        for (const x of new Set([left, right])) {
          ctx.beginPath();
          ctx.moveTo(x, bbox.top);
          ctx.lineTo(x, bottom);
          ctx.stroke();
        }
        ctx.fillRect(left - 3, bottom, right - left + 6, 5);
        ctx.globalAlpha = 0.1;
        ctx.fillRect(left, bbox.top, right - left, bbox.height);
        ctx.globalAlpha = 1;
      }
      ctx.restore();
    });
  }, [config, marks]);
  return null;
}

function Table({ answered, width, height, replaceVariables, drawn }) {
  const theme = useTheme2();
  const [data, setData] = useState();
  const { panel } = answered;
  useEffect(() => {
    const frames = tableFrames(answered);
    const context = { interpolate: replaceVariables };
    const subscription = transformDataFrame(panel.transformations, frames, context).subscribe((transformed) => {
      setData(configured(transformed, panel, theme, replaceVariables));
      drawn();
    });
    return () => subscription.unsubscribe();
  }, [answered, panel, theme, replaceVariables, drawn]);
  if (data === undefined) return null;
  if (data.length === 0 || data[0].length === 0) return h(Empty, { panel });
  const { sortBy, cellHeight } = panel.options;
  const fieldConfig = fieldConfigOf(panel);
  return h(TableNG, { data: data[0], width, height, sortBy, cellHeight, fieldConfig, structureRev: 1 });
}

function Timeline({ answered, range, replaceVariables, drawn }) {
  const theme = useTheme2();
  useDrawn(drawn);
  const frames = configured(seriesFrames(answered, range), answered.panel, theme, replaceVariables);
  if (frames.length === 0) return h(Empty, { panel: answered.panel });
  return h(StateTimeline, { frames, range, step: answered.step, theme });
}
