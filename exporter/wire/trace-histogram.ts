/**
 * The text of a `hist` file of tracefs (hist_trigger_show in kernel/trace/trace_events_hist.c, Linux 6.12 to 7.3): one block for each
 * trigger of the event. Pure; any text parses, in linear time.
 */

export interface TraceHistogram {
  /** The trigger as the kernel repeats it, with its filter. */
  readonly trigger: string;
  readonly entries: readonly HistogramEntry[];
  /** Events that found no room among the entries. */
  readonly dropped: number;
}

/** The sums under one key. */
export interface HistogramEntry {
  /** By the name of the field. */
  readonly keys: ReadonlyMap<string, string>;
  /** By the name of the field, and `hitcount`. */
  readonly sums: ReadonlyMap<string, number>;
}

const TRIGGER = '# trigger info: ';
const ENTRY = /^\{ (.{1,512}) \} (hitcount: .{1,512})$/;
const DROPPED = /^ {4}Dropped: (\d{1,20})$/;

export function parseTraceHistograms(text: string): TraceHistogram[] {
  const histograms: { trigger: string; entries: HistogramEntry[]; dropped: number }[] = [];
  for (const line of text.split('\n')) {
    if (line.startsWith(TRIGGER)) histograms.push({ trigger: line.slice(TRIGGER.length), entries: [], dropped: 0 });
    const histogram = histograms.at(-1);
    if (histogram === undefined) continue;
    const [, keys, sums] = ENTRY.exec(line) ?? [];
    if (keys !== undefined && sums !== undefined)
      histogram.entries.push({ keys: pairs(keys, /, +/), sums: numbers(sums) });
    histogram.dropped = Number(DROPPED.exec(line)?.[1] ?? histogram.dropped);
  }
  return histograms;
}

function numbers(text: string): ReadonlyMap<string, number> {
  return new Map([...pairs(text, / {2,}(?=\w+:)/)].map(([name, value]) => [name, Number(value)]));
}

/** `name: value`, padded; a value can contain colons. */
function pairs(text: string, between: RegExp): ReadonlyMap<string, string> {
  return new Map(
    text.split(between).map((pair) => {
      const colon = pair.indexOf(':');
      return [pair.slice(0, colon).trim(), pair.slice(colon + 1).trim()] as const;
    }),
  );
}
