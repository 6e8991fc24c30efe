import { Backoff, type BackoffOptions } from '../time/backoff.js';
import type { FeatureState } from '../names.js';
import type { BatchHandler, Source, SourceContext, SourceEntry } from './source.js';

/** A source that runs until it is stopped or dies. */
export interface SourceRun {
  /** Delivers what was read already, then ends. Not called after the run has died. */
  stop(): Promise<void>;
  /** A device was bound: the driver may have been loaded again. */
  deviceAdded?(): void;
}

/** A source that this node does not offer, or not to us. */
export interface SourceRefusal {
  readonly state: Exclude<FeatureState, 'active'>;
  /** What was tried and seen, in one clause; what to do. */
  readonly reason: string;
  readonly fix: string;
}

export type Opened =
  | { readonly run: SourceRun; /** What is missing of it here; empty when nothing. */ readonly note?: string }
  | { readonly refused: SourceRefusal };

/** Opens the source once. */
export type OpenSource = (
  handler: BatchHandler,
  /** To be called once, when the run cannot go on: what was tried and seen. */
  onDied: (reason: string) => void,
) => Promise<Opened>;

export interface SupervisedSourceOptions
  extends Pick<SourceEntry, 'name' | 'feature'>, Pick<SourceContext, 'features' | 'onChanged'> {
  /** Must not reject. */
  readonly open: OpenSource;
  readonly devices: Pick<SourceContext['devices'], 'devices'>;
  readonly accounting: Pick<SourceContext['accounting'], 'upChanged' | 'restarted'>;
  readonly backoff?: BackoffOptions;
  /** A run that lasted this long was sound: the next pause is the shortest again. */
  readonly soundMs?: number;
}

/** An entry of THE LIST whose source is opened by `open` and kept running. */
export function supervised(
  entry: Omit<SourceEntry, 'open'>,
  open: (context: SourceContext) => OpenSource,
): SourceEntry {
  return {
    ...entry,
    open: (context) => new SupervisedSource({ ...context, ...entry, open: open(context) }),
  };
}

/**
 * Keeps one source running: a run that dies is followed by another after a growing pause. What the node refuses stays refused,
 * because privileges do not change under a running process, until {@link retry}; the node's first device is worth one.
 */
export class SupervisedSource implements Source {
  readonly name;
  readonly deviceListener = { added: () => this.#deviceAdded() };
  readonly #options: SupervisedSourceOptions;
  readonly #backoff: Backoff;
  #handler: BatchHandler | undefined;
  #run: SourceRun | undefined;
  #openedAt = 0;
  #died = false;
  #opening: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: SupervisedSourceOptions) {
    this.name = options.name;
    this.#options = options;
    this.#backoff = new Backoff(options.backoff ?? { firstMs: 1_000, maxMs: 60_000 });
  }

  get up(): boolean {
    return this.#run !== undefined && this.#stopped === undefined;
  }

  /** Resolves when it runs or was refused. */
  start(handler: BatchHandler): Promise<void> {
    this.#handler = handler;
    return this.retry();
  }

  /** Tries again what was refused; without effect before the start, while it runs, and while it waits for its next attempt. */
  retry(): Promise<void> {
    if (this.#handler === undefined) return this.#opening;
    if (this.#run === undefined && this.#timer === undefined) this.#opening = this.#opening.then(() => this.#open());
    return this.#opening;
  }

  settled(): Promise<void> {
    return this.#opening;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** What was refused on a node without a device may be offered now, and the driver may have been loaded again. */
  #deviceAdded(): void {
    if (this.#run === undefined) void this.retry();
    else this.#run.deviceAdded?.();
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#opening;
    const run = this.#run;
    await run?.stop();
    this.#run = undefined;
    this.#options.accounting.upChanged(this.name, false);
  }

  async #open(): Promise<void> {
    const handler = this.#handler;
    if (this.#run !== undefined || this.#stopped !== undefined || handler === undefined) return;
    let diedWhileOpening: string | undefined;
    let open = true;
    const opened = await this.#options.open(handler, (reason) => {
      if (open) diedWhileOpening = reason;
      else this.#onDied(reason);
    });
    open = false;
    if ('refused' in opened) return this.#refused(opened.refused);
    this.#run = opened.run;
    this.#openedAt = performance.now();
    if (diedWhileOpening !== undefined) return this.#onDied(diedWhileOpening);
    const { features, feature, accounting, onChanged } = this.#options;
    features.report(feature, 'active', opened.note ?? '');
    accounting.upChanged(this.name, true);
    if (this.#died) onChanged?.(this.name, 'up', '');
    this.#died = false;
  }

  #refused({ state, reason, fix }: SourceRefusal): void {
    const { features, feature, accounting, devices } = this.#options;
    // Without a device there is nothing to fix.
    if (state === 'disabled' || devices.devices.length > 0) features.report(feature, state, reason, fix);
    else features.report(feature, 'disabled', 'this node has no xe device');
    accounting.upChanged(this.name, false);
  }

  /** The feature stays active: the node offers it, only this source is down. */
  #onDied(reason: string): void {
    if (this.#stopped !== undefined || this.#run === undefined) return;
    const { accounting, onChanged, soundMs = 60_000 } = this.#options;
    this.#run = undefined;
    if (performance.now() - this.#openedAt >= soundMs) this.#backoff.succeeded();
    accounting.upChanged(this.name, false);
    if (!this.#died) onChanged?.(this.name, 'down', reason);
    this.#died = true;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      accounting.restarted(this.name);
      void this.retry();
    }, this.#backoff.failed());
  }
}
