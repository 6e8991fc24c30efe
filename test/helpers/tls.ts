import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A key and a certificate for localhost, signed by itself and good for a day. */
export interface SelfSigned {
  readonly key: Buffer;
  readonly cert: Buffer;
  /** Path of the certificate. */
  readonly certFile: string;
}

/** Makes a {@link SelfSigned} in a folder with openssl. */
export function selfSigned(folder: string): SelfSigned {
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const files = ['-keyout', keyFile, '-out', certFile];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', ...subject, ...files], {
    stdio: 'pipe',
  });
  return { key: readFileSync(keyFile), cert: readFileSync(certFile), certFile };
}
