import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';

/** The project's rules but those that need types: the files here do not exist. */
const eslint = new ESLint({
  overrideConfig: { ...tseslint.configs.disableTypeChecked, files: ['**/*.ts'] } as NonNullable<
    ESLint.Options['overrideConfig']
  >,
});

async function complaints(filePath: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(`${code}\n`, { filePath });
  return (result?.messages ?? []).map(({ ruleId, message }) => ruleId ?? message);
}

describe('a stage', () => {
  const allowed: readonly [string, string][] = [
    ['host', "export * from '../telemetry/x.js';"],
    ['clients', "export * from '../host/x.js';"],
    ['events', "export * from '../clients/x.js';"],
    ['sources/kind', "export * from '../../events/x.js'; export * from '../source.js';"],
    ['incidents', "export * from '../clients/x.js'; export * from '../attribute/x.js';"],
    ['enrich', "export * from '../incidents/x.js'; export * from '../alarm.js';"],
    ['bus', "export * from '../sinks/sink.js';"],
    ['sinks', "export * from '../events/x.js';"],
    ['http/routes', "export * from '../../telemetry/x.js'; export * from '../../errors.js';"],
    ['commands', "export * from '../app.js'; export const f = () => import('../http/x.js');"],
    ['telemetry', "export * from 'pino'; export * from './names.js';"],
  ];
  for (const [stage, code] of allowed) {
    it(`${stage} may: ${code}`, async () => {
      assert.deepEqual(await complaints(`exporter/${stage}/virtual.ts`, code), []);
    });
  }

  const forbidden: readonly [string, string][] = [
    ['telemetry', "export * from '../host/x.js';"],
    ['config', "import { x } from '../commands/x.js'; export const y = x;"],
    ['wire', "import type { X } from '../events/x.js'; export type Y = X;"],
    ['host', "export * from '../clients/x.js';"],
    ['events', "export * from '../sources/x.js';"],
    ['sources/kind', "export * from '../../decode/x.js';"],
    ['decode', "export * from '../attribute/x.js';"],
    ['attribute', "export * from '../incidents/x.js';"],
    ['incidents', "export * from '../enrich/x.js';"],
    ['enrich', "export * from '../bus/x.js';"],
    ['bus', "export * from '../sinks/prometheus.js';"],
    ['bus', "export * from '../sinks/sink.json';"],
    ['sinks/kind', "export * from '../../http/server.js';"],
    ['http', "export * from '../sinks/x.js';"],
    ['http', "export * from '../sources/x.js';"],
    ['commands', "export * from '../main.js';"],
    ['sinks', "export * from '../app.js';"],
  ];
  for (const [stage, code] of forbidden) {
    it(`${stage} may not: ${code}`, async () => {
      assert.deepEqual(await complaints(`exporter/${stage}/virtual.ts`, code), ['no-restricted-imports']);
    });
  }

  it('may not go round it with a dynamic import', async () => {
    const code = "export const f = () => import('../http/x.js');";
    assert.deepEqual(await complaints('exporter/sinks/virtual.ts', code), ['no-restricted-syntax']);
  });
});

describe('process', () => {
  it('is steered by main.ts only', async () => {
    const code = 'export const f = (): void => process.exit(1);';
    assert.deepEqual(await complaints('exporter/host/virtual.ts', code), ['no-restricted-properties']);
    assert.deepEqual(await complaints('exporter/virtual.ts', code), ['no-restricted-properties']);
    assert.deepEqual(await complaints('exporter/main.ts', code), []);
  });

  it('is not imported to get at that, but its facts are free', async () => {
    assert.deepEqual(await complaints('exporter/host/virtual.ts', "export { env } from 'node:process';"), [
      'no-restricted-imports',
    ]);
    assert.deepEqual(await complaints('exporter/host/virtual.ts', "export { hrtime } from 'node:process';"), []);
    assert.deepEqual(await complaints('exporter/host/virtual.ts', 'export const m = process.memoryUsage();'), []);
  });
});

describe('the console', () => {
  it('is not written to', async () => {
    assert.deepEqual(await complaints('exporter/host/virtual.ts', "console.log('x');"), ['no-console']);
  });
});
