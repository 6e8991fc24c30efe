import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Decoder } from '../../../exporter/pipeline/decode/decoder.js';
import type { DeviceEvent } from '../../../exporter/events/device-event.js';
import { eventDefinitions } from '../../../exporter/events/index.js';
import type { XeDevice } from '../../../exporter/host/device.js';
import { EVENT } from '../../../exporter/events/index.js';
import { ATTRIBUTE } from '../../../exporter/names.js';
import { parseUevent, pciBdfOf } from '../../../exporter/wire/uevent.js';
import { aDevice } from '../../helpers/events.js';
import { UEVENT, ueventBytes } from '../../helpers/uevents.js';

function eventsOf(bytes: Uint8Array, device: XeDevice | null = aDevice()): DeviceEvent[] {
  const events: DeviceEvent[] = [];
  const decoder = new Decoder(eventDefinitions, { received: () => undefined, dropped: () => undefined });
  const stamp = { source: 'uevent', realtimeNs: 2n, monotonicNs: 1n } as const;
  decoder.decode({ kind: 'uevent', ...stamp, uevent: parseUevent(bytes), device: device ?? undefined }, (event) =>
    events.push(event),
  );
  return events;
}

const card = '/devices/pci0000:00/0000:03:00.0/drm/card0';

describe('uevents of xe devices', () => {
  const expected: Record<keyof typeof UEVENT, readonly [name: string, details: object] | undefined> = {
    wedged: [EVENT.deviceWedged, { [ATTRIBUTE.deviceRecovery]: 'vendor-specific' }],
    coredump: [EVENT.deviceCoredump, { [ATTRIBUTE.devcoredumpPath]: '/sys/devices/virtual/devcoredump/devcd3/data' }],
    bind: [EVENT.deviceBound, {}],
    unbind: [EVENT.deviceUnbound, {}],
    drmAdd: undefined,
  };
  for (const [name, bytes] of Object.entries(UEVENT)) {
    it(`${name} is ${expected[name as keyof typeof UEVENT]?.[0] ?? 'no event'}`, () => {
      const seen = eventsOf(bytes).map(({ definition, details }) => [definition.name, { ...details }]);
      const want = expected[name as keyof typeof UEVENT];
      assert.deepEqual(seen, want ? [want] : []);
      assert.deepEqual(
        eventDefinitions.filter(({ uevent }) => uevent?.read(parseUevent(bytes)!)).length,
        want ? 1 : 0,
        'no uevent is for two',
      );
    });
  }

  it('of a device that is not of xe are nobody’s', () => {
    for (const bytes of Object.values(UEVENT)) assert.deepEqual(eventsOf(bytes, null), []);
  });

  it('that user space had repeated are none', () => {
    const again = ueventBytes('add', '/devices/virtual/devcoredump/devcd3', 'devcoredump', 'SYNTH_UUID=0');
    assert.equal(parseUevent(again)?.synthetic, true);
    assert.deepEqual(eventsOf(again), []);
  });

  it('that only look like one are none', () => {
    for (const bytes of [
      ueventBytes('change', card, 'drm', 'DEVTYPE=drm_minor'),
      ueventBytes('change', card, 'drm', 'WEDGED=rebind'),
      ueventBytes('change', card, 'drm', 'WEDGED=rebind', 'DEVTYPE=drm_connector'),
      ueventBytes('add', card, 'drm', 'WEDGED=rebind', 'DEVTYPE=drm_minor'),
      ueventBytes('change', '/devices/pci0000:00/0000:03:00.0', 'pci', 'WEDGED=rebind', 'DEVTYPE=drm_minor'),
      ueventBytes('remove', '/devices/virtual/devcoredump/devcd3', 'devcoredump'),
      ueventBytes('add', '/devices/virtual/devcoredump/../devcd3', 'devcoredump'),
      ueventBytes('add', '/devices/virtual/devcoredump/devcd3\n', 'devcoredump'),
      ueventBytes('bind', '/devices/pci0000:00/0000:03:00.0', 'pci', 'DRIVER=vfio-pci'),
      ueventBytes('bind', '/devices/pci0000:00/0000:03:00.0', 'pci'),
      ueventBytes('bind', '/devices/pci0000:00/0000:03:00.0', 'usb', 'DRIVER=xe'),
    ]) {
      assert.deepEqual(eventsOf(bytes), [], Buffer.from(bytes).toString());
    }
  });

  it('say how to recover only in words that the kernel could use', () => {
    for (const [methods, told] of [
      ['rebind,bus-reset', 'rebind,bus-reset'],
      ['unknown', 'unknown'],
      ['', undefined],
      ['x"} 1', undefined],
      ['a,'.repeat(500), undefined],
    ] as const) {
      const [event] = eventsOf(ueventBytes('change', card, 'drm', `WEDGED=${methods}`, 'DEVTYPE=drm_minor'));
      assert.equal(event?.definition.name, EVENT.deviceWedged);
      assert.equal(event.details?.[ATTRIBUTE.deviceRecovery], told);
    }
  });
});

