import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { handles } from '../../host/signal-masks.js';

/** Deeper than any tree of processes is; a walk that goes on met pids that were given anew. */
const DEEPEST = 4_096;

/** Field 3 of /proc/<pid>/stat of a process that has ended and that nobody has waited for. */
const ZOMBIE = 'Z';

interface Parentage {
  readonly parent: number;
  readonly state: string;
}

/** Who is whose child, as procfs has it at the moment of each call. */
export class ProcessTree {
  readonly #procRoot: string;

  /** @param procRoot a procfs of our own pid namespace, normally `/proc` */
  constructor(procRoot: string) {
    this.#procRoot = procRoot;
  }

  /** Whether `pid` descends from `ancestor`; nobody descends from itself. */
  isBelow(pid: number, ancestor: number): boolean {
    return this.lineage(pid).slice(1).includes(ancestor);
  }

  /** The process and its ancestors, youngest first, as far as they can be seen. */
  lineage(pid: number): number[] {
    const line: number[] = [];
    for (let next = pid; next > 0 && line.length < DEEPEST; next = this.#read(next)?.parent ?? 0) line.push(next);
    return line;
  }

  /** Every process that descends from `ancestor` and has not ended. */
  below(ancestor: number): number[] {
    const all = new Map<number, Parentage>();
    for (const name of readdirSync(this.#procRoot)) {
      const found = /^\d+$/.test(name) ? this.#read(Number(name)) : undefined;
      if (found) all.set(Number(name), found);
    }
    const isBelow = (pid: number): boolean => {
      for (let next = all.get(pid)?.parent, depth = 0; next !== undefined && depth < DEEPEST; depth++) {
        if (next === ancestor) return true;
        next = all.get(next)?.parent;
      }
      return false;
    };
    return [...all].filter(([pid, { state }]) => state !== ZOMBIE && isBelow(pid)).map(([pid]) => pid);
  }

  /** Whether the process has a handler for the signal, so that it does not die of it. */
  catches(pid: number, signal: NodeJS.Signals): boolean {
    return handles(this.#text(pid, 'status'), signal);
  }

  #read(pid: number): Parentage | undefined {
    // The name in parentheses may hold anything, also parentheses.
    const found = /^\d+ \(.*\) (\S) (\d+) /s.exec(this.#text(pid, 'stat'));
    return found ? { state: found[1]!, parent: Number(found[2]) } : undefined;
  }

  #text(pid: number, file: string): string {
    try {
      return readFileSync(join(this.#procRoot, String(pid), file), 'latin1');
    } catch {
      return '';
    }
  }
}
