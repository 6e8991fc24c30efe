import { LABEL } from '../../exporter/names.js';
import { everyMetric, type ExposedMetric } from './everything.js';
import { exemplarSection } from './exemplars.js';
import { LABELS, NOTES } from './labels.js';
import { markdownTable } from './markdown.js';

/** Sections of the reference. A metric belongs to the first one whose pattern its name matches. */
const SECTIONS: readonly (readonly [title: string, intro: string, names: RegExp])[] = [
  [
    'Clients and workloads',
    'A client is one open GPU file. The `k8s_*` labels become `systemd_unit` or `slurm_job_id` with `--workload-labels`. They are empty for ' +
      'a process outside any container, `_other` beyond the 512 containers that get series of their own, and `_unattributed` when the kernel ' +
      'did not name the victim, so that the sum over clients always equals the count of the device.',
    /^xe_clients?(_|$)/,
  ],
  [
    'Device identity, state and memory',
    'Removed when the driver unbinds from the device. A sleeping GPU is never woken to be read: its memory series disappear until it wakes.',
    /^xe_device_(info|health|wedged$|runtime|survivability|memory)/,
  ],
  [
    'Device events',
    'One incident counts once, however many sources report it. Every series exists at 0 from the moment its device is discovered, so that ' +
      '`rate()` and `increase()` see the first event.',
    /^xe_(?!exporter)/,
  ],
  ['The exporter itself', 'Whether you can believe the numbers above.', /^xe_exporter_/],
  ['Process', 'The standard process metrics of Prometheus client libraries, trimmed.', /./],
];

/** docs/metrics.md: every metric, from a real registry with everything registered. */
export async function metricReference(): Promise<string> {
  const metrics = await everyMetric();
  const sectionOf = (metric: ExposedMetric) => SECTIONS.find(([, , names]) => names.test(metric.name));
  const sections = SECTIONS.map((section) => {
    const [title, intro] = section;
    const rows = metrics.filter((metric) => sectionOf(metric) === section).map(row);
    return `## ${title}\n\n${intro}\n\n${markdownTable([['Metric', 'Type', 'Labels', 'Meaning'], ...rows])}`;
  });
  return `# Metrics

Everything on \`/metrics\`. All names start with \`xe_\` except the standard process metrics. Counters only ever grow; they start at 0 with the exporter.
The name of the node is a target label that your scrape configuration adds. Process ids, process names, VM ids and messages
are never labels: they are attributes of [log events](events.md).

${sections.join('\n\n')}

## Exemplars

${exemplarSection()}

## Labels

${markdownTable([
  ['Label', 'Meaning'],
  ...Object.entries(LABEL).map(([key, label]) => [`\`${label}\``, LABELS[key as keyof typeof LABEL].meaning]),
])}
`;
}

function row({ name, type, labels, help }: ExposedMetric): string[] {
  const buckets = labels.get('le');
  const kind = buckets ? `${type}, buckets ${[...buckets].join(', ')}` : type;
  const shown = [...labels].filter(([label]) => label !== 'le').map(([label, values]) => labelCell(label, values));
  return [`\`${name}\``, kind, shown.join('; '), [help, NOTES[name]].filter(Boolean).join(' ')];
}

/** The label, with its values where they are a closed list. */
function labelCell(label: string, values: ReadonlySet<string>): string {
  const entry = Object.entries(LABEL).find(([, name]) => name === label);
  if (entry === undefined) throw new Error(`the label ${label} is not in names.ts`);
  if (LABELS[entry[0] as keyof typeof LABEL].open === true) return `\`${label}\``;
  const list = [...values].filter((value) => value !== '').map((value) => `\`${value}\``);
  return `\`${label}\` = ${list.join(', ')}`;
}
