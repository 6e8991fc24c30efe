import { readdirSync, readFileSync } from 'node:fs';
import { allAlerts } from '../../dashboards/rules/index.js';
import { DEFAULT_RULES_CONFIG } from '../../dashboards/rules/config.js';

/** A command line of `xe-exporter` that a text tells its reader to run. */
export interface DocumentedCommand {
  /** File, or the name of the alert. */
  readonly where: string;
  readonly args: readonly string[];
}

/** Every command of `xe-exporter` in the runbooks, the alert texts and the notes of the chart. */
export function documentedCommands(): readonly DocumentedCommand[] {
  return operatorTexts().flatMap(({ where, text }) => commandLines(text).map((args) => ({ where, args })));
}

/** Every program that those texts run inside the exporter's container, by `kubectl exec`. */
export function programsInContainer(): readonly string[] {
  return operatorTexts().flatMap(({ text }) =>
    [...text.matchAll(/ exec .* -- (\S+)/g)].map(([, program = '']) => program),
  );
}

function operatorTexts(): readonly { readonly where: string; readonly text: string }[] {
  const runbooks = readdirSync('dashboards/runbooks').map((name) => `dashboards/runbooks/${name}`);
  const files = [...runbooks, 'helm/xe-exporter/templates/NOTES.txt'];
  return [
    ...files.map((where) => ({ where, text: readFileSync(where, 'utf8') })),
    ...allAlerts(DEFAULT_RULES_CONFIG).map((alert) => ({ where: alert.name, text: JSON.stringify(alert) })),
  ];
}

/** The arguments of each `xe-exporter` that stands at the start of a line or of a quoted text, or after sudo, `--` or a pipe. */
function commandLines(text: string): readonly (readonly string[])[] {
  const start = /(?:^ *|[`"“|] ?|sudo |-- )xe-exporter((?: (?:--?)?[a-z][\w.=,:/-]*)+)/gm;
  return [...text.replaceAll('\\"', '"').matchAll(start)].map(([, words = '']) => words.trim().split(' '));
}
