import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { lookAtThisNode } from '../../../exporter/commands/health/this-node.js';
import { reasonOf, worst } from '../../../exporter/commands/health/verdict.js';
import { devicesDocument, type DeviceHealth } from '../../../exporter/events/device-health.js';
import { DEVICE_HEALTH_STATES } from '../../../exporter/names.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';

const MAIN = fileURLToPath(new URL('../../../exporter/main.js', import.meta.url));
const GPU0 = '0000:03:00.0';
const GPU1 = '0000:04:00.0';

/** A sysfs with two GPUs that look well. */
function sysfs(t: TestContext): FixtureTree {
  const tree = new FixtureTree(t);
  for (const [index, bdf] of [GPU0, GPU1].entries()) {
    tree.xeDevice(bdf, { [`card${index}`]: `226:${index}`, [`renderD${128 + index}`]: `226:${128 + index}` });
    tree.directory(`bus/pci/devices/${bdf}`);
  }
  return tree;
}

/** Lines of the kernel's ring, each a second after the one before; the last one `age` seconds ago. */
function ringOf(lines: readonly string[], age = 600) {
  const now = Number(process.hrtime.bigint() / 1_000_000_000n);
  const text = lines
    .map((line, index) => `<3>[${String(Math.max(1, now - age - lines.length + index)).padStart(5)}.000000] ${line}\n`)
    .join('');
  return { readKernelRing: () => Promise.resolve({ text: Buffer.from(text), ringBytes: text.length }) };
}

const WEDGED = `xe ${GPU0}: [drm] *ERROR* CRITICAL: Xe has declared device ${GPU0} as wedged.`;

async function judge(t: TestContext, lines: readonly string[], wanted: readonly string[] = [], age = 600) {
  const findings = await lookAtThisNode(sysfs(t).root, ringOf(lines, age), wanted);
  return [worst(findings), reasonOf(findings), findings] as const;
}

describe('what this node says of its GPUs', () => {
  it('is fit when the kernel log has nothing on them, or only what jobs do', async (t) => {
    const [verdict, reason] = await judge(t, [
      `xe ${GPU0}: [drm] VM worker error: -12`,
      `xe ${GPU0}: [drm] Tile0: GT0: Engine reset: engine_class=ccs, logical_mask: 0x1, guc_id=7`,
      'usb 1-1: new high-speed USB device',
    ]);
    assert.equal(verdict, 'fit', reason);
    assert.equal(reason, `fit: ${GPU0}, ${GPU1} can take work.`);
  });

  it('is unfit when one is wedged, with since when, because of what, and what to do', async (t) => {
    const [verdict, reason, findings] = await judge(t, [WEDGED]);
    assert.equal(verdict, 'unfit');
    assert.match(reason, /^unfit: GPU 0000:03:00\.0 is wedged and rejects all work\. Move the jobs away/);
    assert.equal(findings[0]!.cause?.event, 'xe.device.wedged');
    const seconds = (Date.now() - Date.parse(findings[0]!.since!)) / 1000;
    assert.ok(seconds > 500 && seconds < 700, `${seconds} s ago`);
    assert.deepEqual([findings[1]!.state, findings[1]!.cause], ['ok', undefined]);
  });

  it('is fit again once the driver has come up on it again', async (t) => {
    const [verdict] = await judge(t, [WEDGED, `[drm] Initialized xe 1.1.0 for ${GPU0} on minor 0`]);
    assert.equal(verdict, 'fit');
    const [other] = await judge(t, [WEDGED, `[drm] Initialized xe 1.1.0 for ${GPU1} on minor 1`]);
    assert.equal(other, 'unfit');
  });

  it('believes no line that user space or another driver wrote', async (t) => {
    const forged = {
      readKernelRing: () => Promise.resolve({ text: Buffer.from(`<11>[   10.000000] ${WEDGED}\n`), ringBytes: 1 }),
    };
    assert.equal(worst(await lookAtThisNode(sysfs(t).root, forged, [])), 'fit');
    assert.equal((await judge(t, [WEDGED.replace('xe ', 'i915 ')]))[0], 'fit');
  });

  it('judges one device alone, also one without a driver, and knows nothing of one that is not there', async (t) => {
    assert.equal((await judge(t, [WEDGED], [GPU1]))[0], 'fit');
    const tree = sysfs(t);
    tree.remove(`bus/pci/drivers/xe/${GPU1}`);
    const unbound = await lookAtThisNode(tree.root, ringOf([]), [GPU1]);
    assert.deepEqual([worst(unbound), unbound[0]!.state], ['unfit', 'lost']);
    const [verdict, reason] = await judge(t, [], ['0000:99:00.0']);
    assert.deepEqual([verdict, /lspci -D/.test(reason)], ['unknown', true]);
  });

  it('is unknown without the kernel log, unless sysfs shows that something is wrong', async (t) => {
    const tree = sysfs(t);
    const refused = { readKernelRing: () => Promise.resolve({ operation: 'syslog', errno: 1 }) };
    assert.equal(worst(await lookAtThisNode(tree.root, refused, [])), 'unknown');
    assert.equal(worst(await lookAtThisNode(tree.root, undefined, [])), 'unknown');
    tree.file(`bus/pci/devices/${GPU0}/survivability_mode`, '');
    const findings = await lookAtThisNode(tree.root, refused, []);
    assert.equal(worst(findings), 'unfit');
    assert.match(reasonOf(findings), /firmware is corrupt/);
  });

  it('is unknown on a node without a GPU, and never anything else for hostile text', async (t) => {
    const empty = new FixtureTree(t);
    assert.equal(worst(await lookAtThisNode(empty.root, ringOf([]), [])), 'unknown');
    const noise = {
      readKernelRing: () => Promise.resolve({ text: Buffer.from(`xe \0<<[${'xe '.repeat(50_000)}\n`), ringBytes: 1 }),
    };
    assert.equal(worst(await lookAtThisNode(empty.root, noise, [])), 'unknown');
  });
});

