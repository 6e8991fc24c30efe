import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { request as httpRequest } from '../../node-http.js';
import type { ApiTarget } from './access.js';

/** Why the API server refused something, from the Status object of its answer. Not trusted. */
export interface Refusal {
  /** One sentence from the server; empty if it sent none. */
  readonly message: string;
  /** Machine-readable, such as `NamespaceTerminating`. */
  readonly causes: readonly string[];
}

/** The longest pause that a server can ask for, in milliseconds. */
const MAX_RETRY_AFTER_MS = 5 * 60_000;

/** Statuses of the class of refusals that another attempt can mend: a new token, another moment. */
const MENDABLE = [401, 408, 409, 425, 429];

/** An answer of the API server that is not a success, as an HTTP status or as the Status object of a watch. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  /** The pause that the server asks for, within bounds; 0 when it asks for none. */
  readonly retryAfterMs: number;
  /** Only parsed for requests that write. */
  readonly refusal: Refusal;

  constructor(status: number, retryAfterMs = 0, refusal: Refusal = { message: '', causes: [] }) {
    super(`the API server answers ${status}`);
    this.status = status;
    this.retryAfterMs = Math.min(retryAfterMs, MAX_RETRY_AFTER_MS);
    this.refusal = refusal;
  }

  /** Whether the server will not take the request, however often it is asked. */
  get isFinal(): boolean {
    return this.status >= 400 && this.status <= 499 && !MENDABLE.includes(this.status);
  }
}

export interface ApiRequestOptions {
  readonly signal: AbortSignal;
  /** The connection counts as dead when no byte arrives for this long. */
  readonly idleMs: number;
  readonly userAgent: string;
}

/** Keep-alive probes start after this much silence, so that a vanished peer is noticed within a minute. */
const KEEP_ALIVE_MS = 30_000;

/** Bound on the answer to a request that writes one object: the object as it is now, or a Status. */
const MAX_ANSWER_LENGTH = 1024 ** 2;

/**
 * One GET on a connection of its own.
 * @returns the body as text, piece by piece, once the server has said 200
 * @throws ApiError for another status; the error of the connection; AbortError
 */
export async function apiGet(
  target: ApiTarget,
  path: string,
  query: Readonly<Record<string, string>>,
  options: ApiRequestOptions,
): Promise<AsyncIterable<string>> {
  const search = new URLSearchParams(query).toString();
  const sent = { method: 'GET', path: search === '' ? path : `${path}?${search}` };
  const response = await answerTo(target, sent, options);
  if (response.statusCode !== 200) {
    response.destroy();
    throw new ApiError(response.statusCode ?? 0, retryAfterMs(response.headers['retry-after']));
  }
  return response.setEncoding('utf8');
}

/** A request that writes an object. */
export interface ApiWrite {
  readonly method: 'POST' | 'PATCH';
  readonly path: string;
  readonly object: unknown;
  /** How the server is to understand a PATCH: a merge patch replaces lists, a strategic one merges those that have a key. */
  readonly patch?: 'merge' | 'strategic-merge';
}

export interface ApiSendOptions {
  readonly signal: AbortSignal;
  /** How long it may take, the answer included. */
  readonly deadlineMs: number;
  readonly userAgent: string;
}

/**
 * Reads one object, on a connection of its own.
 * @throws ApiError; SyntaxError for an answer that is not JSON; the error of the connection; AbortError
 */
export async function apiRead(target: ApiTarget, path: string, options: ApiSendOptions): Promise<unknown> {
  const { deadlineMs, userAgent } = options;
  return inTime(options, async (bounded) => {
    const text = await apiGet(target, path, {}, { signal: bounded, idleMs: deadlineMs, userAgent });
    return parseJson(await wholeText(text, MAX_ANSWER_LENGTH));
  });
}

/**
 * Sends one object, or with PATCH the fields of it that change, on a connection of its own.
 * @returns the object as the server has it now
 * @throws ApiError with the server's refusal; SyntaxError for an answer that is not JSON; the error of the connection; AbortError
 */
