import type { FeatureReport } from '../../features.js';
import type { DeviceHealth } from '../../events/device-health.js';
import type { HistoryStep } from '../../metrics/recent-history.js';
import type { DropReason, DropStage, ErrnoLabel, SinkName, SourceName } from '../../names.js';

/** What the status page shows of a node, as it is at one moment. */
export interface NodeStatus {
  readonly version: string;
  /** Name of the node; empty if unknown. */
  readonly node: string;
  readonly devices: readonly DeviceStatus[];
  readonly clients: readonly ClientStatus[];
  readonly sources: readonly SourceStatus[];
  readonly features: readonly FeatureReport[];
  /** What the exporter itself dropped since it started; what is 0 may be left out. */
  readonly drops: readonly DropStatus[];
  /** Where Grafana has the dashboards; empty if nobody said so. */
  readonly grafanaUrl: string;
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
  /** undefined while nothing is known of it. */
  readonly memory: DeviceMemoryStatus | undefined;
  /** The last quarter of an hour, oldest step first; errors in the order of `rebindErrors`. */
  readonly history: readonly HistoryStep[];
  /** Whose VMs failed within that time, the last first. */
  readonly victims: readonly string[];
}

export interface DeviceMemoryStatus {
  /** undefined where the kernel does not report it. */
  readonly usedBytes: number | undefined;
  readonly sizeBytes: number;
  /** By pod, unit, job or process, the largest first. */
  readonly holders: readonly Holder[];
}

export interface Holder {
  readonly owner: string;
  readonly bytes: number;
}

/** How one learns whom an error of a client hit. */
export type Naming = 'watched' | 'trace' | 'guess';

export interface ClientStatus {
  readonly pciBdf: string;
  /** Pod, unit, job, container or process, as a person knows it. */
  readonly owner: string;
  /** Name of the container; empty where it is not known. */
  readonly container: string;
  /** Executable and pid; empty when they are private. */
  readonly process: string;
  /** Device memory it holds; undefined where it is not known. */
  readonly bytes: number | undefined;
  /** VM rebind errors of its container on this device; those of processes outside of any count together. */
  readonly errors: number;
  /** Unix time of the last one in seconds, 0 for none. */
  readonly lastError: number;
  readonly naming: Naming;
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
