import { createHash } from 'node:crypto';
import type { FastifyInstance } from 'fastify';
import type { FeatureReport } from '../../telemetry/features.js';
import { PATH } from '../../telemetry/names.js';
import type { Readiness } from './health.js';

export interface LandingInfo {
  readonly version: string;
  /** Read at every request; it must not block. */
  readonly features: () => readonly FeatureReport[];
}

const STYLE = `:root{color-scheme:light dark}
body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;border-bottom:1px solid color-mix(in srgb,currentColor 25%,transparent)}
td{overflow-wrap:anywhere}
code{font-family:ui-monospace,monospace}`;

/** Nothing but this one style may load, so that a string from a node that slips through cannot act. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** GET /: what this is, whether it works and what to do when not. One page without script. */
export function landingRoute(app: FastifyInstance, info: LandingInfo, readiness: () => Readiness): void {
  app.get(PATH.landing, async (_request, reply) => {
    reply.header('Content-Type', 'text/html; charset=utf-8').header('Content-Security-Policy', CONTENT_SECURITY_POLICY);
    return page(info.version, readiness(), info.features());
  });
}

function page(version: string, { ready, reason }: Readiness, features: readonly FeatureReport[]): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>xe-exporter</title>
<style>${STYLE}</style>
</head>
<body>
<h1>xe-exporter</h1>
<p>Version ${escapeHtml(version)}. ${ready ? 'Ready' : '<strong>Not ready</strong>'}: ${escapeHtml(reason)}</p>
<ul>
<li><a href="${PATH.metrics}">Metrics</a></li>
<li><a href="${PATH.healthz}">Health</a></li>
<li><a href="${PATH.readyz}">Readiness</a></li>
</ul>
<h2>Features</h2>
<table>
<thead><tr><th scope="col">Feature</th><th scope="col">State</th><th scope="col">Reason</th><th scope="col">What to do</th></tr></thead>
<tbody>
${features.map(row).join('\n')}
</tbody>
</table>
</body>
</html>
`;
}

function row({ feature, state, reason, fix }: FeatureReport): string {
  return `<tr><td><code>${escapeHtml(feature)}</code></td><td>${escapeHtml(state)}</td><td>${escapeHtml(reason)}</td><td>${escapeHtml(fix)}</td></tr>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}
