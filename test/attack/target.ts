import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { processMemory } from '../bench/process.js';
import { ExporterProcess, type ExporterProcessOptions } from '../helpers/exporter-process.js';
import { waitFor } from '../helpers/wait-for.js';
import { Container, IMAGE } from './container.js';
import { MemoryCgroup } from './memory-cgroup.js';

const MAIN = fileURLToPath(new URL('../../exporter/main.js', import.meta.url));

/** CI runs the short form; without this variable, as `npm run test:attack`, every attack lasts longer and more are made. */
export const SHORT = process.env['XE_EXPORTER_ATTACK'] === 'short';

/** What the chart gives the exporter, in MiB: no attack may come near it. */
export const CHART_LIMIT = 256;

/**
 * Milliseconds in which a rightful request must be answered under attack. On an idle machine it takes less than the ten seconds of
 * a usual scrape time-out; this is for a machine that is busy with something else.
 */
export const ANSWER_MS = 30_000;

export interface TargetOptions extends Omit<ExporterProcessOptions, 'args'> {
  readonly args?: readonly string[];
  /** The ring of events is full before the attack begins: the largest documents there are. */
  readonly fullRing?: boolean;
}

/** The built exporter on its simulated node, in a process of its own, as what is attacked. */
export async function demo(
  t: { after(end: () => Promise<void>): void },
  { args = [], fullRing = false, ...rest }: TargetOptions = {},
) {
  const rate = fullRing ? 500 : 5;
  const exporter = await asInTheChart(t, (how) =>
    ExporterProcess.run(
      [
        'demo',
        '--listen-address=127.0.0.1:0',
        '--log-level=info',
        `--demo-rate=${rate}`,
        '--shutdown-timeout=2s',
        ...args,
      ],
      { ...how, ...rest },
      // The health address has a line of its own, which comes first.
      ({ raw, msg, url }) => urlIn(String(raw ?? '')) ?? (msg === 'xe-exporter is running' ? String(url) : undefined),
    ),
  );
  if (fullRing) {
    await waitFor(async () => (await (await fetch(`${exporter.url}/events?format=json`)).text()).length > 1_000_000, {
      what: 'a full ring',
      deadlineMs: 120_000,
    });
  }
  return exporter;
}

/**
 * Starts an exporter with the options of Node that the image gives it and, where this process may make one, in a cgroup with the
 * chart's limit of memory: whatever goes beyond it is killed. Killed it is in the end, too. An image runs as a container with
 * that limit.
 */
export async function asInTheChart(
  t: { after(end: () => Promise<void>): void },
  start: (how: Pick<ExporterProcessOptions, 'execArgv' | 'launcher' | 'program'>) => Promise<ExporterProcess>,
): Promise<ExporterProcess> {
  if (IMAGE !== undefined) return inContainer(t, new Container(IMAGE, CHART_LIMIT), start);
  const cgroup = MemoryCgroup.make(CHART_LIMIT);
  const isLimited = cgroup instanceof MemoryCgroup;
  const exporter = start({
    execArgv: ['--v8-pool-size=1', '--optimize-for-size'],
    launcher: isLimited ? cgroup.launcher : [],
  });
  t.after(async () => {
    (await exporter.catch(() => undefined))?.child.kill('SIGKILL');
    if (isLimited) await cgroup.remove();
  });
  return exporter;
}

/** Of podman's processes, the containers they started. */
const containers = new WeakMap<ChildProcess, Container>();

async function inContainer(
  t: { after(end: () => Promise<void>): void },
  container: Container,
  start: (how: Pick<ExporterProcessOptions, 'program'>) => Promise<ExporterProcess>,
): Promise<ExporterProcess> {
  const starting = start({ program: container.program });
  t.after(async () => {
    const exporter = await starting.catch(() => undefined);
    if (exporter === undefined || !(await isAlive(exporter))) return;
    signal(exporter, 'SIGKILL');
    await exporter.exited;
  });
  const exporter = await starting;
  containers.set(exporter.child, container);
  return exporter;
}

/** The exporter for a test that starts it by itself: the command, and the process it becomes. */
export function commandLine(): { readonly command: readonly string[]; pidOf(child: ChildProcess): number | undefined } {
  if (IMAGE === undefined) return { command: [process.execPath, MAIN], pidOf: ({ pid }) => pid };
  const container = new Container(IMAGE, CHART_LIMIT);
  return { command: container.program, pidOf: () => container.pid };
}

function pidOf({ child }: ExporterProcess): number {
  return containers.get(child)?.pid ?? child.pid ?? 0;
}

/** To the exporter itself: podman takes its time to pass one on. */
export function signal(exporter: ExporterProcess, name: NodeJS.Signals): void {
  process.kill(pidOf(exporter), name);
}

/** Of the introduction, or of the log. */
function urlIn(text: string): string | undefined {
  return /https?:\/\/127\.0\.0\.1:\d+/.exec(text)?.[0];
}

/** MiB now, and at most ever. */
export function memory(exporter: ExporterProcess): Promise<{ readonly rss: number; readonly peak: number }> {
  return processMemory(pidOf(exporter));
}

/** From now on {@link memory} gives the peak since now (proc(5), clear_refs). */
export function forgetPeak(exporter: ExporterProcess): void {
  writeFileSync(`/proc/${pidOf(exporter)}/clear_refs`, '5');
}

export async function isAlive({ child }: ExporterProcess): Promise<boolean> {
  return child.exitCode === null && child.signalCode === null;
}

/** Ends it with SIGTERM, as the kubelet does. @returns exit code and how long that took in milliseconds */
export async function stop(exporter: ExporterProcess): Promise<{ readonly code: number | null; readonly ms: number }> {
  const begin = performance.now();
  signal(exporter, 'SIGTERM');
  const [code] = (await once(exporter.child, 'exit')) as [number | null];
  return { code, ms: performance.now() - begin };
}
