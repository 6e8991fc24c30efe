import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { ClientTable } from '../../../exporter/clients/client-table.js';
import { SimulatedDevices } from '../../../exporter/simulator/simulated-devices.js';
import { SimulatedFaults } from '../../../exporter/simulator/simulated-faults.js';
import { aClient } from '../../helpers/events.js';

/** What the kernel said, as second and words. */
function start(t: TestContext, wedgeEveryMs: number) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const said: string[] = [];
  let second = 0;
  const say = (words: string) => said.push(`${second}: ${words}`);
  const devices = new SimulatedDevices();
  const clients = new ClientTable(10);
  clients.add(aClient({ device: devices.list()[1]!, process: { pid: 1007, executable: 'python3' } }), []);
  const faults = new SimulatedFaults({
    kernel: {
      log: ({ pciBdf }, text) => say(`${pciBdf} ${text}`),
      wedged: ({ pciBdf }) => say(`${pciBdf} wedged`),
      binding: (action, { pciBdf }) => say(`${pciBdf} ${action}, ${devices.list().length} are bound`),
    },
    devices,
    clients,
    wedgeEveryMs,
  });
  faults.start();
  const seconds = (count: number) => {
    for (let i = 0; i < count; i++) {
      second++;
      t.mock.timers.tick(1000);
    }
  };
  return { faults, said, seconds };
}

test('an engine is reset now and then, and every second time a job of that GPU has hung', (t) => {
  const { faults, said, seconds } = start(t, 0);
  seconds(60);
  assert.deepEqual(
    said.map((words) => words.replace(/: .*?(Engine reset|Timedout job|coredump).*?( in .*|$)/, ' $1$2')),
    ['30 Engine reset', '60 Timedout job in python3 [1007]', '60 coredump', '60 Engine reset'],
  );
  faults.stop();
  seconds(600);
  assert.equal(said.length, 4);
});

test('a GPU is wedged for half of the time, bound anew, and wedged again', (t) => {
  const { faults, said, seconds } = start(t, 20_000);
  t.after(() => faults.stop());
  seconds(41);
  assert.deepEqual(
    said.filter((words) => !words.includes('Engine reset')),
    [
      '10: 0000:04:00.0 wedged',
      '18: 0000:04:00.0 unbind, 1 are bound',
      '20: 0000:04:00.0 bind, 2 are bound',
      '30: 0000:04:00.0 wedged',
      '38: 0000:04:00.0 unbind, 1 are bound',
      '40: 0000:04:00.0 bind, 2 are bound',
    ],
  );
});

test('no job hangs on a GPU that is wedged', (t) => {
  const { faults, said, seconds } = start(t, 100_000);
  t.after(() => faults.stop());
  seconds(61);
  assert.deepEqual(said.slice(1), ['50: 0000:04:00.0 wedged']);
});
