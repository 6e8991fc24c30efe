import { arch, release, version as kernelBuild } from 'node:os';
import type { CommandContext } from '../../app/context.js';
import type { ListenAddress } from '../../config/parsers.js';
import { OPTION_LIST } from '../../config/schema.js';
import { PATH } from '../../names.js';
import { loadNative } from '../../native/load.js';
import { get } from '../../node-http.js';
import { errnoName } from '../../wire/errno.js';
import { gatherFacts } from '../doctor/facts.js';
import { makeReport } from '../doctor/report.js';

/** Of one file: its end is what counts of a log, its beginning of everything else. */
const MAX_BYTES = 8 << 20;
const ANSWER_MS = 10_000;
const DOCTOR_MS = 60_000;

/** One file of the bundle, and how it is made. Must not wait for ever. */
export interface Content {
  readonly name: string;
  /** What the progress line says. */
  readonly title: string;
  make(context: CommandContext): Promise<string>;
}

/** THE LIST of what is in a bundle. */
export const CONTENTS: readonly Content[] = [
  { name: 'versions.json', title: 'versions', make: async (context) => versions(context) },
  { name: 'configuration.json', title: 'configuration', make: async (context) => configuration(context) },
  { name: 'doctor.json', title: 'doctor, which wakes the GPUs', make: doctor },
  { name: 'metrics.txt', title: 'metrics of the running exporter', make: answerOf(PATH.metrics) },
  { name: 'devices.json', title: 'health of the GPUs', make: answerOf(PATH.devices) },
  { name: 'events.json', title: 'recent events', make: answerOf(`${PATH.events}?format=json`) },
  { name: 'kernel-log.txt', title: 'kernel log', make: kernelLog },
];

function versions({ version, nodeVersion }: CommandContext): string {
  return toJson({ exporter: version, node: nodeVersion, kernel: release(), build: kernelBuild(), machine: arch() });
}

/** Every option that is not at its default, and which variables are set. What may hold a secret is not shown. */
function configuration({ config, env }: CommandContext): string {
  const options = OPTION_LIST.map(([key, option]) => [
    key,
    option.sensitive && config[key] ? '(set, not shown)' : config[key],
  ]);
  const variables = Object.keys(env).filter((name) => /^(XE_EXPORTER|OTEL|KUBERNETES_SERVICE|NODE_OPTIONS)/.test(name));
  return toJson({ options: Object.fromEntries(options), variables: variables.sort() });
}

async function doctor(context: CommandContext): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no result within ${DOCTOR_MS / 1000} s`)), DOCTOR_MS);
  });
  try {
    const facts = await Promise.race([gatherFacts(context), late]);
    return toJson(makeReport(facts, context.version));
  } finally {
    clearTimeout(timer);
  }
}

/** The lines that concern a GPU or its bus: those of the driver, of DRM and TTM, of PCI errors, and of the memory killer. */
const RELEVANT = /\bxe\b|\[drm|\[TTM\]|pcieport|AER:|hung_task|blocked for more than|Out of memory:|oom-kill|i915/;

async function kernelLog(): Promise<string> {
  const ring = await loadNative().readKernelRing(16 << 20);
  if (!('text' in ring)) {
    throw new Error(`${ring.operation} failed with ${errnoName(ring.errno)}: run as root, or with CAP_SYSLOG`);
  }
  const lines = Buffer.from(ring.text).toString('utf8').split('\n');
  return `${lines
    .filter((line) => RELEVANT.test(line))
    .join('\n')
    .slice(-MAX_BYTES)}\n`;
}

function answerOf(path: string): Content['make'] {
  return ({ config: { listenAddress } }) => fetchLocal(listenAddress, path);
}

/** @throws Error that says why the running exporter gave no answer */
function fetchLocal({ host, port }: ListenAddress, path: string): Promise<string> {
  const local = host === '' || host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return new Promise((resolve, reject) => {
    const request = get(
      { host: local, port, path, agent: false, signal: AbortSignal.timeout(ANSWER_MS) },
      (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        const end = (): void => resolve(Buffer.concat(chunks).subarray(0, MAX_BYTES).toString('utf8'));
        response.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          bytes += chunk.length;
          if (bytes <= MAX_BYTES) return;
          end();
          request.destroy();
        });
        response.on('error', reject);
        response.on('end', () =>
          response.statusCode === 200
            ? end()
            : reject(new Error(refused(`${local}:${port}${path}`, response.statusCode))),
        );
      },
    );
    request.on('error', (error: NodeJS.ErrnoException) =>
      reject(
        new Error(
          `no exporter answers ${path} on ${local}:${port}: ${error.code ?? error.message}${ofTls(error, port, path)}`,
        ),
      ),
    );
  });
}

/** The bundle takes no password: it would be one more place to keep it. */
function refused(at: string, status: number | undefined): string {
  return status === 401
    ? `the exporter asks for a password. Add what "curl -u USER http://${at}" prints, with a user of its web configuration.`
    : `the exporter answers http://${at} with ${status}`;
}

/** A server of TLS hangs up on plain HTTP. */
function ofTls({ code }: NodeJS.ErrnoException, port: number, path: string): string {
  return code === 'ECONNRESET'
    ? `. If the exporter serves TLS, add what "curl --cacert CA https://NODE:${port}${path}" prints, with the CA and, if it asks for one, a user of its web configuration.`
    : '';
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
