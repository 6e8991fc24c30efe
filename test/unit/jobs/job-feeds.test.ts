import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { JobFeeds } from '../../../exporter/sinks/jobs/job-feeds.js';
import { LastEvents } from '../../../exporter/sinks/jobs/last-events.js';
import { EVENTS_OF_A_WORKLOAD } from '../../../exporter/sinks/jobs/sink.js';
import { Withheld } from '../../../exporter/sinks/jobs/withheld.js';
import { KeyedPace } from '../../../exporter/time/keyed-pace.js';

const event = (bytes: number) => ({
  name: 'xe.vm.rebind_error',
  device: '',
  errno: undefined,
  namespace: '',
  pod: '',
  json: 'x'.repeat(bytes),
});

describe('the events that are kept of all workloads', () => {
  it('are bounded for each workload, in number and in bytes', () => {
    const feeds = new JobFeeds({ events: 10, bytes: 1000 });
    for (let index = 0; index < 100; index++) feeds.publish('pod:a', event(1));
    for (let index = 0; index < 100; index++) feeds.publish('pod:b', event(300));
    const [a, b] = [feeds.of('pod:a'), feeds.of('pod:b')];
    assert.deepEqual([a.newest, a.newest - a.oldest + 1], [100, 10]);
    assert.deepEqual([b.newest, b.newest - b.oldest + 1], [100, 3]);
  });

  it('are bounded in total, and whoever has the most makes room', () => {
    const feeds = new JobFeeds({ bytes: 1000, totalBytes: 1000 });
    for (let index = 0; index < 3; index++) feeds.publish('pod:quiet', event(100));
    for (let index = 0; index < 100; index++) feeds.publish('pod:loud', event(100));
    const [quiet, loud] = [feeds.of('pod:quiet'), feeds.of('pod:loud')];
    assert.equal(quiet.oldest, 1);
    assert.equal(loud.newest - loud.oldest + 1, 7);
  });

  it('are of a bounded number of workloads, and a user with many units loses one of those', () => {
    const feeds = new JobFeeds({ workloads: 4 });
    const closed: string[] = [];
    const owners = ['pod:a', 'user:1/unit:a', 'user:1/unit:b', 'pod:b', 'user:1/unit:c', 'user:1/unit:d'];
    for (const owner of owners) {
      feeds.of(owner).follow({ published: () => undefined, closed: () => closed.push(owner) });
      feeds.publish(owner, event(1));
    }
    assert.deepEqual(closed, ['user:1/unit:a', 'user:1/unit:b']);
    assert.equal(feeds.of('pod:a').newest, 1);
  });
});

describe('the pace of events', () => {
  it('is bounded for each workload, and costs another one nothing', () => {
    const pace = new KeyedPace(EVENTS_OF_A_WORKLOAD);
    const told = (owner: string, events: number, now: number): number =>
      Array.from({ length: events }, () => pace.admits(owner, now)).filter(Boolean).length;
    assert.equal(told('pod:loud', 5000, 0), 1024);
    assert.equal(told('pod:quiet', 3, 0), 3);
    assert.equal(told('pod:loud', 5000, 1000), 100);
  });
});

describe('events that are withheld', () => {
  it('are told as a number before nothing can be told any more', () => {
    const told: string[] = [];
    const withheld = new Withheld((owner, { name, json }) => told.push(`${owner} ${name} ${json}`));
    for (const owner of ['pod:a', 'pod:a', 'pod:b']) withheld.add(owner);
    withheld.close();
    withheld.close();
    assert.deepEqual(told, [
      'pod:a gap {"reason":"rate_limited","missed":2}',
      'pod:b gap {"reason":"rate_limited","missed":1}',
    ]);
  });

  it('are told also of a workload that makes room for others', () => {
    const told: string[] = [];
    const withheld = new Withheld((owner) => told.push(owner));
    for (let index = 0; index <= 4096; index++) withheld.add(`pod:${index}`);
    assert.deepEqual(told, ['pod:0']);
    withheld.close();
    assert.equal(told.length, 4097);
  });
});

describe('the last events that are kept of all workloads', () => {
  it('are bounded, and a user with many units loses one of those', () => {
    const last = new LastEvents(() => 0);
    const add = (owner: string): void => last.add({ owner, pod: '', reason: 'memory', timeMs: 0, json: '{}' });
    add('pod:a');
    for (let index = 0; index < 2000; index++) add(`user:1/unit:${index}`);
    assert.equal(last.find('pod:a', undefined)?.owner, 'pod:a');
    assert.equal(last.find('user:1/unit:1999', undefined)?.reason, 'memory');
    assert.equal(last.find('user:1/unit:0', undefined), undefined);
    assert.equal((JSON.parse(last.serialise()) as { events: unknown[] }).events.length, 1024);
  });
});
