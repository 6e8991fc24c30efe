import type { DropReason, SourceName } from '../../names.js';

/** What decoding counts. Every record read ends in exactly one of these numbers. */
export interface DecodeAccounting {
  received(source: SourceName, event: string, count: number): void;
  dropped(reason: Extract<DropReason, 'malformed' | 'unknown_type'>, count: number): void;
}

/** Gives the number of the next event of this process, from 1. */
export type NextSequence = () => number;
