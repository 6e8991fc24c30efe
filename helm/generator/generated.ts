import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_RULES_CONFIG, shortestWindow, toSeconds } from '../../dashboards/rules/config.js';
import { ruleGroups } from '../../dashboards/rules/index.js';
import { limitsTemplate, optionsTemplate, privilegesTemplate } from './templates.js';
import { valuesSchema } from './values-schema.js';

const CHART = 'helm/xe-exporter';
const RULE = 'dashboards/out/kubernetes/prometheusrule.yaml';
const DASHBOARDS = 'dashboards/out/grafana/dashboards';

/**
 * What every generated file of the chart should hold, by its path in the repository. A chart package cannot reach outside of its
 * folder, so rules and dashboards are copies.
 * @param root the repository
 */
export function generatedChartFiles(root = '.'): ReadonlyMap<string, string> {
  const alerts = ruleGroups(DEFAULT_RULES_CONFIG).flatMap((group) => (group.alerts ?? []).map(({ name }) => name));
  const window = toSeconds(shortestWindow(DEFAULT_RULES_CONFIG));
  const folder = join(root, DASHBOARDS);
  const dashboards = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')) : [];
  return new Map([
    [`${CHART}/values.schema.json`, `${JSON.stringify(valuesSchema(alerts), undefined, 2)}\n`],
    [`${CHART}/templates/_options.tpl`, optionsTemplate()],
    [`${CHART}/templates/_privileges.tpl`, privilegesTemplate()],
    [`${CHART}/templates/_limits.tpl`, limitsTemplate(window)],
    [`${CHART}/files/prometheusrule.yaml`, readFileSync(join(root, RULE), 'utf8')],
    ...dashboards.map((name): [string, string] => [
      `${CHART}/files/dashboards/${name}`,
      readFileSync(join(folder, name), 'utf8'),
    ]),
  ]);
}
