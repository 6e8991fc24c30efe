import { jobs } from './jobs/sink.js';
import { kubernetesEvents } from './kubernetes-events/entry.js';
import { otelLogs } from './otlp/entry.js';
import { prometheus } from './prometheus.js';
import { stdout } from './stdout.js';
import { stream } from './stream/sink.js';
import type { SinkEntry } from './entry.js';

/** THE LIST of sinks of the exporter: a new one is a folder beside this file and one line here. */
export const sinks: readonly SinkEntry[] = [prometheus, jobs, otelLogs, stdout, stream, kubernetesEvents];
