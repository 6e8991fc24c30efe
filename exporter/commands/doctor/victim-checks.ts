import type { SourceName } from '../../names.js';
import { ok, off, warn, type Check, type Facts, type Finding } from './finding.js';

/** How the process that an error hit is named on this node, and who else changes what the trace is made of. */
export const VICTIM_CHECKS: readonly Check[] = [
  { id: 'victims', title: 'who was hit', for: 'node', run: victims },
  { id: 'dynamic_events', title: 'dynamic trace events', for: 'node', run: dynamicEvents },
];

const SHOWN = 3;

function victims({ devices, watches, messages }: Facts): Finding {
  if (devices.length === 0) return off('not tried: there is no xe device');
  if (watches.some(({ support }) => support.request !== undefined)) return ok('exactly, by the watch queue');
  const active = (name: SourceName) =>
    messages.find(({ source, report }) => source === name && report.state === 'active')?.report;
  const trace = active('trace');
  if (trace !== undefined) return ok(`exactly, by the trace of the driver: ${trace.reason}`);
  const fix =
    'Give the exporter the trace of the driver: uid 0, the host’s pid namespace and a writable tracefs (see above).';
  return active('kmsg') !== undefined
    ? warn('inferred from what the GPU’s clients do next, and counted as _unattributed', fix)
    : warn('not at all: there is neither watch queue nor trace nor kernel log', fix);
}

/** The exporter appends one of its own and leaves all others alone; a tool that empties the file takes it away for a moment. */
function dynamicEvents({ dynamicEvents: events }: Facts): Finding {
  if (events === undefined) return off('not seen: tracefs cannot be read');
  const others = events.filter((name) => !name.startsWith('xe_exporter/'));
  if (others.length === 0) return ok('none but the exporter’s');
  const more = others.length > SHOWN ? ` and ${others.length - SHOWN} more` : '';
  return ok(`of others: ${others.slice(0, SHOWN).join(', ')}${more}; they are left alone`);
}
