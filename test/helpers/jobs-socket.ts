import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { workloadIdentity, WorkloadResolver } from '../../exporter/clients/workload.js';
import { createJobsServer, type JobsServerOptions } from '../../exporter/jobs/server.js';
import { JobsSocket } from '../../exporter/jobs/socket.js';
import { loadNative } from '../../exporter/native/load.js';
import { JobsSink, type JobsSinkOptions } from '../../exporter/sinks/jobs/sink.js';

const silent = { fatal() {}, error() {}, warn() {}, info() {}, debug() {} };

export interface ServedJobs {
  readonly path: string;
  readonly sink: JobsSink;
  readonly counted: Record<
    'subscribers' | 'answered' | 'unidentified' | 'refused' | 'slow' | 'limit' | 'missed',
    number
  >;
  close(): Promise<void>;
}

/** The jobs' socket in a folder of its own, fed by hand, and what was counted. */
export async function serveJobs(
  t: Pick<TestContext, 'after'>,
  {
    feeds = {},
    burst,
    ...given
  }: Partial<JobsServerOptions> & { readonly feeds?: JobsSinkOptions['limits']; readonly burst?: number } = {},
  path = join(folder(t), 'jobs.sock'),
): Promise<ServedJobs> {
  const workloads = new WorkloadResolver({ procRoot: '/proc' });
  const sink = new JobsSink({ instanceId: 'node-a-42', includeProcess: true, limits: feeds, ...(burst && { burst }) });
  const counted = { subscribers: 0, answered: 0, unidentified: 0, refused: 0, slow: 0, limit: 0, missed: 0 };
  const server = await createJobsServer({
    events: sink,
    health: () => [],
    workloadOf: (cgroup) => workloads.name(workloadIdentity(cgroup)),
    logger: silent,
    accounting: {
      subscribers: (count) => (counted.subscribers = count),
      requests: (result) => counted[result]++,
      dropped: (reason) => counted[reason]++,
      missed: (count) => (counted.missed += count),
    },
    ...given,
  });
  const socket = new JobsSocket({
    path,
    procRoot: '/proc',
    native: loadNative(),
    onConnection: (open, peer) => server.take(open, peer),
  });
  const close = async (): Promise<void> => {
    socket.close();
    await server.close();
  };
  t.after(close);
  await socket.open();
  return { path, sink, counted, close };
}

export function folder(t: Pick<TestContext, 'after'>): string {
  const path = mkdtempSync(join(tmpdir(), 'xe-jobs-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** A {@link folder} that every user may enter. */
export function openFolder(t: Pick<TestContext, 'after'>): string {
  const path = folder(t);
  chmodSync(path, 0o755);
  return path;
}
