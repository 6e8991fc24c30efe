import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { commandHelp, programHelp } from '../../../exporter/config/help.js';
import { COMMANDS, OPTION_LIST, type CommandName } from '../../../exporter/config/schema.js';

const commands = Object.keys(COMMANDS) as CommandName[];

describe('help', () => {
  it('of the program names every command', () => {
    for (const command of commands) assert.match(programHelp('1.2.3'), new RegExp(`^  ${command} `, 'm'));
  });

  for (const command of commands) {
    it(`of ${command} has exactly its flags, with defaults, in 100 columns`, () => {
      const help = commandHelp(command);
      for (const [, option] of OPTION_LIST) {
        assert.equal(
          new RegExp(`^  --${option.flag}[ ,]`, 'm').test(help),
          option.commands.includes(command),
          option.flag,
        );
      }
      assert.ok(help.split('\n').every((line) => line.length <= 100 && line === line.trimEnd()));
    });
  }

  it('of the program fits 120 columns', () => {
    assert.ok(
      programHelp('1.2.3')
        .split('\n')
        .every((line) => line.length <= 120),
    );
  });
});
