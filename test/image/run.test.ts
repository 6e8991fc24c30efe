import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { PRIVILEGES, type Capability } from '../../exporter/privileges/table.js';
import { USUAL_CAPABILITIES } from '../helpers/privileges.js';
import { startCollector } from '../helpers/collector.js';
import { ExporterProcess, type LogLine } from '../helpers/exporter-process.js';
import { documentedCommands } from '../helpers/documented-commands.js';
import { startGrpcCollector } from '../helpers/grpc-collector.js';
import { dockerRun } from '../helpers/install-document.js';
import { waitFor } from '../helpers/wait-for.js';
import { AMD64, IMAGES, logs, NOTHING, podman, program, runToEnd, type TestImage } from './podman.js';

/** Emulated, it starts in half a minute where the machine has other work. */
const DEADLINE_MS = 120_000;
const ALL = USUAL_CAPABILITIES;
const asRoot = (...capabilities: readonly Capability[]): readonly string[] => [
  ...NOTHING,
  '--user=0',
  '--pid=host',
  ...capabilities.map((name) => `--cap-add=${name}`),
];

/** The URL in what the demo prints. */
const announced = ({ raw }: LogLine): string | undefined => /http:\/\/127\.0\.0\.1:\d+/.exec(String(raw))?.[0];

interface DoctorReport {
  readonly checks: readonly { readonly check: string; readonly status: string }[];
}

function doctor(image: TestImage, options: readonly string[]): (check: string) => string | undefined {
  const { status, stdout } = runToEnd(image, options, ['doctor', '--json']);
  // Not 3: what fails matters only with a GPU, which this machine does not have.
  assert.ok(status === 0 || status === 3, `exit code ${status}`);
  const { checks } = JSON.parse(stdout) as DoctorReport;
  return (wanted) => checks.find(({ check }) => check === wanted)?.status;
}

for (const image of IMAGES)
  describe(`the image for ${image.architecture} without any privilege`, () => {
    it('serves: ready and idle without a GPU, and stops in time on SIGTERM', async () => {
      const exporter = await ExporterProcess.serve({ program: program(image, ...NOTHING) });
      after(() => exporter.stop('SIGKILL'));
      for (const path of ['/healthz', '/readyz']) assert.equal((await fetch(exporter.url + path)).status, 200, path);
      const info = [...(await exporter.metrics()).keys()].find((series) => series.startsWith('xe_exporter_build_info'));
      assert.match(info ?? '', /revision="0123456789abcdef"/);
      assert.deepEqual(
        exporter.log.filter(({ level }) => level === 'error' || level === 'fatal' || Number(level) >= 50),
        [],
      );
      assert.equal(await exporter.stop(), 0);
    });

    it('is told so by doctor', () => {
      const statusOf = doctor(image, NOTHING);
      assert.equal(statusOf('addon'), 'ok');
      for (const check of ['cap_sys_ptrace', 'cap_dac_read_search', 'host_pid'])
        assert.equal(statusOf(check), 'fail', check);
    });

    it('has xe-exporter on its PATH, which judges the configuration that the container was started with', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'xe-image-'));
      after(() => rmSync(folder, { recursive: true }));
      // Readable for the user of the image, as a ConfigMap is.
      chmodSync(folder, 0o755);
      writeFileSync(join(folder, 'config.yaml'), 'kmsg: "off"\n');
      const name = `xe-exporter-exec-${image.architecture}-${process.pid}`;
      const config = [
        `--volume=${folder}:/etc/xe-exporter:ro`,
        '--env=XE_EXPORTER_CONFIG=/etc/xe-exporter/config.yaml',
      ];
      const exporter = await ExporterProcess.serve({
        program: program(image, ...NOTHING, ...config, `--name=${name}`),
      });
      after(() => exporter.stop('SIGKILL'));
      for (const { args } of documentedCommands().filter((command) => command.args[0] === 'doctor')) {
        const { status, stdout, stderr } = spawnSync('podman', ['exec', name, 'xe-exporter', ...args], {
          encoding: 'utf8',
        });
        assert.ok(status === 0 || status === 3, `exit code ${status}: ${stderr}`);
        assert.match(stdout, /switched off by --kmsg/);
      }
      assert.equal(await exporter.stop(), 0);
    });

    it('explains what it would need', () => {
      const { status, stdout } = runToEnd(image, NOTHING, ['doctor', '--explain-privileges', '--json']);
      assert.equal(status, 0);
      assert.deepEqual(JSON.parse(stdout), PRIVILEGES);
    });

    it('shows the demo', async () => {
      const exporter = await ExporterProcess.run(
        ['demo', '--listen-address=127.0.0.1:0', '--demo-rate=100'],
        { program: program(image, ...NOTHING) },
        announced,
      );
      after(() => exporter.stop('SIGKILL'));
      const counted = 'xe_vm_rebind_errors_total{pci_bdf="0000:03:00.0",errno="ENOMEM"}';
      await waitFor(async () => ((await exporter.metric(counted)) ?? 0) > 0, {
        what: 'an error',
        deadlineMs: DEADLINE_MS,
      });
      assert.equal(await exporter.stop(), 0);
    });

    for (const protocol of ['http/protobuf', 'http/json', 'grpc']) {
      it(`has all that OTLP over ${protocol} loads, and drains it when it stops`, async () => {
        const grpc = protocol === 'grpc' ? await startGrpcCollector() : undefined;
        const http = await startCollector();
        after(() => Promise.all([grpc?.stop(), http.stop()]));
        const environment = [
          `--env=OTEL_EXPORTER_OTLP_ENDPOINT=${(grpc ?? http).url}`,
          `--env=OTEL_EXPORTER_OTLP_PROTOCOL=${protocol}`,
          // Nothing is sent before the end unless the exporter flushes.
          '--env=OTEL_BLRP_SCHEDULE_DELAY=600000',
        ];
        const exporter = await ExporterProcess.run(
          ['demo', '--listen-address=127.0.0.1:0', '--demo-rate=20', '--event-rate-limit-per-minute=0'],
          { program: program(image, ...NOTHING, ...environment) },
          announced,
        );
        after(() => exporter.stop('SIGKILL'));
        const received = 'xe_exporter_events_received_total{source="simulator",event="xe.vm.rebind_error"}';
        await waitFor(async () => ((await exporter.metric(received)) ?? 0) > 0, {
          what: 'an error',
          deadlineMs: DEADLINE_MS,
        });
        assert.equal(await exporter.stop(), 0);
        const records = (grpc?.calls ?? http.requests).flatMap((request) => request.records);
        assert.ok(records.some(({ eventName }) => eventName === 'xe.vm.rebind_error'));
      });
    }
  });

