// Asks a unix socket one thing over HTTP and prints what comes: the status, an empty line, the body.
// usage: ask-socket.js SOCKET PATH [NAME:VALUE ...]
import { request } from 'node:http';

const [socketPath = '', path = '/', ...headers] = process.argv.slice(2);
const options = { socketPath, path, headers: Object.fromEntries(headers.map((header) => header.split(/:(.*)/s, 2))) };

function ask(): void {
  const asked = request(options, (response) => {
    process.stdout.write(`${response.statusCode}\n\n`);
    response.pipe(process.stdout);
  });
  asked.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    // Very many connect just now: as the documentation says, try again.
    if (code === 'EAGAIN') return void setTimeout(ask, 50);
    process.stdout.write(`${message}\n`);
    process.exitCode = 1;
  });
  asked.end();
}

ask();