describe('the parser of uevents', () => {
  it('refuses what the kernel does not send', () => {
    const ok = Buffer.from(UEVENT.wedged).toString('latin1');
    const bad: Record<string, string | Uint8Array> = {
      nothing: '',
      'zeros only': '\0\0\0',
      'no zero at the end': ok.slice(0, -1),
      'udev’s own': 'libudev\0\xfe\xed\xca\xfe',
      'another action': ok.replace('ACTION=change', 'ACTION=add'),
      'another path': ok.replace('change@/devices', 'change@/device'),
      'another order': ok.replace(/(SUBSYSTEM=drm\0)(WEDGED=[^\0]*\0)/, '$2$1'),
      'no subsystem': ok.replace('SUBSYSTEM=drm\0', ''),
      'too long': `${ok}X=${'x'.repeat(5000)}\0`,
      'too many variables': `${ok}${'A=b\0'.repeat(64)}`,
    };
    for (const [what, text] of Object.entries(bad))
      assert.equal(parseUevent(Buffer.from(text as string, 'latin1')), undefined, what);
    assert.notEqual(parseUevent(Buffer.from(ok, 'latin1')), undefined);
  });

  it('takes the first of two values, and skips what is none', () => {
    const uevent = parseUevent(ueventBytes('change', card, 'drm', 'A=1', 'A=2', 'novalue', '=x', 'ACTION=add', 'B='));
    assert.deepEqual([...(uevent?.values.keys() ?? [])], ['ACTION', 'DEVPATH', 'SUBSYSTEM', 'A', 'B', 'SEQNUM']);
    assert.deepEqual([uevent?.action, uevent?.values.get('A'), uevent?.values.get('B')], ['change', '1', '']);
  });

  it('finds the PCI device', () => {
    const bdf = (devpath: string) => pciBdfOf(parseUevent(ueventBytes('add', devpath, 'x'))!);
    assert.equal(pciBdfOf(parseUevent(UEVENT.wedged)!), '0000:03:00.0');
    assert.equal(pciBdfOf(parseUevent(UEVENT.unbind)!), '0000:03:00.0');
    assert.equal(pciBdfOf(parseUevent(UEVENT.coredump)!), undefined);
    assert.equal(bdf('/devices/pci0000:00/0000:00:02.0'), '0000:00:02.0');
    assert.equal(bdf('/devices/pci10000:e0/10000:e0:06.0/10000:e1:00.0/drm/card1'), '10000:e1:00.0');
    assert.equal(bdf('/devices/0000:03:00.0x/0000:03:00.9/x0000:03:00.0'), undefined);
    assert.equal(bdf('/devices/pci0000:00/0000:00:02.0/hwmon/hwmon1'), undefined, 'that is another device');
  });
});
