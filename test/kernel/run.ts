// Runs every scenario in a test kernel of its own. Host side; started by run.sh, which builds what it needs.
//
//   run.js [part of a name ...]
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bootGuest } from './guest.js';

/** The images, 7.x and 6.12, and the variables with their paths. Without the watch queue a kernel answers pipe2 with ENOPKG. */
const IMAGES = { usual: 'XE_TEST_IMAGE', 'no-watch-queue': 'XE_TEST_IMAGE_NO_WATCH_QUEUE' } as const;
type Kernel = keyof typeof IMAGES;

interface Scenario {
  name: string;
  kernel: Kernel;
  kernelArgs: string[];
  command: string[];
  env?: Readonly<Record<string, string>>;
}

const here = dirname(fileURLToPath(import.meta.url));
const root = process.env.XE_TEST_ROOT ?? process.cwd();
const programs = required('XE_TEST_PROGRAMS');
const containerRoot = process.env.XE_TEST_CONTAINER_ROOT;
/** Folder into which the scenario "recording" writes what it recorded; see test/golden/README.md. */
const recordTo = process.env.XE_TEST_RECORD;

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set: run this through test/kernel/run.sh`);
  return value;
}

function selfTest(nr: string): Scenario {
  const command = [join(programs, 'self-test'), '--nr', nr];
  return { name: `self-test-${nr}`, kernel: 'usual', kernelArgs: [`xestub.watch_nr=${nr}`], command };
}

/** A compiled node:test file of scenarios/, in a kernel with these parameters. */
function nodeTest(file: string, kernelArgs: string[], kernel: Kernel = 'usual'): Scenario {
  const name = [file, ...kernelArgs, ...(kernel === 'usual' ? [] : [kernel])].join(' ');
  const command = [process.execPath, '--test-reporter=spec', join(here, 'scenarios', `${file}.test.js`)];
  return { name, kernel, kernelArgs, command };
}

/** As on a kernel whose DRM core has no client directories in debugfs. */
function withoutAnnouncements(scenario: Scenario): Scenario {
  return { ...scenario, name: `${scenario.name} by /proc`, env: { XE_EXPORTER_DISCOVERY: 'proc' } };
}

const scenarios: Scenario[] = [
  // The longest first, so that the last guest does not run alone for long.
  nodeTest('memory', []),
  nodeTest('operator-cases', ['xestub.watch_nr=0', 'xestub.devices=24', 'log_buf_len=4M']),
  nodeTest('pods', []),
  nodeTest('jobs', []),
  nodeTest('jobs', ['xestub.watch_nr=0', 'xestub.trace=6.12']),
  nodeTest('pods-by-trace', ['xestub.watch_nr=0', 'xestub.trace=7.3']),
  nodeTest('pods-by-trace', ['xestub.watch_nr=0', 'xestub.trace=6.16']),
  nodeTest('pods-by-trace', ['xestub.watch_nr=0', 'xestub.trace=6.12']),
  // That trace does not say which GPU an exec queue is on.
  nodeTest('pods-by-trace', ['xestub.watch_nr=0', 'xestub.trace=6.8', 'xestub.devices=1']),
  nodeTest('discovery', []),
  withoutAnnouncements(nodeTest('clients', [])),
  withoutAnnouncements(nodeTest('hardship', [])),
  selfTest('0x0f'),
  selfTest('0x10'),
  selfTest('0x11'),
  selfTest('0'),
  {
    name: 'self-test-no-watch-queue',
    kernel: 'no-watch-queue',
    kernelArgs: [],
    command: [join(programs, 'self-test'), '--no-watch-queue'],
  },
  nodeTest('guest', []),
  nodeTest('trace-events', []),
  nodeTest('trace-events', ['xestub.trace=6.8']),
  nodeTest('trace-events', ['xestub.trace=6.12']),
  nodeTest('trace-events', ['xestub.trace=7.3']),
  nodeTest('memory-snapshot', []),
  nodeTest('memory-hang', []),
  nodeTest('ras', []),
  nodeTest('ras', [], 'no-watch-queue'),
  nodeTest('first-light', ['xestub.watch_nr=0x0f']),
  nodeTest('first-light', ['xestub.watch_nr=0x10']),
  nodeTest('first-light', ['xestub.watch_nr=0x11']),
  nodeTest('clients', []),
  nodeTest('burst', []),
  nodeTest('listeners', []),
  nodeTest('kernel-log', ['xestub.watch_nr=0']),
  nodeTest('uevents', ['xestub.watch_nr=0']),
  nodeTest('fallback', ['xestub.watch_nr=0']),
  nodeTest('both-sources', []),
  nodeTest('recording', []),
  nodeTest('hardship', []),
  nodeTest('doctor', []),
  nodeTest('degraded', []),
  nodeTest('degraded', ['xestub.watch_nr=0']),
  nodeTest('degraded', [], 'no-watch-queue'),
  nodeTest('run', []),
  nodeTest('run', ['xestub.watch_nr=0x11']),
  nodeTest('run-socket', ['xestub.watch_nr=0', 'xestub.trace=7.3']),
  nodeTest('systemd', []),
  nodeTest('systemd-units', ['xe_test_systemd=1']),
  nodeTest('systemd-units', ['xe_test_systemd=1', 'xestub.watch_nr=0', 'xestub.trace=7.3']),
  // The root folder of the image: test/image/run.sh unpacks it.
  ...(containerRoot === undefined ? [] : [nodeTest('image', [])]),
];

async function runScenario(scenario: Scenario): Promise<boolean> {
  const started = performance.now();
  const result = await bootGuest({
    image: required(IMAGES[scenario.kernel]),
    init: join(root, 'test/kernel/guest/init'),
    command: scenario.command,
    kernelArgs: scenario.kernelArgs,
    cwd: root,
    writable: recordTo === undefined ? [] : [recordTo],
    readable: [
      root,
      programs,
      dirname(dirname(process.execPath)),
      ...(containerRoot === undefined ? [] : [containerRoot]),
    ],
    env: {
      ...scenario.env,
      ...(containerRoot !== undefined && { XE_TEST_CONTAINER_ROOT: containerRoot }),
      ...(recordTo !== undefined && { XE_TEST_RECORD: recordTo }),
      XE_TEST_CLIENT: join(programs, 'client'),
      XE_TEST_MESSAGE_WRITER: join(programs, 'message-writer'),
      XE_TEST_NO_WATCH_QUEUE: scenario.kernel === 'no-watch-queue' ? '1' : '0',
    },
    // Far more than any needs: the machine may be busy with something else.
    timeoutMs: 900_000,
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const ok = result.exitCode === 0;
  const end = result.timedOut ? 'timed out' : `exit code ${result.exitCode}`;
  const verdict = `${ok ? 'ok' : 'NOT OK'} - ${scenario.name} (${end}, ${seconds} s)`;
  // In one piece: another guest may be running.
  process.stdout.write(`# ${scenario.name}\n${result.stdout}${verdict}\n\n`);
  return ok;
}

// So that a guest does not outlive us: bootGuest ends it when this process exits.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));

const wanted = process.argv.slice(2);
const queue = scenarios
  .filter(({ name }) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
  .values();
let passed = 0;
let failed = 0;

/** A guest has one processor. Where the host takes it away for seconds, a scenario gets a second guest; both are printed. */
async function lane(): Promise<void> {
  for (const scenario of queue) {
    if ((await runScenario(scenario)) || (await runScenario(scenario))) passed++;
    else failed++;
  }
}

await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, lane));
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exitCode = failed > 0 || passed === 0 ? 1 : 0;
