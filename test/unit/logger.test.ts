import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createLogger, type Logger, type LoggerOptions } from '../../exporter/logger.js';

function logging(options: Pick<LoggerOptions, 'level' | 'format'>, log: (logger: Logger) => void): string[] {
  const lines: string[] = [];
  log(createLogger({ ...options, stream: { write: (line) => lines.push(line) } }));
  return lines;
}

describe('the logger', () => {
  it('writes one JSON object a line, with level name and ISO time, without pid and host name', () => {
    const [line = ''] = logging({ level: 'info', format: 'json' }, (logger) =>
      logger.warn({ device: '0000:03:00.0' }, 'gone'),
    );
    const { time, ...rest } = JSON.parse(line) as Record<string, unknown>;
    assert.deepEqual(rest, { level: 'warn', device: '0000:03:00.0', msg: 'gone' });
    assert.match(String(time), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    assert.ok(line.endsWith('}\n'));
  });

  it('writes text for people, quoted where it must be', () => {
    const fields = { plain: 'a', spaced: 'a b', number: 3, list: [1], injected: 'x\nERROR forged' };
    const [line = ''] = logging({ level: 'info', format: 'text' }, (logger) => logger.info(fields, 'done'));
    assert.match(line, /^\S+Z INFO {2}done plain=a spaced="a b" number=3 list=\[1\] injected="x\\nERROR forged"\n$/);
  });

  it('writes the message of an error, and its stack only when debugging', () => {
    const fields = { err: new Error('broke') };
    const [info = ''] = logging({ level: 'debug', format: 'text' }, (logger) => logger.info(fields, 'x'));
    assert.match(info, / error=broke\n$/);
    const [debug = ''] = logging({ level: 'debug', format: 'text' }, (logger) => logger.debug(fields, 'x'));
    assert.match(debug, / error=broke\nError: broke\n {4}at /);
  });

  it('leaves out what is below the level', () => {
    const lines = logging({ level: 'warn', format: 'json' }, (logger) => {
      logger.debug({}, 'a');
      logger.info({}, 'b');
      logger.error({}, 'c');
      logger.fatal({}, 'd');
    });
    assert.equal(lines.length, 2);
  });

  it('takes values JSON cannot hold', () => {
    const circular: Record<string, unknown> = { big: 1n };
    circular['self'] = circular;
    for (const format of ['json', 'text'] as const) {
      assert.equal(logging({ level: 'info', format }, (logger) => logger.info(circular, 'x')).length, 1);
    }
  });
});
