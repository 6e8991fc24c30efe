import { createRequire } from 'node:module';
import { constants } from 'node:os';
import type { Command } from './commands/command.js';
import { isCommand, parseArguments } from './config/argv.js';
import { loadConfig } from './config/load.js';
import { quote } from './config/problem.js';
import { nearest } from './config/nearest.js';
import { COMMANDS, type CommandName, type Config } from './config/schema.js';
import { CodedError, codedError, EXIT, explain } from './errors.js';
import type { OwnProcess } from './jobs/run/own-process.js';
import type { Logger } from './logger.js';
import { plainLogger } from './plain-logger.js';

const require = createRequire(import.meta.url);

/** THE LIST of commands. Loaded when run, so that `--help` and a wrong flag answer at once; `run` without waiting for the event loop. */
const LOADERS: Readonly<Record<CommandName, () => Promise<Command>>> = {
  serve: async () => (await import('./commands/serve.js')).command,
  watch: async () => (await import('./commands/watch.js')).command,
  doctor: async () => (await import('./commands/doctor/command.js')).command,
  bundle: async () => (await import('./commands/bundle/command.js')).command,
  health: async () => (await import('./commands/health/command.js')).command,
  run: async () => (require('./commands/run.js') as { readonly command: Command }).command,
  demo: async () => (await import('./commands/demo.js')).command,
};

/** Commands that have nothing left to do when nobody reads their output. */
const ENDS_WITH_STDOUT: readonly CommandName[] = ['watch'];

/** Commands that read their configuration again on SIGHUP. */
const RELOADS: readonly CommandName[] = ['serve', 'demo'];

/** Commands that write no log, and start without what that takes. */
const UNLOGGED: readonly CommandName[] = ['run', 'health'];

/** How long past its own deadline a command may take to stop before the process is ended under it. */
const SHUTDOWN_GRACE_MS = 1000;

const STDERR = 2;

// One of V8's compilers, on since Node 22, takes 15 MiB. A scrape costs the same without it, a storm of events a tenth more.
// Later, as all that a job under `run` need not wait for: Node.js loads its own modules when they are asked for, and `import` of
// some, such as node:fs and node:util, loads others with them.
setImmediate(() => process.getBuiltinModule('node:v8').setFlagsFromString('--no-maglev'));

const stop = new AbortController();
let running:
  | { readonly name: CommandName; readonly config: Config; readonly logger: Logger; readonly inText: boolean }
  | undefined;
let signalled: 'SIGINT' | 'SIGTERM' | undefined;

/** What SIGHUP does; until a command says, it is only noted: a reload right after a restart must not end the exporter. */
let reload: (() => void) | undefined;
let isReloadDue = false;
const onHangup = (): void => {
  if (reload) reload();
  else isReloadDue = true;
};

/** What `run` does with this process. */
const ownProcess: OwnProcess = {
  pid: process.pid,
  takeSignals(signals, handler) {
    for (const signal of signals) {
      const others = process.listeners(signal);
      // First: what is on its way goes to whoever listens then, and is lost when nobody does.
      process.on(signal, handler);
      for (const other of others) process.off(signal, other);
    }
  },
  kill(pid, signal) {
    try {
      return process.kill(pid, signal);
    } catch {
      return false;
    }
  },
  dieOf(signal) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  },
  tell(text) {
    try {
      process.getBuiltinModule('node:fs').writeSync(STDERR, text);
    } catch {
      // There is nowhere left to tell.
    }
  },
};

process.on('SIGHUP', onHangup);
process.on('SIGINT', onSignal);
process.on('SIGTERM', onSignal);
process.on('uncaughtException', (error) => process.exit(report(error)));
// Reached only when a command waits for something that can no longer happen.
process.on('beforeExit', () => process.exit(report(new Error('nothing left to wait for'))));

void main(process.argv.slice(2)).catch(report).then(process.exit);

async function main(argv: readonly string[]): Promise<number> {
  const args = parseArguments(argv);
  const name = args.command;
  if (args.version) return print(`${ownVersion()}\n`);
  if (name === undefined) return print((await import('./config/help.js')).programHelp(ownVersion()));
  if (!isCommand(name)) throw unknownCommand(name);
  if (args.help) return print((await import('./config/help.js')).commandHelp(name));
  const load = (): Promise<Config> => loadConfig(name, args, process.env);
  return run(name, await load(), load, args.operands);
}

