import { readFileSync } from 'node:fs';

/** The arguments of the command in INSTALL.md that runs the image on a GPU node, from `run` on. */
export function dockerRun(): readonly string[] {
  const words = fenced(/<!-- docker-run -->\s+```sh\n([^]*?)```/)
    .replaceAll('\\\n', ' ')
    .trim()
    .split(/\s+/);
  return words.slice(1);
}

function fenced(pattern: RegExp): string {
  const text = pattern.exec(readFileSync('INSTALL.md', 'utf8'))?.[1];
  if (text === undefined) throw new Error(`INSTALL.md has nothing like ${String(pattern)}`);
  return text;
}
