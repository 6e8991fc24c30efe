// The exporter in a guest as the scenarios of its trace ask it: what it counted, and whom its events name.
import { readdirSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { ExporterProcess, type ExporterProcessOptions } from '../helpers/exporter-process.js';
import { waitFor, type GuestClient } from '../kernel/guest-lib.js';
import { createVm, freeVm, GPU, killVm, readTracefs, TRACEFS } from './guest-lib.js';

/** Emulated, on a machine that does something else as well. */
const PATIENCE_MS = 60_000;

/** Every event is printed, also of a client that has many. */
export const ARGS = ['--events-stdout', '--event-rate-limit-per-minute=0'];

export interface Victim {
  readonly 'process.pid'?: number;
  readonly 'process.executable.name'?: string;
  readonly 'xe.drm.client_id'?: number;
  readonly 'xe.victim.evidence'?: string;
  readonly 'xe.victim.inferred'?: boolean;
  readonly 'error.type'?: string;
}

export interface LoggedEvent {
  readonly event_name: string;
  readonly body: string;
  readonly attributes: Victim & Readonly<Record<string, unknown>>;
}

export class TraceExporter {
  readonly process: ExporterProcess;

  private constructor(process: ExporterProcess) {
    this.process = process;
  }

  /** Resolves when it reads the sources. */
  static async start(options: ExporterProcessOptions = {}, sources?: readonly string[]): Promise<TraceExporter> {
    const args = [...ARGS, ...(options.args ?? [])];
    return TraceExporter.of(await ExporterProcess.serve({ ...options, args }), sources);
  }

  /** One that was started with {@link ARGS}. It does not outlive a failure. */
  static async of(process: ExporterProcess, sources: readonly string[] = ['trace', 'kmsg']): Promise<TraceExporter> {
    const exporter = new TraceExporter(process);
    try {
      for (const source of sources) {
        const series = `xe_exporter_source_up{source="${source}"}`;
        await exporter.until(`the source ${source}`, async () => (await process.metric(series)) === 1);
      }
    } catch (error) {
      await exporter.stop('SIGKILL');
      throw error;
    }
    return exporter;
  }

  until<T>(what: string, condition: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
    return waitFor(what, condition, PATIENCE_MS);
  }

  async metric(name: string, labels: string): Promise<number> {
    return (await this.process.metric(`${name}{${labels}}`)) ?? NaN;
  }

  rebindErrors(errno = 'ENOMEM'): Promise<number> {
    return this.metric('xe_vm_rebind_errors_total', `pci_bdf="${GPU}",errno="${errno}"`);
  }

  lost(): Promise<number> {
    return this.metric('xe_exporter_events_lost_total', 'source="trace"');
  }

  events(name = 'xe.vm.rebind_error'): LoggedEvent[] {
    return this.process.stdout
      .map((text) => JSON.parse(text) as LoggedEvent)
      .filter(({ event_name }) => event_name === name);
  }

  /** The event with that number, from 1, once it is there. */
  event(count: number, name?: string): Promise<LoggedEvent> {
    return this.until(`event ${count}`, () => this.events(name)[count - 1]);
  }

  /** Resolves when the client is in its table, by which it knows more of it than the trace says. */
  async knows(clients: number): Promise<void> {
    await this.until(
      `${clients} clients`,
      async () => (await this.metric('xe_clients', `pci_bdf="${GPU}"`)) === clients,
    );
  }

  /**
   * Has the client lose VMs until one is reported as its own. On a starved machine the kernel log and the trace may reach the exporter
   * too far apart to be one incident; then the next one counts.
   *
   * @returns how many VMs it took, each of them reported
   */
  async names(client: GuestClient): Promise<number> {
    const before = this.events().length;
    let killed = 0;
    await this.until(`client ${client.id} to be named`, async () => {
      const vm = await createVm(client);
      killVm(vm);
      killed++;
      const victim = victimOf(await this.event(before + killed));
      freeVm(vm);
      return isDeepStrictEqual(victim, exactly(client));
    });
    return killed;
  }

  stop(signal?: NodeJS.Signals): Promise<number | null> {
    return this.process.stop(signal);
  }
}

/** What an exact event says of a client that has one file. */
export function exactly(client: GuestClient): Victim {
  return { 'process.pid': client.pid, 'xe.drm.client_id': client.id, 'xe.victim.evidence': 'kernel_trace' };
}

/** Of an event, what {@link exactly} is about. */
export function victimOf({ attributes }: LoggedEvent): Victim {
  const { 'process.pid': pid, 'xe.drm.client_id': client, 'xe.victim.evidence': evidence } = attributes;
  return {
    ...(pid !== undefined && { 'process.pid': pid }),
    ...(client !== undefined && { 'xe.drm.client_id': client }),
    ...(evidence !== undefined && { 'xe.victim.evidence': evidence }),
  };
}

/** Tracing instances and dynamic events on this kernel, whoever made them. */
export function tracefsState(): { instances: string[]; events: string[] } {
  const events = readTracefs('dynamic_events').split('\n');
  return { instances: readdirSync(`${TRACEFS}/instances`), events: events.filter((line) => line !== '') };
}
