import type { CommandContext } from '../../app/context.js';
import { COMMANDS } from '../../config/schema.js';
import { HEALTH_EXIT } from '../../errors.js';
import { verdictOf } from '../../events/device-health.js';
import { loadNative } from '../../native/load.js';
import type { NativeAddon } from '../../native/binding.js';
import type { Command } from '../command.js';
import { askRunningExporter } from './running-exporter.js';
import { reasonOf, worst, type Finding } from './verdict.js';

/** Says whether GPUs are fit for work, by exit code and in one line; for what schedules jobs and checks nodes. */
export const command: Command = {
  name: 'health',
  summary: COMMANDS.health,
  async run(context) {
    try {
      return await judge(context);
    } catch (error) {
      // An exit code of 1 would take the node out of service for a bug of ours.
      context.stderr.write(`xe-exporter health: ${error instanceof Error ? error.message : String(error)}\n`);
      return HEALTH_EXIT.unknown;
    }
  },
};

async function judge({ config, stdout }: CommandContext): Promise<number> {
  const { devices: wanted, listenAddress, sysRoot, json } = config;
  const told = await askRunningExporter(listenAddress);
  const isTold = told !== undefined && wanted.every((pciBdf) => told.some((finding) => finding.pciBdf === pciBdf));
  const found = isTold ? told : await lookHere(sysRoot, wanted);
  const findings = wanted.length === 0 ? found : found.filter(({ pciBdf }) => wanted.includes(pciBdf));
  const verdict = worst(findings);
  const reason = reasonOf(findings);
  stdout.write(json ? `${JSON.stringify(report(findings, reason, isTold))}\n` : `${reason.replaceAll('\n', ' ')}\n`);
  return HEALTH_EXIT[verdict];
}

/** Loaded here: who has an exporter to ask does not pay for it. */
async function lookHere(sysRoot: string, wanted: readonly string[]): Promise<readonly Finding[]> {
  const { lookAtThisNode } = await import('./this-node.js');
  return lookAtThisNode(sysRoot, addon(), wanted);
}

function addon(): NativeAddon | undefined {
  try {
    return loadNative();
  } catch {
    return undefined;
  }
}

/** The stable shape of `health --json`. */
function report(findings: readonly Finding[], reason: string, isTold: boolean): object {
  return {
    schema: 1,
    verdict: worst(findings),
    reason,
    source: isTold ? 'exporter' : 'node',
    devices: findings.map((finding) => ({
      pci_bdf: finding.pciBdf,
      verdict: verdictOf(finding),
      state: finding.state,
      since: finding.since ?? null,
      cause: finding.cause ?? null,
      advice: finding.advice,
    })),
  };
}
