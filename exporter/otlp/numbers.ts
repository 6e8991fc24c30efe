import { envValue, type Environment } from './environment.js';

/** Longest of the OTEL_* times, milliseconds: it fits a timer. */
export const MAX_MS = 86_400_000;

/** The whole number of a variable, from 1 to `max`; the fallback when there is none, and with a warning when it is another. */
export function wholeNumber(
  env: Environment,
  name: string,
  { fallback, max, warnings }: { readonly fallback: number; readonly max: number; readonly warnings: string[] },
): number {
  const text = envValue(env, name);
  if (text === undefined) return fallback;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= max) return value;
  warnings.push(`${name}='${text}' is no whole number from 1 to ${max}: ${fallback} is used`);
  return fallback;
}
