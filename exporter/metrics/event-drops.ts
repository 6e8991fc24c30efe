import type { DropReason, DropStage, SinkName } from '../names.js';

/** What the stages before the sinks can drop, and why. A combination that cannot happen has no series. */
export const STAGE_DROPS: readonly (readonly [Exclude<DropStage, 'sink'>, DropReason])[] = [
  ['reader', 'queue_full'],
  ['decode', 'malformed'],
  ['decode', 'unknown_type'],
];

/** What only a fault of the exporter itself drops, or its end: such series appear with the first drop. */
const FAULTS: ReadonlySet<DropReason> = new Set(['unknown_device', 'closed', 'error']);

/** Whether the reason is a load that can be expected, so that its series exist at 0 from the start. */
export function comesFromLoad(reason: DropReason): boolean {
  return !FAULTS.has(reason);
}

const QUEUE_DROPS: readonly DropReason[] = ['queue_full', 'closed', 'error'];
const LOG_DROPS: readonly DropReason[] = ['rate_limited', ...QUEUE_DROPS];

/** What each sink can drop, and why. */
export const SINK_DROPS: Readonly<Record<SinkName, readonly DropReason[]>> = {
  prometheus: ['unknown_device', 'closed', 'error'],
  otel_logs: LOG_DROPS,
  stdout: LOG_DROPS,
  stream: ['rate_limited', 'closed', 'error'],
  kubernetes_events: ['refused', 'unreachable', ...QUEUE_DROPS],
  terminal: QUEUE_DROPS,
  jobs: ['rate_limited', 'closed', 'error'],
};
