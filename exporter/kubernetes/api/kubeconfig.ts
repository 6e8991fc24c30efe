import { delimiter, dirname, resolve } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import { parse } from 'yaml';
import { readSmallFile } from '../../config/text-file.js';
import type { ApiAccess, ApiTarget } from './access.js';

/** One named entry, and the directory that paths in it are relative to. */
interface Entry {
  readonly directory: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

type Kind = 'cluster' | 'context' | 'user';
const KINDS: readonly Kind[] = ['cluster', 'context', 'user'];

const UNSUPPORTED = ['exec', 'auth-provider'] as const;

/**
 * The files of KUBECONFIG, for development: certificates, tokens and basic authentication. Credential
 * plugins (`exec`) are not run, because a program with the exporter's privileges must not start others. Use `kubectl proxy` instead.
 */
export class KubeconfigAccess implements ApiAccess {
  readonly origin = 'KUBECONFIG';
  readonly #files: readonly string[];

  constructor(paths: string) {
    this.#files = paths.split(delimiter).filter((path) => path !== '');
  }

  async target(): Promise<ApiTarget> {
    const { entries, currentContext } = await this.#read();
    const context = find(entries.context, currentContext, 'context').fields;
    const cluster = find(entries.cluster, text(context['cluster']), 'cluster');
    const user = entries.user.get(text(context['user'])) ?? { directory: '', fields: {} };
    const address = text(cluster.fields['server']);
    const server = URL.canParse(address) ? new URL(address) : undefined;
    if (server?.protocol !== 'https:' && server?.protocol !== 'http:') throw new Error('KUBECONFIG names no server');
    // Like kubectl: credentials are never sent in the clear.
    if (server.protocol === 'http:') return { server, headers: {}, tls: {} };
    const plugin = UNSUPPORTED.find((field) => field in user.fields);
    if (plugin !== undefined) {
      throw new Error(`KUBECONFIG asks for a credential plugin (${plugin}), which is not run: use "kubectl proxy"`);
    }
    return { server, headers: await headersOf(user), tls: await tlsOf(cluster, user) };
  }

  /** The first entry of a name wins, as in kubectl. */
  async #read(): Promise<{ entries: Record<Kind, Map<string, Entry>>; currentContext: string }> {
    const entries = { cluster: new Map(), context: new Map(), user: new Map() } as Record<Kind, Map<string, Entry>>;
    let currentContext = '';
    for (const file of this.#files) {
      const document = object(parseYaml(readSmallFile(file).toString('utf8')));
      currentContext ||= text(document['current-context']);
      for (const kind of KINDS) {
        const list = document[`${kind}s`];
        for (const item of Array.isArray(list) ? list.map(object) : []) {
          const name = text(item['name']);
          if (entries[kind].has(name)) continue;
          entries[kind].set(name, { directory: dirname(resolve(file)), fields: object(item[kind]) });
        }
      }
    }
    return { entries, currentContext };
  }
}

async function headersOf({ fields, directory }: Entry): Promise<Record<string, string>> {
  const token =
    text(fields['tokenFile']) === ''
      ? text(fields['token'])
      : readSmallFile(resolve(directory, text(fields['tokenFile']))).toString('utf8');
  if (token !== '') return { authorization: `Bearer ${token.trim()}` };
  if (text(fields['username']) === '') return {};
  const pair = `${text(fields['username'])}:${text(fields['password'])}`;
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}

async function tlsOf(cluster: Entry, user: Entry): Promise<ConnectionOptions> {
  const [ca, cert, key] = await Promise.all([
    dataOrFile(cluster, 'certificate-authority'),
    dataOrFile(user, 'client-certificate'),
    dataOrFile(user, 'client-key'),
  ]);
  const servername = text(cluster.fields['tls-server-name']);
  return {
    ...(ca && { ca }),
    ...(cert && { cert }),
    ...(key && { key }),
    ...(servername && { servername }),
    ...(cluster.fields['insecure-skip-tls-verify'] === true && { rejectUnauthorized: false }),
  };
}

async function dataOrFile({ fields, directory }: Entry, name: string): Promise<Buffer | undefined> {
  const data = text(fields[`${name}-data`]);
  if (data !== '') return Buffer.from(data, 'base64');
  const path = text(fields[name]);
  return path === '' ? undefined : readSmallFile(resolve(directory, path));
}

function find(entries: ReadonlyMap<string, Entry>, name: string, kind: Kind): Entry {
  const entry = entries.get(name);
  if (entry === undefined) throw new Error(`KUBECONFIG has no current ${kind}`);
  return entry;
}

/** The parser's own error would quote the line it stumbled over, and that may be a token. */
function parseYaml(content: string): unknown {
  try {
    return parse(content) as unknown;
  } catch {
    throw new Error('KUBECONFIG is no YAML');
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function object(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
