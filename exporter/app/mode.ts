import type { FeatureReport } from '../features.js';
import type { FeatureName } from '../names.js';

/** One line on where events come from on this node, from what the sources reported: what `--mode=auto` has chosen. */
export function modeLine(reports: readonly FeatureReport[], devices: number): string {
  if (devices === 0) return 'this node has no xe device: idle until one appears';
  const active = (feature: FeatureName): boolean => reportOf(reports, feature) !== undefined;
  const rest = [
    active('kmsg') ? 'resets, hangs and page faults from the kernel log' : 'resets, hangs and page faults are not seen',
    active('uevent')
      ? 'wedged devices and coredumps from uevents'
      : 'wedged devices and coredumps are seen only if the kernel log shows them',
  ].join(', ');
  if (active('watch_queue')) return `VM rebind errors come from the watch queue, which names the process; ${rest}`;
  const trace = reportOf(reports, 'trace')?.reason;
  if (trace !== undefined) {
    const from = active('kmsg')
      ? 'the kernel log and the trace of the driver'
      : 'the trace of the driver, without the error code';
    return `VM rebind errors come from ${from}: ${trace}; ${rest}`;
  }
  if (active('kmsg')) return `VM rebind errors come from the kernel log, which names no process; ${rest}`;
  return `VM rebind errors are not seen on this node; ${rest}`;
}

function reportOf(reports: readonly FeatureReport[], feature: FeatureName): FeatureReport | undefined {
  return reports.find((report) => report.feature === feature && report.state === 'active');
}
