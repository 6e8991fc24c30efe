import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errnoNameOf } from '../../../exporter/wire/errno.js';
import { hardwareError } from '../../../exporter/events/definitions/hardware-error.js';
import { kernelLogError } from '../../../exporter/events/definitions/kernel-log-error.js';
import { vmRebindOutcome } from '../../../exporter/events/definitions/vm-rebind-outcome.js';
import { EVENT, EVENT_METRIC, eventDefinitions, isReceivedFrom } from '../../../exporter/events/index.js';
import { ATTRIBUTE, HARDWARE_ERROR_SEVERITIES, OUTCOMES, SOURCES, type SourceName } from '../../../exporter/names.js';
import { HEADER_BYTES } from '../../../exporter/wire/watch-notification.js';
import { aClient, aDevice, anEvent, aWorkload } from '../../helpers/events.js';

const clients = {
  'no client': undefined,
  'a process': aClient(),
  'a container': aClient({ workload: aWorkload() }),
  'a container without a pod': aClient({ workload: aWorkload({ pod: '', namespace: '', container: '' }) }),
  'a private process': aClient({ process: { pid: 0, executable: '', createdAt: undefined } }),
};
const codes = [-12, -28, -62, -16, -14, -22, -999, 0];

test('names, counters and wire keys are unique', () => {
  const names = eventDefinitions.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  assert.deepEqual(names, Object.values(EVENT));
  const counters = eventDefinitions.flatMap(({ counter }) => counter ?? []);
  assert.deepEqual(
    counters.map(({ name }) => name),
    Object.values(EVENT_METRIC),
  );
  assert.equal(new Set(counters.map(({ name }) => name)).size, new Set(counters).size);
  const keys = eventDefinitions.flatMap(({ wire }) => (wire ? [`${wire.type}/${wire.subtype}`] : []));
  assert.equal(new Set(keys).size, keys.length);
});

test('each source delivers what it can report and its losses; the other events are concluded', () => {
  const received = (source: SourceName) =>
    eventDefinitions.filter((definition) => isReceivedFrom(source, definition)).map(({ name }) => name);
  assert.deepEqual(received('watch_queue'), [EVENT.vmRebindError, EVENT.eventsLost, EVENT.watchRemoved]);
  assert.deepEqual(received('simulator'), received('watch_queue'));
  const { deviceWedged, deviceCoredump, deviceBound, deviceUnbound, eventsLost } = EVENT;
  assert.deepEqual(received('uevent'), [deviceWedged, deviceCoredump, deviceBound, deviceUnbound, eventsLost]);
  assert.deepEqual(received('trace'), [EVENT.vmRebindError, EVENT.vmKilled, eventsLost]);
  const logged = eventDefinitions.flatMap(({ kernelLog, name }) => (kernelLog ? [name] : []));
  assert.deepEqual(received('kmsg'), [...logged, eventsLost]);
  const concluded = Object.values(EVENT).filter((name) => SOURCES.every((source) => !received(source).includes(name)));
  assert.deepEqual(concluded, [
    EVENT.vmRebindOutcome,
    EVENT.deviceHealthChanged,
    EVENT.deviceCoredumpCopy,
    EVENT.sourceChanged,
  ]);
});

