import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { statusPage } from '../../exporter/http/status/page.js';
import { aClientStatus, aDeviceStatus, aNodeStatus } from '../helpers/node-status.js';
import { waitFor } from '../helpers/wait-for.js';
import { launchBrowser, openPage, type WatchedPage } from './browser.js';
import { startDemo, type RunningExporter } from './demo-exporter.js';

const FLAGS = ['--demo-rate=2', '--grafana-url=https://grafana.example.com'];
const WIDE = { viewport: { width: 1280, height: 900 } };
const NARROW = { viewport: { width: 390, height: 844 } };
const WITHOUT_SCRIPT = { javaScriptEnabled: false };

let browser: Browser;
let demo: RunningExporter;
before(async () => {
  [browser, demo] = await Promise.all([launchBrowser(), startDemo({ flags: FLAGS })]);
  await waitFor(async () => (await fetch(`${demo.url}/events?format=json`)).ok, { what: 'the demo' });
});
after(() => Promise.all([browser.close(), demo.stop()]));

/** Opens the page, lets a test look at it, and checks that nothing happened that should not. */
async function onPage(options: BrowserContextOptions, look: (page: Page, opened: WatchedPage) => Promise<void>) {
  const opened = await openPage(browser, `${demo.url}/`, options);
  try {
    await look(opened.page, opened);
    assert.deepEqual(opened.complaints, []);
  } finally {
    await opened.close();
  }
}

const newestId = (page: Page) => page.locator('#event-list li[data-id]').first().getAttribute('data-id');

/** Every text of the page whose contrast with what is behind it is below 4.5, as the browser computed the colours. */
const FAINT_TEXTS = `(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const known = new Map();
  const parts = (color) => {
    if (known.has(color)) return known.get(color);
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    known.set(color, [...canvas.getImageData(0, 0, 1, 1).data]);
    return known.get(color);
  };
  const luminance = (color) => {
    const [r, g, b] = parts(color).map((part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    const color = getComputedStyle(element).backgroundColor;
    return parts(color)[3] === 255 ? color : behind(element.parentElement);
  };
  const faint = [];
  for (const element of document.querySelectorAll('body *:not(script)')) {
    if (![...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim())) continue;
    const [a, b] = [luminance(getComputedStyle(element).color), luminance(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faint.push(element.tagName + ' ' + element.textContent + ' ' + ratio);
  }
  return faint;
})()`;

/**
 * The words of every entry that came live, and of those that a page made by the server a moment before also has; without ages, which
 * differ by that moment.
 */
const LIVE_AND_SERVED = `(async () => {
  const page = new DOMParser().parseFromString(await (await fetch('/')).text(), 'text/html');
  const words = (root) => new Map([...root.querySelectorAll('#event-list li[data-id]')].map((item) => {
    const copy = item.cloneNode(true);
    copy.querySelector('.age').remove();
    return [item.dataset.id, copy.textContent.replace(/\\s+/g, ' ').trim()];
  }));
  const served = words(page);
  const isNew = (id) => document.querySelector('[data-id="' + id + '"]').matches('.new');
  const live = [...words(document)].filter(([id]) => isNew(id) && served.has(id));
  return live.map(([id, text]) => [text, served.get(id)]);
})()`;

/** Colours of a picture at some points, as the browser decodes it. */
async function coloursAt(png: Buffer, points: readonly (readonly [x: number, y: number])[]): Promise<string[]> {
  const page = await browser.newPage();
  try {
    return await page.evaluate<string[]>(`(async () => {
      const bytes = Uint8Array.from(atob('${png.toString('base64')}'), (character) => character.charCodeAt(0));
      const picture = await createImageBitmap(new Blob([bytes]));
      const canvas = new OffscreenCanvas(picture.width, picture.height).getContext('2d');
      canvas.drawImage(picture, 0, 0);
      return ${JSON.stringify(points)}.map(([x, y]) => 'rgb(' + [...canvas.getImageData(x, y, 1, 1).data].slice(0, 3).join(', ') + ')');
    })()`);
  } finally {
    await page.close();
  }
}

