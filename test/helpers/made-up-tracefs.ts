import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FixtureTree } from './fixture-tree.js';

/** Events of the driver, written down apart from the exporter's own list, with one that it must leave alone. */
const XE_EVENTS = [
  'xe_vm_create',
  'xe_vm_free',
  'xe_vm_kill',
  'xe_vm_rebind_worker_enter',
  'xe_vm_rebind_worker_exit',
  'xe_vma_bind',
  'xe_exec_queue_create',
  'xe_bo_move',
];

/**
 * Files of tracefs in a folder that goes with the test. A folder is no kernel: an instance has to be there already, as an exporter that was
 * killed leaves it, and nothing checks what is written.
 */
export class MadeUpTracefs {
  readonly root: string;
  readonly #tree: FixtureTree;

  constructor(t: ConstructorParameters<typeof FixtureTree>[0]) {
    this.#tree = new FixtureTree(t);
    this.root = this.#tree.root;
    this.#tree.file('dynamic_events', '');
    this.#tree.directory('instances');
    this.load('.');
  }

  /** What an exporter that was killed has left, for each of the names. */
  instances(...names: string[]): void {
    for (const name of names) {
      const at = `instances/${name}`;
      this.#tree.file(`${at}/buffer_size_kb`, '1410\n');
      this.#tree.file(`${at}/trace_clock`, '[local] global counter mono\n');
      this.#tree.file(`${at}/options/record-tgid`, '0\n');
      this.#tree.file(`${at}/options/irq-info`, '1\n');
      this.load(at);
    }
  }

  /** The driver is loaded, and its events are off. */
  load(at: string, bindFields = 'field:void * vma; field:void * vm;'): void {
    for (const event of XE_EVENTS) {
      this.#tree.file(`${at}/events/xe/${event}/enable`, '0\n');
      this.#tree.file(`${at}/events/xe/${event}/trigger`, '');
      this.#tree.file(`${at}/events/xe/${event}/format`, event === 'xe_vma_bind' ? bindFields : '');
    }
  }

  unload(at: string): void {
    this.#tree.remove(`${at}/events/xe`);
  }

  remove(path: string): void {
    this.#tree.remove(path);
  }

  /** The switch of the exporter's own event, which the kernel makes when it is defined. */
  probeSwitch(name: string): void {
    this.#tree.file(`instances/${name}/events/xe_exporter/vm_kill/enable`, '0\n');
  }

  write(path: string, text: string): void {
    this.#tree.file(path, text);
  }

  read(path: string): string {
    return readFileSync(join(this.root, path), 'utf8');
  }

  has(path: string): boolean {
    return existsSync(join(this.root, path));
  }

  /** The events of the driver that are on. */
  on(name: string): string[] {
    return XE_EVENTS.filter((event) => this.read(`instances/${name}/events/xe/${event}/enable`).startsWith('1'));
  }
}
