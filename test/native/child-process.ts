import { spawn } from 'node:child_process';

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

/** Runs a program of children/ to its end, which must come within two minutes. */
export async function runChild(name: string, ...args: string[]): Promise<Ended> {
  return runToEnd(process.execPath, childProgram(name), ...args);
}

export function childProgram(name: string): string {
  return new URL(`children/${name}.js`, import.meta.url).pathname;
}

export async function runToEnd(command: string, ...args: string[]): Promise<Ended> {
  const running = spawn(command, args, { timeout: 120_000, killSignal: 'SIGKILL' });
  let output = '';
  running.stdout.on('data', (chunk: Buffer) => (output += String(chunk)));
  running.stderr.on('data', (chunk: Buffer) => (output += String(chunk)));
  return new Promise((resolve, reject) => {
    running.on('error', reject);
    running.on('close', (code, signal) => resolve({ code, signal, output }));
  });
}
