// Opens many connections to a unix socket, sends each of them what stands on standard input, and leaves them open. At each change it
// prints how many are open, how many the other side has closed, and how many got which status.
// usage: flood-socket.js SOCKET COUNT [unread] [drip]
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';

const [path = '', count = '1', ...manners] = process.argv.slice(2);
const bytes = await buffer(process.stdin);
const state = { open: 0, closed: 0, answers: {} as Record<string, number> };

// A socket that is not read keeps no process alive.
setInterval(() => undefined, 60_000);

function changed(): void {
  process.stdout.write(`${JSON.stringify(state)}\n`);
}

for (let index = 0; index < Number(count); index++) {
  const socket = connect(path);
  let text = '';
  socket.on('connect', () => {
    state.open++;
    changed();
    if (manners.includes('drip')) drip();
    else socket.write(bytes);
  });
  if (manners.includes('unread')) socket.pause();
  else
    socket.setEncoding('latin1').on('data', (data: string) => {
      if (text.length < 1_000_000) text += data;
    });
  socket.on('error', () => undefined);
  socket.once('close', () => {
    state.open--;
    state.closed++;
    for (const [, status = ''] of text.matchAll(/HTTP\/1\.1 (\d{3}) /g)) {
      state.answers[status] = (state.answers[status] ?? 0) + 1;
    }
    changed();
  });

  /** The way of a client that means to keep a connection for as long as it can. */
  function drip(at = 0): void {
    if (socket.destroyed) return;
    socket.write(bytes.subarray(at % bytes.length, (at % bytes.length) + 1));
    setTimeout(() => drip(at + 1), 1000);
  }
}
