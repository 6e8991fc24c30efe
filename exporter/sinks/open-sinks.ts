import type { ClientTableListener } from '../clients/client-table.js';
import type { EventFeed } from '../events/event-feed.js';
import type { Sinks } from '../pipeline/sink.js';
import type { JobEvents } from './jobs/sink.js';
import type { OpenedSink, SinkContext, SinkEntry } from './entry.js';

export interface OpenedSinks {
  readonly sinks: Required<Sinks>;
  readonly clientListeners: readonly ClientTableListener[];
  /** Undefined when no sink keeps events for GET /events. */
  readonly feed: EventFeed | undefined;
  /** Undefined without --jobs-socket. */
  readonly jobs: JobEvents | undefined;
}

/**
 * Opens the sinks that are wanted, in the order of the list, and has their series born at 0. The one place that decides which
 * sinks there are.
 */
export async function openSinks(list: readonly SinkEntry[], context: SinkContext): Promise<OpenedSinks> {
  const opened: OpenedSink[] = [];
  for (const { name, feature, wanted: decide, open } of list) {
    const { wanted, reason, warning } = decide(context);
    if (warning) context.logger.warn({}, warning);
    if (!wanted && feature) context.features.report(feature, 'disabled', reason);
    const sink = wanted ? await open(context, reason) : undefined;
    if (sink === undefined) continue;
    context.metrics.sinkOpened(name);
    opened.push(sink);
  }
  return {
    sinks: {
      counting: opened.flatMap(({ counting = [] }) => counting),
      events: opened.flatMap(({ events = [] }) => events),
      logs: opened.flatMap(({ logs = [] }) => logs),
    },
    clientListeners: opened.flatMap(({ clientListener }) => clientListener ?? []),
    feed: opened.find(({ feed }) => feed)?.feed,
    jobs: opened.find(({ jobs }) => jobs)?.jobs,
  };
}
