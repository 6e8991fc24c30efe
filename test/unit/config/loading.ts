import assert from 'node:assert/strict';
import { parseArguments } from '../../../exporter/config/argv.js';
import { loadConfig, type Environment } from '../../../exporter/config/load.js';
import type { CommandName, Config } from '../../../exporter/config/schema.js';
import { CodedError } from '../../../exporter/errors.js';

export interface Given {
  readonly env?: Environment;
  readonly file?: string;
}

export function load(line: string | readonly string[], { env = {}, file }: Given = {}): Promise<Config> {
  const argv = typeof line === 'string' ? line.split(' ') : line;
  const args = parseArguments(file === undefined ? argv : [...argv, '--config=options.yaml']);
  return loadConfig(args.command as CommandName, args, env, () => file ?? '');
}

export async function refusal(line: string | readonly string[], given: Given = {}): Promise<CodedError> {
  const error: unknown = await load(line, given).then(
    () => assert.fail(`accepted: ${line}`),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof CodedError, String(error));
  assert.equal(error.exitCode, 2);
  return error;
}
