import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventsLost } from '../../../exporter/events/definitions/events-lost.js';
import { toLogRecord } from '../../../exporter/pipeline/log/log-record.js';
import { aClient, aDevice, anEvent, aWorkload, RECORD_ATTRIBUTES } from '../../helpers/events.js';

const options = { instanceId: 'node-a-42', includeProcess: true };

test('a rebind error carries its device, process and numbers', () => {
  const record = toLogRecord(anEvent({ sequence: 17 }), options);

  assert.equal(record.eventName, 'xe.vm.rebind_error');
  assert.equal(record.severityNumber, 17);
  assert.equal(record.timestampNs, 1_769_860_800_123_456_789n);
  assert.match(record.body, /python3.*0000:03:00\.0.*ENOMEM/);
  assert.deepEqual(record.attributes, { 'xe.event.id': 'node-a-42-17', ...RECORD_ATTRIBUTES });
  assert.equal('severityText' in record, false);
});

test('a client that several processes hold says so', () => {
  const { attributes } = toLogRecord(anEvent({ client: aClient({ holderCount: 3 }) }), options);
  assert.equal(attributes['xe.drm.client_holders'], 3);
});

test('a workload is named, and only by what is known of it', () => {
  const full = toLogRecord(anEvent({ client: aClient({ workload: aWorkload() }) }), options).attributes;
  assert.equal(full['k8s.namespace.name'], 'ml');
  assert.equal(full['k8s.pod.name'], 'train-0');
  assert.equal(full['k8s.pod.uid'], '3d1c7d4e-8f0a-4b3c-9c1e-2f6a5b7c8d9e');
  assert.equal(full['k8s.container.name'], 'main');
  assert.match(String(full['container.id']), /^9f86d081/);

  const bare = aWorkload({ podUid: '', namespace: '', pod: '', container: '' });
  const partial = toLogRecord(anEvent({ client: aClient({ workload: bare }) }), options).attributes;
  assert.deepEqual(
    Object.keys(partial).filter((name) => /^(k8s|container)\./.test(name)),
    ['container.id'],
  );
});

test('what is not known is absent, never empty', () => {
  const device = aDevice({ card: undefined, render: undefined, vendorId: '0x1234' });
  const client = aClient({ device, process: { executable: '', createdAt: undefined } });
  const { attributes } = toLogRecord(anEvent({ client }), options);
  for (const name of [
    'hw.name',
    'hw.vendor',
    'hw.driver_version',
    'process.executable.name',
    'process.creation.time',
  ]) {
    assert.equal(name in attributes, false, name);
  }
  assert.equal(Object.values(attributes).includes(''), false);
});

test('a device without a card node is named by its render node, and says its driver', () => {
  const device = aDevice({ card: undefined, driverVersion: '1.2' });
  const { attributes } = toLogRecord(anEvent({ device }), options);
  assert.equal(attributes['hw.name'], 'renderD128');
  assert.equal(attributes['hw.driver_version'], '1.2');
});

test('a private process is in no attribute and not in the body', () => {
  const client = aClient({ process: { pid: 987_654, executable: 'secret-model' } });
  const record = toLogRecord(anEvent({ client }), { ...options, includeProcess: false });
  assert.deepEqual(
    Object.keys(record.attributes).filter((name) => name.startsWith('process.')),
    [],
  );
  assert.doesNotMatch(JSON.stringify({ ...record, timestampNs: 0 }), /987654|secret-model/);
  assert.equal(record.attributes['xe.drm.client_id'], 7);
});

test('a record that stands for suppressed ones says for how many', () => {
  assert.equal(toLogRecord(anEvent(), options, 17).attributes['xe.event.suppressed_count'], 17);
  assert.equal('xe.event.suppressed_count' in toLogRecord(anEvent(), options, 0).attributes, false);
});

test('an event without client and device has no attribute of theirs', () => {
  const record = toLogRecord(anEvent({ definition: eventsLost, client: undefined, vmId: 0, errorCode: 0 }), options);
  assert.equal(record.severityNumber, 13);
  assert.deepEqual(record.attributes, {
    'xe.event.id': 'node-a-42-1',
    'xe.event.source': 'watch_queue',
    'error.type': 'watch_queue',
  });
});
