/** A figure in the unit its column names, or a word. */
export type Cell = number | string;

/** What one measurement found. */
export interface Table {
  /** The first column says what a row is about. */
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** What a reader has to know, one sentence each. */
  readonly notes: readonly string[];
}

/** The table as text, figures to the right. */
export function renderTable({ columns, rows, notes }: Table): string {
  const lines = [columns, ...rows.map((row) => row.map(format))];
  const widths = columns.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const aligned = lines.map((line) =>
    line.map((text, column) => (column === 0 ? text.padEnd(widths[0]!) : text.padStart(widths[column]!))).join('  '),
  );
  return [
    aligned[0],
    widths.map((width) => '-'.repeat(width)).join('  '),
    ...aligned.slice(1),
    ...notes.map((note) => `* ${note}`),
  ]
    .map((line) => `  ${line}`)
    .join('\n');
}

/** Three digits are all that such figures are good for. */
function format(cell: Cell): string {
  if (typeof cell === 'string') return cell;
  const rounded = Math.abs(cell) >= 100 ? Math.round(cell) : Number(cell.toPrecision(3));
  return rounded.toLocaleString('en-US', { maximumFractionDigits: 20 });
}
