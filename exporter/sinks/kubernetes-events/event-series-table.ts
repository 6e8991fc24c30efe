import type { DeviceEvent } from '../../events/device-event.js';
import type { Workload } from '../../clients/client.js';
import { TokenBucket, type TokenBucketOptions } from '../../time/token-bucket.js';
import { Series } from './event-series.js';
import { reasonOf } from './hits.js';

export interface SeriesTableOptions {
  readonly maxSeries: number;
  /** How often the Events of one pod are written. */
  readonly podPace: TokenBucketOptions;
  /** Whether a series may be forgotten to make room: nothing of it waits. */
  readonly isIdle: (series: Series) => boolean;
}

/** Series by what happened, pod, container, GPU and how the victim is known. Bounded: the one that is idle for the longest time leaves first. */
export class SeriesTable {
  readonly #options: SeriesTableOptions;
  /** The least recently hit first. */
  readonly #series = new Map<string, Series>();

  constructor(options: SeriesTableOptions) {
    this.#options = options;
  }

  /** The series an event belongs to; undefined when there is none. */
  find(event: DeviceEvent, workload: Workload): Series | undefined {
    return this.#series.get(keyOf(event, workload));
  }

  /** The same, made when there is none; undefined when there is no room for it. */
  findOrMake(event: DeviceEvent, workload: Workload): Series | undefined {
    const key = keyOf(event, workload);
    const series = this.#series.get(key) ?? this.#make(event, workload);
    if (series === undefined) return undefined;
    this.#series.delete(key);
    this.#series.set(key, series);
    return series;
  }

  /** Forgets the series that fit. @returns them */
  forget(fits: (series: Series) => boolean): Series[] {
    const gone = [...this.#series].filter(([, series]) => fits(series));
    for (const [key] of gone) this.#series.delete(key);
    return gone.map(([, series]) => series);
  }

  #make(event: DeviceEvent, workload: Workload): Series | undefined {
    const { maxSeries, podPace, isIdle } = this.#options;
    if (this.#series.size >= maxSeries) {
      const idle = [...this.#series].find(([, series]) => isIdle(series));
      if (idle === undefined) return undefined;
      this.#series.delete(idle[0]);
    }
    const ofPod = [...this.#series.values()].find((series) => isSamePod(series.workload, workload));
    return new Series(event, workload, ofPod?.pace ?? new TokenBucket(podPace));
  }
}

function isSamePod(a: Workload, b: Workload): boolean {
  return a.pod === b.pod && a.namespace === b.namespace && a.podUid === b.podUid;
}

function keyOf(event: DeviceEvent, { namespace, pod, podUid, container }: Workload): string {
  const { client, inferred, device } = event;
  const pciBdf = (device ?? (client ?? inferred?.client)?.device)?.pciBdf ?? '';
  const evidence = client ? '' : (inferred?.evidence ?? '');
  // No name of Kubernetes has a slash in it.
  return `${reasonOf(event)}/${namespace}/${pod}/${podUid}/${container}/${pciBdf}/${evidence}`;
}