const GIB = 1024 ** 3;
const NOON = new Date('2026-01-31T12:00:30Z');
/** A page that is always the same: one GPU, three quarters of which two pods hold, and an error five minutes ago. */
const PAGE_AT_NOON = statusPage({
  status: aNodeStatus({
    grafanaUrl: 'https://grafana.example.com',
    devices: [
      aDeviceStatus({
        lastError: NOON.getTime() / 1000 - 330,
        memory: {
          usedBytes: 11 * GIB,
          sizeBytes: 12 * GIB,
          holders: [
            { owner: 'ml/train-0', bytes: 6 * GIB },
            { owner: 'ml/train-1', bytes: 3 * GIB },
          ],
        },
        history: [
          { ageMs: 600_000, usedShare: 0.5, errors: [0, 0] },
          { ageMs: 330_000, usedShare: 0.99, errors: [1, 0] },
          { ageMs: 0, usedShare: 0.9, errors: [0, 0] },
        ],
        victims: ['ml/train-1'],
      }),
    ],
    clients: [aClientStatus(), aClientStatus({ owner: 'ml/train-1', bytes: 3 * GIB, errors: 1 })],
  }),
  readiness: { ready: true, reason: 'events come from watch_queue' },
  feed: undefined,
  now: NOON,
});

/** Opens the page that is always the same, with the headers of the real one. */
async function onPageAtNoon(options: BrowserContextOptions, look: (page: Page) => Promise<void>) {
  const { headers } = await fetch(`${demo.url}/`);
  const opened = await openPage(browser, 'about:blank', options);
  // However long it is looked at, it is noon.
  if (options.javaScriptEnabled !== false) await opened.page.clock.setFixedTime(NOON);
  await opened.page.route('http://exporter.example/', (route) =>
    route.fulfill({
      body: PAGE_AT_NOON,
      contentType: 'text/html; charset=utf-8',
      headers: { 'content-security-policy': headers.get('content-security-policy')! },
    }),
  );
  await opened.page.goto('http://exporter.example/');
  try {
    await look(opened.page);
  } finally {
    await opened.close();
  }
}

