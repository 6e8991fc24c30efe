import type { IncomingMessage, RequestListener } from 'node:http';
import { createServer, type Server, type ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { networkOf } from '../peer-network.js';
import type { Logger } from '../logger.js';
import { TokenBucket } from '../time/token-bucket.js';
import { refusal } from './client-certificate.js';
import { hasSameDemands, isSameTls, LiveProtection } from './live-protection.js';
import type { Protection, TlsProtection } from './protection.js';
import { parseBasic, SignIn } from './sign-in.js';

const REFUSALS_LOGGED_EVERY_MS = 60_000;

/** Enforces a web configuration file between the network and the routes. */
export class WebGuard {
  readonly hasTls: boolean;
  readonly #live: LiveProtection;
  readonly #logger: Logger;
  readonly #signIn: SignIn;
  #rateLimit: TokenBucket | undefined;
  #applied: Protection;
  /** Connections by peer, with what was in force when their handshake began. */
  readonly #open = new Map<string, { readonly socket: Socket; readonly tls: TlsProtection }>();
  /** Connections whose client was admitted. */
  readonly #admitted = new WeakMap<Socket, TlsProtection>();
  /** How often users or TLS have changed, and under which of these generations each request was admitted. */
  #conditions = 0;
  readonly #letInBy = new WeakMap<IncomingMessage, number>();
  #refusalLoggedAt = -Infinity;

  /** @throws CodedError as {@link LiveProtection} does */
  constructor(path: string, logger: Logger, now?: () => number) {
    this.#live = new LiveProtection(path, logger, now);
    this.#logger = logger;
    this.#applied = this.#live.current;
    this.hasTls = this.#applied.tls !== undefined;
    this.#signIn = new SignIn(this.#applied.users);
    this.#limitRate();
  }

  /** The TLS server. Each connection gets the certificates that are current when it is made. */
  createServer(options: ServerOptions, listener: RequestListener): Server {
    const tls = this.#applied.tls as TlsProtection;
    // Clients are refused below, where every client_auth_type is handled the same way.
    const server = createServer({ ...options, ...tls.options, rejectUnauthorized: false }, listener);
    requestCertificates(server, tls);
    let served = tls;
    // The first listener, so that it has run when the handshake begins.
    server.prependListener('connection', (duplex) => {
      const latest = this.#refresh().tls as TlsProtection;
      if (!isSameTls(latest, served)) {
        server.setSecureContext(latest.options);
        requestCertificates(server, latest);
      }
      served = latest;
      const socket = duplex as Socket;
      const peer = peerOf(socket);
      this.#open.set(peer, { socket, tls: latest });
      socket.once('close', () => this.#open.delete(peer));
    });
    server.prependListener('secureConnection', (socket) => this.#admit(socket));
    return server;
  }

  /** Adds the checks of each request, after the hooks that exist already. */
  protect(app: FastifyInstance): void {
    app.addHook('onRequest', async (request, reply) => this.#check(request, reply));
    // Connections that have not finished their handshake are not known to the HTTP server.
    app.addHook('preClose', async () => this.#open.forEach(({ socket }) => socket.destroy()));
    app.addHook('onClose', async () => this.#signIn.close());
  }

  /** Whether the users and the TLS that let this request in are those in force now. For answers that take their time. */
  isStillAdmitted(request: IncomingMessage): boolean {
    this.#refresh();
    return this.#letInBy.get(request) === this.#conditions;
  }

  #admit(socket: TLSSocket): void {
    const tls = this.#open.get(peerOf(socket))?.tls;
    const why = tls === undefined ? 'it has gone' : refusal(socket, tls);
    if (tls !== undefined && why === undefined) {
      this.#admitted.set(socket, tls);
      return;
    }
    const address = socket.remoteAddress;
    socket.destroy();
    if (performance.now() - this.#refusalLoggedAt < REFUSALS_LOGGED_EVERY_MS) return;
    this.#refusalLoggedAt = performance.now();
    this.#logger.warn({ address, why }, 'a client was refused; others are not logged for a minute');
  }

  async #check(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    const { tls, headers, users } = this.#refresh();
    // Before the password is checked, which takes a while.
    this.#letInBy.set(request.raw, this.#conditions);
    reply.headers(headers);
    if (tls !== undefined) {
      const admitted = this.#admitted.get(request.raw.socket);
      // A client that was admitted under other conditions has to reconnect; a scraper does so at once.
      if (admitted === undefined || !hasSameDemands(admitted, tls)) return hangUp(reply);
      // A scraper that keeps its connection would never see the new certificate.
      if (!isSameTls(admitted, tls)) reply.header('Connection', 'close');
    }
    if (this.#rateLimit?.take(performance.now()) === false) {
      return refuse(reply, 429, 'Too many requests.');
    }
    return users.size === 0 ? undefined : this.#authenticate(request, reply);
  }

  async #authenticate(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    const credentials = parseBasic(request.headers.authorization);
    const { socket } = request.raw;
    const visitor = { peer: networkOf(request.ip), isGone: () => socket.destroyed };
    const verdict = credentials === undefined ? 'refused' : await this.#signIn.check(credentials, visitor);
    switch (verdict) {
      case 'accepted':
        return undefined;
      case 'refused':
        reply.header('WWW-Authenticate', 'Basic realm="xe-exporter", charset="UTF-8"');
        return refuse(reply, 401, 'Unauthorized: a user and password of basic_auth_users are needed.');
      case 'busy':
        return refuse(reply.header('Retry-After', '1'), 503, 'Too many sign-ins at a time. Try again.');
    }
  }

  /** The protection in force now. Updates everything that depends on it. */
  #refresh(): Protection {
    const { current } = this.#live;
    if (current !== this.#applied) {
      const former = this.#applied;
      this.#applied = current;
      this.#signIn.setUsers(current.users);
      if (!hasSameConditions(former, current)) this.#conditions++;
      if (!isDeepStrictEqual(former.rateLimit, current.rateLimit)) this.#limitRate();
    }
    return current;
  }

  #limitRate(): void {
    const settings = this.#applied.rateLimit;
    this.#rateLimit = settings && new TokenBucket(settings);
  }
}

/** Whether both treat a client the same way. Either both have TLS or neither: see {@link LiveProtection}. */
function hasSameConditions(one: Protection, other: Protection): boolean {
  const isSame = one.tls === undefined || other.tls === undefined || isSameTls(one.tls, other.tls);
  return isSame && isDeepStrictEqual(one.users, other.users);
}

/** setSecureContext() does not cover this; the server reads it for each connection. */
function requestCertificates(server: Server, { clientAuth }: TlsProtection): void {
  (server as Server & { requestCert: boolean }).requestCert = clientAuth !== 'NoClientCert';
}

/** A TLS socket has the address and port of the connection below it. */
function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}

function hangUp(reply: FastifyReply): FastifyReply {
  reply.hijack().raw.destroy();
  return reply;
}

function refuse(reply: FastifyReply, status: number, line: string): FastifyReply {
  return reply.code(status).send(`${line}\n`);
}
