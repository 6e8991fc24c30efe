import { HISTORY_MS, type HistoryStep } from '../../metrics/recent-history.js';
import { amount, inGib } from './amounts.js';
import { ageText } from './browser/age.js';
import { markup, type Markup } from './markup.js';
import type { ClientStatus, DeviceMemoryStatus, DeviceStatus, Holder } from './node-status.js';

/** Colours of owners there are in style.css. */
const COLOURS = 8;
/** Owners with a part of their own; the others share one. */
const MOST_PARTS = 8;
const WIDTH = 1000;
const LINE_HEIGHT = 100;

interface Part extends Holder {
  /** Class that has its colour. */
  readonly colour: string;
}

/** Of each GPU, who holds its memory, and its last quarter of an hour. */
export function memoryOf(devices: readonly DeviceStatus[], clients: readonly ClientStatus[]): Markup {
  if (devices.length === 0) return markup`<p class="empty">This node has no xe device.</p>`;
  const sorted = [...new Set(clients.map(({ owner }) => owner))].sort();
  // By name, so that an owner keeps its colour while others grow past it.
  const colourOf = (owner: string): string => `c${Math.max(0, sorted.indexOf(owner)) % COLOURS}`;
  return markup`<ul class="gpus">${devices.map((device) => gpu(device, colourOf))}</ul>`;
}

function gpu(device: DeviceStatus, colourOf: (owner: string) => string): Markup {
  const { pciBdf, model, pciId, memory } = device;
  return markup`<li>
<h3><code>${pciBdf}</code> <span>${model || pciId}</span> <b>${used(memory)}</b></h3>
${memory ? bar(pciBdf, memory, colourOf) : markup`<p class="empty">Its memory is not known: it sleeps, does not answer, or memory is not read (--memory-interval).</p>`}
${line(device)}</li>
`;
}

function used(memory: DeviceMemoryStatus | undefined): string {
  if (memory === undefined) return '';
  const { usedBytes, sizeBytes } = memory;
  return usedBytes === undefined
    ? `${inGib(sizeBytes)} GiB`
    : `${inGib(usedBytes)} of ${inGib(sizeBytes)} GiB used (${Math.floor((100 * usedBytes) / sizeBytes)} %)`;
}

function bar(pciBdf: string, memory: DeviceMemoryStatus, colourOf: (owner: string) => string): Markup {
  const parts = partsOf(memory, colourOf);
  let start = 0;
  const rects = parts.map(({ bytes, colour }) => {
    const width = Math.min(WIDTH - start, (WIDTH * bytes) / memory.sizeBytes);
    const rect = markup`<rect class="${colour}" x="${start.toFixed(1)}" width="${width.toFixed(1)}" height="10"/>`;
    start += width;
    return rect;
  });
  const said = parts.map(({ owner, bytes }) => `${owner} ${amount(bytes)}`).join(', ');
  return markup`<svg class="held" viewBox="0 0 ${WIDTH} 10" preserveAspectRatio="none" role="img" aria-label="Memory of ${pciBdf}: ${said || 'nothing held'}">${rects}</svg>
<ul class="legend" aria-hidden="true">${parts.map(({ owner, bytes, colour }) => markup`<li><svg class="swatch" viewBox="0 0 1 1"><rect class="${colour}" width="1" height="1"/></svg>${owner} <b>${amount(bytes)}</b></li>`)}</ul>`;
}

/** Owners, the largest first, and what nobody is known to hold: the driver itself, and who could not be read. */
function partsOf({ usedBytes, holders }: DeviceMemoryStatus, colourOf: (owner: string) => string): readonly Part[] {
  const others = sum(holders.slice(MOST_PARTS));
  const unattributed = Math.max(0, (usedBytes ?? 0) - sum(holders));
  return [
    ...holders.slice(0, MOST_PARTS).map((holder) => ({ ...holder, colour: colourOf(holder.owner) })),
    { owner: `${holders.length - MOST_PARTS} more`, bytes: others, colour: 'others' },
    { owner: 'not attributed', bytes: unattributed, colour: 'nobody' },
  ].filter(({ bytes }) => bytes > 0);
}

function sum(holders: readonly Holder[]): number {
  return holders.reduce((total, { bytes }) => total + bytes, 0);
}

/** The used share as a line, and a mark for each step with errors. */
function line({ pciBdf, history, lastError }: DeviceStatus): Markup {
  const x = ({ ageMs }: HistoryStep): string => (WIDTH * (1 - ageMs / HISTORY_MS)).toFixed(1);
  const y = (share: number): string => (LINE_HEIGHT * (1 - 0.96 * share) - 2).toFixed(1);
  const errorsOf = ({ errors }: HistoryStep): number => errors.reduce((total, count) => total + count, 0);
  const marks = history.filter((step) => errorsOf(step) > 0);
  const errors = marks.reduce((total, step) => total + errorsOf(step), 0);
  const shares = history.map(({ usedShare }) => usedShare).filter((share) => share !== undefined);
  const [least, most] = [Math.min(...shares), Math.max(...shares)].map((share) => `${Math.floor(100 * share)} %`);
  const memory = shares.length === 0 ? 'memory not known' : `${least === most ? least : `${least} to ${most}`} used`;
  const said = `${errors === 0 ? 'no error' : errors === 1 ? '1 error' : `${errors} errors`}${lastError > 0 && marks.length > 0 ? `, the last ${ageText(marks.at(-1)!.ageMs / 1000)}` : ''}`;
  return markup`<figure>
<svg class="recent" viewBox="0 0 ${WIDTH} ${LINE_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="The last 15 minutes of ${pciBdf}: ${memory}, ${said}">
${marks.map((step) => markup`<line class="error" x1="${x(step)}" x2="${x(step)}" y1="0" y2="${LINE_HEIGHT}"/>`)}
${runs(history).map((run) => markup`<polyline points="${run.map((step) => `${x(step)},${y(step.usedShare!)}`).join(' ')}"/>`)}</svg>
<figcaption>Last 15 minutes: ${memory}, ${said}</figcaption></figure>`;
}

/** Steps in a row whose memory is known: a line has a gap where it is not. */
function runs(history: readonly HistoryStep[]): readonly (readonly HistoryStep[])[] {
  const all: HistoryStep[][] = [[]];
  for (const step of history) {
    if (step.usedShare === undefined) all.push([]);
    else all.at(-1)!.push(step);
  }
  return all.filter((run) => run.length > 0);
}
