import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { ExporterProcess } from '../helpers/exporter-process.js';
import { FixtureTree } from '../helpers/fixture-tree.js';
import { waitFor } from '../helpers/wait-for.js';
import { Rightful } from './rightful.js';
import { ANSWER_MS, asInTheChart, CHART_LIMIT, demo, isAlive, memory, SHORT, stop } from './target.js';

type Lie = (response: ServerResponse, request: IncomingMessage) => void;

/** Writes `piece` for as long as somebody takes it. */
function endless(response: ServerResponse, head: string, piece: string): void {
  const more = (): void => {
    while (!response.destroyed && response.write(piece));
    if (!response.destroyed) response.once('drain', more);
  };
  response.on('error', () => undefined).writeHead(200, { 'content-type': 'application/json' });
  response.write(head);
  more();
}

/** An API server that answers everything with this lie. @returns KUBECONFIG, and how many requests it had */
async function liar(t: TestContext, lie: Lie) {
  let requests = 0;
  const server = createServer((request, response) => {
    requests++;
    request.on('error', () => undefined).resume();
    lie(response, request);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const config = join(new FixtureTree(t).root, 'config');
  writeFileSync(
    config,
    JSON.stringify({
      'current-context': 'c',
      contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
      clusters: [{ name: 'k', cluster: { server: `http://127.0.0.1:${(server.address() as AddressInfo).port}` } }],
      users: [{ name: 'u', user: { token: 'a-secret-token' } }],
    }),
  );
  return { env: { KUBECONFIG: config, NODE_NAME: 'node-1' }, requests: () => requests };
}

const LIST = '{"kind":"PodList","metadata":{"resourceVersion":"1"},"items":[';
const POD = `{"metadata":{"name":"p","namespace":"n","uid":"u"},"spec":{"nodeName":"node-1"},"x":"${'y'.repeat(60_000)}"},`;

const lies: readonly [what: string, lie: Lie][] = [
  ['nested without end', (response) => endless(response, '', '['.repeat(65_536))],
  ['of pods without end', (response) => endless(response, LIST, POD)],
  ['of one pod without end', (response) => endless(response, `${LIST}{"a":[`, '[],'.repeat(20_000))],
  ['of very wide pods', (response) => response.end(`${LIST}${`{"a":[${'[],'.repeat(900_000)}0]},`.repeat(20)}0]}`)],
  ['with a frame without end', (response) => endless(response, '{"a":"', 'x'.repeat(65_536))],
  ['that never comes', () => undefined],
  ['that is another protocol', (response) => response.writeHead(101, { connection: 'upgrade', upgrade: 'x' }).end()],
  ['that is somewhere else', (response) => response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()],
];

describe('a list of pods', () => {
  for (const [what, lie] of SHORT ? lies.slice(1, 5) : lies) {
    it(`${what} costs the exporter little`, async (t) => {
      const { env, requests } = await liar(t, lie);
      const args = ['--kubernetes=api', '--log-level=debug', '--shutdown-timeout=2s'];
      const exporter = await asInTheChart(t, (how) => ExporterProcess.serve({ env, args, ...how }));
      const rightful = new Rightful(exporter.url);
      await waitFor(() => requests() >= (what === 'that never comes' ? 1 : 2), {
        what: 'the second attempt',
        deadlineMs: 60_000,
      });
      await rightful.rounds(SHORT ? 2 : 50);
      const { failures, worstMs } = await rightful.end();
      const { peak } = await memory(exporter);
      t.diagnostic(`peak ${Math.round(peak)} MiB, slowest answer ${worstMs} ms, ${requests()} requests`);
      assert.deepEqual(failures, []);
      assert.ok(worstMs < ANSWER_MS);
      assert.ok(peak < CHART_LIMIT - 64, `${peak} MiB`);
      assert.doesNotMatch(JSON.stringify(exporter.log), /a-secret-token/);
      const { code, ms } = await stop(exporter);
      assert.equal(code, 0);
      assert.ok(ms < ANSWER_MS, `${ms} ms to stop`);
    });
  }
});

describe('Kubernetes Events and the condition of the node, to a server that answers with', () => {
  const answers: readonly [what: string, lie: Lie][] = [
    ['an object without end', (response) => endless(response, '{"metadata":{"name":"', 'x'.repeat(65_536))],
    ['nested lists', (response) => response.writeHead(201).end('['.repeat(1_000_000))],
    ['another protocol', (response) => response.writeHead(101, { connection: 'upgrade', upgrade: 'x' }).end()],
    ['a page of HTML', (response) => response.end('<html>')],
    ['nothing', () => undefined],
  ];
  for (const [what, lie] of SHORT ? answers.slice(0, 1) : answers) {
    it(`${what}, are counted as not written`, async (t) => {
      const review = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
      const { env, requests } = await liar(t, (response, request) => {
        if (request.url !== review) return lie(response, request);
        response.writeHead(201, { 'content-type': 'application/json' }).end('{"status":{"allowed":true}}');
      });
      const exporter = await demo(t, {
        env,
        args: ['--kubernetes-events', '--kubernetes-node-condition', '--demo-rate=50'],
      });
      await waitFor(() => requests() >= 3, { what: 'attempts to write', deadlineMs: 60_000 });
      const rightful = new Rightful(exporter.url);
      await rightful.rounds(5);
      const { failures } = await rightful.end();
      const { peak } = await memory(exporter);
      t.diagnostic(`peak ${Math.round(peak)} MiB, ${requests()} requests`);
      assert.deepEqual(failures, []);
      assert.ok(peak < CHART_LIMIT - 64, `${peak} MiB`);
      const { code, ms } = await stop(exporter);
      assert.equal(code, 0);
      assert.ok(ms < ANSWER_MS && !(await isAlive(exporter)), `${ms} ms to stop`);
    });
  }
});
