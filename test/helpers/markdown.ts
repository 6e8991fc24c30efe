import { readdirSync } from 'node:fs';

const NOT_OURS = /(?:^|\/)(?:node_modules|dist|build|\.git)\//;

/** Every Markdown file of the project, as a path from its root. */
export function markdownFiles(): string[] {
  return readdirSync('.', { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md') && !NOT_OURS.test(path))
    .sort();
}

/** The text without code, in which nothing is a link or a heading. */
export function withoutCode(text: string): string {
  return text
    .replace(/^ *(`{3,})[^]*?^ *\1 *$/gm, '')
    .replace(/(`+)[^`\n]+?\1/g, (code) => code.replace(/[[\]()<#]/g, ''));
}

/** Targets of links and images: inline, and of reference definitions. */
export function linksOf(text: string): string[] {
  const plain = withoutCode(text);
  const inline = [...plain.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)];
  const references = [...plain.matchAll(/^\[[^\]]+\]:\s+(\S+)/gm)];
  return [...inline, ...references].map(([, target = '']) => target);
}

/** The anchors that GitHub gives to the headings of a text: a repeated heading gets `-1`, `-2` and so on. */
export function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  const fenceless = text.replace(/^ *(`{3,})[^]*?^ *\1 *$/gm, '');
  for (const [, heading = ''] of fenceless.matchAll(/^#{1,6} +(.+?) *#*$/gm)) {
    const words = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*]/g, '');
    const slug = words
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-');
    let anchor = slug;
    for (let repeat = 1; anchors.has(anchor); repeat++) anchor = `${slug}-${repeat}`;
    anchors.add(anchor);
  }
  return anchors;
}
