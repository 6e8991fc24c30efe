import { codedError } from '../errors.js';
import type { FeatureBoard } from '../features.js';
import { notAccepted, type ApiAccess } from '../kubernetes/api/access.js';
import { ApiError } from '../kubernetes/api/request.js';
import { NODE_CONDITION_RIGHTS, REACH_API, seenOf, type ApiRights } from '../kubernetes/api/rights.js';
import type { Logger } from '../logger.js';
import { NODE_CONDITION } from '../names.js';
import { printable } from '../sinks/printable.js';

/** An API server that restarts is no news. */
const FAILURES_TO_REPORT = 3;

/** Of what a server says. */
const MAX_SHOWN = 300;

export interface ConditionReportOptions {
  readonly access: ApiAccess;
  readonly features: FeatureBoard;
  readonly logger: Logger;
  readonly nodeName: string;
}

/** Says in the log and in the feature how writing the condition goes, at every change. */
export class ConditionReport {
  readonly #options: ConditionReportOptions;
  #failing: string | undefined;
  #eventsRefused = false;

  constructor(options: ConditionReportOptions) {
    this.#options = options;
  }

  worked(): void {
    if (this.#failing !== undefined) this.#options.logger.info({}, 'the node condition is written again');
    this.#failing = undefined;
    const [reason, fix] = this.#eventsRefused ? ['Events on the node are refused', NODE_CONDITION_RIGHTS.fix] : [];
    this.#options.features.report('kubernetes_node_condition', 'active', reason, fix);
  }

  eventWorked(): void {
    this.#eventsRefused = false;
    this.worked();
  }

  /** An Event is given up; the condition says the same. */
  eventGivenUp(error: unknown): void {
    this.#eventsRefused = error instanceof ApiError && error.status === 403;
    this.#options.logger.warn({ seen: sayingOf(error) }, 'an Event on the node could not be written');
    this.worked();
  }

  /** @param failures in a row, this one included */
  failed(error: unknown, failures: number): void {
    const { status = 0 } = error instanceof ApiError ? error : {};
    if (status !== 401 && status !== 403 && status !== 404 && failures < FAILURES_TO_REPORT) return;
    this.#report(this.#stateAfter(status), sayingOf(error));
  }

  #stateAfter(status: number): ApiRights {
    const { access, nodeName } = this.#options;
    if (status === 401) return notAccepted(access);
    const { fix } = NODE_CONDITION_RIGHTS;
    if (status === 403) return { state: 'denied', reason: 'the API server refuses the condition of the node', fix };
    if (status === 404)
      return {
        state: 'unsupported',
        reason: `the API server knows no node ${nodeName}`,
        fix: 'Set --node-name, or NODE_NAME, to the name that kubectl get nodes shows.',
      };
    return { state: 'unsupported', reason: 'the API server does not take the condition of the node', fix: REACH_API };
  }

  #report({ state, reason, fix }: ApiRights, seen: string): void {
    if (reason === this.#failing) return;
    this.#failing = reason;
    const { features, logger, nodeName: node } = this.#options;
    const error = codedError('XEE_NODE_CONDITION_UNWRITTEN', { condition: NODE_CONDITION, node, seen, fix });
    logger.warn({ code: error.code, fix }, error.message);
    features.report('kubernetes_node_condition', state, reason, fix);
  }
}

/** What was seen, with what the server says of it. */
function sayingOf(error: unknown): string {
  const said = error instanceof ApiError ? error.refusal.message : '';
  return said === '' ? seenOf(error) : `${seenOf(error)}: ${printable(said.slice(0, MAX_SHOWN))}`;
}
