import type { SecureContextOptions, SecureVersion } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import { CodedError } from '../errors.js';
import type { Logger } from '../logger.js';
import { loadProtection, type Loaded, type Protection, type TlsProtection } from './protection.js';
import { CLIENT_AUTH } from './schema.js';

/** The files are checked no more often than this, and only when a client connects or sends a request. */
const LOOK_EVERY_MS = 1000;

/**
 * The protection in force. It follows the files without a restart, but never weakens: files that cannot be used, and files that
 * ask for less protection than before (one is being written, and ends early), leave it as it is, with one line in the log.
 * The files are read synchronously.
 */
export class LiveProtection {
  readonly #path: string;
  readonly #logger: Logger;
  readonly #now: () => number;
  #files: Loaded['files'];
  #current: Protection;
  #lookedAt: number;

  /**
   * @param now monotonic, in milliseconds
   * @throws CodedError XEE_WEB_CONFIG_UNREADABLE or XEE_WEB_CONFIG_INVALID with all that is wrong
   */
  constructor(path: string, logger: Logger, now: () => number = () => performance.now()) {
    this.#path = path;
    this.#logger = logger;
    this.#now = now;
    this.#lookedAt = now();
    const { files, outcome } = loadProtection(path);
    if (outcome instanceof CodedError) throw outcome;
    this.#files = files;
    this.#current = outcome;
    this.#logger.info(describe(outcome), 'the web configuration is in force');
    this.#warnOfExpiry();
  }

  /** As the files say now, or said at most a second ago. */
  get current(): Protection {
    if (this.#now() - this.#lookedAt >= LOOK_EVERY_MS) {
      this.#lookedAt = this.#now();
      if (this.#files.isStale()) this.#reload();
    }
    return this.#current;
  }

  #reload(): void {
    const { files, outcome } = loadProtection(this.#path);
    this.#files = files;
    if (outcome instanceof CodedError) return this.#keep(outcome.message, outcome.fix);
    const loss = whatIsLost(this.#current, outcome);
    if (loss !== undefined) return this.#keep(loss, 'Restart the exporter if that is what you want.');
    this.#current = outcome;
    this.#logger.info(describe(outcome), 'the web configuration was read again');
    this.#warnOfExpiry();
  }

  #warnOfExpiry(): void {
    const { tls } = this.#current;
    if (tls === undefined || Date.parse(tls.certificate.validTo) > Date.now()) return;
    const fix = 'Renew the certificate in cert_file: clients that verify it do not connect.';
    this.#logger.warn({ expired: tls.certificate.validTo, fix }, 'the certificate of this server has expired');
  }

  #keep(problem: string, fix: string): void {
    this.#logger.error(
      { problem, fix },
      'the web configuration changed and cannot be used: the former one stays in force',
    );
  }
}

/** Only a restart may remove these. TLS cannot be added either, because the listening server is either a TLS server or not. */
function whatIsLost(before: Protection, after: Protection): string | undefined {
  if ((before.tls === undefined) !== (after.tls === undefined)) {
    return `tls_server_config ${after.tls ? 'is new: TLS starts' : 'is gone: TLS ends'} with a restart only`;
  }
  if (before.users.size > 0 && after.users.size === 0) return 'basic_auth_users is gone';
  if (before.rateLimit && !after.rateLimit) return 'rate_limit is gone';
  if (before.tls === undefined || after.tls === undefined) return undefined;
  if (CLIENT_AUTH.indexOf(after.tls.clientAuth) < CLIENT_AUTH.indexOf(before.tls.clientAuth)) {
    return `client_auth_type ${after.tls.clientAuth} demands less than ${before.tls.clientAuth} before`;
  }
  if (before.tls.allowedSans && !after.tls.allowedSans) return 'client_allowed_sans is gone';
  return whatIsLostOfTls(before.tls.options, after.tls.options);
}

function whatIsLostOfTls(before: SecureContextOptions, after: SecureContextOptions): string | undefined {
  if (isOlder(after.minVersion, before.minVersion)) return `min_version ${after.minVersion} is older than before`;
  if (isOlder(after.maxVersion, before.maxVersion)) return `max_version ${after.maxVersion} is older than before`;
  if (isWider(after.ciphers, before.ciphers)) return 'cipher_suites allows more than before';
  return after.ecdhCurve === 'auto' && before.ecdhCurve !== 'auto' ? 'curve_preferences is gone' : undefined;
}

/** Whether one list of cipher suites contains the other and more. */
function isWider(one = '', other = ''): boolean {
  const [suites, others] = [new Set(one.split(':')), new Set(other.split(':'))];
  return suites.size > others.size && [...others].every((suite) => suites.has(suite));
}

function isOlder(one: SecureVersion | undefined, other: SecureVersion | undefined): boolean {
  return one !== undefined && other !== undefined && one < other;
}

/** Whether connections made under one would be made the same way under the other. */
export function isSameTls(one: TlsProtection, other: TlsProtection): boolean {
  return one === other || (isDeepStrictEqual(one.options, other.options) && hasSameDemands(one, other));
}

/** Whether the same clients are let in under both. */
export function hasSameDemands(one: TlsProtection, other: TlsProtection): boolean {
  const demands = ({ options, clientAuth, allowedSans }: TlsProtection) => [options.ca, clientAuth, allowedSans];
  return one === other || isDeepStrictEqual(demands(one), demands(other));
}

function describe({ tls, users }: Protection): object {
  return {
    tls: tls !== undefined,
    ...(tls && { certificateExpires: new Date(tls.certificate.validTo).toISOString(), clientAuth: tls.clientAuth }),
    users: users.size,
  };
}
