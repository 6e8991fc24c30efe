import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';

const FOLDER = 'dashboards/out/grafana/dashboards';

/** What the tests look at in a dashboard of Grafana's. */
export interface GrafanaDashboard {
  readonly uid: string;
  readonly title: string;
  readonly templating: { readonly list: readonly GrafanaVariable[] };
  readonly annotations: { readonly list?: readonly { readonly name: string; readonly expr: string }[] };
  readonly panels: readonly GrafanaPanel[];
}

export interface GrafanaVariable {
  readonly name: string;
  readonly type: string;
  readonly query: string;
  readonly allValue?: string;
  readonly multi?: boolean;
  readonly includeAll?: boolean;
}

export interface GrafanaPanel {
  readonly type: string;
  readonly id?: number;
  readonly title: string;
  /** Least step. */
  readonly interval?: string;
  readonly description?: string;
  /** Variable for each of whose values the panel stands there once. */
  readonly repeat?: string;
  readonly targets: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly instant?: boolean;
    readonly interval?: string;
  }[];
  readonly transformations?: readonly {
    readonly id: string;
    readonly options: { readonly include?: { readonly names: readonly string[] } };
  }[];
  readonly fieldConfig: {
    readonly defaults: { readonly noValue?: string };
    readonly overrides: readonly {
      readonly matcher: { readonly options: string };
      readonly properties: readonly unknown[];
    }[];
  };
}

/** The generated dashboards by their file's name, without the ending. */
export function grafanaDashboards(): ReadonlyMap<string, GrafanaDashboard> {
  const files = readdirSync(FOLDER);
  assert.ok(files.length > 0);
  return new Map(
    files.map((file) => [
      file.replace(/\.json$/, ''),
      JSON.parse(readFileSync(`${FOLDER}/${file}`, 'utf8')) as GrafanaDashboard,
    ]),
  );
}

/** Series and label of `label_values(series, label)`. */
export function labelValues({ name, query }: GrafanaVariable): { readonly series: string; readonly label: string } {
  const [, series, label] = /^label_values\((.+), (\w+)\)$/.exec(query) ?? [];
  assert.ok(series && label, `${name}: ${query}`);
  return { series, label };
}

/** An expression as Grafana sends it: with the values of all its variables. */
export function interpolated(expression: string, values: Readonly<Record<string, string>>): string {
  // `$1` is a group of label_replace(): Grafana leaves it alone, as no variable has that name.
  return expression.replace(/\$\{?([a-z_]\w*)\}?/g, (_match, name: string) => {
    const value = values[name];
    assert.ok(value !== undefined, `nobody gives $${name} a value: ${expression}`);
    return value;
  });
}
