import type { SourceRefusal } from './supervised-source.js';

/** For a source that the option of this name switches off. */
export function switchedOff(flag: string): { refused: SourceRefusal } {
  return { refused: { state: 'disabled', reason: `switched off by --${flag}`, fix: '' } };
}
