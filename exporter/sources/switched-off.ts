import type { SourceRefusal } from './supervised-source.js';

/** For a source that an option such as `--kmsg=off` switches off. */
export function switchedOff(option: string): { refused: SourceRefusal } {
  return { refused: { state: 'disabled', reason: `switched off by ${option}`, fix: '' } };
}
