import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';

/** The project's rules except those that need types: the files here do not exist. `npm run lint` checks the real ones. */
const eslint = new ESLint({
  overrideConfig: { ...tseslint.configs.disableTypeChecked, files: ['**/*.ts'] } as NonNullable<
    ESLint.Options['overrideConfig']
  >,
});

async function complaints(filePath: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(`${code}\n`, { filePath });
  return (result?.messages ?? []).map(({ ruleId, message }) => ruleId ?? message);
}

const RULES: readonly [what: string, path: string, code: string, complaints: readonly string[]][] = [
  ['a room may import from its left', 'exporter/sinks/otlp/x.ts', "export * from '../../events/x.js';", []],
  [
    'a room may not import from its right',
    'exporter/host/x.ts',
    "export * from '../clients/x.js';",
    ['no-restricted-imports'],
  ],
  [
    'nor by a dynamic import',
    'exporter/sinks/x.ts',
    "export const f = () => import('../http/x.js');",
    ['no-restricted-syntax'],
  ],
  [
    'the pipeline knows no sink',
    'exporter/pipeline/x.ts',
    "export * from '../sinks/prometheus.js';",
    ['no-restricted-imports'],
  ],
  [
    'what the browser runs may take types from elsewhere',
    'exporter/http/status/browser/x.ts',
    "import type { Y } from './y.js';\nexport function x(y: Y): Y {\n  const z = y;\n  return z;\n}",
    [],
  ],
  [
    'but uses nothing outside its function',
    'exporter/http/status/browser/x.ts',
    "import { y } from './y.js';\nexport const z = 1;\nfunction w(): void {}\nexport function x() {\n  w();\n  return y + z;\n}",
    ['no-restricted-syntax', 'no-restricted-syntax', 'no-restricted-syntax'],
  ],
  [
    'only program.ts steers the process',
    'exporter/x.ts',
    'export const f = () => process.exit(1);',
    ['no-restricted-properties'],
  ],
];

for (const [what, path, code, expected] of RULES) {
  it(what, async () => {
    assert.deepEqual(await complaints(path, code), expected);
  });
}
