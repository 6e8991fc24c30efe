/** Answers of Prometheus as the data frames that Grafana's Prometheus data source makes of them. */

import { FieldType } from '@grafana/data';

/**
 * One frame a series. Where a query over a range has no point there is null, as the panels put it there themselves: the width of bars follows
 * from it.
 */
export function seriesFrames({ panel, answers, step }, { from, to }) {
  return answers.flatMap(({ refId, series }) => {
    const { legendFormat } = panel.targets.find((target) => target.refId === refId);
    return series.map(({ metric, values, value }) => {
      const known = new Map(values ?? [value]);
      const times = values === undefined ? [value[0]] : range(from, to, step);
      return {
        refId,
        length: times.length,
        fields: [
          {
            name: 'Time',
            type: FieldType.time,
            config: { interval: 1000 * step },
            values: times.map((time) => 1000 * time),
          },
          {
            name: 'Value',
            type: FieldType.number,
            labels: metric,
            config: { displayNameFromDS: legend(legendFormat, metric) },
            values: times.map((time) => (known.has(time) ? Number(known.get(time)) : null)),
          },
        ],
      };
    });
  });
}

function range(from, to, step) {
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => from + index * step);
}

/** One frame a query that wants a table: a column for the time, each label and the value. */
export function tableFrames({ answers }) {
  const answered = answers.filter(({ series }) => series.length > 0);
  return answered.map(({ refId, series }) => {
    const labels = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].sort();
    const column = (name, type, values) => ({ name, type, config: { filterable: true }, values });
    return {
      refId,
      length: series.length,
      fields: [
        column(
          'Time',
          FieldType.time,
          series.map(({ value }) => value[0] * 1000),
        ),
        ...labels.map((label) =>
          column(
            label,
            FieldType.string,
            series.map(({ metric }) => metric[label] ?? ''),
          ),
        ),
        column(
          answered.length > 1 ? `Value #${refId}` : 'Value',
          FieldType.number,
          series.map(({ value }) => Number(value[1])),
        ),
      ],
    };
  });
}

function legend(format, metric) {
  if (format === undefined || format === '__auto') return Object.values(metric).join(' ') || 'Value';
  return format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => metric[label] ?? '');
}