export async function apiSend(
  target: ApiTarget,
  { method, path, object, patch = 'merge' }: ApiWrite,
  options: ApiSendOptions,
): Promise<unknown> {
  const type = method === 'PATCH' ? `application/${patch}-patch+json` : 'application/json';
  const { deadlineMs, userAgent } = options;
  return inTime(options, async (signal) => {
    const sent = { method, path, body: JSON.stringify(object), type };
    const response = await answerTo(target, sent, { signal, idleMs: deadlineMs, userAgent });
    const text = await wholeText(response.setEncoding('utf8'), MAX_ANSWER_LENGTH);
    const status = response.statusCode ?? 0;
    if (status >= 200 && status <= 299) return parseJson(text);
    throw new ApiError(status, retryAfterMs(response.headers['retry-after']), refusalOf(text));
  });
}

async function inTime(
  { signal, deadlineMs }: ApiSendOptions,
  ask: (signal: AbortSignal) => Promise<unknown>,
): Promise<unknown> {
  const late = AbortSignal.timeout(deadlineMs);
  try {
    return await ask(AbortSignal.any([signal, late]));
  } catch (error) {
    if (!late.aborted || signal.aborted) throw error;
    throw new Error(`no answer for ${Math.round(deadlineMs / 1000)} s`, { cause: error });
  }
}

/** @throws SyntaxError without the text in it */
export function parseJson(text: string): unknown {
  if (!isReasonable(text)) throw new SyntaxError('the API server sends JSON with too much in it');
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new SyntaxError('the API server sends no JSON');
  }
}

/** No Kubernetes object comes near these limits. Parsing costs about 100 bytes for each. */
const MOST_LEVELS = 100;
const MOST_VALUES = 100_000;

/** Whether parsing a JSON text costs no more than its length suggests: `[[],[],...` takes twenty times its size. */
export function isReasonable(text: string): boolean {
  let [open, values, inString] = [0, 0, false];
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index);
    if (inString && code === BACKSLASH) index++;
    else if (code === QUOTE) inString = !inString;
    else if (inString) continue;
    else if (code === OPEN_LIST || code === OPEN || code === COMMA) {
      if (++values > MOST_VALUES) return false;
      if (code !== COMMA && ++open > MOST_LEVELS) return false;
    } else if (code === CLOSE_LIST || code === CLOSE) open--;
  }
  return true;
}

const [QUOTE, COMMA, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN, CLOSE] = [0x22, 0x2c, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d];

interface Sent {
  readonly method: string;
  readonly path: string;
  readonly body?: string;
  readonly type?: string;
}

/** Redirects are not followed: they would carry the token elsewhere. */
function answerTo(
  { server, headers, tls }: ApiTarget,
  { method, path, body, type }: Sent,
  { signal, idleMs, userAgent }: ApiRequestOptions,
): Promise<IncomingMessage> {
  const url = new URL(`${server.pathname.replace(/\/+$/, '')}${path}`, server);
  const request = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const sent = request(url, {
      ...(url.protocol === 'https:' && tls),
      method,
      agent: false,
      signal,
      headers: {
        ...headers,
        accept: 'application/json',
        'user-agent': userAgent,
        ...(type && { 'content-type': type }),
      },
    });
    sent.setTimeout(idleMs, () => sent.destroy(new Error(`no answer for ${Math.round(idleMs / 1000)} s`)));
    sent.on('socket', (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS));
    sent.on('response', resolve);
    // We never ask for another protocol. Without this listener Node would end such a request silently.
    sent.on('upgrade', (response: IncomingMessage, socket: Socket) => {
      socket.destroy();
      reject(new ApiError(response.statusCode ?? 0));
    });
    sent.on('error', reject);
    sent.on('close', () => reject(new Error('the connection was closed without an answer')));
    sent.end(body);
  });
}

interface StatusJson {
  readonly message?: unknown;
  readonly details?: { readonly causes?: unknown };
}

/** Empty if it is not a Status: proxies answer, too. */
function refusalOf(text: string): Refusal {
  try {
    const { message, details } = (JSON.parse(text) ?? {}) as StatusJson;
    const causes = Array.isArray(details?.causes) ? (details.causes as unknown[]) : [];
    return {
      message: typeof message === 'string' ? message : '',
      causes: causes.flatMap((cause) => {
        const reason = (cause as { reason?: unknown } | null)?.reason;
        return typeof reason === 'string' ? [reason] : [];
      }),
    };
  } catch {
    return { message: '', causes: [] };
  }
}

/** Cuts a text into lines. An unfinished last line is dropped, because a broken connection can cut anywhere. */
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

/** The API server only ever sends seconds here. */
function retryAfterMs(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,5}$/.test(header) ? Number(header) * 1000 : undefined;
}
