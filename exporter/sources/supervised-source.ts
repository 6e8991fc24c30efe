import { Backoff, type BackoffOptions } from '../time/backoff.js';
import type { FeatureBoard } from '../features.js';
import type { FeatureName, FeatureState, SourceName } from '../names.js';
import type { BatchHandler, Source } from './source.js';

/** A source that runs until it is stopped or dies. */
export interface SourceRun {
  /** Delivers what was read already, then ends. Not called after the run has died. */
  stop(): Promise<void>;
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

export interface SourceAccounting {
  upChanged(source: SourceName, up: boolean): void;
  restarted(source: SourceName): void;
}

export interface SupervisedSourceOptions {
  readonly name: SourceName;
  readonly feature: FeatureName;
  /** Must not reject. */
  readonly open: OpenSource;
  readonly features: FeatureBoard;
  readonly accounting: SourceAccounting;
  /** Called when it died, and when it delivers again after that. */
  readonly onChanged?: (source: SourceName, state: 'up' | 'down', reason: string) => void;
  /** False on a node without xe devices: then a refusal is nothing that anybody has to mend. */
  readonly needed: () => boolean;
  readonly backoff?: BackoffOptions;
  /** A run that lasted so long was sound: the pauses start anew. */
  readonly soundMs?: number;
}

/**
 * Keeps one source running: a run that dies is followed by another after a growing pause. What the node refuses stays refused, because
 * privileges do not change under a running process, until {@link retry}. JavaScript thread only.
 */
export class SupervisedSource implements Source {
  readonly name;
  readonly #options: SupervisedSourceOptions;
  readonly #backoff: Backoff;
  #handler: BatchHandler = () => undefined;
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

  /** Tries again what was refused; without effect while it runs or waits for its next attempt. */
  retry(): Promise<void> {
    if (this.#run === undefined && this.#timer === undefined) this.#opening = this.#opening.then(() => this.#open());
    return this.#opening;
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
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
    if (this.#run !== undefined || this.#stopped !== undefined) return;
    let diedWhileOpening: string | undefined;
    let open = true;
    const opened = await this.#options.open(this.#handler, (reason) => {
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
    const { features, feature, accounting, needed } = this.#options;
    if (needed()) features.report(feature, state, reason, fix);
    else features.report(feature, 'disabled', 'this node has no xe device');
    accounting.upChanged(this.name, false);
  }

  /** The feature stays active: the node offers it, and it is this source that is down. */
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
