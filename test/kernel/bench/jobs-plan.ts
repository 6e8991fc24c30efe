// What both sides of the bench of jobs know.

export const ERRORS = 300;
/** Between one error and the next, so that everybody is asleep when it comes. */
export const PAUSE_MS = 10;

export const WAYS = ['socket', 'run'] as const;
/** How a job is told: by the Python client from the exporter's socket, or by `run` with a signal that it handles in Python. */
export type Way = (typeof WAYS)[number];

export interface Percentiles {
  readonly p50: number;
  readonly p99: number;
}

/** From just before the driver posts the record, in microseconds. */
export interface JobLatency {
  readonly way: Way;
  /** To its return from read() in the process that has the GPU file open, a C program that watches it itself. */
  readonly listener: Percentiles;
  /** To the first line of the job's own handler. */
  readonly job: Percentiles;
}
