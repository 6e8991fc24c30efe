import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { dirname, join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { workloadIdentity, WorkloadResolver } from '../../exporter/clients/workload.js';
import { aClient, anEvent } from '../helpers/events.js';
import { serveJobs, type ServedJobs } from '../helpers/jobs-socket.js';

export const MAIN = fileURLToPath(new URL('../../exporter/main.js', import.meta.url));
export const RECIPES = resolve('docs/jobs');
/** A job whose GPU is {@link gpuNode}: it has room for 16 samples. */
export const STAND_IN = resolve('test/unit/jobs/stand_in.py');

export interface GpuNode {
  /** For the files of the test. */
  readonly folder: string;
  /** Removes the folder, once nothing writes to it any more. */
  readonly remove: () => void;
  readonly served: ServedJobs;
  /** What a job on this node has in its environment. */
  readonly env: Readonly<Record<string, string>>;
}

/**
 * A node with a GPU that is a socket: the process that says there that it has lost its VM is the victim, and belongs to the workload
 * of its cgroup. It is told so on the jobs' socket, where the kernel says who asks.
 */
export async function gpuNode(t: Pick<TestContext, 'after'>): Promise<GpuNode> {
  const folder = mkdtempSync('/tmp/xe-recipes-');
  const served = await serveJobs(t, {}, join(folder, 'jobs.sock'));
  const workloads = new WorkloadResolver({ procRoot: '/proc' });
  const gpu = join(folder, 'gpu.sock');
  const server = createServer(({ url = '' }, response) => {
    const [, errno, pid] = /^\/lose\?errno=(-\d+)&pid=(\d+)$/.exec(url) ?? [];
    const workload = workloads.name(workloadIdentity(readFileSync(`/proc/${pid}/cgroup`, 'utf8')));
    const client = aClient({ workload, process: { pid: Number(pid) } });
    served.sink.accept(anEvent({ client, errorCode: Number(errno) }));
    response.end();
  });
  await once(server.listen(gpu), 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const env = {
    XE_EXPORTER_JOBS_SOCKET: served.path,
    XE_EXPORTER_XE_WATCH_IOCTL: 'off',
    XE_EXPORTER_RESTART_BACKOFF: '0s',
    XE_TEST_GPU: gpu,
    XE_TEST_RECIPES: RECIPES,
    XE_TEST_CLIENT_FOLDER: join(dirname(MAIN), 'jobs'),
  };
  return { folder, served, env, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
