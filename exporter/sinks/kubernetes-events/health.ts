import { codedError } from '../../errors.js';
import { ApiError } from '../../kubernetes/api-request.js';
import { GRANT_EVENTS, REACH_API, type EventRights } from '../../kubernetes/event-rights.js';
import type { FeatureBoard } from '../../telemetry/features.js';
import type { Logger } from '../../telemetry/logger.js';
import { printable } from '../printable.js';

const QUIET_MS = 60_000;

/** An API server that restarts is no news. */
const FAILURES_TO_REPORT = 3;

/** Of what a server says. */
const MAX_SHOWN = 300;

/** The one cause of the server that needs nobody to do anything. */
const TERMINATING = 'NamespaceTerminating';

/** Says in the log and in the feature how writing Events goes: at every change, and at most once a minute of refusals. Counts say the rest. */
export class EventsHealth {
  readonly #features: FeatureBoard;
  readonly #logger: Logger;
  readonly #now: () => number;
  /** Something was written, refused for want of a right, or not answered: that tells more than the review. */
  #tried = false;
  #worked = false;
  #denied = false;
  #failing = false;
  #loggedAt = -Infinity;

  constructor(features: FeatureBoard, logger: Logger, now: () => number) {
    this.#features = features;
    this.#logger = logger;
    this.#now = now;
  }

  /** What the API server says of the rights, before the first Event. */
  reviewed({ state, reason, fix }: EventRights): void {
    if (!this.#tried) this.#features.report('kubernetes_events', state, reason, fix);
  }

  worked(): void {
    if (this.#failing) this.#logger.info({}, 'Kubernetes Events are written again');
    this.#tried = this.#worked = true;
    this.#failing = false;
    this.#report();
  }

  /** The server will not take this one, ever. */
  refused(pod: string, { status, refusal: { message, causes } }: ApiError): void {
    const expected = status === 404 || causes.includes(TERMINATING);
    if (status === 403 && !expected) {
      this.#tried = this.#denied = true;
      this.#report();
    }
    if (!expected && this.#now() - this.#loggedAt < QUIET_MS) return;
    const said = message === '' ? '' : `: ${printable(message.slice(0, MAX_SHOWN))}`;
    const error = codedError('XEE_KUBERNETES_EVENT_REFUSED', {
      pod,
      seen: `the API server answers ${status}${said}`,
      fix: expected ? 'Nothing: the namespace is gone, or on its way.' : status === 403 ? GRANT_EVENTS : '',
    });
    if (expected) return this.#logger.debug({ code: error.code }, error.message);
    this.#loggedAt = this.#now();
    this.#logger.warn({ code: error.code, ...(error.fix && { fix: error.fix }) }, error.message);
  }

  /** It may take it later. @param failures in a row */
  failed(error: unknown, failures: number): void {
    this.#tried = true;
    if (failures < FAILURES_TO_REPORT || this.#failing) return;
    this.#failing = true;
    const { code, fix, message } = codedError('XEE_KUBERNETES_EVENTS_UNDELIVERED', { seen: seenOf(error) });
    this.#logger.warn({ code, fix }, message);
    this.#report();
  }

  #report(): void {
    const report = this.#features.report.bind(this.#features, 'kubernetes_events');
    if (this.#failing)
      report(this.#worked ? 'active' : 'unsupported', 'the API server does not take Events', REACH_API);
    else if (!this.#denied) report('active');
    else if (this.#worked) report('active', 'the API server refuses Events in some namespaces', GRANT_EVENTS);
    else report('denied', 'the API server refuses Events', GRANT_EVENTS);
  }
}

function seenOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return error instanceof ApiError || typeof code !== 'string' ? message : code;
}
