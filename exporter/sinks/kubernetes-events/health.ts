import { codedError } from '../../errors.js';
import type { Workload } from '../../clients/client.js';
import { notAccepted, type ApiAccess } from '../../kubernetes/api/access.js';
import { ApiError } from '../../kubernetes/api/request.js';
import { EVENT_RIGHTS, REACH_API, seenOf, type ApiRights } from '../../kubernetes/api/rights.js';
import type { FeatureBoard } from '../../features.js';
import type { Logger } from '../../logger.js';
import { printable } from '../printable.js';

const QUIET_MS = 60_000;

/** An API server that restarts is no news. */
const FAILURES_TO_REPORT = 3;

/** Of what a server says. */
const MAX_SHOWN = 300;

/** Namespaces that are remembered to refuse Events; a node has pods of few. */
const MAX_NAMESPACES = 256;

/** The one cause of the server that needs nobody to do anything. */
const TERMINATING = 'NamespaceTerminating';

export interface EventsHealthOptions {
  readonly access: ApiAccess;
  readonly features: FeatureBoard;
  readonly logger: Logger;
  readonly now: () => number;
}

/** Says in the log and in the feature how writing Events goes: at every change, and at most once a minute of refusals. Counts say the rest. */
export class EventsHealth {
  readonly #options: EventsHealthOptions;
  /** Something was written, refused for want of a right, or not answered: that tells more than the review. */
  #tried = false;
  #worked = false;
  /** For want of a right, and nothing was written there since. */
  readonly #refusing = new Set<string>();
  /** Why nothing is written at the moment. */
  #failing: ApiRights | undefined;
  #loggedAt = -Infinity;

  constructor(options: EventsHealthOptions) {
    this.#options = options;
  }

  /** What the API server says of the rights, before the first Event. */
  reviewed({ state, reason, fix }: ApiRights): void {
    if (!this.#tried) this.#options.features.report('kubernetes_events', state, reason, fix);
  }

  worked(namespace: string): void {
    if (this.#failing) this.#options.logger.info({}, 'Kubernetes Events are written again');
    this.#tried = this.#worked = true;
    this.#refusing.delete(namespace);
    this.#failing = undefined;
    this.#report();
  }

  /** The server will not take this one, ever. */
  refused({ namespace, pod }: Workload, { status, refusal: { message, causes } }: ApiError): void {
    const expected = status === 404 || causes.includes(TERMINATING);
    if (status === 403 && !expected) {
      this.#tried = true;
      if (this.#refusing.size < MAX_NAMESPACES) this.#refusing.add(namespace);
      this.#report();
    }
    const { logger, now } = this.#options;
    if (!expected && now() - this.#loggedAt < QUIET_MS) return;
    const said = message === '' ? '' : `: ${printable(message.slice(0, MAX_SHOWN))}`;
    const error = codedError('XEE_KUBERNETES_EVENT_REFUSED', {
      pod: `${namespace}/${pod}`,
      seen: `the API server answers ${status}${said}`,
      fix: expected ? 'Nothing: the namespace is gone, or on its way.' : status === 403 ? EVENT_RIGHTS.fix : '',
    });
    if (expected) return logger.debug({ code: error.code }, error.message);
    this.#loggedAt = now();
    logger.warn({ code: error.code, ...(error.fix && { fix: error.fix }) }, error.message);
  }

  /** It may take it later. @param failures in a row */
  failed(error: unknown, failures: number): void {
    this.#tried = true;
    if (failures < FAILURES_TO_REPORT) return;
    const failing = this.#failureOf(error);
    if (failing.reason === this.#failing?.reason) return;
    this.#failing = failing;
    const { code, fix, message } = codedError('XEE_KUBERNETES_EVENTS_UNDELIVERED', { seen: seenOf(error) });
    this.#options.logger.warn({ code, fix }, message);
    this.#report();
  }

  #failureOf(error: unknown): ApiRights {
    if (error instanceof ApiError && error.status === 401) return notAccepted(this.#options.access);
    const state = this.#worked ? 'active' : 'unsupported';
    return { state, reason: 'the API server does not take Events', fix: REACH_API };
  }

  #report(): void {
    const { features } = this.#options;
    const report = features.report.bind(features, 'kubernetes_events');
    if (this.#failing) report(this.#failing.state, this.#failing.reason, this.#failing.fix);
    else if (this.#refusing.size === 0) report('active');
    else if (this.#worked) report('active', 'the API server refuses Events in some namespaces', EVENT_RIGHTS.fix);
    else report('denied', 'the API server refuses Events', EVENT_RIGHTS.fix);
  }
}
