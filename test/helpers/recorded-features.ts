import { FeatureBoard, type FeatureReport } from '../../exporter/features.js';
import { createLogger } from '../../exporter/logger.js';

/** A feature board and a logger that remember what they were told. */
export function recordedFeatures() {
  const features = new FeatureBoard();
  const reports: FeatureReport[] = [];
  features.subscribe((report) => reports.push(report));
  const log: Record<string, unknown>[] = [];
  const write = (line: string): unknown => log.push(JSON.parse(line) as Record<string, unknown>);
  const logger = createLogger({ level: 'debug', format: 'json', stream: { write } });
  return { features, reports, log, logger };
}
