import type { ListenAddress } from '../../config/parsers.js';
import type { HealthCause } from '../../events/device-health.js';
import { DEVICE_HEALTH_STATES, PATH, type DeviceHealthState } from '../../names.js';
import { get } from '../../node-http.js';
import type { Finding } from './verdict.js';

/** An exporter on this machine answers in milliseconds; who waits longer may as well look for himself. */
const DEADLINE_MS = 1_000;
const MAX_ANSWER_BYTES = 1 << 20;

/**
 * What an exporter that runs on this node says of its GPUs; undefined when there is none, or it wants TLS or a password, or something else
 * listens there. Never rejects.
 */
export async function askRunningExporter(address: ListenAddress): Promise<readonly Finding[] | undefined> {
  try {
    return findingsIn(JSON.parse(await fetchDevices(address)));
  } catch {
    return undefined;
  }
}

function fetchDevices({ host, port }: ListenAddress): Promise<string> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(DEADLINE_MS);
    const request = get({ host: localHost(host), port, path: PATH.devices, agent: false, signal }, (response) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        bytes += chunk.length;
        if (bytes > MAX_ANSWER_BYTES) request.destroy(new Error('the answer has no end'));
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(Buffer.concat(chunks).toString('utf8'));
        else reject(new Error(`status ${response.statusCode}`));
      });
    });
    request.on('error', reject);
  });
}

/** Where to reach on this machine what listens on an address. */
function localHost(host: string): string {
  if (host === '::') return '::1';
  return host === '' || host === '0.0.0.0' ? '127.0.0.1' : host;
}

/** @throws Error for anything that is not the document of GET /devices */
function findingsIn(document: unknown): readonly Finding[] {
  const { devices } = document as { devices: readonly Record<string, unknown>[] };
  return devices.map((device) => {
    const { pci_bdf: pciBdf, state, since, cause, advice } = device;
    const isOurs = typeof pciBdf === 'string' && typeof since === 'string' && typeof advice === 'string';
    if (!isOurs || !isState(state)) throw new Error('not the document of an exporter');
    const known = (cause ?? undefined) as HealthCause | undefined;
    const why = typeof known?.body === 'string' ? ` ${known.body}` : '';
    return { pciBdf, state, since, cause: known, what: `GPU ${pciBdf} is ${state} since ${since}.${why}`, advice };
  });
}

function isState(value: unknown): value is DeviceHealthState {
  return (DEVICE_HEALTH_STATES as readonly unknown[]).includes(value);
}
