// Listens to the uevents of its network namespace and has a program send some. Prints what came as JSON. In a flood, this
// process stands still meanwhile, so that it is certain to miss some.
import { execFileSync } from 'node:child_process';
import { waitFor } from '../../helpers/wait-for.js';
import { drainMessages, makeMessageReader } from '../message-harness.js';

const [, , writer = '', what] = process.argv;
const send = (how: string, count: number, ...keys: string[]): void =>
  void execFileSync(writer, [how, String(count), 'change@/devices/test', ...keys]);
const standStillAndSend = (count: number): void =>
  void execFileSync('sh', [
    '-c',
    'kill -STOP $PPID; "$0" uevent "$1" change@/devices/test SUBSYSTEM=drm; kill -CONT $PPID',
    writer,
    String(count),
  ]);
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
  await waitFor(() => messages.length === 2, { what: 'both messages of the kernel' });
}
let sent = 0;
if (what === 'flood') {
  send('uevent', 5000, 'SUBSYSTEM=drm');
  standStillAndSend(5000);
  sent = 10_000;
  const known = () => reader.stats().kept + reader.stats().missing;
  await waitFor(() => known() === sent, { what: `${sent}, not ${known()}` });
}
reader.close();
console.log(JSON.stringify({ sent, messages: what === 'few' ? messages : [], ...reader.stats() }));
