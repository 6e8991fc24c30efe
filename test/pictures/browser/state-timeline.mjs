/** States over time, drawn by hand: the package has no component for them. */

import { getFieldDisplayName } from '@grafana/data';
import { createElement as h } from 'react';

const NAME_WIDTH = 100;

export function StateTimeline({ frames, range, step, theme }) {
  const [from, to] = [1000 * range.from, 1000 * range.to];
  const share = (time) => `${(100 * (Math.min(time, to) - from)) / (to - from)}%`;
  const text = { fontSize: 12, color: theme.colors.text.primary, overflow: 'hidden', whiteSpace: 'nowrap' };
  const rows = frames.map((frame, index) => {
    const [times, values] = frame.fields;
    const runs = [];
    times.values.forEach((time, point) => {
      if (values.values[point] === null) return;
      const state = values.display(values.values[point]);
      const last = runs.at(-1);
      if (last?.state.text === state.text && time <= last.until) last.until = time + 1000 * step;
      else runs.push({ state, from: time, until: time + 1000 * step });
    });
    const bars = runs.map(({ state, from: start, until }) =>
      h(
        'div',
        {
          key: start,
          style: {
            ...text,
            position: 'absolute',
            left: share(start),
            width: `calc(${share(until)} - ${share(start)})`,
            top: 3,
            bottom: 3,
            padding: '0 4px',
            display: 'flex',
            alignItems: 'center',
            background: `${theme.visualization.getColorByName(state.color)}b3`,
          },
        },
        state.text,
      ),
    );
    return h(
      'div',
      { key: index, style: { display: 'flex', flex: 1 } },
      h(
        'div',
        { style: { ...text, width: NAME_WIDTH, alignSelf: 'center' } },
        getFieldDisplayName(values, frame, frames),
      ),
      h('div', { style: { position: 'relative', flex: 1 } }, bars),
    );
  });
  const clock = (time) => new Date(time).toISOString().slice(11, 16);
  const quarters = [0, 1, 2, 3].map((part) => from + (part * (to - from)) / 4);
  const axis = quarters.map((time) => h('div', { key: time, style: { ...text, flex: 1 } }, clock(time)));
  const column = { display: 'flex', flexDirection: 'column', height: '100%', padding: '0 8px 4px' };
  return h('div', { style: column }, rows, h('div', { style: { display: 'flex', paddingLeft: NAME_WIDTH } }, axis));
}
