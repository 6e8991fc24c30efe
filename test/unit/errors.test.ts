import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { CodedError, codedError, ERRORS, EXIT, explain, type ErrorCode } from '../../exporter/errors.js';

const entries = Object.entries(ERRORS);

/** The sources, not what was compiled from them. */
const sources = readdirSync('exporter', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && path !== 'errors.ts')
  .map((path) => ({ path, text: readFileSync(join('exporter', path), 'utf8') }));
const used = new Set(sources.flatMap(({ text }) => text.match(/XEE_[A-Z0-9_]+/g) ?? []));

describe('the table of errors', () => {
  for (const [code, { message, fix, exitCode }] of entries) {
    it(`${code} is used, says what happened and what to do`, () => {
      assert.match(code, /^XEE_[A-Z]+(_[A-Z]+)*$/);
      assert.ok(used.has(code), 'no source uses it');
      assert.ok(message.length > 0 && fix.length > 0);
      assert.doesNotMatch(message, /\.$/, 'a message ends without a dot: explain() sets it');
      assert.ok([EXIT.failure, EXIT.usage, EXIT.jobNotExecutable, EXIT.jobNotFound].some((ok) => ok === exitCode));
    });
  }

  it('has every code that the sources use', () => {
    assert.deepEqual(
      [...used].filter((code) => !Object.hasOwn(ERRORS, code)),
      [],
    );
  });
});

describe('codedError', () => {
  it('fills in the details and keeps the cause', () => {
    const cause = new Error('bind');
    const error = codedError('XEE_PORT_IN_USE', { address: ':9464', flag: '--listen-address' }, { cause });
    assert.ok(error instanceof CodedError && error instanceof Error);
    assert.equal(error.message, 'cannot listen on :9464: the port is in use (EADDRINUSE)');
    assert.deepEqual(
      [error.name, error.code, error.exitCode, error.cause],
      ['CodedError', 'XEE_PORT_IN_USE', 1, cause],
    );
  });

  it('takes details as they are, whatever is in them', () => {
    assert.equal(codedError('XEE_INTERNAL', { seen: '$& {seen} {fix}' }).message, 'internal error: $& {seen} {fix}');
  });

  it('asks for the details of its code', () => {
    // @ts-expect-error: the compiler misses `address`.
    codedError('XEE_PORT_IN_USE', {});
  });
});

describe('explain', () => {
  const explained = (code: ErrorCode, message: string): string => explain(new CodedError(code, message, 'Do this.'));

  it('gives one line with message, fix and code', () => {
    assert.equal(explained('XEE_INTERNAL', 'it broke'), 'it broke. Do this. [XEE_INTERNAL]');
    assert.equal(explained('XEE_INTERNAL', 'meant that?'), 'meant that? Do this. [XEE_INTERNAL]');
  });

  it('starts a new line after a message of several', () => {
    assert.equal(explained('XEE_INTERNAL', 'two:\n  a'), 'two:\n  a\nDo this. [XEE_INTERNAL]');
  });
});
