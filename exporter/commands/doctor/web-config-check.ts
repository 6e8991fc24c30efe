import { CodedError } from '../../errors.js';
import type { Protection } from '../../web-config/protection.js';
import { fail, off, ok, warn, type Facts, type Finding } from './finding.js';

const DAY_MS = 86_400_000;
/** Whoever renews certificates by hand needs some days; what renews them by itself has done so by then. */
const SOON_DAYS = 14;

/** How the HTTP server is protected, and whether its certificate lasts. @param now of the clock on the wall */
export function webConfig({ webConfig: given }: Pick<Facts, 'webConfig'>, now = Date.now()): Finding {
  if (given === undefined)
    return off('none: plain HTTP, open to anyone', 'For TLS and passwords, set --web-config-file.');
  if (given instanceof CodedError) return fail(given.message, given.fix);
  const seen = describe(given);
  if (given.tls === undefined) {
    return given.users.size > 0
      ? warn(`${seen}: passwords are sent in clear text`, 'Add tls_server_config to the web configuration.')
      : ok(seen);
  }
  const days = Math.floor((Date.parse(given.tls.certificate.validTo) - now) / DAY_MS);
  const fix = 'Renew the certificate; the exporter picks up the new one by itself.';
  if (Date.parse(given.tls.certificate.validFrom) > now)
    return fail(`${seen}; it is not valid yet`, 'Check the clock.');
  if (days < 0) return fail(`${seen}; it has expired`, fix);
  return days < SOON_DAYS ? warn(`${seen}; that is in ${days} days`, fix) : ok(seen);
}

function describe({ tls, users }: Protection): string {
  const certificate = tls && `TLS, certificate until ${new Date(tls.certificate.validTo).toISOString()}`;
  const clients = tls && `client certificates: ${tls.clientAuth}`;
  const passwords = users.size > 0 ? `basic authentication with ${users.size} users` : 'no basic authentication';
  return [certificate ?? 'no TLS', clients, passwords].filter((part) => part !== undefined).join('; ');
}
