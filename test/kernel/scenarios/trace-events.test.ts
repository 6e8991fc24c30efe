// The trace events of the stub, without the exporter: what each release prints, in whose context, and which function event it takes.
import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { GPU0, killVm, postVmError, startClientIn, waitFor, type GuestClient } from '../guest-lib.js';

const TRACEFS = '/sys/kernel/tracing';
const INSTANCE = `${TRACEFS}/instances/scenario`;
const release = /xestub\.trace=(\S+)/.exec(readFileSync('/proc/cmdline', 'utf8'))?.[1] ?? 'none';
/** 6.8 does not say which device, and flags came after 6.12. */
const FIELDS = {
  '6.8': 'vm=\\S+, asid=0x\\w+',
  '6.12': 'dev=0000:03:00\\.0, vm=\\S+, asid=0x\\w+',
  '7.3': 'dev=0000:03:00\\.0, vm=\\S+, asid=0x\\w+, vm flags=0x\\w+',
}[release];

const DEFINITION =
  'f:scenario/vmkill xe_vm_kill dev=vm->xe->drm.dev->kobj.name:string pid=vm->xef->pid:s32 ' +
  'comm=vm->xef->process_name:string client=vm->xef->drm->client_id:u64';

function traceLines(): string[] {
  return readFileSync(`${INSTANCE}/trace`, 'latin1')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
}

/** An error as the rebind worker meets it, and what the trace has to say from the first event to the last one of the VM. */
async function linesOf(client: GuestClient): Promise<string[]> {
  const vm = await client.createVm();
  postVmError({ client: client.id, vm, log: true });
  await client.send(`unvm 0 ${vm}`);
  return waitFor('xe_vm_free', () => {
    const lines = traceLines();
    return lines.some((line) => line.includes(' xe_vm_free: ')) && lines;
  });
}

test('the events of this release, in order and context', { skip: FIELDS === undefined }, async (t) => {
  mkdirSync(INSTANCE);
  t.after(() => rmdirSync(INSTANCE));
  for (const event of readdirSync(`${INSTANCE}/events/xe`)) {
    if (event.startsWith('xe_')) writeFileSync(`${INSTANCE}/events/xe/${event}/enable`, '1');
  }
  const client = await startClientIn(t, { comm: 'ai-train' });
  const lines = await linesOf(client);
  const order = ['create', 'rebind_worker_enter', 'kill', 'rebind_worker_exit', 'free'];
  assert.deepEqual(
    lines.map((line) => /: xe_vm_(\w+): /.exec(line)?.[1]),
    order,
    lines.join('\n'),
  );
  for (const line of lines) assert.match(line, new RegExp(`: xe_vm_\\w+: ${FIELDS}$`));
  assert.match(lines[0]!, new RegExp(`^ *ai-train-${client.pid} `));
  for (const line of lines.slice(1)) assert.match(line, /^ *kworker\//);
  const vms = new Set(lines.map((line) => / vm=(\w+)/.exec(` ${line}`)?.[1]));
  assert.equal(vms.size, 1);
});

test('a function event names the owner, where xe_vm_kill is a symbol', { skip: FIELDS === undefined }, async (t) => {
  const define = (): void => appendFileSync(`${TRACEFS}/dynamic_events`, `${DEFINITION}\n`);
  if (release === '6.8') {
    assert.throws(define, { code: 'ENOENT' });
    return;
  }
  define();
  mkdirSync(INSTANCE);
  const enable = `${INSTANCE}/events/scenario/vmkill/enable`;
  writeFileSync(enable, '1');
  const client = await startClientIn(t, { comm: 'ai-train' });
  const vm = await client.createVm();
  killVm(client.id, vm);
  const [line = ''] = traceLines();
  const owner = `dev="${GPU0}" pid=${client.pid} comm="ai-train" client=${client.id}`;
  assert.ok(line.endsWith(`: vmkill: (xe_vm_kill+0x4/0xf0 [xe]) ${owner}`), line);

  const remove = (): void => appendFileSync(`${TRACEFS}/dynamic_events`, '-:scenario/vmkill\n');
  assert.throws(remove, { code: 'EBUSY' });
  writeFileSync(enable, '0');
  remove();
  rmdirSync(INSTANCE);
  assert.equal(readFileSync(`${TRACEFS}/dynamic_events`, 'utf8'), '');
});

test('a driver without trace events has no folder for them', { skip: FIELDS !== undefined }, () => {
  assert.ok(existsSync(TRACEFS));
  assert.equal(existsSync(`${TRACEFS}/events/xe`), false);
});
