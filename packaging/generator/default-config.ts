import { OPTION_LIST, type Option, type OptionKey } from '../../exporter/config/schema.js';

/** What the service is told beyond the defaults: outside Kubernetes there are no pods to name. */
const SET: Partial<Record<OptionKey, string>> = { workloadLabels: 'systemd' };

/** /etc/xe-exporter/config.yaml: every option of `serve` with what it does, commented out at its default. */
export function defaultConfig(): string {
  const entries = OPTION_LIST.filter(([, option]) => option.commands.includes('serve') && option.notInFile !== true);
  return `# Configuration of xe-exporter. Options that are commented out show their default; xe-exporter(1) says more.
# "systemctl reload xe-exporter" applies events, "systemctl restart xe-exporter" everything.
# "xe-exporter doctor" checks it.

${entries.map(([key, option]) => entry(key, option)).join('\n')}`;
}

function entry(key: OptionKey, option: Option): string {
  const set = SET[key];
  const line = set === undefined ? `#${key}: ${defaultText(option)}` : `${key}: ${set}`;
  return `${comment(`${option.help} ${form(option)}`)}\n${line.trimEnd()}\n`;
}

/** The forms a value may have, where the default does not show them. */
function form({ kind, unit, default: text }: Option): string {
  if (kind === 'list') return `Any of: ${unit.replaceAll('|', ', ')}.`;
  if (unit.includes('|')) return `One of: ${unit.replaceAll('|', ', ')}.`;
  return text === undefined ? `Form: ${unit}. Not set by default.` : `Form: ${unit}.`;
}

function defaultText({ kind, default: text }: Option): string {
  if (kind === 'list') return '[]';
  // Words that YAML takes for something else, and texts with a colon.
  return text === undefined ? '' : /^(?:off|on|yes|no)$|[:#[\]{}]|^0x/.test(text) ? JSON.stringify(text) : text;
}

function comment(text: string): string {
  const lines: string[] = ['#'];
  for (const word of text.trim().split(' ')) {
    if (`${lines.at(-1)} ${word}`.length > 110) lines.push('#');
    lines[lines.length - 1] += ` ${word}`;
  }
  return lines.join('\n');
}