describe('the status page in Chromium', { timeout: 900_000 }, () => {
  it('says everything without script', async () => {
    await onPage(WITHOUT_SCRIPT, async (page) => {
      assert.match(await page.getByRole('heading', { level: 1 }).innerText(), /^xe-exporter$/);
      const devices = page.getByRole('table', { name: 'What the node has' });
      assert.match(await devices.innerText(), /0000:03:00\.0[^]*0000:04:00\.0/);
      await waitFor(
        async () => {
          await page.reload();
          return (await page.getByRole('listitem').filter({ hasText: 'ENOMEM' }).count()) > 0;
        },
        { what: 'an event' },
      );
      assert.match(await page.locator('#now').innerText(), /Needs a look\s+Ready: events come from simulator/);
      assert.equal(await page.getByRole('button').count(), 0, 'nothing that would not work');
      assert.match(await page.locator('#live').innerText(), /Reload/);
    });
  });

  it('shows a new event while it is open, as the server would', async () => {
    await onPage(WIDE, async (page) => {
      await page.getByText('Live', { exact: true }).waitFor();
      const pairs = await waitFor(
        async () => {
          const found = await page.evaluate<[live: string, served: string][]>(LIVE_AND_SERVED);
          return found.length >= 4 && found;
        },
        { what: 'four entries that are new and served', deadlineMs: 60_000 },
      );
      for (const [live, served] of pairs) assert.equal(live, served);
      await waitFor(async () => (await page.locator('#announcement').innerText()) !== '', { what: 'an announcement' });
      assert.equal(await page.locator('#announcement').getAttribute('aria-live'), 'polite');
    });
  });

  it('keeps the other sections fresh, and the list short', async () => {
    await onPage(WIDE, async (page) => {
      const before = await page.locator('#sources').innerText();
      await waitFor(async () => (await page.locator('#sources').innerText()) !== before, {
        what: 'a fresh count',
        deadlineMs: 60_000,
      });
      const newest = await newestId(page);
      await waitFor(async () => (await newestId(page)) !== newest, { what: 'one more event' });
      assert.ok((await page.locator('#event-list li').count()) <= 50);
    });
  });

  it('folds what happens again to the same victim into one entry', async () => {
    await onPage(WIDE, async (page) => {
      const repeats = page.locator('#event-list li.new .repeats').filter({ hasText: /^×\d+ since \d\d:\d\d:\d\d$/ });
      await repeats.first().waitFor({ timeout: 120_000 });
      const keys = await page.evaluate<string[]>(
        "[...document.querySelectorAll('#event-list li[data-key]')].map((item) => item.dataset.key)",
      );
      assert.equal(new Set(keys).size, keys.length);
    });
  });

  it('says who was hit, who holds the memory and what to do, and stays current without a reload', async () => {
    await onPage(WIDE, async (page) => {
      const verdict = page.locator('#now');
      const said =
        /GPU 0000:03:00\.0 \(.+\) ran out of memory (\d+) times.* in the last 15 minutes\. Hit: [^]*team-.*\/.* holds the most, [\d.]+ of 12\.0 GiB\. Restart the job/;
      const errors = async () => Number(said.exec(await verdict.innerText())?.[1] ?? 0);
      const before = await waitFor(errors, { what: 'a verdict that counts errors', deadlineMs: 120_000 });
      await waitFor(async () => (await errors()) > before, { what: 'more of them', deadlineMs: 120_000 });
      assert.match(
        (await verdict.getByRole('link', { name: 'Runbook' }).first().getAttribute('href')) ?? '',
        /\/dashboards\/runbooks\/XeVMRebindOOM\.md$/,
      );
      assert.match(
        (await verdict.getByRole('link', { name: 'Dashboard' }).first().getAttribute('href')) ?? '',
        /^https:\/\/grafana\.example\.com\/d\/xe-node\?var-node=simulated\+node&var-pci_bdf=0000%3A0[34]%3A00\.0&/,
      );
      const clients = page.getByRole('table', { name: /^Who has a GPU open/ });
      assert.match(
        await clients.getByRole('row').filter({ hasText: 'team-llm/llama-finetune-0' }).first().innerText(),
        /trainer · python3 \(pid \d+\)\s+0000:03:00\.0\s+[\d.]+ [MG]iB\s+/,
      );
    });
  });

  it('draws the memory of a GPU in proportion, in the colours of its owners', async () => {
    await onPageAtNoon({ ...WIDE, colorScheme: 'light' }, async (page) => {
      const bar = page.getByRole('img', {
        name: 'Memory of 0000:03:00.0: ml/train-0 6.0 GiB, ml/train-1 3.0 GiB, not attributed 2.0 GiB',
      });
      const picture = await bar.screenshot();
      const { width, height } = (await bar.boundingBox())!;
      assert.ok(height >= 16);
      const parts = [0.02, 0.48, 0.52, 0.73, 0.77, 0.9, 0.94, 0.98];
      const colours = await coloursAt(
        picture,
        parts.map((part) => [Math.floor(part * width), Math.floor(height / 2)]),
      );
      const style = (rule: string) =>
        page.evaluate<string>(`getComputedStyle(document.querySelector('.held ${rule}')).fill`);
      const [first, second, nobody] = [await style('.c0'), await style('.c1'), await style('.nobody')];
      const free = await page.evaluate<string>("getComputedStyle(document.querySelector('.held')).backgroundColor");
      assert.deepEqual(colours, [first, first, second, second, nobody, nobody, free, free]);
      assert.equal(new Set(colours).size, 4);

      const recent = page.getByRole('img', {
        name: /^The last 15 minutes of 0000:03:00\.0: 50 % to 99 % used, 1 error, /,
      });
      const box = (await recent.boundingBox())!;
      const mark = await page.evaluate<string>("getComputedStyle(document.querySelector('.recent .error')).stroke");
      const at = Math.round(box.width * (1 - 330 / 900));
      assert.deepEqual(await coloursAt(await recent.screenshot(), [[at, Math.floor(box.height * 0.8)]]), [mark]);
    });
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    for (const size of [WIDE, NARROW]) {
      it(`looks the same without script, in ${colorScheme}, ${size.viewport.width} pixels wide`, async () => {
        const pictures: Buffer[] = [];
        for (const javaScriptEnabled of [true, false])
          await onPageAtNoon({ ...size, colorScheme, javaScriptEnabled }, async (page) => {
            pictures.push(await page.screenshot({ fullPage: true, animations: 'disabled' }));
          });
        assert.ok(pictures[0]!.equals(pictures[1]!));
        const folder = process.env['XE_EXPORTER_TEST_PICTURES'];
        if (folder) writeFileSync(`${folder}/status-${colorScheme}-${size.viewport.width}.png`, pictures[0]!);
      });
    }
  }

  it('is used with the keyboard alone', async () => {
    await onPage(WIDE, async (page) => {
      await page.getByText('Live', { exact: true }).waitFor();
      const focused = () =>
        page.evaluate<string>('document.activeElement.textContent.slice(0, 30) || document.activeElement.id');
      const outlined = () => page.evaluate<string>('getComputedStyle(document.activeElement).outlineStyle');
      const stops: string[] = [];
      while (!stops.at(-1)?.startsWith('Pause')) {
        await page.keyboard.press('Tab');
        stops.push(await focused());
        assert.equal(await outlined(), 'solid', `focus on ${stops.at(-1)} is seen`);
        assert.ok(stops.length < 20, stops.join(', '));
      }
      const ofVerdict = ['Runbook', 'Dashboard'];
      assert.deepEqual(
        stops.filter((stop) => !ofVerdict.includes(stop)),
        ['Skip to the latest events', 'Metrics', 'Health', 'Readiness', 'Events as JSON', 'Pause'],
      );

      await page.keyboard.press('Enter');
      const newest = await newestId(page);
      await page.getByRole('button', { name: /^Resume \(\d+ new\)$/ }).waitFor();
      assert.equal(await page.locator('#live').innerText(), 'Paused');
      assert.equal(await newestId(page), newest, 'the list stands still');
      await page.keyboard.press('Space');
      await waitFor(async () => (await newestId(page)) !== newest, { what: 'the held events' });
      assert.equal(await page.locator('#live').innerText(), 'Live');
      await page.keyboard.press('Tab');
      assert.equal(await page.evaluate('document.activeElement.id'), 'event-list', 'the list can be scrolled');
    });
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    for (const size of [WIDE, NARROW]) {
      it(`is readable in ${colorScheme}, ${size.viewport.width} pixels wide`, async () => {
        await onPage({ ...size, colorScheme }, async (page) => {
          await page.getByText('Live', { exact: true }).waitFor();
          assert.deepEqual(await page.evaluate(FAINT_TEXTS), []);
          const background = await page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
          assert.equal(background, colorScheme === 'light' ? 'rgb(246, 247, 249)' : 'rgb(16, 19, 23)');
          const width = await page.evaluate<number>('document.documentElement.scrollWidth');
          assert.ok(width <= size.viewport.width, `${width} pixels`);
          // A row that is laid out as a block is still a row.
          const sources = page.getByRole('table', { name: 'Where events come from' });
          assert.equal(await sources.getByRole('rowheader', { name: 'simulator' }).count(), 1);
        });
      });
    }
  }

  it('is pictured in the README', async () => {
    await onPage({ viewport: { width: 1120, height: 720 }, colorScheme: 'light' }, async (page) => {
      await page.getByText('Live', { exact: true }).waitFor();
      await page.locator('#event-list li').nth(3).waitFor();
      const picture = await page.screenshot({ animations: 'disabled' });
      assert.ok(picture.length > 10_000 && picture.length < 300_000, `${picture.length} bytes`);
      const target = process.env['XE_EXPORTER_TEST_PICTURE'];
      if (target) writeFileSync(target, picture);
    });
  });

  it('does not move for those who do not want that', async () => {
    await onPage({ ...WIDE, reducedMotion: 'reduce' }, async (page) => {
      await page.locator('#event-list li.new').first().waitFor();
      const moving = await page.evaluate<number>('document.getAnimations().length');
      assert.equal(moving, 0);
    });
  });

  it('says that the exporter is gone, comes back with it, and that events may be missing', async () => {
    const port = Number(new URL(demo.url).port);
    const { page, close } = await openPage(browser, `${demo.url}/`, WIDE);
    await page.getByText('Live', { exact: true }).waitFor();
    await demo.stop();
    await page.getByText('Not connected: trying again').waitFor();
    demo = await startDemo({ port, flags: FLAGS });
    await page.getByText('The exporter was started again: events may be missing here.').waitFor();
    assert.equal(await page.locator('#live').innerText(), 'Live');
    await close();
  });
});