async function run(
  name: CommandName,
  config: Config,
  load: () => Promise<Config>,
  operands: readonly string[],
): Promise<number> {
  // The job has the standard streams of `run`: Node.js makes a pipe non-blocking for all who have it when it takes it over.
  if (name !== 'run') watchOutput();
  const isPlain = UNLOGGED.includes(name);
  const inText =
    isPlain || config.logFormat === 'text' || (config.logFormat === 'auto' && process.stderr.isTTY === true);
  const logger = isPlain ? plainLogger(ownProcess.tell) : await loggerOf(config, inText);
  running = { name, config, logger, inText };

  process.removeAllListeners('warning').on('warning', ({ name: kind, message }) => logger.warn({ kind }, message));

  const command = await LOADERS[name]();
  // A job that was not started did not succeed.
  if (stop.signal.aborted)
    return signalled !== undefined && name === 'run' ? 128 + constants.signals[signalled] : EXIT.ok;
  // Commands that have nothing to reload end with their terminal.
  if (!RELOADS.includes(name)) {
    ownProcess.takeSignals(['SIGHUP'], ownProcess.dieOf);
    if (isReloadDue) return 128 + constants.signals.SIGHUP;
  }
  try {
    return await command.run({
      config,
      env: process.env,
      get stdout() {
        return process.stdout;
      },
      get stderr() {
        return process.stderr;
      },
      signal: stop.signal,
      onReload(apply) {
        reload = () => void load().then(apply, (error) => reloadFailed(logger, error));
        if (isReloadDue) reload();
      },
      logger,
      operands,
      own: ownProcess,
      get version() {
        return ownVersion();
      },
      nodeVersion: process.versions.node,
    });
  } catch (error) {
    const interrupted = stop.signal.aborted && error instanceof Error && error.name === 'AbortError';
    if (interrupted) return signalled === undefined ? EXIT.ok : 128 + constants.signals[signalled];
    throw error;
  }
}

/** Loaded when needed: it takes as long as the rest of the start. */
async function loggerOf({ logLevel: level }: Config, inText: boolean): Promise<Logger> {
  const { createLogger } = await import('./logger.js');
  return createLogger({ level, format: inText ? 'text' : 'json', stream: process.stderr });
}

/** A mistake in the file must not end an exporter that runs. */
function reloadFailed(logger: Logger, error: unknown): void {
  const { message, fix } = error as CodedError;
  logger.error({ fix }, `the configuration was not reloaded: ${message}`);
}

/** The end of output that nobody reads is no error. */
function watchOutput(): void {
  process.stdout.on('error', () => {
    if (running !== undefined && ENDS_WITH_STDOUT.includes(running.name)) beginStop('the end of its output');
  });
  process.stderr.on('error', () => undefined);
}

function print(text: string): number {
  watchOutput();
  process.stdout.write(text);
  return EXIT.ok;
}

/** The first signal asks to stop, the second one does not ask. */
function onSignal(signal: 'SIGINT' | 'SIGTERM'): void {
  if (signalled !== undefined) process.exit(128 + constants.signals[signal]);
  signalled = signal;
  beginStop(signal);
}

function beginStop(reason: string): void {
  if (stop.signal.aborted) return;
  stop.abort();
  const deadline = (running?.config.shutdownTimeout ?? 0) + SHUTDOWN_GRACE_MS;
  setTimeout(
    () => process.exit(report(codedError('XEE_SHUTDOWN_DEADLINE', { seconds: deadline / 1000, signal: reason }))),
    deadline,
  );
}

/** Tells what ended the program, on one line where the text allows: as a log line in JSON, else as plain text. */
function report(error: unknown): number {
  const coded =
    error instanceof CodedError ? error : codedError('XEE_INTERNAL', { seen: describe(error) }, { cause: error });
  running?.logger.debug({ err: coded.cause ?? coded }, 'what ended the program');
  if (running?.inText === false) running.logger.fatal({ code: coded.code, fix: coded.fix }, coded.message);
  else process.stderr.write(`xe-exporter: ${explain(coded)}\n`);
  return coded.exitCode;
}

function describe(error: unknown): string {
  if (error instanceof Error) return `${error.name}: ${error.message}`;
  const { inspect } = process.getBuiltinModule('node:util');
  return `thrown: ${inspect(error, { depth: 0, breakLength: Infinity })}`;
}

function ownVersion(): string {
  const { version } = require('../../package.json') as { readonly version: string };
  return version;
}

function unknownCommand(name: string): CodedError {
  const near = nearest(name, Object.keys(COMMANDS));
  const suggestion = near === undefined ? '' : `Did you mean ${near}? `;
  return codedError('XEE_UNKNOWN_COMMAND', { command: quote(name), suggestion });
}
