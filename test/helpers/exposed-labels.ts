import { expositionsOfEverything } from '../../docs/generator/everything.js';
import { parseExposition } from './exposition.js';

/** Every series name on /metrics with the labels that it has there, taken from the exporter's own registry with everything on. */
export async function exposedLabels(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const found = new Map<string, Set<string>>();
  for (const text of await expositionsOfEverything()) {
    for (const key of parseExposition(text).keys()) {
      const [, name = '', labels = ''] = /^([^{]+)(?:\{(.*)\})?$/s.exec(key) ?? [];
      const known = found.get(name) ?? new Set();
      for (const [, label = ''] of labels.matchAll(/([a-z0-9_]+)="/g)) known.add(label);
      found.set(name, known);
    }
  }
  return found;
}
