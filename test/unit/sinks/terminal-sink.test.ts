import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deviceWedged } from '../../../exporter/events/definitions/device-wedged.js';
import type { DeviceEvent } from '../../../exporter/events/device-event.js';
import { eventsLost } from '../../../exporter/events/definitions/events-lost.js';
import { vmRebindOutcome } from '../../../exporter/events/definitions/vm-rebind-outcome.js';
import { TerminalSink, type EventFilter } from '../../../exporter/sinks/terminal.js';
import { aClient, aDevice, anEvent, aWorkload } from '../../helpers/events.js';

function start(filter: Partial<EventFilter> = {}, json = false) {
  const lines: string[] = [];
  let shown = 0;
  const sink = new TerminalSink({
    json,
    instanceId: 'i',
    includeProcess: true,
    filter: { devices: [], pids: [], errnos: [], ...filter },
    write: (line) => lines.push(line) > 0,
    onShown: () => shown++,
  });
  const show = (event: Partial<DeviceEvent>) => {
    lines.length = 0;
    assert.equal(sink.accept(anEvent(event)), undefined);
    return lines.join('');
  };
  return { sink, show, shown: () => shown };
}

const LOSS = { definition: eventsLost, client: undefined, vmId: 0, errorCode: 0 };

test('an event is one line with everything a person looks for', () => {
  const { show, shown } = start();
  assert.equal(show({}), '12:00:00.123  0000:03:00.0  ENOMEM  vm 5  pid 4711 (python3)  client 7\n');
  assert.equal(
    show({ client: aClient({ workload: aWorkload() }), errorCode: -62 }),
    '12:00:00.123  0000:03:00.0  ETIME   vm 5  pid 4711 (python3)  client 7  ml/train-0/main\n',
  );
  assert.equal(show({ client: undefined }), '12:00:00.123  unknown device  ENOMEM  vm 5  unknown process\n');
  assert.equal(shown(), 3);
});

test('a victim that was inferred is marked, and found by its pid', () => {
  const ofKernelLog = { client: undefined, device: aDevice(), vmId: 0 };
  const inferred = { client: aClient(), evidence: 'only_client' } as const;
  const { show } = start({ pids: [4711] });
  assert.equal(
    show({ ...ofKernelLog, inferred }),
    '12:00:00.123  0000:03:00.0  ENOMEM  probably pid 4711 (python3)  client 7\n',
  );
  assert.equal(show(ofKernelLog), '');
});

test('what is about no VM is named and told in its sentence', () => {
  const event = { definition: deviceWedged, client: undefined, device: aDevice(), vmId: 0, errorCode: 0 };
  const line = start().show(event);
  assert.match(line, /^12:00:00\.123 {2}0000:03:00\.0 {2}xe\.device\.wedged {2}[A-Z][^\n]+\.\n$/);
  assert.doesNotMatch(line, /vm|errno/);
});

test('an outcome is named', () => {
  const line = start().show({ definition: vmRebindOutcome, outcome: 'exited' });
  assert.equal(line, '12:00:00.123  0000:03:00.0  ENOMEM  vm 5  exited  pid 4711 (python3)  client 7\n');
});

test('a loss is shown as such', () => {
  const { show, shown } = start();
  assert.match(show(LOSS), /^12:00:00\.123 {2}LOST {2}The kernel discarded/);
  assert.equal(shown(), 1);
});

test('a name cannot move the cursor, colour the screen or begin a line', () => {
  const hostile = 'a\u001b[2Jb\nc\rd\u009bm\u202ee\u2028f';
  const line = start().show({ client: aClient({ process: { executable: hostile } }) });
  assert.match(line, /\(a\?\[2Jb\?c\?d\?m\?e\?f\)/);
  assert.equal(line.split('\n').length, 2);
});

test('filters: any of one kind, all kinds together', () => {
  const other = aClient({ device: aDevice({ pciBdf: '0000:04:00.0' }), process: { pid: 5 } });
  const passes = (filter: Partial<EventFilter>, event: Partial<DeviceEvent>) => start(filter).show(event) !== '';
  assert.ok(passes({ devices: ['0000:04:00.0', '0000:03:00.0'] }, {}));
  assert.ok(!passes({ devices: ['0000:04:00.0'] }, {}));
  assert.ok(passes({ devices: ['0000:04:00.0'], pids: [5], errnos: [12] }, { client: other }));
  assert.ok(!passes({ devices: ['0000:04:00.0'], pids: [6] }, { client: other }));
  assert.ok(!passes({ errnos: [28, 62] }, {}));
  assert.ok(passes({ errnos: [28] }, { errorCode: -28 }));
  assert.ok(!passes({ devices: ['0000:03:00.0'] }, { client: undefined }), 'not known is not it');
  assert.ok(!passes({ pids: [4711] }, { client: undefined }));
});

test('a loss passes every filter: it can hide any event', () => {
  assert.notEqual(start({ devices: ['0000:09:00.0'], pids: [1], errnos: [1] }).show(LOSS), '');
});

test('as JSON it is one object a line', () => {
  const line = start({}, true).show({ client: aClient({ process: { executable: 'a\nb' } }) });
  assert.equal(line.split('\n').length, 2);
  const record = JSON.parse(line) as { event_name: string; attributes: Record<string, unknown> };
  assert.equal(record.event_name, 'xe.vm.rebind_error');
  assert.equal(record.attributes['process.executable.name'], 'a\nb');
});

test('closed, it refuses', async () => {
  const { sink, shown } = start();
  await sink.close();
  assert.equal(sink.accept(anEvent()), 'closed');
  assert.equal(shown(), 0);
});
