import { writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { CommandContext } from '../../app/context.js';
import { COMMANDS } from '../../config/schema.js';
import { codedError, EXIT } from '../../errors.js';
import { nodeNameOf } from '../../kubernetes/node-name.js';
import type { Command } from '../command.js';
import { CONTENTS, type Content } from './contents.js';
import { withoutNames, withoutSecrets } from './redaction.js';
import { tarGz, type ArchiveFile } from './tar.js';

/** Packs what a bug report needs into one archive, with and without a running exporter. What cannot be had is a sentence in its place. */
export const command: Command = {
  name: 'bundle',
  summary: COMMANDS.bundle,
  async run(context) {
    const { config, stderr, stdout, signal } = context;
    const files: ArchiveFile[] = [];
    for (const [index, content] of CONTENTS.entries()) {
      signal.throwIfAborted();
      stderr.write(`[${index + 1}/${CONTENTS.length}] ${content.title}\n`);
      files.push({ name: content.name, text: withoutSecrets(await textOf(content, context)) });
    }
    const now = new Date();
    const folder = `xe-exporter-bundle-${now.toISOString().slice(0, 19).replace(/[-:]/g, '')}`;
    const path = config.output ?? `${folder}.tar.gz`;
    const packed = config.redact ? redacted(files, context) : files;
    write(path, tarGz(folder, packed, now));
    stdout.write(`${path}\n`);
    stderr.write(
      config.redact
        ? 'Secrets were removed, and names of hosts, pods and processes replaced. Look at it before you publish it.\n'
        : 'Secrets were removed; names of hosts, pods and processes are in it. To replace them, use --redact.\n',
    );
    return EXIT.ok;
  },
};

async function textOf({ make }: Content, context: CommandContext): Promise<string> {
  try {
    return await make(context);
  } catch (error) {
    return `Not available: ${error instanceof Error ? error.message : String(error)}\n`;
  }
}

function redacted(files: readonly ArchiveFile[], { config, env }: CommandContext): ArchiveFile[] {
  const hosts = [hostname(), hostname().split('.')[0] ?? '', nodeNameOf(config.nodeName, env)];
  const texts = withoutNames(
    files.map(({ text }) => text),
    hosts,
  );
  return files.map(({ name }, index) => ({ name, text: texts[index] ?? '' }));
}

function write(path: string, archive: Buffer): void {
  try {
    writeFileSync(path, archive, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw codedError('XEE_BUNDLE_NOT_WRITTEN', { path, seen: code ?? message }, { cause: error });
  }
}
