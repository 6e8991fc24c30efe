// `xe-exporter run` where the kernel tells it nothing: it hears of errors through the socket of the node's exporter. The exporter
// itself is in test/kernel; here stands a server that can also misbehave.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { askNode } from '../../../exporter/jobs/run/node-ears.js';
import { ProcessTree } from '../../../exporter/jobs/run/process-tree.js';

const MAIN = fileURLToPath(new URL('../../../exporter/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'run-socket-'));
after(() => rmSync(folder, { recursive: true }));
const HEAD = { 'content-type': 'text/event-stream; charset=utf-8' };

const event = (errno: number, id = 'a-1'): string => {
  const record = { event_name: 'xe.vm.rebind_error', attributes: { 'process.pid': 4_000_000, 'xe.vm.errno': errno } };
  return `id: ${id}\nevent: xe.vm.rebind_error\ndata: ${JSON.stringify(record)}\n\n`;
};

let sockets = 0;
async function serve(
  t: TestContext,
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const path = join(folder, `${++sockets}.sock`);
  const server: Server = createServer(answer).listen(path);
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return path;
}

function run(t: TestContext, socket: string, options: readonly string[], script: string): ChildProcess {
  const args = [MAIN, 'run', `--jobs-socket=${socket}`, '--xe-watch-ioctl=off', ...options, '--', 'sh', '-c', script];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  t.after(() => child.kill('SIGKILL'));
  return child;
}

async function end(child: ChildProcess): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout!), text(child.stderr!), ended]);
  return { code, stdout, stderr };
}

/** Connections that the server has not taken, until it has no place for more. */
async function fill(path: string): Promise<readonly Socket[]> {
  const connections: Socket[] = [];
  for (;;) {
    const connection = connect(path);
    const refused = await once(connection, 'connect').then(
      () => undefined,
      (error: NodeJS.ErrnoException) => error.code,
    );
    if (refused !== undefined) {
      assert.equal(refused, 'EAGAIN');
      return connections;
    }
    connections.push(connection.on('error', () => undefined));
  }
}

/** Runs until it is ended. */
const ENDLESS = 'while :; do sleep 0.05; done';

