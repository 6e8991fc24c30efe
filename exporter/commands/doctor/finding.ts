import type { CodedError } from '../../errors.js';
import type { Protection } from '../../web-config/protection.js';
import type { Privileges } from '../../host/privileges.js';
import type { XeDevice } from '../../host/device.js';
import type { ApiRights } from '../../kubernetes/api/rights.js';
import type { DrmFdScan, NativeFailure, NativeResult } from '../../native/binding.js';
import type { OtlpDecision } from '../../otlp/wanted.js';
import type { FeatureReport } from '../../features.js';
import type { SourceName } from '../../names.js';
import type { CoredumpSupport } from '../../sources/uevent/coredumps/support.js';
import type { RasSupport } from '../../ras/ras-feature.js';
import type { WatchSupport } from '../../sources/watch-queue/probe.js';
import type { JobsFacts } from './jobs-facts.js';
import type { MemoryFacts } from './memory-facts.js';

/**
 * `ok` works; `warn` works, but may not always; `fail` was wanted and does not work; `off` was not wanted, or has no meaning here.
 */
export type Status = 'ok' | 'warn' | 'fail' | 'off';

/** What one check says. */
export interface Finding {
  readonly status: Status;
  /** What was seen, and why that matters when it is not `ok`. */
  readonly seen: string;
  /** What to do, for Kubernetes and for a plain machine; empty when nothing. */
  readonly fix: string;
  /** PCI address, for checks made for each device. */
  readonly device?: string;
}

/** Everything the checks judge, gathered beforehand, so that each check is a pure function of it. */
export interface Facts {
  readonly nodeVersion: string;
  /** The option that switches watching off; undefined = it is wanted. */
  readonly watchingOff: string | undefined;
  readonly maxClients: number;
  readonly sysRoot: string;
  readonly scanIntervalMs: number;
  /** The kernel's directories of clients: how many, of every DRM driver; -1 when they cannot be listed. undefined with --discovery=proc. */
  readonly announced: { readonly path: string; readonly clients: number } | undefined;
  /** Where the names of pods come from. */
  readonly podNames: Pick<FeatureReport, 'state' | 'reason' | 'fix'>;
  /** Whether Events may be written; undefined = they are not wanted. */
  readonly kubernetesEvents: ApiRights | undefined;
  /** Whether the condition of the node may be written; undefined = that is not wanted. */
  readonly nodeCondition: ApiRights | undefined;
  /** Whether coredumps can be copied; undefined = that is not wanted. */
  readonly coredumps: CoredumpSupport | undefined;
  /** Whether hardware error counters can be read; undefined = that is not wanted. */
  readonly ras: RasSupport | undefined;
  readonly privileges: Privileges;
  readonly devices: readonly XeDevice[];
  /** Those of them in survivability mode. */
  readonly survivability: readonly XeDevice[];
  /** Why the addon does not load; undefined = it does, and the native facts below are there. */
  readonly addonError: CodedError | undefined;
  readonly pipe: NativeResult;
  readonly watches: readonly { readonly device: XeDevice; readonly support: WatchSupport }[];
  readonly clients: ClientFacts | undefined;
  /** One a device that was asked; undefined with --memory-interval=off. */
  readonly memory: readonly MemoryFacts[] | undefined;
  /** The jobs' socket; undefined = none is wanted. */
  readonly jobs: JobsFacts | undefined;
  readonly otlp: OtlpDecision;
  readonly otlpMetrics: OtlpDecision;
  /** What became of opening the kernel log and the uevents, as the exporter would. */
  readonly messages: readonly MessageFacts[];
  /** `group/name` of the dynamic trace events there are, by whomever; undefined = tracefs cannot be read. */
  readonly dynamicEvents: readonly string[] | undefined;
  /** What the web configuration asks for, or why it cannot be used; undefined = none is given. */
  readonly webConfig: Protection | CodedError | undefined;
}

/** One source of kernel messages and what it reported when it was started. */
export interface MessageFacts {
  readonly source: SourceName;
  readonly report: Pick<FeatureReport, 'state' | 'reason' | 'fix'>;
}

/** The open drm files found, and what became of trying to borrow them. */
export interface ClientFacts {
  readonly scan: DrmFdScan;
  readonly tried: number;
  readonly borrowed: number;
  /** Files that were closed in the meantime: nobody's fault. */
  readonly gone: number;
  /** The first refusal. */
  readonly refusal: NativeFailure | undefined;
}

/** One line of the report: a small pure function in the list of checks.ts. */
export interface Check {
  /** Stable; `check` in the JSON report. */
  readonly id: string;
  /** What the report for people calls it. */
  readonly title: string;
  /**
   * What it is for. Where watching is switched off, what only that needs is `off`, and a failure of what is to find the clients is a
   * warning: they are then needed for who was probably hit, and for who holds the memory.
   */
  readonly for: 'watching' | 'clients' | 'node';
  run(facts: Facts): Finding | readonly Finding[];
}

export function ok(seen: string): Finding {
  return { status: 'ok', seen, fix: '' };
}
export function off(seen: string, fix = ''): Finding {
  return { status: 'off', seen, fix };
}
export function warn(seen: string, fix: string): Finding {
  return { status: 'warn', seen, fix };
}
export function fail(seen: string, fix: string): Finding {
  return { status: 'fail', seen, fix };
}
