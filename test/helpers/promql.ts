import assert from 'node:assert/strict';
import type { SyntaxNode, SyntaxNodeRef } from '@lezer/common';
import { parser } from '@prometheus-io/lezer-promql';

/** What a PromQL expression asks for. */
export interface PromqlUse {
  /** Each selected metric with the labels it is matched by. */
  readonly selectors: readonly { readonly metric: string; readonly labels: readonly string[] }[];
  /** Each by (...), on (...) and ignoring (...), with the metrics it works on. */
  readonly groupings: readonly { readonly metrics: readonly string[]; readonly labels: readonly string[] }[];
}

/** Reads an expression with Prometheus' own grammar. */
export function promqlUse(expression: string): PromqlUse {
  const text = ({ from, to }: SyntaxNodeRef) => expression.slice(from, to);
  const all = (node: SyntaxNode, type: string) => {
    const found: string[] = [];
    node.cursor().iterate((inner) => {
      if (inner.from < node.from || inner.to > node.to) return false;
      if (inner.name === type) found.push(text(inner));
      return true;
    });
    return found;
  };
  const metricsIn = (node: SyntaxNode) => all(node, 'Identifier');
  const selectors: PromqlUse['selectors'][number][] = [];
  const groupings: PromqlUse['groupings'][number][] = [];
  parser.parse(expression).iterate({
    enter(reference) {
      const { node, name, type } = reference;
      assert.ok(!type.isError, `no PromQL at ${reference.from}: ${expression}`);
      if (name === 'VectorSelector') {
        const metrics = metricsNamed(text(node)) ?? metricsIn(node);
        assert.ok(metrics.length > 0, `a selector without a metric: ${text(node)}`);
        const labels = all(node, 'LabelName').filter((label) => label !== '__name__');
        for (const metric of metrics) selectors.push({ metric, labels });
      }
      if (name === 'GroupingLabels') {
        const owner = node.parent?.parent;
        assert.ok(owner, text(node));
        groupings.push({ metrics: metricsIn(owner), labels: all(node, 'LabelName') });
      }
    },
  });
  return { selectors, groupings };
}

/** The metrics of `{__name__=~"a|b"}`. */
function metricsNamed(selector: string): readonly string[] | undefined {
  return /\{__name__=~"([^"]+)"/.exec(selector)?.[1]?.split('|');
}
