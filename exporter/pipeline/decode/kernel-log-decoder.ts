import { eventOf, type DeviceEvent, type EventDefinition, type EventDetails } from '../../events/device-event.js';
import { isFollowUp, kernelLogError } from '../../events/definitions/kernel-log-error.js';
import { pageFault } from '../../events/definitions/page-fault.js';
import type { KernelLogBatch } from '../../sources/source.js';
import { ATTRIBUTE } from '../../names.js';
import { FACILITY_KERN, type KernelLogLine } from '../../wire/kernel-log.js';
import type { DecodeAccounting, NextSequence } from './accounting.js';
import { FaultedAddressSpaces } from './faulted-address-spaces.js';
import { LogClock } from './log-clock.js';

/** A line without a definition is news when the driver calls it an error (KERN_ERR or worse). */
const ERROR_LEVEL = 3;

/**
 * Lines of the kernel log to events. A line of another driver, or one of no interest, is nobody's; an error of the xe driver that no definition
 * knows is an event, too. Any text decodes without throwing.
 */
export class KernelLogDecoder {
  readonly #definitions: readonly EventDefinition[];
  readonly #accounting: DecodeAccounting;
  readonly #next: NextSequence;
  readonly #clock = new LogClock();
  readonly #addressSpaces = new FaultedAddressSpaces();

  constructor(definitions: readonly EventDefinition[], accounting: DecodeAccounting, next: NextSequence) {
    this.#definitions = definitions.filter(({ kernelLog }) => kernelLog !== undefined);
    this.#accounting = accounting;
    this.#next = next;
  }

  decode(batch: KernelLogBatch, deliver: (event: DeviceEvent) => void): void {
    const { source, line } = batch;
    if (line === undefined) return this.#accounting.dropped('malformed', 1);
    // What user space wrote there is no word of the kernel.
    if (line.facility !== FACILITY_KERN) return;
    if (line.fromXe) this.#addressSpaces.observe(line);
    const event = this.#known(batch, line) ?? this.#unknown(batch, line);
    if (event === undefined) return;
    this.#accounting.received(source, event.definition.name, 1);
    deliver(event);
  }

  /** Lines are missing. */
  lost(): void {
    this.#addressSpaces.lost();
  }

  #known(batch: KernelLogBatch, line: KernelLogLine): DeviceEvent | undefined {
    for (const definition of this.#definitions) {
      if (line.fromXe === (definition.kernelLog?.from === 'ttm')) continue;
      if (line.level > (definition.kernelLog?.level ?? Infinity)) continue;
      for (const pattern of definition.kernelLog?.patterns ?? []) {
        const match = pattern.exec(line.message);
        if (match !== null) return this.#event(definition, batch, line, match.groups);
      }
    }
    return undefined;
  }

  #unknown(batch: KernelLogBatch, line: KernelLogLine): DeviceEvent | undefined {
    if (!line.fromXe || line.level > ERROR_LEVEL || isFollowUp(line.message)) return undefined;
    return this.#event(kernelLogError, batch, line);
  }

  #event(
    definition: EventDefinition,
    { source, realtimeNs, monotonicNs, device }: KernelLogBatch,
    line: KernelLogLine,
    groups: Readonly<Record<string, string | undefined>> = {},
  ): DeviceEvent {
    const facts = definition.kernelLog?.read?.(groups, line);
    const details = { ...placeOf(line), ...facts?.details, ...this.#addressSpaceOf(definition, line) };
    const happened = this.#happened(line, realtimeNs, monotonicNs);
    return eventOf({
      ...facts,
      definition,
      source,
      report: 'bare',
      sequence: this.#next(),
      ...happened,
      device,
      details,
    });
  }

  #addressSpaceOf(definition: EventDefinition, line: KernelLogLine): EventDetails {
    const asid = definition === pageFault ? this.#addressSpaces.take(line) : undefined;
    return asid === undefined ? {} : { [ATTRIBUTE.vmAsid]: asid };
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

function placeOf({ tile, gt, sequence }: KernelLogLine): EventDetails {
  return {
    ...(tile !== undefined && { [ATTRIBUTE.tileId]: tile }),
    ...(gt !== undefined && { [ATTRIBUTE.gtId]: gt }),
    ...(sequence !== undefined && { [ATTRIBUTE.kernelLogSequence]: sequence }),
  };
}
