import { readSmallFile } from '../../config/text-file.js';
import { envValue, type Environment } from './environment.js';

const VARIABLES = ['CERTIFICATE', 'CLIENT_CERTIFICATE', 'CLIENT_KEY'].flatMap((name) => [
  `OTEL_EXPORTER_OTLP_${name}`,
  `OTEL_EXPORTER_OTLP_LOGS_${name}`,
]);

/**
 * Checks that the certificate files named in the environment can be read. The SDK would go on without them, and trust the public
 * authorities where one of its own was asked for.
 *
 * @throws Error that names the variable and the file
 */
export function checkCertificates(env: Environment): void {
  for (const variable of VARIABLES) {
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
