import type { ClientTableListener } from '../../clients/client-table.js';
import { deviceBound, deviceUnbound } from '../../events/definitions/device-bound.js';
import { deviceSurvivabilityMode } from '../../events/definitions/device-survivability-mode.js';
import { deviceWedged } from '../../events/definitions/device-wedged.js';
import { gtReset } from '../../events/definitions/gt-reset.js';
import type { DeviceEvent, EventDefinition } from '../../events/device-event.js';
import type { EventFeed } from '../../events/event-feed.js';
import type { DropReason } from '../../names.js';
import { toLogRecord, type LogRecordOptions } from '../../pipeline/log/log-record.js';
import type { Sink } from '../../pipeline/sink.js';
import type { SinkEntry } from '../entry.js';
import { feedEvent } from '../feed-event.js';
import { JobAttributes } from './job-attributes.js';
import { JobFeeds, type JobFeedLimits } from './job-feeds.js';
import { OpenDevices } from './open-devices.js';

/** The events of each workload, for the jobs' socket; with --jobs-socket. */
export const jobs: SinkEntry = {
  name: 'jobs',
  wanted: ({ config }) => ({ wanted: config.jobsSocket !== undefined, reason: '' }),
  open({ config, instanceId }) {
    const sink = new JobsSink({ instanceId, includeProcess: config.includeProcess });
    // Counting sinks come first: a job that has to react waits neither for the memory of the device nor for the rate limit.
    return { counting: [sink], clientListener: sink.clientListener, jobs: sink };
  },
};

/** Events of a whole device, which concern every workload that has it open and name none. */
const OF_ALL_ON_THE_DEVICE: ReadonlySet<EventDefinition> = new Set<EventDefinition>([
  deviceWedged,
  deviceSurvivabilityMode,
  deviceBound,
  deviceUnbound,
  gtReset,
]);

/** What the jobs' socket tells a workload. */
export interface JobEvents {
  /** @param owner see cgroupOwner() */
  feedOf(owner: string): EventFeed;
}

/**
 * Keeps for each workload the events that are its own: those of its clients, where the kernel names the client, and those of a whole
 * device that it has open. A victim that was only inferred is not told: it could be another one. Nothing in what it keeps for one
 * workload depends on another one.
 */
export class JobsSink implements Sink<DeviceEvent>, JobEvents {
  readonly name = 'jobs';
  readonly #options: LogRecordOptions;
  readonly #feeds: JobFeeds;
  readonly #devices = new OpenDevices();
  readonly #attributes = new JobAttributes();
  #closed = false;

  constructor(options: LogRecordOptions, limits: Partial<JobFeedLimits> = {}) {
    this.#options = options;
    this.#feeds = new JobFeeds(limits);
  }

  get clientListener(): ClientTableListener {
    return this.#devices.clientListener;
  }

  feedOf(owner: string): EventFeed {
    return this.#feeds.of(owner);
  }

  accept(event: DeviceEvent): DropReason | undefined {
    if (this.#closed) return 'closed';
    // The second half of an incident says whose it was.
    if (event.phase === 'opened' || !event.definition.logged) return undefined;
    const owners = this.#ownersOf(event);
    if (owners.length === 0) return undefined;
    const record = toLogRecord({ ...event, memory: undefined }, this.#options);
    for (const owner of owners) {
      const attributes = this.#attributes.of(record.attributes, owner);
      this.#feeds.publish(owner, feedEvent({ ...record, attributes }));
    }
    return undefined;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#feeds.close();
  }

  #ownersOf({ client, definition, device }: DeviceEvent): readonly string[] {
    if (client) return client.workload?.owner === undefined ? [] : [client.workload.owner];
    return device && OF_ALL_ON_THE_DEVICE.has(definition) ? this.#devices.ownersOf(device.pciBdf) : [];
  }
}
