import { CHECKS } from './checks.js';
import { off, warn, type Check, type Facts, type Finding, type Status } from './finding.js';

/**
 * The report, and the stable shape of `doctor --json`: fields are added, never renamed or removed while `schema` is 1.
 */
export interface Report {
  readonly schema: 1;
  /** Version of xe-exporter. */
  readonly version: string;
  /** `ok`: everything wanted works. `idle`: the node has no xe device. `degraded`: some check failed (exit code 3). */
  readonly status: 'ok' | 'idle' | 'degraded';
  readonly devices: readonly { readonly pci_bdf: string; readonly device_id: string; readonly render: string | null }[];
  /** In a fixed order; a check made for each device has one entry a device, with its `device`. */
  readonly checks: readonly ({ readonly check: string; readonly title: string } & Finding)[];
}

/** Runs the checks over the facts. Pure. */
export function makeReport(facts: Facts, version: string, list: readonly Check[] = CHECKS): Report {
  const checks = list.flatMap((check) =>
    [judge(check, facts)].flat().map((finding: Finding) => ({ check: check.id, title: check.title, ...finding })),
  );
  const failed = checks.some(({ status }) => status === 'fail');
  return {
    schema: 1,
    version,
    status: facts.devices.length === 0 ? 'idle' : failed ? 'degraded' : 'ok',
    devices: facts.devices.map(({ pciBdf, deviceId, render }) => ({
      pci_bdf: pciBdf,
      device_id: deviceId,
      render: render ?? null,
    })),
    checks,
  };
}

function judge(check: Check, facts: Facts): Finding | readonly Finding[] {
  const { watchingOff } = facts;
  if (watchingOff === undefined || check.for === 'node') return check.run(facts);
  if (check.for === 'watching') return off(`not needed with ${watchingOff}`);
  const mild = (finding: Finding): Finding => (finding.status === 'fail' ? warn(finding.seen, finding.fix) : finding);
  return [check.run(facts)].flat().map(mild);
}

const MARKS: Readonly<Record<Status, { readonly mark: string; readonly colour: number }>> = {
  ok: { mark: '✔', colour: 32 },
  warn: { mark: '!', colour: 33 },
  fail: { mark: '✘', colour: 31 },
  off: { mark: '-', colour: 90 },
};

/** The report for a person: a line a check, the fix below it. */
export function formatReport(report: Report, colours: boolean): string {
  const width = Math.max(...report.checks.map(({ title }) => title.length));
  const margin = ' '.repeat(width + 4);
  const lines = report.checks.map(({ status, title, device, seen, fix }) => {
    const { mark, colour } = MARKS[status];
    const shown = colours ? `\u001b[${colour}m${mark}\u001b[0m` : mark;
    const text = [device === undefined ? seen : `${device}: ${seen}`, ...(fix === '' ? [] : [`→ ${fix}`])].join('\n');
    return `${shown} ${title.padEnd(width)}  ${text.replaceAll('\n', `\n${margin}`)}`;
  });
  return `xe-exporter ${report.version}\n\n${lines.join('\n')}\n\n${verdict(report)}\n`;
}

function verdict({ status, checks }: Report): string {
  const failed = checks.filter((check) => check.status === 'fail').length;
  switch (status) {
    case 'ok':
      return 'Everything requested works.';
    case 'idle':
      return `This node has no xe device: the exporter is idle here, which is fine.${failed > 0 ? ' The failed checks would matter with one.' : ''}`;
    case 'degraded':
      return `Degraded: ${failed} of ${checks.length} checks failed. The exporter still runs, without the affected features.`;
  }
}
