import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseExposition } from './exposition.js';

const MAIN = fileURLToPath(new URL('../../exporter/main.js', import.meta.url));

/** Far more than a start takes, in milliseconds. */
const START_MS = 120_000;

export interface ExporterProcessOptions {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Runs as another user. */
  readonly uid?: number;
  /** A program that starts Node, such as setpriv with its options. */
  readonly launcher?: readonly string[];
  /** Options of Node itself. */
  readonly execArgv?: readonly string[];
  /** What is run, such as a container, in place of this Node and the built program. */
  readonly program?: readonly string[];
}

/** A line of the exporter's JSON log. */
export type LogLine = Readonly<Record<string, unknown>>;

/** The built exporter as a process of its own, its log as JSON. */
export class ExporterProcess {
  /** Set for `serve` and `demo`. */
  readonly url: string;
  readonly child: ChildProcess;
  readonly log: LogLine[];
  /** Lines of standard output. */
  readonly stdout: string[];
  readonly exited: Promise<number | null>;

  private constructor(
    url: string,
    child: ChildProcess,
    log: LogLine[],
    stdout: string[],
    exited: Promise<number | null>,
  ) {
    this.url = url;
    this.child = child;
    this.log = log;
    this.stdout = stdout;
    this.exited = exited;
  }

  /** Resolves when the process serves HTTP. @throws with what it said when it ends before */
  static async serve({ args = [], ...options }: ExporterProcessOptions = {}): Promise<ExporterProcess> {
    return ExporterProcess.run(
      ['serve', '--listen-address=127.0.0.1:0', '--scan-interval=250ms', ...args],
      options,
      runningAt,
    );
  }

  /** The same of a simulated node. */
  static async demo({ args = [], ...options }: ExporterProcessOptions = {}): Promise<ExporterProcess> {
    return ExporterProcess.run(
      ['demo', '--listen-address=127.0.0.1:0', '--log-level=debug', ...args],
      options,
      runningAt,
    );
  }

  /** Runs any command; resolves when `started` recognises a line of its log or, in `raw`, any other line of its output. */
  static async run(
    args: readonly string[],
    {
      env = {},
      uid,
      launcher = [],
      execArgv = [],
      program: command = [process.execPath, ...execArgv, MAIN],
    }: Omit<ExporterProcessOptions, 'args'>,
    started: (line: LogLine) => string | undefined,
  ): Promise<ExporterProcess> {
    const [program = '', ...rest] = [...launcher, ...command, ...args];
    const child = spawn(program, [...rest, '--log-format=json'], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(uid !== undefined && { uid, gid: uid }),
    });
    const exited = once(child, 'exit').then(([code]) => code as number | null);
    const log: LogLine[] = [];
    const stdout: string[] = [];
    const url = await new Promise<string>((resolve, reject) => {
      const look = (line: LogLine): void => {
        const found = started(line);
        if (found === undefined) return;
        clearTimeout(limit);
        resolve(found);
      };
      createInterface({ input: child.stdout }).on('line', (text) => {
        stdout.push(text);
        look({ raw: text });
      });
      createInterface({ input: child.stderr }).on('line', (text) => {
        const line = parseLine(text);
        log.push(line);
        look(line);
      });
      void exited.then((code) => reject(new Error(`the exporter ended with ${code}: ${JSON.stringify(log)}`)));
      const limit = setTimeout(() => {
        reject(new Error(`the exporter did not say that it runs: ${JSON.stringify({ stdout, log })}`));
        child.kill('SIGKILL');
      }, START_MS);
      void exited.then(() => clearTimeout(limit));
    });
    return new ExporterProcess(url, child, log, stdout, exited);
  }

  /** One scrape, by series as rendered. */
  async metrics(): Promise<Map<string, number>> {
    const response = await fetch(`${this.url}/metrics`);
    return parseExposition(await response.text());
  }

  /** The value of one series; undefined when there is none. */
  async metric(series: string): Promise<number | undefined> {
    return (await this.metrics()).get(series);
  }

  /** Asks the process to stop. @returns its exit code */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.child.kill(signal);
    return this.exited;
  }
}

function runningAt({ msg, url }: LogLine): string | undefined {
  return msg === 'xe-exporter is running' ? String(url) : undefined;
}

function parseLine(text: string): LogLine {
  try {
    return JSON.parse(text) as LogLine;
  } catch {
    return { raw: text };
  }
}