describe('the image with privileges', () => {
  it('has the capabilities in effect as uid 0', () => {
    const statusOf = doctor(AMD64, asRoot(...ALL));
    for (const check of ['cap_sys_ptrace', 'cap_dac_read_search', 'host_pid'])
      assert.equal(statusOf(check), 'ok', check);
  });

  for (const missing of ALL) {
    it(`is told by doctor that CAP_${missing} is missing, and serves`, async () => {
      const options = asRoot(...ALL.filter((name) => name !== missing));
      if (missing !== 'SYSLOG') assert.equal(doctor(AMD64, options)(`cap_${missing.toLowerCase()}`), 'fail');
      const exporter = await ExporterProcess.serve({ program: program(AMD64, ...options) });
      after(() => exporter.stop('SIGKILL'));
      assert.equal((await fetch(`${exporter.url}/healthz`)).status, 200);
      assert.equal(await exporter.stop(), 0);
    });
  }

  it('runs by the command of INSTALL.md with those capabilities and no others, and drains on stop', async () => {
    // This machine has no GPU, and what of podman's network works is the host's.
    const options = dockerRun().filter(
      (word) => !/^(?:xe-exporter$|--(?:device=\/dev\/dri$|(?:publish|restart|name|detach)\b))/.test(word),
    );
    assert.equal(options[0], 'run');
    const name = `xe-exporter-test-${process.pid}`;
    const port = '--listen-address=127.0.0.1:0';
    // Without CAP_SYS_RESOURCE, which this machine need not have, podman's usual limit of processes is out of reach.
    podman(
      ...options,
      '--ulimit=nproc=1024',
      '--detach',
      `--name=${name}`,
      '--network=host',
      AMD64.name,
      'serve',
      port,
      '--log-format=json',
    );
    after(() => podman('rm', '--force', name));
    await waitFor(() => logs(name).includes('xe-exporter is running'), {
      what: 'it to serve',
      deadlineMs: DEADLINE_MS,
    });
    const pid = podman('inspect', '--format={{.State.Pid}}', name).trim();
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const expected = '0000000400080004'; // DAC_READ_SEARCH 2, SYS_PTRACE 19, SYSLOG 34
    for (const set of ['CapPrm', 'CapEff', 'CapBnd']) assert.match(status, new RegExp(`^${set}:\\t${expected}$`, 'm'));
    assert.match(status, /^NoNewPrivs:\t1$/m);
    assert.match(status, /^Uid:\t0\t/m);
    podman('stop', '--time=30', name);
    assert.equal(podman('inspect', '--format={{.State.ExitCode}}', name).trim(), '0');
  });
});
