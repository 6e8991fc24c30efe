import { readSmallFile } from '../config/text-file.js';
import { envValue, type Environment } from './environment.js';
import { variablesOf, type Signal } from './signal.js';

/**
 * Checks that the certificate files named in the environment can be read. The SDK would go on without them, and trust the public
 * authorities where one of its own was asked for.
 *
 * @throws Error that names the variable and the file
 */
export function checkCertificates(env: Environment, signal: Signal): void {
  const settings = ['CERTIFICATE', 'CLIENT_CERTIFICATE', 'CLIENT_KEY'];
  for (const variable of settings.flatMap((setting) => variablesOf(signal, setting))) {
    const path = envValue(env, variable);
    if (path === undefined) continue;
    try {
      readSmallFile(path);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      throw new Error(`${variable} names the file '${path}', which cannot be read: ${code ?? message}`, {
        cause: error,
      });
    }
  }
}