for (const definition of eventDefinitions) {
  if (definition.wire) {
    const { minLength, vmIdOffset = 0, errorCodeOffset = 0 } = definition.wire;
    test(`${definition.name}: its fields are inside of its shortest record`, () => {
      assert.ok(minLength >= HEADER_BYTES && minLength <= 127);
      assert.ok(vmIdOffset + 4 <= minLength && errorCodeOffset + 4 <= minLength);
    });
  }

  for (const [who, client] of Object.entries(clients)) {
    test(`${definition.name} of ${who}: one sentence for every error, and nothing undefined`, () => {
      for (const [index, errorCode] of codes.entries()) {
        const event = anEvent({ definition, client, errorCode, outcome: OUTCOMES[index] });
        const body = definition.body(event);
        assert.match(body, /^[A-Z][^\n]*[^.]\.$/, body);
        assert.equal(body.match(/\.( |$)/g)?.length, 1, `one sentence: ${body}`);
        assert.doesNotMatch(body, /undefined|NaN|null|\[object| {2}|\(pid 0\)/, body);
        assert.notEqual(definition.errorType(event), '');
        for (const [name, value] of Object.entries(definition.attributes(event))) {
          assert.match(name, /^[a-z_]+(\.[a-z_]+)+$/);
          assert.ok(typeof value === 'string' ? value !== '' : Number.isFinite(value), name);
        }
      }
    });
  }
}

test('a rebind error is put down to the container before the process, and says what to do', () => {
  const [vmRebindError] = eventDefinitions;
  const body = (client: keyof typeof clients, errorCode = -12) =>
    vmRebindError!.body(anEvent({ client: clients[client], errorCode }));
  assert.match(body('a container'), /^Container main of pod ml\/train-0 lost GPU VM 5 on 0000:03:00\.0 \(ENOMEM\): /);
  assert.match(body('a process'), /^Process python3 \(pid 4711\) lost/);
  assert.match(body('no client'), /^A process that has closed the GPU lost GPU VM 5 \(ENOMEM\)/);
  const line = { client: undefined, source: 'kmsg', report: 'bare', vmId: 0 } as const;
  assert.match(vmRebindError!.body(anEvent(line)), /^An unknown process lost a GPU VM \(ENOMEM\)/);
  const inferred = { client: clients['a container'], evidence: 'only_client' } as const;
  assert.match(
    vmRebindError!.body(anEvent({ ...line, inferred })),
    /^Probably container main of pod ml\/train-0 lost a GPU VM/,
  );
  assert.deepEqual(vmRebindError!.attributes(anEvent(line)), { 'xe.vm.errno': -12 });
  const advice = codes.map((code) => body('a process', code).split('): ')[1]);
  assert.equal(new Set(advice).size, 5, 'memory, time-out, host memory, internal and an unknown error are told apart');
});

test('an outcome says what became of whom, and how grave that is', () => {
  const seen = OUTCOMES.map((outcome) => {
    const event = anEvent({ client: clients['a container'], outcome });
    return [outcome, vmRebindOutcome.severity(event), vmRebindOutcome.isFinal(event), vmRebindOutcome.body(event)];
  });
  assert.deepEqual(
    seen.map(([outcome, severity, final]) => [outcome, severity, final]),
    [
      ['exited', 13, true],
      ['repeated', 13, false],
      ['survived', 9, true],
      ['unknown', 13, false],
    ],
  );
  assert.equal(new Set(seen.map(([, , , body]) => body)).size, OUTCOMES.length);
  for (const [, , , body] of seen)
    assert.match(String(body), /^Container main of pod ml\/train-0 lost GPU VM 5 on .* and /);
});

test('a hardware error is as grave as the hardware says, and gravest when it does not', () => {
  const seen = HARDWARE_ERROR_SEVERITIES.map((severity) => {
    const event = anEvent({ definition: hardwareError, details: { [ATTRIBUTE.hardwareErrorSeverity]: severity } });
    assert.deepEqual(
      [hardwareError.errorType(event), hardwareError.counter.label.valueOf(event)],
      [severity, severity],
    );
    return [severity, hardwareError.severity(event), hardwareError.body(event)] as const;
  });
  assert.deepEqual(
    seen.map(([, severity]) => severity),
    [13, 17, 17],
  );
  assert.equal(new Set(seen.map(([, , body]) => body)).size, 3);
  assert.deepEqual(hardwareError.counter.label.valueOf(anEvent({ definition: hardwareError })), 'unknown');
});

test('an error of the kernel log that means a dead GPU is graver, and says what to do', () => {
  const of = (message?: string) => {
    const details = message === undefined ? undefined : { [ATTRIBUTE.kernelLogMessage]: message };
    const event = anEvent({ definition: kernelLogError, client: undefined, device: aDevice(), details });
    return [kernelLogError.severity(event), kernelLogError.body(event)] as const;
  };
  assert.deepEqual(
    ['reset failed (-ETIMEDOUT)', 'GuC Crash dump notification', 'GuC Exception notification'].map(
      (text) => of(text)[0],
    ),
    [17, 17, 17],
  );
  assert.match(of('reset failed (-ETIMEDOUT)')[1], /^The driver could not reset a GT on GPU .*: .* rebooted\.$/);
  assert.match(of('GuC Exception notification')[1], /^The GuC firmware .* crashed: .* drain the node/);
  for (const text of [undefined, 'PCODE Mailbox failed: 6 Illegal Data', 'VF reset failed (-5)']) {
    assert.equal(of(text)[0], 13, text);
    assert.match(of(text)[1], /no other event covers/);
  }
});

test('an error is called by its name, however the kernel prints it', () => {
  assert.deepEqual(['-22', '-EINVAL', '-62', '-4095'].map(errnoNameOf), ['EINVAL', 'EINVAL', 'ETIME', 'errno 4095']);
});

test('every event is summed up in a few words for the reference', () => {
  for (const { name, summary } of eventDefinitions) assert.match(summary, /^\w[^|\n]{10,99}[^.]$/, name);
});
