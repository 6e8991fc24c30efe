// What both sides of the bench know.

export const MODES = ['debugfs', 'auto', 'proc'] as const;
export type Mode = (typeof MODES)[number];

export const PROCESSES = 500;
export const HOLDERS = 20;
export const CLIENTS = 200;
export const MANY_CLIENTS = 1_000;
/** The default. */
export const SCAN_SECONDS = 5;
/** auto looks at /proc once a minute, which has to fall into the window. */
export const IDLE_SECONDS: Record<Mode, number> = { debugfs: 20, auto: 60, proc: 20 };
export const CHURN_SECONDS = 20;
export const OPENS = 50;

/** CPU in seconds an hour, attaching in milliseconds, memory in MiB. */
export interface Cost {
  readonly mode: Mode;
  readonly cpuIdle: number;
  /** CPU seconds of each scan interval of the idle window: looks at /proc that skip most processes, and those that do not. */
  readonly idleSteps: readonly number[];
  readonly cpuChurn: number;
  /** Files a second that were opened and closed. */
  readonly churnRate: number;
  readonly attachMedian: number;
  /** Of 50 opens: the slowest. */
  readonly attachP99: number;
  readonly rssNone: number;
  readonly rssUsual: number;
  readonly rssMany: number;
}
