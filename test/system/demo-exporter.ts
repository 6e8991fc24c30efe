import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { waitFor } from '../helpers/wait-for.js';

export interface RunningExporter {
  readonly url: string;
  /** URL of /metrics, as the program printed it. */
  readonly metricsUrl: string;
  stop(): Promise<void>;
}

const MAIN = fileURLToPath(new URL('../../exporter/main.js', import.meta.url));

/** Starts `xe-exporter demo` on 127.0.0.1, by default on a free port, as a user would, and waits until it names its URL. */
export async function startDemo({
  port = 0,
  flags = [],
  env = {},
}: {
  port?: number;
  flags?: string[];
  env?: Readonly<Record<string, string>>;
} = {}): Promise<RunningExporter> {
  const child = spawn(process.execPath, [MAIN, 'demo', `--listen-address=127.0.0.1:${port}`, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGTERM');
    await once(child, 'exit');
  };
  try {
    const metricsUrl = await waitFor(
      () => {
        if (child.exitCode !== null) throw new Error(`the demo ended with ${child.exitCode}:\n${output}`);
        return /https?:\/\/127\.0\.0\.1:\d+\/metrics/.exec(output)?.[0];
      },
      { deadlineMs: 120_000, what: 'the demo to print its URL' },
    );
    return { url: metricsUrl.replace('/metrics', ''), metricsUrl, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