interface Ended {
  readonly code: number;
  readonly stdout: string;
}

function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(program, args, { env, timeout: 60_000 }, (error, stdout) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout }),
    );
  });
}

async function listening(t: TestContext, answer: string, status = 200): Promise<number> {
  const server: Server = createServer((request, response) => {
    assert.equal(request.url, '/devices');
    response.writeHead(status).end(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

const health = (state: DeviceHealth['state'], pciBdf = GPU0): DeviceHealth => ({
  pciBdf,
  state,
  reason: 'ok',
  sinceMs: 1_790_000_000_000,
  cause: { event: 'xe.gt.reset', id: 'x-1', time: '2026-09-21T14:13:20.000Z', body: 'The driver reset GT 0.' },
  advice: 'Do this.',
});

const command = (port: number, ...args: string[]) =>
  run(process.execPath, [MAIN, 'health', `--listen-address=127.0.0.1:${port}`, '--path-sysfs=/nowhere', ...args]);

describe('xe-exporter health', () => {
  it('asks a running exporter, and ends with the verdict on each of its states', async (t) => {
    const expected: Record<string, number> = { ok: 0, faulting: 0, recovering: 2, unknown: 2 };
    for (const state of DEVICE_HEALTH_STATES) {
      const port = await listening(t, devicesDocument([health(state), health('ok', GPU1)]));
      const { code, stdout } = await command(port);
      assert.equal(code, expected[state] ?? 1, state);
      assert.match(stdout, /^[^\n]+\n$/, 'one line');
      if (state !== 'ok') assert.match(stdout, /The driver reset GT 0\. Do this\.$/m);
      assert.equal((await command(port, `--device=${GPU1}`)).code, 0);
    }
  });

  it('prints JSON with every device', async (t) => {
    const port = await listening(t, devicesDocument([health('wedged'), health('ok', GPU1)]));
    const { code, stdout } = await command(port, '--json');
    const { schema, verdict, source, devices } = JSON.parse(stdout) as Record<string, unknown>;
    assert.deepEqual([code, schema, verdict, source], [1, 1, 'unfit', 'exporter']);
    assert.deepEqual(
      (devices as { pci_bdf: string; verdict: string; state: string }[]).map((device) => [
        device.pci_bdf,
        device.verdict,
        device.state,
      ]),
      [
        [GPU0, 'unfit', 'wedged'],
        [GPU1, 'fit', 'ok'],
      ],
    );
  });

  it('looks for itself when what answers is no exporter that it may ask', async (t) => {
    for (const [answer, status] of [
      ['{"devices":[{"pci_bdf":1}]}', 200],
      ['<html>', 200],
      ['null', 200],
      ['', 401],
      [`{"devices":[]}${' '.repeat(2 << 20)}`, 200],
    ] as const) {
      const { code, stdout } = await command(await listening(t, answer, status), '--json');
      assert.deepEqual([code, (JSON.parse(stdout) as { source: string }).source], [2, 'node'], answer.slice(0, 30));
    }
  });
});

/** The blocks of code of one language in docs/health.md. */
function blocks(language: string): string[] {
  const text = readFileSync('docs/health.md', 'utf8');
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, 'gm'))].map(([, code]) => code!);
}

describe('the recipes', () => {
  it('is a configuration that node-problem-detector takes', () => {
    const config = JSON.parse(blocks('json')[0]!);
    assert.equal(config.plugin, 'custom');
    const [rule] = config.rules;
    assert.ok(config.conditions.some(({ type }: { type: string }) => type === rule.condition));
    assert.deepEqual([rule.type, rule.args], ['permanent', ['health']]);
    assert.ok(Number.parseInt(rule.timeout) <= Number.parseInt(config.pluginConfig.timeout));
  });

  it('drains a Slurm node for an unfit GPU, and for nothing else', async (t) => {
    const tree = new FixtureTree(t);
    tree.file('xe-health.sh', blocks('sh')[0]!);
    tree.file('bin/scontrol', `#!/bin/sh\nprintf '%s|' "$@" >> ${join(tree.root, 'drained')}\n`);
    chmodSync(join(tree.root, 'bin/scontrol'), 0o755);
    tree.file('drained', '');
    for (const state of ['ok', 'unknown', 'wedged'] as const) {
      const port = await listening(t, devicesDocument([health(state)]));
      tree.file(
        'bin/xe-exporter',
        `#!/bin/sh\nexec ${process.execPath} ${MAIN} "$@" --listen-address=127.0.0.1:${port} --path-sysfs=/nowhere\n`,
      );
      chmodSync(join(tree.root, 'bin/xe-exporter'), 0o755);
      const env = {
        ...process.env,
        PATH: `${join(tree.root, 'bin')}:${process.env['PATH']}`,
        SLURMD_NODENAME: 'gpu-7',
      };
      assert.equal((await run('sh', [join(tree.root, 'xe-health.sh')], env)).code, 0);
      const drained = readFileSync(join(tree.root, 'drained'), 'utf8');
      assert.equal(drained !== '', state === 'wedged', state);
      if (state === 'wedged') assert.match(drained, /^update\|NodeName=gpu-7\|State=DRAIN\|Reason=unfit: GPU /);
    }
  });
});
