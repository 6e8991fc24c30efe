import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  HEALTH_REASONS,
  verdictOf,
  type DeviceHealth,
  type HealthReason,
} from '../../../exporter/events/device-health.js';
import { fitnessOf } from '../../../exporter/node-condition/fitness.js';

function health(reason: HealthReason, given: Partial<DeviceHealth> = {}): DeviceHealth {
  const { state, advice } = HEALTH_REASONS[reason];
  return { pciBdf: '0000:03:00.0', state, reason, sinceMs: 0, cause: undefined, advice, ...given };
}

const REASONS = Object.keys(HEALTH_REASONS) as HealthReason[];

describe('the fitness of a node', () => {
  const verdicts: readonly [HealthReason, string, string][] = [
    ['ok', 'True', 'XeGPUsAreFit'],
    ['resetting', 'True', 'XeGPUsAreFit'],
    ['faults_repeat', 'True', 'XeGPUReportsFaults'],
    ['reset_stuck', 'False', 'XeGPUNotRecovered'],
    ['reset_failed', 'False', 'XeGPUNotRecovered'],
    ['faults_go_on', 'False', 'XeGPUNotRecovered'],
    ['wedged', 'False', 'XeGPUWedged'],
    ['survivability', 'False', 'XeGPUInSurvivabilityMode'],
    ['off_bus', 'False', 'XeGPULost'],
    ['not_started', 'False', 'XeGPULost'],
    ['unseen', 'Unknown', 'NoEventSource'],
  ];

  it('has an answer to every reason of a device', () => {
    assert.deepEqual(verdicts.map(([reason]) => reason).sort(), [...REASONS].sort());
    for (const [reason, status, word] of verdicts) {
      const fitness = fitnessOf([health(reason)]);
      assert.deepEqual([fitness.status, fitness.reason], [status, word], reason);
    }
  });

  it('names the GPU, what is wrong, what began it, and what to do', () => {
    const cause = { event: 'xe.gt.reset', id: null, time: '2026-01-31T12:00:00Z', body: 'a job of pod ml/train-0 ...' };
    const { message } = fitnessOf([health('ok', { pciBdf: '0000:04:00.0' }), health('wedged', { cause })]);
    assert.equal(
      message,
      'GPU 0000:03:00.0 is wedged and rejects all work. It began with xe.gt.reset. Move the jobs away, save the kernel log and the ' +
        'coredump, then unbind the xe driver from this GPU and bind it again.',
    );
  });

  it('is unknown where there is no GPU', () => {
    assert.deepEqual(fitnessOf([]), {
      status: 'Unknown',
      reason: 'NoXeGPU',
      message: 'The xe driver has no GPU on this node.',
    });
  });

  it('is False if and only if one device is unfit, whatever the others are, and stays short', () => {
    const device = fc.record({ reason: fc.constantFrom(...REASONS), slot: fc.integer({ min: 0, max: 255 }) });
    fc.assert(
      fc.property(fc.array(device, { maxLength: 64 }), (given) => {
        const devices = given.map(({ reason, slot }) => health(reason, { pciBdf: `0000:${slot.toString(16)}:00.0` }));
        const { status, reason, message } = fitnessOf(devices);
        assert.equal(
          status === 'False',
          devices.some((one) => verdictOf(one) === 'unfit'),
        );
        assert.match(reason, /^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/, 'as the API asks for');
        assert.ok(message.length > 0 && message.length <= 2048);
      }),
    );
  });
});
