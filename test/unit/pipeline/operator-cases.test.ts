import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EVENT, EVENT_METRIC } from '../../../exporter/events/index.js';
import { unboundXeDevice } from '../../../exporter/host/device.js';
import { ATTRIBUTE, METRIC } from '../../../exporter/names.js';
import { aDevice } from '../../helpers/events.js';
import { GPU0, GPU1, kernelLogNode } from '../../helpers/kernel-log-node.js';
import { OPERATOR_CASES } from '../../helpers/operator-cases.js';

describe('what operators ran into', () => {
  for (const one of OPERATOR_CASES) {
    it(one.what, async (t) => {
      const { pipeline, metrics, say, healthOf, records, series, advance } = kernelLogNode(t);
      metrics.devices.deviceDiscovered(GPU0);
      pipeline.deviceAdded(GPU0);
      pipeline.deviceAdded(GPU1);
      for (const [afterMs, level, text] of one.lines) {
        if (afterMs > 0) advance(afterMs);
        say(text, GPU0, level);
      }
      if (one.waitMs !== undefined) advance(one.waitMs);
      const health = healthOf();
      assert.equal(health?.state, one.state);
      assert.equal(health?.cause?.event, one.cause);
      assert.match(health?.advice ?? '', one.advice ?? /^/);
      assert.equal(healthOf(GPU1)?.state, 'ok', 'another GPU');
      const events = records.filter(({ eventName }) => eventName !== EVENT.deviceHealthChanged);
      assert.deepEqual(events.map(({ eventName }) => eventName).toSorted(), one.events.toSorted());
      const [first] = events.toSorted((a, b) => Number(a.timestampNs - b.timestampNs));
      for (const name of one.consequences ?? []) {
        const consequence = events.findLast(({ eventName }) => eventName === name);
        assert.equal(consequence?.attributes[ATTRIBUTE.eventCauseId], first?.attributes[ATTRIBUTE.eventId], name);
      }
      for (const pattern of one.says ?? []) {
        assert.ok(
          events.some(({ body }) => pattern.test(body)),
          `${String(pattern)}: ${events.map(({ body }) => body).join('\n')}`,
        );
      }
      const samples = await series();
      for (const [name, count] of Object.entries(one.counts ?? {})) assert.equal(samples.get(name), count, name);
      await pipeline.close(0);
    });
  }

  it('10: a firmware file is not installed: which one, and the GPU without nodes is shown', async (t) => {
    const { pipeline, say, healthOf, records, series } = kernelLogNode(t);
    const gpu = unboundXeDevice('0000:0c:00.0');
    say('Direct firmware load for xe/bmg_guc_70.bin failed with error -2', gpu, 4);
    say('[drm] Tile0: GT0: GuC firmware xe/bmg_guc_70.bin: fetch failed with error -ENOENT', gpu, 4);
    say('[drm] *ERROR* Tile0: GT0: Failed to initialize uC (-ENOENT)', gpu, 3);
    say('probe with driver xe failed with error -2', gpu, 3);
    const [missing, failed, changed] = records;
    assert.deepEqual(
      records.map(({ eventName }) => eventName),
      [EVENT.firmwareMissing, EVENT.deviceProbeFailed, EVENT.deviceHealthChanged],
    );
    assert.equal(missing?.attributes[ATTRIBUTE.firmwareFile], 'xe/bmg_guc_70.bin');
    assert.match(missing?.body ?? '', /xe\/bmg_guc_70\.bin.*the driver cannot start: install linux-firmware/);
    for (const follows of [failed, changed]) {
      assert.equal(follows?.attributes[ATTRIBUTE.eventCauseId], missing?.attributes[ATTRIBUTE.eventId]);
    }
    const health = healthOf(gpu);
    assert.deepEqual([health?.state, health?.cause?.event], ['lost', EVENT.firmwareMissing]);
    const samples = await series();
    assert.equal(samples.get(`${METRIC.deviceHealth}{pci_bdf="0000:0c:00.0",state="lost"}`), 1);
    assert.equal(samples.get(`${EVENT_METRIC.deviceProbeFailed}{pci_bdf="0000:0c:00.0"}`), 1);
    pipeline.deviceAdded(aDevice({ pciBdf: '0000:0c:00.0' }));
    assert.equal(healthOf(gpu)?.state, 'ok', 'bound at last');
  });

  it('10: a missing display firmware is no trouble', (t) => {
    const { pipeline, say, healthOf, records } = kernelLogNode(t);
    pipeline.deviceAdded(GPU0);
    say('Direct firmware load for i915/bmg_dmc.bin failed with error -2', GPU0, 4);
    say('[drm] Failed to load DMC firmware i915/bmg_dmc.bin (-ENOENT). Disabling runtime power management.', GPU0, 5);
    assert.equal(healthOf()?.state, 'ok');
    assert.deepEqual(
      records.map(({ severityNumber }) => severityNumber),
      [9],
    );
    assert.match(records[0]?.body ?? '', /the display cannot save power; jobs are not affected/);
  });

  it('11: a card off the bus is no virtual function', (t) => {
    const { say, healthOf, records, advance } = kernelLogNode(t);
    const gpu = unboundXeDevice('0000:03:00.0');
    say('Unable to change power state from D3cold to D0, device inaccessible', gpu, 3);
    say('[drm] Running in SR-IOV VF mode', gpu);
    say('[drm] *ERROR* VF: Tile0: GT0: Failed to reset GuC state (-EPROTO)', gpu, 3);
    say('probe with driver xe failed with error -71', gpu, 3);
    advance(2_000);
    const health = healthOf(gpu);
    assert.deepEqual([health?.state, health?.reason, health?.cause?.event], ['lost', 'off_bus', EVENT.deviceLost]);
    const lost = records.find(({ eventName }) => eventName === EVENT.deviceLost);
    for (const name of [EVENT.kernelLogError, EVENT.deviceProbeFailed]) {
      const follows = records.find(({ eventName }) => eventName === name);
      assert.equal(follows?.attributes[ATTRIBUTE.eventCauseId], lost?.attributes[ATTRIBUTE.eventId], name);
    }
  });
});
