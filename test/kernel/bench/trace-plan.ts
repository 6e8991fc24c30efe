// What both sides of the bench of the trace know.

export const IDLE_SECONDS = 20;
export const LOAD_SECONDS = 20;
export const VMS_PER_SECOND = 1_000;
/** In a row, for what a VM costs the process that makes it. */
export const VMS_IN_A_ROW = 20_000;

export const TRACES = ['off', 'auto'] as const;
export type Trace = (typeof TRACES)[number];

/** CPU of the exporter in milliseconds a second; of an application in microseconds for each VM it makes and destroys. */
export interface TraceCost {
  readonly trace: Trace;
  readonly cpuIdle: number;
  readonly cpuLoad: number;
  /** VMs a second that were really made. */
  readonly rate: number;
  readonly perVm: number;
  /** Lines of the trace that were lost while VMs were made in a row. */
  readonly lost: number;
}
