import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

/**
 * THE ORDER of the rooms below exporter/, left to right: a file imports only from its own room, from rooms to its left, and
 * from the flat files beside them (names.ts, errors.ts, ...). This keeps data flowing one way.
 */
const ROOMS = [
  'time',
  'wire',
  'native',
  'config',
  'privileges',
  'host',
  'kubernetes',
  'clients',
  'events',
  'metrics',
  'otlp',
  'memory',
  'ras',
  'sources',
  'pipeline',
  'sinks',
  'node-condition',
  'web-config',
  'http',
  'jobs',
  'simulator',
  'app',
  'commands',
];

/** Rooms that stand to the left and are still off limits: HTTP reads the registry and knows nothing of the flow. */
const ALSO_FORBIDDEN = {
  'web-config': ROOMS.slice(ROOMS.indexOf('privileges'), ROOMS.indexOf('web-config')),
  http: ['otlp', 'sources', 'pipeline', 'sinks'],
};
/** The fan-out hands events to what stands to its right, through this interface and nothing else. */
const EXCEPT = { pipeline: 'sinks/sink.js' };

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

/** Regular expression of the import specifiers that files of `room` must not use. */
function forbiddenImports(room) {
  const folders = [...ROOMS.slice(ROOMS.indexOf(room) + 1), ...(ALSO_FORBIDDEN[room] ?? [])];
  const except = EXCEPT[room] ? `(?!${EXCEPT[room].replace('.', '\\.')}$)` : '';
  return `^(?:\\.\\./)+${except}(?:${folders.map((folder) => `${folder}/`).join('|')}${folders.length > 0 ? '|' : ''}(?:main|program)\\.js$)`;
}

/** Static and dynamic imports of one room. */
function direction(room) {
  const regex = forbiddenImports(room);
  const message = `${room}/ may only import from rooms to its left: see the order in eslint.config.js.`;
  const literal = regex.replaceAll('/', '\\/');
  return {
    files: [`exporter/${room}/**/*.ts`],
    rules: {
      'no-restricted-imports': ['error', { paths: [processImport], patterns: [{ regex, message }] }],
      'no-restricted-syntax': ['error', { selector: `ImportExpression[source.value=/${literal}/]`, message }],
    },
  };
}

const mainOnly = 'Only program.ts touches process: take it from the CommandContext.';
const selfContained =
  'Only the text of the exported function goes into the page: declare this inside it, or pass it in.';
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
    ignores: ['exporter/program.ts'],
    rules: {
      'no-restricted-properties': [
        'error',
        ...STEERING.map((property) => ({ object: 'process', property, message: mainOnly })),
      ],
      'no-restricted-imports': ['error', { paths: [processImport] }],
    },
  },
  ...ROOMS.map(direction),
  {
    files: ['exporter/http/status/browser/*.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        ...[
          'ImportDeclaration[importKind="value"]',
          'ImportExpression',
          ':matches(Program, Program > *) > :matches(VariableDeclaration, ClassDeclaration)',
          'Program > FunctionDeclaration',
        ].map((selector) => ({ selector, message: selfContained })),
      ],
    },
  },
  // Programs of their own, started by npm scripts and tests; they print, and tests throw what nobody should.
  { files: ['native/*.mjs', 'test/**', 'dashboards/**', 'helm/**', 'docs/**'], rules: { 'no-console': 'off' } },
  { files: ['test/**/*.ts'], rules: { '@typescript-eslint/only-throw-error': 'off' } },
);
