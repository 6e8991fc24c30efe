import type { FeatureReport } from '../../features.js';
import type { DeviceHealth } from '../../events/device-health.js';
import type { DropReason, DropStage, ErrnoLabel, SinkName, SourceName } from '../../names.js';

/** What the status page shows of a node, as it is at one moment. */
export interface NodeStatus {
  readonly version: string;
  /** Name of the node; empty if unknown. */
  readonly node: string;
  readonly devices: readonly DeviceStatus[];
  readonly sources: readonly SourceStatus[];
  readonly features: readonly FeatureReport[];
  /** What the exporter itself dropped since it started; what is 0 may be left out. */
  readonly drops: readonly DropStatus[];
}

export type Count<Name extends string> = readonly [name: Name, count: number];

export interface DeviceStatus {
  readonly pciBdf: string;
  /** Marketing name, or empty. */
  readonly model: string;
  /** Vendor and device id, as `8086:e20b`. */
  readonly pciId: string;
  /** Names below /dev/dri; none in boot survivability mode. */
  readonly nodes: readonly string[];
  /** Empty where the kernel does not tell. */
  readonly driverVersion: string;
  readonly clients: number;
  readonly clientsWatched: number;
  /** undefined while nothing is known about it. */
  readonly health: DeviceHealth | undefined;
  /** Unix time in seconds of the newest rebind error, 0 for none since the exporter started. */
  readonly lastError: number;
  readonly rebindErrors: readonly Count<ErrnoLabel>[];
  /** Other errors, by their everyday name. */
  readonly otherErrors: readonly Count<string>[];
}

export interface SourceStatus {
  readonly name: SourceName;
  readonly up: boolean;
  readonly received: number;
  /** Notices of loss by the kernel. */
  readonly lost: number;
  readonly restarts: number;
}

export interface DropStatus {
  readonly stage: DropStage;
  readonly sink: SinkName | '';
  readonly reason: DropReason;
  readonly count: number;
}
