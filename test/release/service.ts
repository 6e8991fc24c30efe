import { join } from 'node:path';
import { waitFor } from '../helpers/wait-for.js';
import type { Machine } from './machine.js';

const DEADLINE_MS = 60_000;

/** A property of the service, as systemctl shows it. */
export function property(machine: Machine, name: string): string {
  return machine.check('systemctl', 'show', '--value', '--property', name, 'xe-exporter').trim();
}

/** Status and body of the exporter's answer to a GET, asked by the Node.js beside it: the machine has nothing else. */
export function get(machine: Machine, path: string): string {
  const program = machine.check('sh', '-c', 'readlink -f "$(command -v xe-exporter)"').trim();
  return machine.check(
    join(program, '../../lib/xe-exporter/bin/node'),
    '--eval',
    `fetch('http://127.0.0.1:9464${path}').then(async (answer) => { console.log(answer.status, await answer.text()) })`,
  );
}

/** Waits for the service to be ready. */
export function ready(machine: Machine): Promise<true> {
  return waitFor(
    () => {
      try {
        return /^200 /.test(get(machine, '/readyz'));
      } catch {
        return false;
      }
    },
    { what: 'the service to be ready', deadlineMs: DEADLINE_MS },
  );
}

/** Everything in the root folder but state of the system itself that any package changes. */
export function filesOf(machine: Machine): readonly string[] {
  const elsewhere = ['/proc', '/sys', '/dev', '/run', '/tmp', '/var/tmp'].flatMap((path) => [
    '-not',
    '-path',
    `${path}/*`,
  ]);
  const found = machine.check('find', '/', '-xdev', ...elsewhere);
  return found
    .split('\n')
    .filter(
      (path) =>
        !/^\/var\/(?:log|cache|lib\/(?:apt|dpkg|rpm|systemd))\/|^\/etc\/(?:passwd|group|shadow|gshadow)-$|^\/etc\/\.pwd\.lock$|^\/root\/?/.test(
          path,
        ),
    );
}
