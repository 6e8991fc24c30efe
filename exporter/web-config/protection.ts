import { constants, createPrivateKey, X509Certificate } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import { quote } from '../config/problem.js';
import { codedError, type CodedError } from '../errors.js';
import { FileSnapshot } from './file-snapshot.js';
import { parseWebConfig, type PemSource, type TlsSettings, type WebConfig } from './schema.js';

/** What a valid web configuration asks for, with all files read and checked to work together. */
export interface Protection extends Omit<WebConfig, 'tls'> {
  readonly tls: TlsProtection | undefined;
}

export interface TlsProtection extends Pick<TlsSettings, 'clientAuth' | 'allowedSans'> {
  readonly options: SecureContextOptions;
  /** The server's own. */
  readonly certificate: X509Certificate;
}

/** One reading of the files: what they ask for, or why they cannot be used. */
export interface Loaded {
  readonly files: FileSnapshot;
  readonly outcome: Protection | CodedError;
}

/**
 * Reads a web configuration file and the files it names, synchronously.
 * @param path paths in the file are relative to its folder
 */
export function loadProtection(path: string): Loaded {
  const files = new FileSnapshot();
  let text: string;
  try {
    text = files.read(path);
  } catch (error) {
    return { files, outcome: unreadable([`${quote(path)}: ${(error as Error).message}`]) };
  }
  const { config, problems } = parseWebConfig(text);
  const sources = new PemReader(files, dirname(path));
  const tls = config.tls && readTls(config.tls, sources, problems.length === 0);
  const wrong = [...problems, ...sources.wrong];
  if (wrong.length > 0) return { files, outcome: invalid(path, [...wrong, ...sources.unreadable]) };
  if (sources.unreadable.length > 0) return { files, outcome: unreadable(sources.unreadable) };
  return { files, outcome: { ...config, tls } };
}

/** Reads PEM texts and keeps what went wrong, so that all problems are reported at once. */
class PemReader {
  readonly unreadable: string[] = [];
  readonly wrong: string[] = [];
  readonly #files: FileSnapshot;
  readonly #folder: string;

  constructor(files: FileSnapshot, folder: string) {
    this.#files = files;
    this.#folder = folder;
  }

  read(source: PemSource): string {
    if ('text' in source) return source.text;
    try {
      return this.#files.read(resolve(this.#folder, source.file));
    } catch (error) {
      this.unreadable.push(`${source.key} ${quote(source.file)}: ${(error as Error).message}`);
      return '';
    }
  }

  /** Runs one check of `source`; OpenSSL's reasons hold no contents. */
  prove<Value>(source: PemSource, check: () => Value): Value | undefined {
    try {
      return check();
    } catch (error) {
      const { reason, message } = error as Error & { reason?: string };
      const where = 'file' in source ? `${source.key} ${quote(source.file)}` : source.key;
      this.wrong.push(`${where}: ${reason ?? message}`);
      return undefined;
    }
  }
}

function readTls(settings: TlsSettings, sources: PemReader, isSound: boolean): TlsProtection | undefined {
  const [cert, key] = [sources.read(settings.cert), sources.read(settings.key)];
  const ca = settings.clientCa && sources.read(settings.clientCa);
  if (sources.unreadable.length > 0) return undefined;

  const certificate = sources.prove(settings.cert, () => firstCertificate(cert));
  const privateKey = sources.prove(settings.key, () => createPrivateKey(key));
  const clientCa = settings.clientCa;
  if (clientCa && ca !== undefined) sources.prove(clientCa, () => certificatesIn(ca));
  if (certificate === undefined || privateKey === undefined || sources.wrong.length > 0) return undefined;
  if (!certificate.checkPrivateKey(privateKey)) {
    sources.wrong.push(`${settings.key.key} is not the key of the certificate in ${settings.cert.key}`);
    return undefined;
  }
  const options: SecureContextOptions = {
    cert,
    key,
    // Without this list, clients with a certificate of any public authority would be trusted.
    ca: ca === undefined ? [] : ca,
    minVersion: settings.minVersion,
    maxVersion: settings.maxVersion,
    ciphers: settings.ciphers,
    ecdhCurve: settings.curves,
    honorCipherOrder: settings.serverPrefers,
    // A resumed session is not asked for a certificate again.
    secureOptions: settings.clientAuth === 'NoClientCert' ? 0 : constants.SSL_OP_NO_TICKET,
  };
  if (isSound) sources.prove({ key: 'tls_server_config', text: '' }, () => createSecureContext(options));
  const { clientAuth, allowedSans } = settings;
  return { options, certificate, clientAuth, allowedSans };
}

function firstCertificate(pem: string): X509Certificate {
  const [first] = certificatesIn(pem);
  return first as X509Certificate;
}

function certificatesIn(pem: string): readonly X509Certificate[] {
  const texts = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  if (texts === null) throw new Error('it has no PEM certificate in it');
  return texts.map((text) => new X509Certificate(text));
}

function unreadable(problems: readonly string[]): CodedError {
  return codedError('XEE_WEB_CONFIG_UNREADABLE', { problems: several(problems) });
}

function invalid(path: string, problems: readonly string[]): CodedError {
  return codedError('XEE_WEB_CONFIG_INVALID', { problems: `${quote(path)}: ${several(problems)}` });
}

function several(problems: readonly string[]): string {
  if (problems.length === 1) return problems.join('');
  return `${problems.length} problems:\n${problems.map((line) => `  ${line}`).join('\n')}`;
}
