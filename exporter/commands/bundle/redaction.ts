/** What a secret looks like, whoever wrote it. The first group stays. */
const SECRETS: readonly RegExp[] = [
  /(-----BEGIN [A-Z ]*PRIVATE KEY-----)[^-]*/g,
  /\b((?:authorization|proxy-authorization|x-api-key|cookie)["']?\s*[:=]\s*["']?(?:(?:bearer|basic)\s+)?)[^\s"',;]+/gi,
  /\b(bearer\s+)[\w.~+/-]{8,}=*/gi,
  /\b([\w-]*(?:password|passwd|secret|token|api[_-]?key)["']?\s*[:=]\s*["']?)[^\s"',;{}]+/gi,
  /(\/\/[^/\s:@"]*:)[^/\s@"]+(?=@)/g,
  // A bcrypt hash, as in a web configuration.
  /(\$2[abxy]\$)\d\d\$[./A-Za-z0-9]{53}/g,
];

/** Takes secrets out of a text. Pure. */
export function withoutSecrets(text: string): string {
  return SECRETS.reduce((shown, pattern) => shown.replace(pattern, '$1(removed)'), text);
}

/** Where names stand: labels of metrics, attributes of events in JSON, and the words of the kernel about a process. */
const PLACES: readonly (readonly [kind: string, pattern: RegExp])[] = [
  ['pod', /\bk8s_pod_name="([^"\\]+)"/g],
  ['namespace', /\bk8s_namespace_name="([^"\\]+)"/g],
  ['container', /\bk8s_container_name="([^"\\]+)"/g],
  ['unit', /\bsystemd_unit="([^"\\]+)"/g],
  ['job', /\bslurm_job_id="([^"\\]+)"/g],
  ['pod', /"k8s\.pod\.name":\s*"([^"\\]+)"/g],
  ['pod', /"k8s\.pod\.uid":\s*"([^"\\]+)"/g],
  ['namespace', /"k8s\.namespace\.name":\s*"([^"\\]+)"/g],
  ['container', /"k8s\.container\.name":\s*"([^"\\]+)"/g],
  ['container', /"container\.id":\s*"([^"\\]+)"/g],
  ['unit', /"xe\.systemd\.unit":\s*"([^"\\]+)"/g],
  ['job', /"xe\.slurm\.job_id":\s*"([^"\\]+)"/g],
  ['process', /"process\.executable\.name":\s*"([^"\\]+)"/g],
  ['process', /\bTimedout job: .* in (.{1,64}?) \[-?\d+\]/g],
  ['process', /\bProcess: (.{1,64}?) \[-?\d+\]/g],
];

/** Labels of the exporter's own, which name nobody. */
const NOBODY = new Set(['_other', '_unattributed', 'no process']);

/**
 * Replaces the names of hosts, pods, processes and other workloads, the same name by the same word in all texts. Pure.
 * @param hosts names of this machine
 */
export function withoutNames(texts: readonly string[], hosts: readonly string[]): string[] {
  const aliases = new Map<string, string>();
  const counts = new Map<string, number>();
  const meet = (kind: string, name: string): void => {
    if (name === '' || aliases.has(name) || NOBODY.has(name)) return;
    const count = (counts.get(kind) ?? 0) + 1;
    counts.set(kind, count);
    aliases.set(name, `${kind}-${count}`);
  };
  for (const host of hosts) meet('host', host);
  for (const [kind, pattern] of PLACES)
    for (const text of texts) for (const [, name = ''] of text.matchAll(pattern)) meet(kind, name);
  if (aliases.size === 0) return [...texts];
  // The longest first: a pod's name begins with that of its owner.
  const names = [...aliases.keys()].sort((a, b) => b.length - a.length).map(escaped);
  const anyName = new RegExp(`(?<![\\w.-])(?:${names.join('|')})(?![\\w-]|\\.\\w)`, 'g');
  return texts.map((text) => text.replace(anyName, (name) => aliases.get(name) ?? name));
}

function escaped(name: string): string {
  return name.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
