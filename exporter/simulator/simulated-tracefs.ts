import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { makeDemoFolder } from './demo-folder.js';
import { INSTANCE_SETTINGS, VM_KILL_PROBE, XE_EVENTS } from '../sources/trace/tracefs.js';

/**
 * A temporary folder with the files of tracefs that the trace source reads and writes. A folder carries out nothing: the instance and the
 * switch of the function event are there from the start, as an exporter that was killed leaves them.
 */
export class SimulatedTracefs {
  #root: string | undefined;

  /** @returns where it is. @throws the errno of the last folder that was tried */
  make(): string {
    const root = makeDemoFolder();
    this.#root = root;
    put(root, 'dynamic_events', '');
    const instance = join(root, 'instances/xe-exporter');
    for (const at of [root, instance]) {
      for (const event of XE_EVENTS) {
        put(at, `events/xe/${event}/enable`, '0\n');
        put(at, `events/xe/${event}/format`, '');
      }
    }
    for (const setting of INSTANCE_SETTINGS) put(instance, setting, '');
    put(instance, `events/${VM_KILL_PROBE.group}/${VM_KILL_PROBE.name}/enable`, '0\n');
    return root;
  }

  remove(): void {
    if (this.#root !== undefined) rmSync(this.#root, { recursive: true, force: true });
  }
}

function put(root: string, path: string, text: string): void {
  const at = join(root, path);
  mkdirSync(dirname(at), { recursive: true });
  writeFileSync(at, text);
}
