import { ValueType, type HrTime } from '@opentelemetry/api';
import type { InstrumentationScope } from '@opentelemetry/core';
import { emptyResource } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  DataPointType,
  type CollectionResult,
  type DataPoint,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics';
import { HistogramFamily, type Histogram } from '../../metrics/engine/histogram-family.js';
import type { Family, Sample } from '../../metrics/engine/metric-families.js';
import type { ExpositionRegistry } from '../../metrics/engine/prom-client-adapter.js';
import { attributesOf } from './attributes.js';
import { unitOf } from './unit.js';

/** A time that is not given. */
const NONE: HrTime = [0, 0];

/** Start of the counters that do not know when they began: those of the process. */
const PROCESS_START = hrTime(performance.timeOrigin);

/**
 * Gives the families of /metrics to the SDK, under the same names and with the same values. Sums and histograms are cumulative since
 * the birth of their series, so that one that was removed and comes back at 0 is seen to have started anew.
 */
export class RegistryProducer implements MetricProducer {
  readonly #registry: ExpositionRegistry;
  readonly #scope: InstrumentationScope;
  #countsOnly = false;

  constructor(registry: ExpositionRegistry, scope: InstrumentationScope) {
    this.#registry = registry;
    this.#scope = scope;
  }

  /** From now on leaves gauges out: what an exporter that stops says of its sources and devices is no news of theirs. */
  countsOnly(): void {
    this.#countsOnly = true;
  }

  /** Everything that /metrics would show now. The SDK brings the resource. */
  async collect(): Promise<CollectionResult> {
    const now = hrTime(Date.now());
    const metrics: MetricData[] = [];
    const errors: unknown[] = [];
    for (const family of this.#registry.families) {
      if (this.#countsOnly && family.type === 'gauge') continue;
      try {
        const data = await metricData(family, now);
        if (data.dataPoints.length > 0) metrics.push(data);
      } catch (error) {
        errors.push(error);
      }
    }
    return { resourceMetrics: { resource: emptyResource(), scopeMetrics: [{ scope: this.#scope, metrics }] }, errors };
  }
}

async function metricData(family: Family, now: HrTime): Promise<MetricData> {
  const { name, help: description, type } = family;
  const base = {
    // Every number as a double: one name must not change its type when a whole number is followed by a fraction.
    descriptor: { name, description, unit: unitOf(name), valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  if (family instanceof HistogramFamily) {
    const dataPoints = family.cells().map((cell) => point(cell, cell.bornMs, now, histogramValue(cell)));
    return { ...base, dataPointType: DataPointType.HISTOGRAM, dataPoints };
  }
  const { values } = await family.get();
  if (type === 'counter') {
    const dataPoints = values.map((sample) => point(sample, sample.bornMs, now, sample.value));
    return { ...base, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints };
  }
  return { ...base, dataPointType: DataPointType.GAUGE, dataPoints: values.map((sample) => gaugePoint(sample, now)) };
}

function point<T>({ labels }: Pick<Sample, 'labels'>, bornMs: number | undefined, now: HrTime, value: T): DataPoint<T> {
  const startTime = bornMs === undefined ? PROCESS_START : hrTime(bornMs);
  // The clock of the node can be set back, and no point ends before it starts.
  return { startTime, endTime: isAfter(startTime, now) ? startTime : now, attributes: attributesOf(labels), value };
}

function gaugePoint({ labels, value }: Sample, endTime: HrTime): DataPoint<number> {
  return { startTime: NONE, endTime, attributes: attributesOf(labels), value };
}

function histogramValue({ bounds, counts, sum }: Histogram) {
  const count = counts.reduce((total, bucket) => total + bucket, 0);
  return { buckets: { boundaries: [...bounds], counts: [...counts] }, sum, count };
}

function isAfter([seconds, nanos]: HrTime, [otherSeconds, otherNanos]: HrTime): boolean {
  return seconds > otherSeconds || (seconds === otherSeconds && nanos > otherNanos);
}

function hrTime(unixMs: number): HrTime {
  const seconds = Math.floor(unixMs / 1000);
  return [seconds, Math.round((unixMs - seconds * 1000) * 1e6)];
}
