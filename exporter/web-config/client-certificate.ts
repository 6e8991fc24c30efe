import { SocketAddress } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { TlsProtection } from './protection.js';

/**
 * Why a client is refused after the handshake; undefined if it is not. The handshake itself has proven that the client has
 * the key of the certificate it showed.
 */
export function refusal(socket: TLSSocket, { clientAuth, allowedSans }: TlsProtection): string | undefined {
  if (clientAuth === 'NoClientCert') return undefined;
  // Not `socket.authorized` alone: it is also true for a resumed session that never had a certificate.
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return clientAuth.startsWith('Require') ? 'no client certificate' : undefined;
  if (clientAuth.includes('Verify') && !socket.authorized) {
    return `the client certificate was not verified: ${String(socket.authorizationError)}`;
  }
  if (allowedSans === undefined) return undefined;
  const names = alternativeNames(certificate.subjectAltName ?? '');
  return names.some((name) => allowedSans.includes(name)) ? undefined : 'none of its names is in client_allowed_sans';
}

const ENTRY = /(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^",]*)(?=, |$)/gy;

/**
 * The DNS names, addresses, e-mail addresses and URIs of a certificate, from the text Node makes of them: entries with anything
 * odd in them are JSON strings. If the text cannot be parsed to its end, the certificate counts as having no names.
 */
export function alternativeNames(text: string): readonly string[] {
  const names: string[] = [];
  let end = 0;
  for (const match of text.matchAll(ENTRY)) {
    const [whole, kind, value = ''] = match;
    end += whole.length;
    const name = value.startsWith('"') ? unquote(value) : value;
    if (kind === 'DNS' || kind === 'email' || kind === 'URI') names.push(name);
    if (kind === 'IP Address') names.push(canonicalAddress(name));
  }
  return end === text.length ? names : [];
}

function unquote(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return '';
  }
}

/** IPv6 as people write it: lower case, shortened. */
function canonicalAddress(address: string): string {
  return address.includes(':') ? new SocketAddress({ address, family: 'ipv6' }).address : address;
}