describe('through the socket', () => {
  it('an out-of-memory error ends the job with the exit code asked for', async (t) => {
    const socket = await serve(t, (_request, response) => response.writeHead(200, HEAD).write(event(-62) + event(-12)));
    const { code, stderr } = await end(run(t, socket, ['--on-oom=exit:75'], ENDLESS));
    assert.equal(code, 75);
    assert.match(stderr, /errors of all processes of this pod or container count as errors of the job/);
    assert.match(stderr, /\(ETIME\); that is not a lack of GPU memory/);
    assert.match(stderr, /a GPU VM of the job \(ENOMEM\)/);
  });

  it('the job starts again with half the scale', async (t) => {
    const socket = await serve(t, (_request, response) => response.writeHead(200, HEAD).write(event(-12)));
    const script = `echo $XE_EXPORTER_RUN_SCALE; [ $XE_EXPORTER_RUN_ATTEMPT = 2 ] && exit 0; ${ENDLESS}`;
    const { code, stdout } = await end(run(t, socket, ['--on-oom=restart', '--restart-backoff=0s'], script));
    assert.deepEqual([code, stdout], [0, '1\n0.5\n']);
  });

  it('an error that comes after the job has failed of it still counts', async (t) => {
    let stream: ServerResponse | undefined;
    const marker = join(folder, 'failing');
    const socket = await serve(t, ({ url }, response) => {
      if (url === '/failed') setTimeout(() => stream?.write(event(-28)), 200);
      else stream = response.writeHead(200, HEAD);
      if (url !== '/failed') stream?.write(': open\n\n');
      else response.end(marker);
    });
    // The job itself says when it fails, so that the error surely comes later.
    const script = `sleep 1; exec ${process.execPath} -e "require('http').get({socketPath:'${socket}',path:'/failed'},()=>process.exit(1))"`;
    assert.equal((await end(run(t, socket, ['--on-oom=exit:75'], script))).code, 75);
  });

  it('an exporter that has not taken all who connect is waited for', async (t) => {
    const socketPath = join(folder, 'crowded.sock');
    const listen = `require('node:http').createServer((_request, response) => response.writeHead(403).end('heard\\n')).listen({ path: ${JSON.stringify(socketPath)}, backlog: 1 }, () => console.log())`;
    const exporter = spawn(process.execPath, ['-e', listen], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.after(() => exporter.kill('SIGKILL'));
    await once(exporter.stdout, 'data');
    exporter.kill('SIGSTOP');
    const crowd = await fill(socketPath);
    t.after(() => crowd.forEach((connection) => connection.destroy()));
    const asked = askNode({
      native: undefined,
      ownPid: process.pid,
      tree: new ProcessTree('/proc'),
      procRoot: '/proc',
      sysRoot: '/sys',
      devRoot: '/dev',
      socketPath,
      onVmError: () => undefined,
      say: () => undefined,
    });
    assert.deepEqual(await fill(socketPath), [], 'who comes after it is refused, so it has been, too');
    exporter.kill('SIGCONT');
    assert.deepEqual(await asked, { cannot: `${socketPath}: 403 heard` });
  });

  it('errors that the exporter could not tell of are said to be missing, once for each reason', async (t) => {
    const gap = (reason: string): string => `event: gap\ndata: {"reason":"${reason}","missed":7}\n\n`;
    const socket = await serve(t, (_request, response) => {
      response.writeHead(200, HEAD);
      response.write(['rate_limited', 'rate_limited', 'other_start', 'of_tomorrow'].map(gap).join('') + event(-12));
    });
    const { code, stderr } = await end(run(t, socket, ['--on-oom=exit:75'], ENDLESS));
    assert.equal(code, 75, stderr);
    assert.equal(stderr.match(/may have been missed: .* more events at once than the exporter tells$/gm)?.length, 1);
    assert.equal(stderr.match(/may have been missed: the exporter was started again/g)?.length, 1);
    assert.equal(stderr.match(/may have been missed/g)?.length, 2);
  });

  it('a broken connection is taken up where it broke', async (t) => {
    const asked: (string | undefined)[] = [];
    const socket = await serve(t, ({ headers }, response) => {
      asked.push(headers['last-event-id'] as string | undefined);
      response.writeHead(200, HEAD);
      if (asked.length === 1) response.end('id: a-7\n\n');
      else response.write(event(-12, 'a-8'));
    });
    assert.equal((await end(run(t, socket, ['--on-oom=exit:75'], ENDLESS))).code, 75);
    assert.deepEqual(asked, [undefined, 'a-7']);
  });
});

describe('a server that does not help leaves the job alone', () => {
  const cases: Record<string, (request: IncomingMessage, response: ServerResponse) => void> = {
    refuses: (_request, response) => response.writeHead(403).end('no workload here\n'),
    'never answers': () => undefined,
    'cuts the connection': (request) => request.socket.destroy(),
    'sends a line without an end': (_request, response) => {
      response.writeHead(200, HEAD).write('data: ');
      const more = (): boolean => response.write('x'.repeat(1 << 20));
      response.on('drain', more);
      more();
    },
    'sends what is no JSON, and JSON that is no record': (_request, response) => {
      const bad = ['{', 'null', '[]', '{"attributes":{"xe.vm.errno":"-12"}}', '{"attributes":null}'];
      response.writeHead(200, HEAD).write(bad.map((data) => `event: xe.vm.rebind_error\ndata: ${data}\n\n`).join(''));
    },
  };
  for (const [what, answer] of Object.entries(cases)) {
    it(`: it ${what}`, async (t) => {
      const socket = await serve(t, answer);
      const { code, stderr } = await end(run(t, socket, ['--on-oom=exit:75'], 'sleep 1; exit 0'));
      assert.equal(code, 0, stderr);
      if (what === 'refuses') assert.match(stderr, /cannot be heard here.*403 no workload here/);
    });
  }

  it(': there is none', async (t) => {
    const { code, stderr } = await end(run(t, join(folder, 'none'), [], 'sleep 1; exit 3'));
    assert.equal(code, 3);
    assert.match(
      stderr,
      /^xe-exporter run: GPU errors of the job cannot be heard here, so it runs as it would alone: .*ENOENT\n$/,
    );
  });
});
