import { ageText } from './browser/age.js';
import { markup, type Markup } from './markup.js';

/** A time in UTC and its age, which browser/live-page.ts keeps current. @param seconds Unix time */
export function timeAndAge(seconds: number, now: Date): Markup {
  const iso = new Date(seconds * 1000).toISOString();
  const time = markup`<time datetime="${iso}">${iso.slice(0, 19).replace('T', ' ')}</time>`;
  return markup`${time} <span class="age">${ageText(now.getTime() / 1000 - seconds)}</span>`;
}
