// What both sides of the bench know.

export const SECONDS = 10;
export const VMS_PER_SECOND = 1_000;
export const MOVES_PER_SECOND = 100_000;
/** In a row, for what a move costs the process that makes it. */
export const MOVES_IN_A_ROW = 200_000;

/** The exporter, and with what options. */
export const OPTIONS = {
  off: ['--trace=off'],
  auto: ['--trace=auto'],
  'auto, evictions': ['--trace=auto', '--trace-evictions', '--memory-interval=15s'],
} as const;
export type Trace = keyof typeof OPTIONS;

/** CPU of the exporter in milliseconds a second while so much happens; of an application in nanoseconds for each move. */
export interface Cost {
  readonly trace: Trace;
  readonly cpuIdle: number;
  readonly cpuVms: number;
  readonly cpuMoves: number;
  /** What was really made. */
  readonly vmsPerSecond: number;
  readonly movesPerSecond: number;
  readonly perMove: number;
  /** Moves that the exporter has counted of those that were made; 0 where it does not count. */
  readonly counted: number;
}
