import type { Workload } from '../../clients/client.js';
import type { ClientTableListener } from '../../clients/client-table.js';
import { deviceBound, deviceUnbound } from '../../events/definitions/device-bound.js';
import { deviceHealthChanged } from '../../events/definitions/device-health-changed.js';
import { deviceSurvivabilityMode } from '../../events/definitions/device-survivability-mode.js';
import { deviceWedged } from '../../events/definitions/device-wedged.js';
import { gtReset } from '../../events/definitions/gt-reset.js';
import type { DeviceEvent, EventDefinition } from '../../events/device-event.js';
import type { EventFeed } from '../../events/event-feed.js';
import type { DropReason } from '../../names.js';
import { toLogRecord, type LogRecord, type LogRecordOptions } from '../../pipeline/log/log-record.js';
import type { Sink } from '../../pipeline/sink.js';
import { explain } from '../../errors.js';
import { KeyedPace } from '../../time/keyed-pace.js';
import type { SinkEntry } from '../entry.js';
import { feedEvent } from '../feed-event.js';
import { OpenDevices } from '../open-devices.js';
import { endReason } from './end-reason.js';
import { JobAttributes } from './job-attributes.js';
import { JobFeeds, type JobFeedLimits } from './job-feeds.js';
import { LastEvents, podOf, type LastEvent } from './last-events.js';
import { StateFile } from './state-file.js';
import { Withheld } from './withheld.js';

/** The events of each workload, for the jobs' socket; with --jobs-socket. */
export const jobs: SinkEntry = {
  name: 'jobs',
  wanted: ({ config }) => ({ wanted: config.jobsSocket !== undefined, reason: '' }),
  open({ config, instanceId, logger }) {
    const { includeProcess, jobsStateFile: path } = config;
    const last = new LastEvents();
    const file =
      path === undefined
        ? undefined
        : new StateFile({ path, content: () => last.serialise(), failed: (error) => logger.error({}, explain(error)) });
    const text = file?.open() ?? '';
    if (text !== '' && !last.restore(text))
      logger.warn({ path }, 'the state file of jobs is not ours or broken: starting anew');
    const sink = new JobsSink({ instanceId, includeProcess, last, ...(file && { file }) });
    // Counting sinks come first: a job that has to react waits neither for the memory of the device nor for the rate limit.
    return { counting: [sink], clientListener: sink.clientListener, jobs: sink };
  },
};

/** As many at once as are kept for a workload: more would only push each other out. Then 100 a second. */
export const EVENTS_OF_A_WORKLOAD = { burst: 1024, intervalMs: 10 } as const;

/** Events of a whole device, which concern every workload that has it open and name none. */
const OF_ALL_ON_THE_DEVICE: ReadonlySet<EventDefinition> = new Set<EventDefinition>([
  deviceWedged,
  deviceSurvivabilityMode,
  deviceBound,
  deviceUnbound,
  deviceHealthChanged,
  gtReset,
]);

/** Whether an event, by its name, may be told to all who have its device open: its sentence is about nobody. */
export function isOfWholeDevice(event: string): boolean {
  return [...OF_ALL_ON_THE_DEVICE].some(({ name }) => name === event);
}

/** What the jobs' socket tells a workload. `owner`: see cgroupOwner(). */
export interface JobEvents {
  feedOf(owner: string): EventFeed;
  /** The last event that can have ended a run of the workload, this one or one before. @param workload as it is named now */
  lastOf(owner: string, workload: Workload | undefined): LastEvent | undefined;
  /** PCI addresses of the devices it has open. */
  devicesOf(owner: string): readonly string[];
  /** The id of an event as the workload may know it. */
  opaqueId(id: string, owner: string): string;
}

export interface JobsSinkOptions extends LogRecordOptions {
  readonly limits?: Partial<JobFeedLimits>;
  /** Events of one workload that are told at once. */
  readonly burst?: number;
  readonly last?: LastEvents;
  /** Where `last` is kept. */
  readonly file?: StateFile;
}

/**
 * Keeps for each workload the events that are its own: those of its clients, where the kernel names the client, and those of a whole
 * device that it has open. A victim that was only inferred is not told: it could be another one. Nothing in what it keeps for one
 * workload depends on another one.
 */
export class JobsSink implements Sink<DeviceEvent>, JobEvents {
  readonly name = 'jobs';
  readonly #options: JobsSinkOptions;
  readonly #feeds: JobFeeds;
  readonly #last: LastEvents;
  readonly #devices = new OpenDevices();
  readonly #attributes = new JobAttributes();
  /** So that a workload whose VMs fail without end costs the exporter little. */
  readonly #pace: KeyedPace;
  readonly #withheld: Withheld;
  #closed = false;

  constructor(options: JobsSinkOptions) {
    this.#options = options;
    this.#feeds = new JobFeeds(options.limits);
    this.#pace = new KeyedPace({ ...EVENTS_OF_A_WORKLOAD, ...(options.burst && { burst: options.burst }) });
    this.#last = options.last ?? new LastEvents();
    this.#withheld = new Withheld((owner, notice) => this.#feeds.publish(owner, notice));
  }

  get clientListener(): ClientTableListener {
    return this.#devices.clientListener;
  }

  feedOf(owner: string): EventFeed {
    return this.#feeds.of(owner);
  }

  lastOf(owner: string, workload: Workload | undefined): LastEvent | undefined {
    return this.#last.find(owner, workload);
  }

  devicesOf(owner: string): readonly string[] {
    return this.#devices.devicesOf(owner);
  }

  opaqueId(id: string, owner: string): string {
    return this.#attributes.opaqueId(id, owner);
  }

  accept(event: DeviceEvent): DropReason | undefined {
    if (this.#closed) return 'closed';
    // The second half of an incident says whose it was.
    if (event.phase === 'opened' || !event.definition.logged) return undefined;
    const concerned = this.#concerned(event);
    if (concerned.length === 0) return undefined;
    const now = performance.now();
    const workloads = concerned.filter(({ owner }) => owner !== undefined && this.#isTold(owner, now));
    if (workloads.length === 0) return concerned.some(({ owner }) => owner !== undefined) ? 'rate_limited' : undefined;
    const record = toLogRecord({ ...event, memory: undefined }, this.#options);
    for (const workload of workloads) this.#tell(workload, event, record);
    return undefined;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#withheld.close();
    this.#feeds.close();
    await this.#options.file?.close();
  }

  #isTold(owner: string, now: number): boolean {
    if (this.#pace.admits(owner, now)) return true;
    this.#withheld.add(owner);
    return false;
  }

  #concerned({ client, definition, device }: DeviceEvent): readonly Workload[] {
    if (client) return client.workload ? [client.workload] : [];
    return device && OF_ALL_ON_THE_DEVICE.has(definition) ? this.#devices.workloadsOf(device.pciBdf) : [];
  }

  #tell(workload: Workload, event: DeviceEvent, record: LogRecord): void {
    const { owner } = workload;
    if (owner === undefined) return;
    const told = feedEvent({ ...record, attributes: this.#attributes.of(record.attributes, owner) });
    this.#feeds.publish(owner, told);
    const reason = endReason(event);
    if (reason === undefined) return;
    const timeMs = Number(event.realtimeNs / 1_000_000n);
    this.#last.add({ owner, pod: podOf(workload), reason, timeMs, json: told.json });
    this.#options.file?.changed();
  }
}
