/** A table in Markdown; the first row is its head. */
export function markdownTable(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  return [head, head.map(() => '---'), ...body].map((row) => `| ${row.map(escapeCell).join(' | ')} |`).join('\n');
}

function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|');
}

/** A text with new content between `<!-- name -->` and `<!-- /name -->`; undefined when it has no such markers. */
export function withSection(text: string, name: string, content: string): string | undefined {
  const marker = `<!-- ${name} -->`;
  const begin = text.indexOf(marker);
  const end = text.indexOf(`<!-- /${name} -->`);
  if (begin < 0 || end < begin) return undefined;
  return `${text.slice(0, begin + marker.length)}\n\n${content}\n\n${text.slice(end)}`;
}
