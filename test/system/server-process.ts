import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../helpers/wait-for.js';

/** A real server of the Prometheus family with its files in a folder of its own, on 127.0.0.1. */
export interface ServerProcess {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** Everything it wrote to its standard output and error. */
  log(): string;
  stop(): Promise<void>;
}

export interface ServerCommand {
  readonly program: string;
  readonly args: readonly string[];
}

/**
 * Starts a server and waits until it says that it is ready.
 * @param files what is to lie in its folder, which is also its working directory, by name
 * @param command how to start it on an address of the form 127.0.0.1:PORT
 */
export async function startServer(
  files: Readonly<Record<string, string>>,
  command: (address: string) => ServerCommand,
): Promise<ServerProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'xe-exporter-server-'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const address = `127.0.0.1:${await freePort()}`;
  const { program, args } = command(address);
  const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (log += text));
  const ended = once(child, 'exit');

  const server: ServerProcess = {
    url: `http://${address}`,
    log: () => log,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
  const isReady = async () => {
    if (child.exitCode !== null) throw new Error(`${program} ended with ${child.exitCode}:\n${log}`);
    return fetch(`${server.url}/-/ready`).then(
      (response) => response.ok,
      () => false,
    );
  };
  try {
    await waitFor(isReady, { deadlineMs: 120_000, what: `${program} to be ready` });
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

/** A port that was free a moment ago: these servers do not tell which one they got for 0. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
