import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Browser, Route } from 'playwright-core';
import { EVENT } from '../../exporter/events/index.js';
import { METRIC } from '../../exporter/names.js';
import { readShapes } from '../bench/fleet/node-shape.js';
import { writeBlock } from '../bench/fleet/block.js';
import { grafanaDashboards } from '../helpers/grafana.js';
import { waitFor } from '../helpers/wait-for.js';
import { launchBrowser } from '../system/browser.js';
import { startDemo } from '../system/demo-exporter.js';
import { startServer, type ServerProcess } from '../system/server-process.js';
import { tool } from '../system/tool.js';
import { answersTo } from './answers.js';
import { history } from './history.js';
import { END } from './incident.js';

/** Where run.sh installed Grafana's panels and made a bundle of them with `browser/dashboard.mjs`. */
const PANELS = process.env['XE_EXPORTER_TEST_PANELS'];
/** Where the pictures go. */
const TARGET = process.env['XE_EXPORTER_TEST_PICTURES'] ?? tmpdir();
const GPUS = ['0000:03:00.0', '0000:04:00.0'];
const ALL = { cluster: '.*', node: '.*', pci_bdf: '.*', namespace: '.*' };
const HOUR = 3600;
const MOST_BYTES = 150_000;

/** What has to be read on each picture, and what of the page it shows. */
const PICTURES = [
  {
    uid: 'xe-node',
    chosen: { ...ALL, node: 'gpu-03' },
    hours: 1,
    height: 1084,
    reads: [
      /Who ran out of GPU memory, and when[^]*14:4\d[^]*team-vision\/segmentation-batch[^]*3/,
      /Who held the memory[^]*8\.\d+ GiB\s*team-llm\/llama-finetune-0/,
      /Last GPU memory error[^]*15 minutes ago/,
    ],
  },
  {
    uid: 'xe-fleet',
    chosen: ALL,
    hours: 6,
    height: 1010,
    reads: [/gpu-03/, /segmentation-batch/, /unknown: the kernel named no process/],
  },
  { uid: 'xe-exporter-health', chosen: ALL, hours: 6, height: 1010, reads: [/Exporters\s*6/] },
] as const;

describe('the dashboards, drawn by Grafana’s own panels', { timeout: 300_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'xe-exporter-pictures-'));
  let prometheus: ServerProcess;
  let browser: Browser;
  before(async () => {
    assert.ok(PANELS, 'XE_EXPORTER_TEST_PANELS is not set: run this through npm run pictures');
    const data = join(folder, 'data');
    mkdirSync(data);
    writeBlock(data, history(readShapes(await demoMetrics())));
    prometheus = await startServer({ 'prometheus.yml': 'scrape_configs: []\n' }, (address) => ({
      program: tool('PROMETHEUS', '3'),
      args: [
        '--config.file=prometheus.yml',
        `--storage.tsdb.path=${data}`,
        '--storage.tsdb.retention.time=100y',
        `--web.listen-address=${address}`,
      ],
    }));
    browser = await launchBrowser();
  });
  after(async () => {
    await browser?.close();
    await prometheus?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const { uid, chosen, hours, height, reads } of PICTURES) {
    it(uid, async () => {
      const dashboard = grafanaDashboards().get(uid)!;
      const range = { from: END - hours * HOUR, to: END };
      const drawing = await answersTo(prometheus.url, dashboard, chosen, { pci_bdf: GPUS }, range);
      const context = await browser.newContext({
        viewport: { width: 1280, height },
        timezoneId: 'UTC',
        locale: 'en-GB',
      });
      const page = await context.newPage();
      const complaints: string[] = [];
      page.on('pageerror', (error) => complaints.push(error.stack ?? error.message));
      page.on('console', (message) => {
        if (message.type() === 'error') complaints.push(message.text());
      });
      await page.clock.setFixedTime(END * 1000);
      await page.route('**', serve);
      await page.goto('http://dashboard.test/page');
      await page.evaluate(`window.drawing = ${JSON.stringify(drawing)}; window.__grafana_public_path__ = '/public/'`);
      await page.addStyleTag({ path: join(PANELS!, 'out/dashboard.css') });
      await page.addScriptTag({ path: join(PANELS!, 'out/dashboard.js') });
      await page
        .locator('#drawn')
        .waitFor({ state: 'attached', timeout: 120_000 })
        // What the page complained about says more.
        .catch((error: unknown) => complaints.push(String(error)));
      const text = await page.locator('body').innerText();
      const picture = await page.screenshot({ animations: 'disabled' });
      writeFileSync(join(TARGET, `${uid}.png`), picture);
      assert.deepEqual(complaints, []);
      for (const expected of reads) assert.match(text, expected);
      assert.ok(picture.length < MOST_BYTES, `${picture.length} bytes`);
      await context.close();
    });
  }
});

/** Pods that hold memory when one of them runs out of it. */
const HOLDERS = ['llama-finetune-0', 'segmentation-batch', 'notebook-mara'];

/** What a demo shows once there was an error and its holders are known. */
async function demoMetrics(): Promise<string> {
  const demo = await startDemo({ flags: ['--demo-rate=5'] });
  try {
    return await waitFor(
      async () => {
        const text = await (await fetch(demo.metricsUrl)).text();
        const isHolder = (pod: string) =>
          new RegExp(`^${METRIC.clientMemoryAtOom}\\{.*vram0.*"${pod}"`, 'm').test(text);
        return text.includes(`event="${EVENT.vmRebindError}"`) && HOLDERS.every(isHolder) && text;
      },
      { deadlineMs: 180_000, what: 'series of pods with their memory' },
    );
  } finally {
    await demo.stop();
  }
}

/** Files of the font package by Grafana's names. */
const FONTS: Readonly<Record<string, string>> = {
  Regular: '400-normal',
  Medium: '500-normal',
  Italic: '400-italic',
  MediumItalic: '500-italic',
};

/** The page and what it loads: icons from Grafana's package, its fonts from another, nothing from a network. */
async function serve(route: Route): Promise<void> {
  const { pathname } = new URL(route.request().url());
  const modules = join(PANELS!, 'node_modules');
  const icon = /^\/public\/build(\/img\/icons\/[\w/-]+\.svg)$/.exec(pathname)?.[1];
  const font = /^\/public\/fonts\/inter\/Inter-(\w+)\.woff2$/.exec(pathname)?.[1];
  if (pathname === '/page')
    await route.fulfill({ contentType: 'text/html', body: '<!doctype html><body><div id="dashboard"></div></body>' });
  else if (icon !== undefined) await route.fulfill({ path: join(modules, '@grafana/ui/dist/public', icon) });
  else if (font !== undefined)
    await route.fulfill({ path: join(modules, `@fontsource/inter/files/inter-latin-${FONTS[font]}.woff2`) });
  else await route.fulfill({ status: 404 });
}
