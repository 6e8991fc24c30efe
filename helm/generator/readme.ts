import { isAlias, isMap, isScalar, parseDocument, stringify, type Node, type Pair, type ParsedNode } from 'yaml';
import { markdownTable } from '../../docs/generator/markdown.js';
import { OPTIONS } from '../../exporter/config/schema.js';
import { OPTION_VALUES } from './values-map.js';

const HELP = new Map(OPTION_VALUES.map(({ option, value }) => [value, OPTIONS[option].help]));

/**
 * The README of the chart, as Artifact Hub and `helm show readme` show it.
 * @param introduction Markdown that comes before the table of values
 * @param values the text of values.yaml. A value's meaning is the comment above it, else the help of the option it is
 */
export function chartReadme(introduction: string, values: string): string {
  const rows = rowsOf(parseDocument(values).contents, '', '');
  return `${introduction}\n${markdownTable([['Value', 'Default', 'Meaning'], ...rows])}\n`;
}

function rowsOf(node: ParsedNode | null, path: string, comment: string): string[][] {
  const meaning = prose(comment) || (HELP.get(path) ?? '');
  if (isMap(node) && node.items.length > 0) {
    const heading = meaning ? [[`\`${path}\``, '', meaning]] : [];
    return [
      ...heading,
      ...node.items.flatMap((pair, index) => rowsOfPair(pair as Pair<Node>, path, firstComment(node, index))),
    ];
  }
  if (isAlias(node)) return [[`\`${path}\``, '', `The same values as \`${node.source}\`.`]];
  const value = stringify(node, { collectionStyle: 'flow', lineWidth: 0 }).trim();
  return [[`\`${path}\``, `\`${value}\``, meaning]];
}

function rowsOfPair({ key, value }: Pair<Node>, path: string, first: string): string[][] {
  const name = isScalar(key) ? String(key.value) : '';
  return rowsOf(value as ParsedNode | null, path ? `${path}.${name}` : name, key.commentBefore ?? first);
}

/** The parser gives the comment above the first key of a map to the map. */
function firstComment(node: Node, index: number): string {
  return index === 0 ? (node.commentBefore ?? '') : '';
}

/** A comment as one table cell. Lines such as `none    the watch queue is denied` become lines of their own in it. */
function prose(comment: string): string {
  return comment
    .split('\n')
    .map((line) => line.trim().replace(/^([\w-]+) {2,}/, '<br>`$1`: '))
    .join(' ')
    .replace(/^<br>/, '')
    .trim();
}
