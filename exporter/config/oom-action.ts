import { constants } from 'node:os';
import type { Parser } from './parsers.js';

/** What `run` does when the job runs out of GPU memory. */
export type OomAction =
  | { readonly kind: 'none' | 'restart' }
  | { readonly kind: 'signal'; readonly signal: NodeJS.Signals }
  | { readonly kind: 'exit'; readonly code: number };

/** Signals that a process cannot have a handler for. */
const UNCATCHABLE: readonly string[] = ['SIGKILL', 'SIGSTOP'];

/** `none`, `signal:USR1` (with or without SIG), `exit:75` or `restart`. */
export const parseOomAction: Parser<OomAction> = (text) => {
  if (text === 'none' || text === 'restart') return { value: { kind: text } };
  const [, kind, value = ''] = /^(signal|exit):(\w+)$/.exec(text) ?? [];
  if (kind === 'exit' && /^\d{1,3}$/.test(value) && Number(value) >= 1 && Number(value) <= 255) {
    return { value: { kind, code: Number(value) } };
  }
  const signal = value.startsWith('SIG') ? value : `SIG${value}`;
  if (kind === 'signal' && Object.hasOwn(constants.signals, signal) && !UNCATCHABLE.includes(signal)) {
    return { value: { kind, signal: signal as NodeJS.Signals } };
  }
  return { problem: 'must be none, signal:NAME (such as signal:USR1), exit:N with N from 1 to 255, or restart' };
};
