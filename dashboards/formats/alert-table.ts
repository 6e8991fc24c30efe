import type { Alert } from '../rules/alert.js';
import { DEFAULT_RULES_CONFIG } from '../rules/config.js';
import { allAlerts } from '../rules/index.js';

const TABLE = /(<!-- alerts -->\n)[^]*?(<!-- \/alerts -->)/;

/** What each alert means, without its labels. */
const MEANING: Readonly<Record<string, string>> = {
  XeVMRebindOOM: 'a GPU ran out of memory',
  XeVMRebindOOMPod: 'the same, with the pod, unit or Slurm job it hit',
  XeVMRebindOOMRepeated: 'it keeps happening, or jobs exit because of it',
  XeVMRebindTimeout: 'the GPU hangs (`ETIME`)',
  XeDeviceWedged: 'the driver declared the GPU dead',
  XeDeviceUnusable: 'the firmware of the GPU does not work (survivability mode, GuC)',
  XeDeviceHardwareError: 'the GPU had a hardware error that it could not correct',
  XeDeviceCoredump: 'a job hung; the kernel keeps the evidence for an hour',
  XeExporterDown: 'an exporter cannot be scraped',
  XeExportersDown: 'a share of the fleet cannot be scraped',
  XeExporterAbsent: 'Prometheus scrapes no exporter',
  XeEventSourceDown: 'an event source delivers nothing, or there is none for rebind errors',
  XeEventsLost: 'events were lost: counts are a lower bound',
  XeWatchCoverageLow: 'not every GPU client is watched',
  XeAttributionFailing: 'GPU errors cannot be matched to pods',
  XeOTLPExportFailing: 'log events do not reach the collector',
  XeExporterCardinalityCapped: 'more containers than the series limit allows: the rest is `_other`',
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
