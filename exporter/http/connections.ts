import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { networkOf } from '../peer-network.js';

export interface ConnectionLimits {
  /** Connections at a time. Event streams do not count: they have a limit of their own. */
  readonly connections: number;
  /** Of these, connections of one peer. */
  readonly connectionsPerPeer: number;
  /** Bytes of answers that clients have requested and not read yet, over all connections. */
  readonly untakenBytes: number;
}

/** How to tell connections and their peers apart. */
export interface Peers {
  /** @returns undefined for a socket that is gone already */
  keyOf(socket: Socket): string | undefined;
  /** Who shares the limits of one peer. */
  networkOf(socket: Socket): string;
  /** Ends a connection that is one too many, without waiting for a peer that does not read. */
  cut(socket: Socket): void;
}

/** By address. A TLS socket has the address of the connection below it. */
const TCP_PEERS: Peers = {
  keyOf: ({ remoteAddress, remotePort, localAddress }) =>
    remoteAddress === undefined ? undefined : `${remoteAddress} ${remotePort} ${localAddress}`,
  networkOf: ({ remoteAddress }) => networkOf(remoteAddress),
  // A reset makes the kernel drop what the client has not read, too.
  cut: (socket) => void socket.resetAndDestroy(),
};

interface Connection {
  readonly key: string;
  /** The TCP socket, also below TLS. */
  readonly socket: Socket;
  readonly network: string;
  /** The answer under way; undefined before the first request and between requests. */
  response: ServerResponse | undefined;
  hasAsked: boolean;
  /** Bytes of the answer under way. */
  untaken: number;
  isEnding: boolean;
}

/**
 * The open connections of a server and what they may cost. A new connection is always accepted. If there is no room, the peer that holds
 * the most loses one, so nobody can keep others out by holding connections, and a peer with few keeps them.
 */
export class Connections {
  readonly #limits: ConnectionLimits;
  readonly #peers: Peers;
  /** In the order of their last change of state, oldest first. */
  readonly #open = new Map<string, Connection>();
  readonly #answering = new WeakMap<ServerResponse, Connection>();
  #untaken = 0;

  constructor(limits: ConnectionLimits, peers = TCP_PEERS) {
    this.#limits = limits;
    this.#peers = peers;
  }

  /** Counts the connections of `server`; several servers can share the limits. */
  watch(server: Server): void {
    server.on('connection', (socket: Socket) => this.#opened(socket));
  }

  /**
   * Called before anything else looks at a request. Node parses all requests that arrive in one read before the first answer
   * has left; only one at a time is answered, so that a connection never costs more than one answer.
   *
   * @returns false for a request behind another one that is not answered yet. It gets no answer: the connection ends with the first.
   */
  admits(request: IncomingMessage, response: ServerResponse): boolean {
    const connection = this.#open.get(this.#peers.keyOf(request.socket) ?? '');
    if (connection === undefined || response.socket === null) {
      this.#endEarly(connection, request.socket);
      return false;
    }
    connection.response = response;
    connection.hasAsked = true;
    this.#answering.set(response, connection);
    this.#changed(connection);
    response.once('close', () => this.#answered(connection, response));
    return true;
  }

  /** Counts the body of an answer until the client has read it. */
  answers(response: ServerResponse, bytes: number): void {
    const connection = this.#answering.get(response);
    if (connection?.response !== response) return;
    this.#untaken += bytes - connection.untaken;
    connection.untaken = bytes;
    while (this.#untaken > this.#limits.untakenBytes) {
      const slow = this.#mostExpendable(({ untaken }) => untaken > 0, connection);
      if (slow === undefined) return;
      this.#cut(slow);
    }
  }

  /**
   * The answer is an event stream: from now on its connection is limited elsewhere, and another request ends it.
   * @returns false when another request is behind it already
   */
  release(response: ServerResponse): boolean {
    const connection = this.#answering.get(response);
    if (connection === undefined) return true;
    if (connection.isEnding) return false;
    this.#forget(connection);
    return true;
  }

  #opened(socket: Socket): void {
    const key = this.#peers.keyOf(socket);
    if (key === undefined) return void socket.destroy();
    const network = this.#peers.networkOf(socket);
    const former = this.#open.get(key);
    if (former) this.#forget(former);
    const state = { response: undefined, hasAsked: false, untaken: 0, isEnding: false };
    const connection: Connection = { key, socket, network, ...state };
    this.#open.set(key, connection);
    socket.once('close', () => this.#forget(connection));
    this.#makeRoomBeside(connection);
  }

  #makeRoomBeside(newest: Connection): void {
    const { connections, connectionsPerPeer } = this.#limits;
    const isOfPeer = ({ network }: Connection): boolean => network === newest.network;
    const ofPeer = [...this.#open.values()].filter(isOfPeer).length;
    let victim: Connection | undefined;
    if (ofPeer > connectionsPerPeer) victim = this.#mostExpendable(isOfPeer, newest);
    else if (this.#open.size > connections) victim = this.#mostExpendable(() => true, newest);
    if (victim) this.#cut(victim);
  }

  /** A connection of the peer with the most: one between requests, else the one whose state is oldest. */
  #mostExpendable(matches: (connection: Connection) => boolean, except: Connection): Connection | undefined {
    const candidates = [...this.#open.values()].filter((each) => each !== except && matches(each));
    const counts = new Map<string, number>();
    for (const { network } of candidates) counts.set(network, (counts.get(network) ?? 0) + 1);
    const most = Math.max(...counts.values());
    const ofHeaviest = candidates.filter(({ network }) => counts.get(network) === most);
    return ofHeaviest.find(({ hasAsked, response }) => hasAsked && response === undefined) ?? ofHeaviest[0];
  }

  #answered(connection: Connection, response: ServerResponse): void {
    if (connection.response !== response) return;
    connection.response = undefined;
    this.#untaken -= connection.untaken;
    connection.untaken = 0;
    this.#changed(connection);
  }

  #changed(connection: Connection): void {
    if (!this.#isOpen(connection)) return;
    this.#open.delete(connection.key);
    this.#open.set(connection.key, connection);
  }

  #endEarly(connection: Connection | undefined, socket: Socket): void {
    if (connection?.response === undefined) {
      stopParsing(socket);
      return void socket.destroy();
    }
    if (!connection.isEnding) endAfter(connection.response, socket);
    connection.isEnding = true;
  }

  #cut(connection: Connection): void {
    this.#forget(connection);
    this.#peers.cut(connection.socket);
  }

  #forget(connection: Connection): void {
    if (!this.#isOpen(connection)) return;
    this.#open.delete(connection.key);
    this.#untaken -= connection.untaken;
    connection.untaken = 0;
    connection.response = undefined;
  }

  #isOpen(connection: Connection): boolean {
    return this.#open.get(connection.key) === connection;
  }
}

/** Lets an answer go out in full and takes no further request. */
function endAfter(response: ServerResponse, socket: Socket): void {
  if (!response.headersSent) response.shouldKeepAlive = false;
  response.once('finish', () => socket.destroySoon());
  stopParsing(socket);
  // In the next tick, because the parser resumes the socket at the end of each request.
  process.nextTick(() => socket.pause());
}

/**
 * Leaves the rest of what has been read unparsed: 2 tells the parser that another protocol follows. There is no public way. If
 * Node ever renames this property, all requests of one read (64 KiB) are parsed and dropped, which takes 0.1 s of the event loop for 1,300.
 */
function stopParsing(socket: Socket): void {
  const { parser } = socket as { parser?: { onIncoming: unknown } };
  if (parser) parser.onIncoming = () => 2;
}
