import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { loadConfig } from '../../exporter/config/load.js';
import { generatedPackagingFiles } from '../../packaging/generator/generated.js';
import { FixtureTree } from '../helpers/fixture-tree.js';

it('the generated files of packaging/ are up to date', () => {
  for (const [path, text] of generatedPackagingFiles()) {
    assert.equal(readFileSync(path, 'utf8'), text, `${path}: run "npm run packaging"`);
  }
});

describe('the default configuration', () => {
  const text = readFileSync('packaging/config/config.yaml', 'utf8');
  const load = (file: string) =>
    loadConfig('serve', { values: new Map([['configFile', ['config.yaml']]]), problems: [] } as never, {}, () => file);

  it('only sets what differs outside Kubernetes', async () => {
    assert.deepEqual(await load(text), { ...(await load('{}')), workloadLabels: 'systemd' });
  });

  it('shows the default of every option, as the file would have it', async () => {
    const uncommented = text.replace(/^#(\w+: .+)$/gm, '$1');
    assert.notEqual(uncommented, text);
    assert.deepEqual(await load(uncommented), await load(text));
  });
});

it('systemd understands the unit, with the drop-in for the trace', { skip: !hasSystemd() }, (t) => {
  const tree = new FixtureTree(t);
  const unit = readFileSync('packaging/systemd/xe-exporter.service', 'utf8');
  // The program is not installed here.
  tree.file('xe-exporter.service', unit.replace(/^ExecStart=xe-exporter /m, `ExecStart=${process.execPath} `));
  tree.file('xe-exporter.service.d/trace.conf', readFileSync('packaging/systemd/trace.conf', 'utf8'));
  const { status, stdout, stderr } = spawnSync(
    'systemd-analyze',
    ['verify', '--man=no', join(tree.root, 'xe-exporter.service')],
    { encoding: 'utf8', env: { ...process.env, SYSTEMD_UNIT_PATH: `${tree.root}:` } },
  );
  assert.deepEqual([status, stdout + stderr], [0, '']);
});

function hasSystemd(): boolean {
  return spawnSync('systemd-analyze', ['--version']).status === 0;
}

it('the completion for zsh has each option in one word, whatever its help says', () => {
  const specs = readFileSync('packaging/completion/_xe-exporter', 'utf8')
    .split('\n')
    .filter((line) => /^ {8}'/.test(line))
    .map((line) => line.replace(/ \\$/, ''));
  const script = 'for word; do printf "%s\\n" "$word"; done';
  const words = execFileSync('sh', ['-c', `set -- ${specs.join(' ')}; ${script}`], { encoding: 'utf8' });
  assert.deepEqual(
    words
      .trim()
      .split('\n')
      .map((word) => /^[(*]?-[^[]*\[.*\](?::.*)?$/.test(word)),
    specs.map(() => true),
  );
});

describe('the completion for bash', () => {
  /** What bash offers for a line, whose last word is being typed. */
  function offered(...words: readonly string[]): readonly string[] {
    const script =
      'source packaging/completion/xe-exporter.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _xe_exporter; printf "%s\\n" "${COMPREPLY[@]}"';
    const printed = execFileSync('bash', ['-c', script, 'bash', 'xe-exporter', ...words], { encoding: 'utf8' });
    return printed.split('\n').filter((line) => line !== '');
  }

  it('offers commands, and the options of the command that is there', () => {
    assert.deepEqual(offered('d'), ['doctor', 'demo']);
    assert.deepEqual(offered('watch', '--path-d'), ['--path-debugfs', '--path-dev']);
    assert.deepEqual(offered('doctor', '--exp'), ['--explain-privileges']);
    assert.deepEqual(offered('demo', '--exp'), []);
  });

  it('offers the options of serve where no command is named', () => {
    assert.deepEqual(offered('--web'), ['--web-config-file']);
  });

  it('offers the values of an option, after a space and after "="', () => {
    assert.deepEqual(offered('serve', '--mode', ''), ['auto', 'watch_queue', 'fallback']);
    assert.deepEqual(offered('serve', '--mode', '='), ['auto', 'watch_queue', 'fallback']);
    assert.deepEqual(offered('serve', '--mode', '=', 'f'), ['fallback']);
    assert.deepEqual(offered('serve', '--scan-interval', ''), []);
    assert.deepEqual(offered('serve', '--config', 'package-l'), ['package-lock.json']);
    assert.deepEqual(offered('serve', '--path-dev', 'packagi'), ['packaging']);
  });
});
