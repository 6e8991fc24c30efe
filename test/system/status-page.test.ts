import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { waitFor } from '../helpers/wait-for.js';
import { launchBrowser, openPage, type WatchedPage } from './browser.js';
import { startDemo, type RunningExporter } from './demo-exporter.js';

const WIDE = { viewport: { width: 1280, height: 900 } };
const NARROW = { viewport: { width: 390, height: 844 } };
const WITHOUT_SCRIPT = { javaScriptEnabled: false };

let browser: Browser;
let demo: RunningExporter;
before(async () => {
  [browser, demo] = await Promise.all([launchBrowser(), startDemo({ flags: ['--demo-rate=2'] })]);
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

/** The words of every event that came live, and of the same events in a page as the server makes it. */
const LIVE_AND_SERVED = `(async () => {
  const page = new DOMParser().parseFromString(await (await fetch('/')).text(), 'text/html');
  const ids = [...document.querySelectorAll('#event-list li.new')].map((item) => item.dataset.id);
  const words = (root) => ids.map((id) => root.querySelector('[data-id="' + id + '"]')?.textContent.replace(/\\s+/g, ' ').trim());
  return [words(document), words(page)];
})()`;

describe('the status page in Chromium', { timeout: 300_000 }, () => {
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
      await page.locator('#event-list li.new').nth(3).waitFor();
      const [live, served] = await page.evaluate<[string[], string[]]>(LIVE_AND_SERVED);
      assert.ok(live.length >= 4);
      assert.deepEqual(live, served);
      await waitFor(async () => (await page.locator('#announcement').innerText()) !== '', { what: 'an announcement' });
      assert.equal(await page.locator('#announcement').getAttribute('aria-live'), 'polite');
    });
  });

  it('keeps the other sections fresh, and the list short', async () => {
    await onPage(WIDE, async (page) => {
      const before = await page.locator('#sources').innerText();
      await waitFor(async () => (await page.locator('#sources').innerText()) !== before, {
        what: 'a fresh count',
        deadlineMs: 20_000,
      });
      await waitFor(async () => (await page.locator('#event-list li').count()) === 50, {
        what: 'a full list',
        deadlineMs: 30_000,
      });
      const newest = await newestId(page);
      await waitFor(async () => (await newestId(page)) !== newest, { what: 'one more event' });
      assert.equal(await page.locator('#event-list li').count(), 50);
    });
  });

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
        assert.ok(stops.length < 10, stops.join(', '));
      }
      assert.deepEqual(stops, [
        'Skip to the latest events',
        'Metrics',
        'Health',
        'Readiness',
        'Events as JSON',
        'Pause',
      ]);

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
    demo = await startDemo({ port, flags: ['--demo-rate=2'] });
    await page.getByText('The exporter was started again: events may be missing here.').waitFor();
    assert.equal(await page.locator('#live').innerText(), 'Live');
    await close();
  });
});
