import type { Alert } from '../rules/alert.js';
import { DEFAULT_RULES_CONFIG } from '../rules/config.js';
import { allAlerts } from '../rules/index.js';

const TABLE = /(<!-- alerts -->\n)[^]*?(<!-- \/alerts -->)/;

/** What each alert means to somebody who has none of its labels at hand. */
const MEANING: Readonly<Record<string, string>> = {
  XeVMRebindOOM: 'a GPU ran out of memory',
  XeVMRebindOOMPod: 'the same, with the pod, unit or Slurm job it hit',
  XeVMRebindOOMRepeated: 'it happens again and again, or jobs end of it',
  XeVMRebindTimeout: 'the GPU did not answer in time (`ETIME`)',
  XeDeviceWedged: 'the driver gave the GPU up',
  XeDeviceUnusable: 'the firmware of the GPU does not work (survivability mode, GuC)',
  XeDeviceHardwareError: 'the GPU could not correct a hardware error',
  XeDeviceCoredump: 'a job hung; the evidence is kept for an hour',
  XeExporterDown: 'an exporter cannot be scraped',
  XeExporterAbsent: 'Prometheus knows no exporter',
  XeEventSourceDown: 'an exporter hears nothing from one of its sources, or has none of rebind errors',
  XeEventsLost: 'events were lost: counts are a lower bound',
  XeWatchCoverageLow: 'not every GPU client is watched',
  XeExporterFallbackMode: 'the exporter works without the watch queue: errors have no victim',
  XeAttributionFailing: 'errors cannot be put down to pods',
  XeOTLPExportFailing: 'log events do not reach the collector',
  XeExporterCardinalityCapped: 'more containers than series: the rest is `_other`',
  XeVRAMNearlyFull: 'VRAM is nearly full; off by default',
};

/** The README with its table of alerts brought up to date; undefined when it has no place for one. */
export function withAlertTable(readme: string): string | undefined {
  if (!TABLE.test(readme)) return undefined;
  const config = { ...DEFAULT_RULES_CONFIG, vramNearlyFull: { ...DEFAULT_RULES_CONFIG.vramNearlyFull, enabled: true } };
  const rows = allAlerts(config).map(row).join('\n');
  const table = `\n| Alert | Severity | What it says |\n| --- | --- | --- |\n${rows}\n\n`;
  return readme.replace(TABLE, (_, start: string, end: string) => start + table + end);
}

function row({ name, severity }: Alert): string {
  return `| [\`${name}\`](dashboards/runbooks/${name}.md) | ${severity} | ${MEANING[name] ?? ''} |`;
}
