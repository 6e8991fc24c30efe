import type { KernelLogLine } from '../../wire/kernel-log.js';

/** A worker prints a fault and, right after it, what became of it. */
const TOGETHER_MICROSECONDS = 1_000_000;

const PRINTED = /^\n\tASID: (\d{1,7})\n/;

interface Printed {
  readonly asids: Set<number>;
  /** Faults whose response has not been read. */
  pending: number;
  at: number;
}

/**
 * Which address space an unserviced page fault hit (xe_pagefault.c, Linux 7.2). The driver prints it in a record of its own before `Fault
 * response: Unsuccessful`, but several workers print at the same time: only where all that is open names one address space is it that.
 * syslog(2) takes the record apart, and then nothing is known.
 */
export class FaultedAddressSpaces {
  readonly #byDevice = new Map<string, Printed>();
  #uncertainUntil = -Infinity;
  #newest = -Infinity;

  /** Takes note of a line of the xe driver. */
  observe({ message, pciBdf, microseconds }: KernelLogLine): void {
    const asid = PRINTED.exec(message)?.[1];
    if (microseconds === undefined) return;
    this.#newest = microseconds;
    if (asid === undefined || pciBdf === undefined) return;
    const printed = this.#open(pciBdf, microseconds) ?? { asids: new Set(), pending: 0, at: microseconds };
    printed.asids.add(Number(asid));
    printed.pending++;
    printed.at = microseconds;
    this.#byDevice.set(pciBdf, printed);
  }

  /** The address space of a response; undefined when it is not known for certain. */
  take({ pciBdf, microseconds }: KernelLogLine): number | undefined {
    const printed = pciBdf === undefined || microseconds === undefined ? undefined : this.#open(pciBdf, microseconds);
    if (printed === undefined) return undefined;
    if (--printed.pending === 0) this.#byDevice.delete(pciBdf!);
    const [asid, ...others] = printed.asids;
    return others.length === 0 && microseconds! > this.#uncertainUntil ? asid : undefined;
  }

  /** Lines are missing. */
  lost(): void {
    this.#byDevice.clear();
    this.#uncertainUntil = this.#newest + TOGETHER_MICROSECONDS;
  }

  #open(pciBdf: string, microseconds: number): Printed | undefined {
    const printed = this.#byDevice.get(pciBdf);
    if (printed === undefined || microseconds - printed.at <= TOGETHER_MICROSECONDS) return printed;
    this.#byDevice.delete(pciBdf);
    return undefined;
  }
}
