import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

/**
 * THE ORDER of the stages below exporter/, left to right: a file imports only from its own stage, from stages to its left, and
 * from the foundations. It is what keeps data walking one way.
 */
const FOUNDATIONS = ['telemetry', 'native', 'config', 'wire'];
const STAGES = [
  'host',
  'kubernetes',
  'clients',
  'events',
  'memory',
  'sources',
  'decode',
  'attribute',
  'incidents',
  'enrich',
  'bus',
  'sinks',
  'http',
  'commands',
];
/** Files beside the folders: errors.ts is a foundation, these put stages together and are for commands only. */
const COMPOSITION = ['app', 'mode', 'pipeline', 'node-watch', 'node-status'];

/** What a stage may not import although it stands to its left: HTTP reads the registry and knows nothing of the flow. */
const ALSO_FORBIDDEN = { http: ['sources', 'decode', 'attribute', 'incidents', 'enrich', 'bus', 'sinks'] };
/** The bus hands events to what stands to its right, through this interface and nothing else. */
const EXCEPT = { bus: 'sinks/sink.js' };

/** Parts of `process` that steer it or read what the user gave; reading a fact (version, memory) is free. */
const STEERING = [
  'argv',
  'env',
  'exit',
  'exitCode',
  'on',
  'once',
  'stdin',
  'stdout',
  'stderr',
  'kill',
  'abort',
  'chdir',
  'cwd',
];

/** Regular expression of the import specifiers that `stage` must not use. */
function forbiddenImports(stage) {
  const index = STAGES.indexOf(stage);
  const folders = [...STAGES.slice(index + 1), ...(ALSO_FORBIDDEN[stage] ?? [])];
  const files = stage === 'commands' ? ['main'] : ['main', ...COMPOSITION];
  const except = EXCEPT[stage] ? `(?!${EXCEPT[stage].replace('.', '\\.')}$)` : '';
  const targets = [...folders.map((folder) => `${folder}/`), ...files.map((file) => `${file}\\.js$`)];
  return `^(?:\\.\\./)+${except}(?:${targets.join('|')})`;
}

/** Static and dynamic imports of one stage. */
function direction(stage) {
  const regex = forbiddenImports(stage);
  const message = `${stage}/ may only import from stages to its left: see the order in eslint.config.js.`;
  const literal = regex.replaceAll('/', '\\/');
  return {
    files: [`exporter/${stage}/**/*.ts`],
    rules: {
      'no-restricted-imports': ['error', { paths: [processImport], patterns: [{ regex, message }] }],
      'no-restricted-syntax': ['error', { selector: `ImportExpression[source.value=/${literal}/]`, message }],
    },
  };
}

const mainOnly = 'Only main.ts touches process: take it from the CommandContext.';
const processImport = { name: 'node:process', importNames: [...STEERING, 'default'], message: mainOnly };

export default defineConfig(
  { ignores: ['dist/', 'native/build/', 'test/kernel/guest/', '**/out/'] },
  tseslint.configs.strict,
  {
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      'object-shorthand': 'error',
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/no-unused-vars': 'off', // tsc says it.
    },
  },
  {
    files: ['**/*.ts'],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      // The type-checked rules that find bugs; tsc does the rest.
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', package: 'node:test', name: ['test', 'describe', 'it', 'suite'] },
          ],
        },
      ],
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/return-await': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
    },
  },
  {
    files: ['exporter/**/*.ts'],
    ignores: ['exporter/main.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        ...STEERING.map((property) => ({ object: 'process', property, message: mainOnly })),
      ],
      'no-restricted-imports': ['error', { paths: [processImport] }],
    },
  },
  ...[...FOUNDATIONS, ...STAGES].map(direction),
  // Programs of their own, started by npm scripts and tests; they print, and tests throw what nobody should.
  { files: ['native/*.mjs', 'test/**', 'dashboards/**', 'helm/**'], rules: { 'no-console': 'off' } },
  { files: ['test/**/*.ts'], rules: { '@typescript-eslint/only-throw-error': 'off' } },
);
