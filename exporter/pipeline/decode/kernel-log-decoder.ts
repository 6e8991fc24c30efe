import { BoundedMap } from '../../bounded-map.js';
import { eventOf, type DeviceEvent, type EventDefinition, type EventDetails } from '../../events/device-event.js';
import { isFollowUp, kernelLogError } from '../../events/definitions/kernel-log-error.js';
import { pageFault } from '../../events/definitions/page-fault.js';
import type { KernelLogBatch } from '../../sources/source.js';
import { ATTRIBUTE } from '../../names.js';
import { FACILITY_KERN, type KernelLogLine, type KernelLogText } from '../../wire/kernel-log.js';
import type { DecodeAccounting, NextSequence } from './accounting.js';
import { FaultedAddressSpaces } from './faulted-address-spaces.js';
import { KernelLogPatterns, type Fit } from './kernel-log-patterns.js';
import { LogClock } from './log-clock.js';

/** A line without a definition is news when the driver calls it an error (KERN_ERR or worse). */
const ERROR_LEVEL = 3;

/** Texts whose meaning is remembered. */
const MAX_REMEMBERED = 128;

/** What a text says, whenever it is said. */
interface Meaning {
  readonly line: KernelLogLine;
  readonly definition: EventDefinition;
  readonly errorCode: number;
  /** With the number of the line, if it has one. */
  readonly details: EventDetails;
}

/**
 * Lines of the kernel log to events. A line of another driver, or one of no interest, is nobody's; an error of the xe driver that no definition
 * knows is an event, too. Any text decodes without throwing.
 */
export class KernelLogDecoder {
  readonly #patterns: KernelLogPatterns;
  readonly #accounting: DecodeAccounting;
  readonly #next: NextSequence;
  readonly #clock = new LogClock();
  readonly #addressSpaces = new FaultedAddressSpaces();
  /** By what was read, so that the repeats of one line are read once. */
  readonly #meanings = new BoundedMap<string, Meaning>(MAX_REMEMBERED);

  constructor(definitions: readonly EventDefinition[], accounting: DecodeAccounting, next: NextSequence) {
    this.#patterns = new KernelLogPatterns(definitions);
    this.#accounting = accounting;
    this.#next = next;
  }

  decode(batch: KernelLogBatch, deliver: (event: DeviceEvent) => void): void {
    const { source, line } = batch;
    if (line === undefined) return this.#accounting.dropped('malformed', 1);
    // What user space wrote there is no word of the kernel.
    if (line.facility !== FACILITY_KERN) return;
    if (line.fromXe) this.#addressSpaces.observe(line);
    const meaning = this.#meaningOf(line);
    if (meaning === undefined) return;
    this.#accounting.received(source, meaning.definition.name, 1);
    deliver(this.#event(meaning, batch, line));
  }

  /** Lines are missing. */
  lost(): void {
    this.#addressSpaces.lost();
  }

  #meaningOf(line: KernelLogLine): Meaning | undefined {
    const known = this.#meanings.get(line.raw);
    if (known !== undefined && saysTheSame(known.line, line)) return known;
    const fit = this.#patterns.find(line) ?? unknownError(line);
    if (fit === undefined) return undefined;
    const facts = fit.definition.kernelLog?.read?.(fit.groups ?? {}, line);
    const details = { ...placeOf(line), ...facts?.details };
    const meaning = { line, definition: fit.definition, errorCode: facts?.errorCode ?? 0, details };
    this.#meanings.set(line.raw, meaning);
    return meaning;
  }

  #event(
    { definition, errorCode, details }: Meaning,
    { source, realtimeNs, monotonicNs, device }: KernelLogBatch,
    line: KernelLogLine,
  ): DeviceEvent {
    const happened = this.#happened(line, realtimeNs, monotonicNs);
    return eventOf({
      definition,
      source,
      report: 'bare',
      sequence: this.#next(),
      realtimeNs: happened.realtimeNs,
      monotonicNs: happened.monotonicNs,
      device,
      errorCode,
      said: line.raw,
      details: this.#withAddressSpace(definition, line, numbered(details, line)),
    });
  }

  #withAddressSpace(definition: EventDefinition, line: KernelLogLine, details: EventDetails): EventDetails {
    const asid = definition === pageFault ? this.#addressSpaces.take(line) : undefined;
    return asid === undefined ? details : { ...details, [ATTRIBUTE.vmAsid]: asid };
  }

  /** A stamp from before the epoch is not believed either. */
  #happened(
    { microseconds }: KernelLogLine,
    realtimeNs: bigint,
    readAtNs: bigint,
  ): Pick<DeviceEvent, 'realtimeNs' | 'monotonicNs'> {
    if (microseconds === undefined) return { realtimeNs, monotonicNs: readAtNs };
    const monotonicNs = this.#clock.toMonotonic(BigInt(microseconds) * 1000n, readAtNs);
    const ago = readAtNs - monotonicNs;
    return ago > realtimeNs ? { realtimeNs, monotonicNs: readAtNs } : { realtimeNs: realtimeNs - ago, monotonicNs };
  }
}

/** Whether the driver says that it starts on a device: it looks for the firmware then, and only then (xe_uc_fw.c, Linux 6.8 to 7.3). */
export function isDriverStart(line: KernelLogLine | undefined): boolean {
  return line?.fromXe === true && /^Using GuC firmware from \S/.test(line.message);
}

/** An error of the driver that nobody has foreseen. */
function unknownError({ fromXe, level, message }: KernelLogText): Fit | undefined {
  if (!fromXe || level > ERROR_LEVEL || isFollowUp(message)) return undefined;
  return { definition: kernelLogError, groups: undefined };
}

/** Whether two lines of which the same was read are the same: of one level, and from one kind of source. */
function saysTheSame(one: KernelLogLine, other: KernelLogLine): boolean {
  const isNumbered = one.sequence !== undefined;
  return one.level === other.level && one.message === other.message && isNumbered === (other.sequence !== undefined);
}

function placeOf({ tile, gt, sequence }: KernelLogLine): EventDetails {
  return {
    ...(tile !== undefined && { [ATTRIBUTE.tileId]: tile }),
    ...(gt !== undefined && { [ATTRIBUTE.gtId]: gt }),
    ...(sequence !== undefined && { [ATTRIBUTE.kernelLogSequence]: sequence }),
  };
}

/** Only a member that is there already is set fast. */
function numbered(details: EventDetails, { sequence }: KernelLogLine): EventDetails {
  return sequence === undefined ? details : { ...details, [ATTRIBUTE.kernelLogSequence]: sequence };
}
