// Listens to the uevents of its network namespace and has a program send some. Prints what came as JSON.
import { execFileSync } from 'node:child_process';
import { waitFor } from '../../helpers/wait-for.js';
import { drainMessages, makeMessageReader } from '../message-harness.js';

const [, , writer = '', what] = process.argv;
const send = (how: string, count: number, ...keys: string[]): void =>
  void execFileSync(writer, [how, String(count), 'change@/devices/test', ...keys]);
const messages: string[] = [];
const reader = makeMessageReader({
  protocol: 'uevent',
  backend: 'linux',
  // The least there is, which a few messages fill.
  receiveBytes: what === 'flood' ? 1 : 1 << 20,
  keep: ['\0SUBSYSTEM=drm\0'],
  onReady: () => messages.push(...drainMessages(reader)),
});
const failure = reader.open();
if (failure) throw new Error(JSON.stringify(failure));

if (what === 'few') {
  send('uevent', 1, 'SUBSYSTEM=drm', 'WEDGED=none');
  send('uevent', 5, 'SUBSYSTEM=net');
  send('forge', 3, 'SUBSYSTEM=drm', 'WEDGED=none');
  send('uevent', 1, 'SUBSYSTEM=drm', 'WEDGED=none');
  await waitFor(() => reader.stats().read === 10 && messages.length === 2, { what: JSON.stringify(reader.stats()) });
}
let sent = 0;
while (what === 'flood' && reader.stats().missing === 0) {
  send('uevent', 5000, 'SUBSYSTEM=drm');
  sent += 5000;
  await waitFor(() => reader.stats().kept + reader.stats().missing >= sent, { what: JSON.stringify(reader.stats()) });
}
reader.close();
console.log(JSON.stringify({ sent, messages: what === 'few' ? messages : [], ...reader.stats() }));
