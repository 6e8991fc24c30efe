import * as http from 'node:http';
import * as https from 'node:https';
import type { ApiTarget } from './api-access.js';

/** An answer of the API server that is no success, as an HTTP status or as the Status object of a watch. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly retryAfterMs: number | undefined;

  constructor(status: number, retryAfterMs?: number) {
    super(`the API server answers ${status}`);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

export interface ApiRequestOptions {
  readonly signal: AbortSignal;
  /** Without a byte for so long, the connection counts as dead. */
  readonly idleMs: number;
  readonly userAgent: string;
}

/** Probes of a quiet connection begin after this: a peer that vanished without a word is noticed within a minute. */
const KEEP_ALIVE_MS = 30_000;

/**
 * One GET on a connection of its own. Redirects are not followed: they would carry the token elsewhere.
 * @returns the body as text, piece by piece, once the server has said 200
 * @throws ApiError for another status; the error of the connection; AbortError
 */
export async function apiGet(
  { server, headers, tls }: ApiTarget,
  path: string,
  query: Readonly<Record<string, string>>,
  { signal, idleMs, userAgent }: ApiRequestOptions,
): Promise<AsyncIterable<string>> {
  const url = new URL(`${server.pathname.replace(/\/+$/, '')}${path}?${new URLSearchParams(query)}`, server);
  const { request } = url.protocol === 'https:' ? https : http;
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    const sent = request(url, {
      ...(url.protocol === 'https:' && tls),
      agent: false,
      signal,
      headers: { ...headers, accept: 'application/json', 'user-agent': userAgent },
    });
    sent.setTimeout(idleMs, () => sent.destroy(new Error(`no answer for ${Math.round(idleMs / 1000)} s`)));
    sent.on('socket', (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS));
    sent.on('response', resolve);
    sent.on('error', reject);
    sent.end();
  });
  if (response.statusCode !== 200) {
    response.destroy();
    throw new ApiError(response.statusCode ?? 0, retryAfterMs(response.headers['retry-after']));
  }
  return response.setEncoding('utf8');
}

/** Cuts a text into lines. An unfinished last line is left out: a connection that breaks off cuts wherever it likes. */
export async function* lines(pieces: AsyncIterable<string>, maxLength: number): AsyncGenerator<string, void> {
  let parts: string[] = [];
  let length = 0;
  for await (const piece of pieces) {
    let start = 0;
    for (let end = piece.indexOf('\n'); end !== -1; end = piece.indexOf('\n', start)) {
      const line = parts.join('') + piece.slice(start, end);
      parts = [];
      length = 0;
      start = end + 1;
      yield line;
    }
    parts.push(piece.slice(start));
    length += piece.length - start;
    if (length > maxLength) throw new Error(`a line of more than ${maxLength} characters`);
  }
}

/** All of a text, unless it is longer than `maxLength`. */
export async function wholeText(pieces: AsyncIterable<string>, maxLength: number): Promise<string> {
  const parts: string[] = [];
  let length = 0;
  for await (const piece of pieces) {
    parts.push(piece);
    length += piece.length;
    if (length > maxLength) throw new Error(`an answer of more than ${maxLength} characters`);
  }
  return parts.join('');
}

/** Seconds are all the API server ever sends there. */
function retryAfterMs(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,5}$/.test(header) ? Number(header) * 1000 : undefined;
}
