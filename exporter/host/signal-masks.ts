import { constants } from 'node:os';

/** A set of signals in /proc/<pid>/status: those the process blocks, ignores, or has a handler for (proc_pid_status(5)). */
type Mask = 'SigBlk' | 'SigIgn' | 'SigCgt';

/** Whether a process with this status has a handler for the signal. */
export function handles(status: string, signal: NodeJS.Signals): boolean {
  return isIn('SigCgt', status, signal);
}

/** Whether a process with this status goes on when it gets the signal, which ends processes by default. */
export function survives(status: string, signal: NodeJS.Signals): boolean {
  return handles(status, signal) || isIn('SigIgn', status, signal) || isIn('SigBlk', status, signal);
}

function isIn(mask: Mask, status: string, signal: NodeJS.Signals): boolean {
  const bits = new RegExp(`^${mask}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1];
  return bits !== undefined && ((BigInt(`0x${bits}`) >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n;
}
