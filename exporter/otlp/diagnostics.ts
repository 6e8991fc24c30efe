import { inspect } from 'node:util';
import { diag, DiagLogLevel, type DiagLogFunction } from '@opentelemetry/api';
import { diagLogLevelFromString, setGlobalErrorHandler } from '@opentelemetry/core';
import type { SdkContext } from './sdk.js';

const QUIET_MS = 60_000;
const MAX_REMEMBERED = 64;
const MAX_LENGTH = 500;

/**
 * Sends the SDK's own messages to our logger: warnings and errors by default, more with OTEL_LOG_LEVEL. The same message comes at most
 * once a minute. Failed exports are left out: {@link ExportHealth} reports those. Process-wide, as the SDK's logger is.
 */
export function routeDiagnostics({ log, env }: Pick<SdkContext, 'log' | 'env'>, now = () => performance.now()): void {
  const saidAt = new Map<string, number>();
  const at =
    (to: 'debug' | 'info' | 'warn' | 'error'): DiagLogFunction =>
    (...words) => {
      const message = `OTLP: ${words.map(printable).join(' ')}`.slice(0, MAX_LENGTH);
      if (now() - (saidAt.get(message) ?? -Infinity) < QUIET_MS) return;
      if (saidAt.size >= MAX_REMEMBERED) saidAt.clear();
      saidAt.set(message, now());
      log(to, message);
    };
  diag.setLogger(
    { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug'), verbose: at('debug') },
    { logLevel: diagLogLevelFromString(env['OTEL_LOG_LEVEL']) ?? DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  setGlobalErrorHandler((error) => diag.debug('the SDK reports', error));
}

function printable(word: unknown): string {
  if (typeof word === 'string') return word;
  if (word instanceof Error) return word.message;
  return inspect(word, { depth: 1, maxArrayLength: 3, maxStringLength: 100, breakLength: Infinity });
}
