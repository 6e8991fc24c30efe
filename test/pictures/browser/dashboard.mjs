/**
 * Draws `window.drawing` (see ../answers.ts) with Grafana's own panels into #dashboard, and adds #drawn when it is done. Bundled by ../run.sh together
 * with what ../package.json names.
 */

import { createTheme, ThemeContext } from '@grafana/data';
import { GlobalStyles, PanelChrome } from '@grafana/ui';
import { createElement as h } from 'react';
import { createRoot } from 'react-dom/client';
import { Body } from './panels.mjs';

const { dashboard, panels, marks, from, to } = window.drawing;
const theme = createTheme({ colors: { mode: 'light' } });

/** Size of the grid of a dashboard, in pixels. */
const [COLUMNS, ROW, GAP, MARGIN] = [24, 30, 8, 16];
const WIDTH = document.documentElement.clientWidth - 2 * MARGIN;

let waiting = panels.length;
function oneDrawn() {
  waiting -= 1;
  if (waiting > 0) return;
  // Graphs draw on their canvas in the next frames.
  document.fonts.ready.then(() =>
    requestAnimationFrame(() =>
      requestAnimationFrame(() => document.body.append(Object.assign(document.createElement('i'), { id: 'drawn' }))),
    ),
  );
}

function Page() {
  const header = h(
    'header',
    { style: { display: 'flex', gap: 8, alignItems: 'center', padding: `12px ${MARGIN}px`, fontSize: 13 } },
    h('span', { style: { fontSize: 18, fontWeight: 500, marginRight: 16 } }, dashboard.title),
    ...dashboard.templating.list.filter(({ type }) => type === 'query').map(choice),
    h(
      'span',
      { style: { ...chip, marginLeft: 'auto' } },
      `Last ${(to - from) / 3600 === 1 ? 'hour' : `${(to - from) / 3600} hours`} (UTC)`,
    ),
  );
  return h(
    ThemeContext.Provider,
    { value: theme },
    h(GlobalStyles),
    header,
    h('main', { style: { position: 'relative' } }, placed().map(panelAt)),
  );
}

const chip = {
  border: `1px solid ${theme.colors.border.medium}`,
  borderRadius: 4,
  padding: '3px 8px',
  background: theme.colors.background.primary,
};

function choice({ name, label }) {
  const value = panels[0].values[name];
  return h(
    'span',
    { key: name, style: chip },
    h('b', { style: { fontWeight: 500 } }, `${label ?? name} `),
    value === '.*' ? 'All' : value,
  );
}

/** Where each panel stands; those that are repeated share the room of one. */
function placed() {
  return panels.map((answered) => {
    const { gridPos } = answered.panel;
    const alike = panels.filter(({ panel }) => panel === answered.panel || panel.id === answered.panel.id);
    const w = gridPos.w / alike.length;
    return { answered, ...gridPos, w, x: gridPos.x + w * alike.indexOf(answered) };
  });
}

function panelAt({ answered, x, y, w, h: rows }, index) {
  const { panel, values } = answered;
  const column = (WIDTH + GAP) / COLUMNS;
  const [width, height] = [w * column - GAP, rows * (ROW + GAP) - GAP];
  const style = { position: 'absolute', left: MARGIN + x * column, top: y * (ROW + GAP), width, height };
  const replaceVariables = (text) =>
    text.replace(/\$\{?(\w+)\}?/g, (all, name) => (values[name] === '.*' ? 'All' : (values[name] ?? all)));
  const title = replaceVariables(panel.title);
  const inside = (innerWidth, innerHeight) =>
    h(Body, {
      answered,
      marks: marksOf(panel),
      range: { from, to },
      width: innerWidth,
      height: innerHeight,
      replaceVariables,
      drawn: oneDrawn,
    });
  const padding = panel.type === 'table' ? 'none' : 'md';
  return h('section', { key: index, style }, h(PanelChrome, { title, width, height, padding }, inside));
}

/** The annotations that a panel shows, from when until when, with a colour: points that follow each other are one. */
function marksOf({ id }) {
  return marks.flatMap(({ refId, series, step }) => {
    const { filter, iconColor } = dashboard.annotations.list.find(({ name }) => name === refId);
    if (filter !== undefined && filter.ids.includes(id) === Boolean(filter.exclude)) return [];
    const color = theme.visualization.getColorByName(iconColor);
    return series.flatMap(({ values }) => {
      const regions = [];
      for (const [time] of values) {
        const last = regions.at(-1);
        if (last !== undefined && time - last.until <= step) last.until = time;
        else regions.push({ from: time, until: time, color });
      }
      return regions;
    });
  });
}

createRoot(document.getElementById('dashboard')).render(h(Page));
