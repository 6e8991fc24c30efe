import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request, type Agent } from 'node:https';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import bcrypt from 'bcryptjs';
import { FixtureTree } from './fixture-tree.js';

/** Keys and certificates that last; see make.sh there. */
export const PKI = 'test/fixtures/web-config/pki';
export const pem = (name: string): Buffer => readFileSync(join(PKI, name));

/** A cheap hash: the least cost there is. */
export const aHash = (password: string): string => bcrypt.hashSync(password, 4);

/** A folder with a web configuration file and all the certificates beside it. */
export class WebConfigFolder {
  readonly folder: string;
  readonly path: string;

  private constructor(folder: string) {
    this.folder = folder;
    this.path = join(folder, 'web.yml');
  }

  static create(t: Pick<TestContext, 'after'>, text: string): WebConfigFolder {
    const created = new WebConfigFolder(new FixtureTree(t).root);
    for (const name of ['ca', 'other-ca', 'server', 'renewed', 'expired']) created.copy(`${name}.pem`);
    for (const name of ['server', 'renewed', 'expired']) created.copy(`${name}.key`);
    created.write(text);
    return created;
  }

  /** undefined = the file goes away. */
  write(text: string | undefined): void {
    if (text === undefined) rmSync(this.path);
    else writeFileSync(this.path, text);
  }

  copy(name: string, to = name): void {
    mkdirSync(this.folder, { recursive: true });
    copyFileSync(join(PKI, name), join(this.folder, to));
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** SHA-256 fingerprint of the server's certificate. */
  readonly fingerprint: string;
}

/** One request over a TLS connection of its own; the server's certificate is checked. */
export function get(
  url: string,
  options: ConnectionOptions & { auth?: string; method?: string; agent?: Agent } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent: false, ca: pem('ca.pem'), ...options } as object, (response) => {
      const { fingerprint256 } = (response.socket as TLSSocket).getPeerCertificate();
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body, fingerprint: fingerprint256 }),
      );
    });
    sent.on('error', reject).end();
  });
}
