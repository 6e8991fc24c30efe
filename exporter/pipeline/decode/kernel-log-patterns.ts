import type { EventDefinition, KernelLogKey } from '../../events/device-event.js';
import type { KernelLogText } from '../../wire/kernel-log.js';

/** A definition that fits a text, and the named groups of the pattern that does. */
export interface Fit {
  readonly definition: EventDefinition;
  readonly groups: Readonly<Record<string, string | undefined>> | undefined;
}

/** Which definition a text of the kernel log belongs to. Most belong to none, which one look at all patterns at once can tell. */
export class KernelLogPatterns {
  readonly #xe: readonly EventDefinition[];
  readonly #ttm: readonly EventDefinition[];
  readonly #anyOfXe: readonly RegExp[];
  readonly #anyOfTtm: readonly RegExp[];

  constructor(definitions: readonly EventDefinition[]) {
    this.#xe = definitions.filter(({ kernelLog }) => kernelLog !== undefined && kernelLog.from !== 'ttm');
    this.#ttm = definitions.filter(({ kernelLog }) => kernelLog?.from === 'ttm');
    this.#anyOfXe = anyOf(this.#xe);
    this.#anyOfTtm = anyOf(this.#ttm);
  }

  find({ fromXe, level, message }: KernelLogText): Fit | undefined {
    const any = fromXe ? this.#anyOfXe : this.#anyOfTtm;
    if (!any.some((pattern) => pattern.test(message))) return undefined;
    for (const definition of fromXe ? this.#xe : this.#ttm) {
      const { patterns, level: most = Infinity } = definition.kernelLog as KernelLogKey;
      if (level > most) continue;
      for (const pattern of patterns) {
        const match = pattern.exec(message);
        if (match !== null) return { definition, groups: match.groups };
      }
    }
    return undefined;
  }
}

/** One expression for all patterns with the same flags. */
function anyOf(definitions: readonly EventDefinition[]): readonly RegExp[] {
  const patterns = definitions.flatMap(({ kernelLog }) => kernelLog?.patterns ?? []);
  const flags = [...new Set(patterns.map((pattern) => pattern.flags))];
  return flags.map((some) => {
    const sources = patterns.filter((pattern) => pattern.flags === some).map(({ source }) => withoutNames(source));
    return new RegExp(sources.join('|'), some);
  });
}

/** Two groups of one expression cannot have the same name. */
function withoutNames(source: string): string {
  return source.replaceAll(/\(\?<\w+>/g, '(?:');
}
