// `helm test`: every exporter behind the Service is ready and, where nobody has to sign in, serves its metrics.
import { setTimeout } from 'node:timers/promises';
import { lookup } from 'node:dns/promises';

const { SERVICE, PORT, METRICS, TIMEOUT_SECONDS } = process.env;
const deadline = Date.now() + Number(TIMEOUT_SECONDS) * 1000;

async function addresses() {
  const found = await lookup(SERVICE, { all: true }).catch(() => []);
  return found.map(({ address, family }) => (family === 6 ? `[${address}]` : address));
}

async function get(address, path) {
  const url = `http://${address}:${PORT}${path}`;
  const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${text.slice(0, 200)}`);
  return text;
}

async function check() {
  const found = await addresses();
  if (found.length === 0) {
    throw new Error(`${SERVICE} has no exporter behind it: does a node match gpuNodeLabels and the node selector?`);
  }
  for (const address of found) {
    await get(address, '/readyz');
    if (METRICS === 'yes' && !(await get(address, '/metrics')).includes('\nxe_exporter_build_info{')) {
      throw new Error(`http://${address}:${PORT}/metrics is not the exporter's`);
    }
  }
  return found.length;
}

for (;;) {
  try {
    console.log(`${await check()} exporters are ready`);
    break;
  } catch (error) {
    if (Date.now() > deadline) {
      console.error(`${error.message}${error.cause ? ` (${error.cause.message})` : ''}`);
      process.exit(1);
    }
    await setTimeout(1000);
  }
}
