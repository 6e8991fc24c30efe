import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DocumentQueue } from '../../../exporter/http/document-queue.js';

const reader = (peer: string, isGone = () => false) => ({ peer, isGone });

describe('a queue of documents', () => {
  it('makes one at a time, shares it between its readers, and lets the event loop go on in between', async () => {
    const queue = new DocumentQueue();
    const order: string[] = [];
    let underWay = 0;
    const make = (key: string) => async () => {
      assert.equal(++underWay, 1);
      order.push(key);
      setImmediate(() => order.push('others'));
      await Promise.resolve();
      underWay--;
      return { body: Buffer.from(key) };
    };
    const asked = ['one', 'two', 'one', 'three', 'two'].map((key) => queue.make(key, reader('p'), make(key)));
    const bodies = (await Promise.all(asked)).map(({ body }) => body.toString());
    assert.deepEqual(bodies, ['one', 'two', 'one', 'three', 'two']);
    assert.deepEqual(order.slice(0, 5), ['one', 'others', 'two', 'others', 'three']);
  });

  it('serves the peer first whose last turn is longest ago', async () => {
    const queue = new DocumentQueue();
    const order: string[] = [];
    const ask = (key: string, peer: string) =>
      queue.make(key, reader(peer), () => (order.push(key), { body: Buffer.from(key) }));
    await Promise.all([
      ...Array.from({ length: 10 }, (_, index) => ask(`crowd ${index}`, 'crowd')),
      ask('scrape 1', 'scraper'),
      ask('scrape 2', 'scraper'),
    ]);
    assert.deepEqual(order.slice(0, 5), ['crowd 0', 'scrape 1', 'crowd 1', 'scrape 2', 'crowd 2']);
  });

  it('does not make what nobody waits for, goes on after a failure, and shares that, too', async () => {
    const queue = new DocumentQueue();
    const fail = () => Promise.reject(new Error('broken'));
    const outcomes = await Promise.allSettled([
      queue.make('broken', reader('a'), fail),
      queue.make('broken', reader('b'), fail),
      queue.make(
        'unwanted',
        reader('a', () => true),
        () => assert.fail('made for nobody'),
      ),
      queue.make('wanted', reader('a'), () => ({ body: Buffer.from('x') })),
    ]);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['rejected', 'rejected', 'fulfilled', 'fulfilled'],
    );
    assert.equal((await queue.make('again', reader('a'), () => ({ body: Buffer.from('y') }))).body.toString(), 'y');
  });
});
