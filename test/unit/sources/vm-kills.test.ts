import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { VmKills, type VmKill, type VmKillsOptions } from '../../../exporter/sources/trace/vm-kills.js';
import { parseTraceLine } from '../../../exporter/wire/trace-line.js';
import { aTraceLine, VM_FIELDS, type TraceLineParts } from '../../helpers/trace-lines.js';

const BDF = '0000:03:00.0';
const WORKER = { comm: 'kworker/u16:3', tid: 9, tgid: 9 } as const;

/** VMs whose deaths are followed from second 0 on; the trace is as of Linux 6.16 unless said otherwise. */
class Followed {
  readonly kills: VmKill[] = [];
  readonly created: number[] = [];
  readonly vmKills: VmKills;
  #later: (() => void) | undefined;
  #seconds = 100;

  constructor(options: Partial<VmKillsOptions> = {}) {
    this.vmKills = new VmKills(0n, {
      onKill: (kill) => this.kills.push(kill),
      onCreated: (pid) => this.created.push(pid),
      processOf: () => undefined,
      later: (run) => (this.#later ??= run),
      ...options,
    });
  }

  line(event: string, fields: string, parts: TraceLineParts = {}): void {
    this.#seconds += 0.00001;
    const line = parseTraceLine(aTraceLine(event, fields, { seconds: this.#seconds, ...parts }));
    assert.ok(line);
    this.vmKills.take(line);
  }

  vm(event: string, vm: number, parts: TraceLineParts & { flags_?: number; dev?: string } = {}): void {
    const { flags_: flags = 2, dev = BDF, ...rest } = parts;
    this.line(event, VM_FIELDS['6.16']({ vm: pointer(vm), flags, dev }), rest);
  }

  probe(pid: number, client: number, parts: TraceLineParts = WORKER, fields = ''): void {
    const more = `asid=1 flags=0x2 dev="${BDF}"${fields} comm="ollama"`;
    this.line('vm_kill', `(xe_vm_kill+0x4/0xf0 [xe]) pid=${pid} client=${client} ${more}`, parts);
  }

  /** A rebind that fails, as the worker tells it. */
  rebindFails(vm: number, probe?: () => void): void {
    this.vm('xe_vm_rebind_worker_enter', vm, WORKER);
    probe?.();
    this.vm('xe_vm_kill', vm, WORKER);
    this.vm('xe_vm_rebind_worker_exit', vm, WORKER);
  }

  wait(seconds: number): void {
    this.#seconds += seconds;
  }

  flush(): void {
    this.#later?.();
    this.#later = undefined;
  }

  owners(): unknown[] {
    return this.kills.map(({ owner }) => owner && [owner.pid, owner.drmClientId ?? owner.comm]);
  }
}

function pointer(vm: number): string {
  return (0xabc000 + vm).toString(16).padStart(16, '0');
}

describe('a VM that dies', () => {
  it('is told once when the other line comes after the wait', () => {
    const followed = new Followed();
    followed.vm('xe_vm_rebind_worker_enter', 1, WORKER);
    followed.probe(4242, 77);
    followed.flush();
    assert.equal(followed.kills.length, 1);
    followed.vm('xe_vm_kill', 1, WORKER);
    followed.vm('xe_vm_rebind_worker_exit', 1, WORKER);
    assert.deepEqual(
      followed.kills.map(({ owner, rebind }) => [owner?.pid, rebind]),
      [[4242, true]],
    );
    followed.rebindFails(2, () => followed.probe(4343, 78));
    assert.deepEqual(
      followed.kills.map(({ owner }) => owner?.pid),
      [4242, 4343],
    );
  });

  it('belongs to the process that made it', () => {
    const followed = new Followed();
    followed.vm('xe_vm_create', 1, { comm: 'python3', tid: 205, tgid: 203 });
    followed.vm('xe_vm_create', 2, { comm: 'ollama', tid: 300, tgid: 300 });
    followed.rebindFails(2);
    followed.rebindFails(1);
    assert.deepEqual(followed.owners(), [
      [300, 'ollama'],
      [203, 'python3'],
    ]);
    const [{ pciBdf, rebind } = {}] = followed.kills;
    assert.deepEqual({ pciBdf, rebind }, { pciBdf: BDF, rebind: true });
    assert.deepEqual(followed.created, [203, 300]);
  });

  it('belongs to the process that the function event reads out of it, whenever it was made', () => {
    const followed = new Followed();
    followed.vm('xe_vm_create', 2, { comm: 'other', tid: 300, tgid: 300 });
    followed.rebindFails(1, () => followed.probe(191, 700));
    followed.rebindFails(2, () => followed.probe(300, 701));
    assert.deepEqual(followed.owners(), [
      [191, 700],
      [300, 701],
    ]);
    followed.flush();
    assert.equal(followed.kills.length, 2, 'both lines of a kill are one');
  });

  it('is told by the function event alone when the other line does not come', () => {
    const followed = new Followed();
    followed.probe(191, 700);
    followed.probe(192, 701);
    assert.deepEqual(followed.owners(), [[191, 700]], 'the next of the same thread ends the wait');
    followed.flush();
    assert.deepEqual(followed.owners(), [
      [191, 700],
      [192, 701],
    ]);
    assert.equal(followed.kills[1]?.pciBdf, BDF);
  });

  it('gets its process from its making where the function event knows the client only', () => {
    const followed = new Followed();
    followed.vm('xe_vm_create', 1, { comm: 'python3', tid: 203, tgid: 203 });
    followed.rebindFails(1, () => followed.line('vm_kill', '(xe_vm_kill+0x4/0xf0 [xe]) client=7', WORKER));
    assert.deepEqual(followed.kills[0]?.owner, { pid: 203, comm: 'python3', drmClientId: 7 });
  });

  it('has no process when the driver made it for itself, or nobody saw it made', () => {
    const followed = new Followed();
    followed.vm('xe_vm_create', 1, { comm: 'modprobe', tid: 50, tgid: 50, flags_: 4 });
    followed.vm('xe_vm_create', 2, { comm: 'kworker', tid: 51, tgid: 51, flags_: 0x100 });
    for (const vm of [1, 2, 3]) followed.rebindFails(vm);
    followed.rebindFails(4, () =>
      followed.line('vm_kill', 'pid=0 client=0 asid=0 flags=0x4 dev="0000:03:00.0" comm=(fault)', WORKER),
    );
    assert.deepEqual(followed.owners(), [undefined, undefined, undefined, undefined]);
    assert.deepEqual(followed.created, []);
  });

  it('is known by device and address, which is free again after its end', () => {
    const followed = new Followed();
    followed.vm('xe_vm_create', 1, { comm: 'a', tid: 1, tgid: 1 });
    followed.vm('xe_vm_create', 1, { comm: 'b', tid: 2, tgid: 2, dev: '0000:04:00.0' });
    followed.rebindFails(1);
    followed.vm('xe_vm_free', 1, { dev: BDF });
    followed.vm('xe_vm_create', 1, { comm: 'c', tid: 3, tgid: 3 });
    followed.rebindFails(1);
    // Its end was missed.
    followed.vm('xe_vm_create', 1, { comm: 'd', tid: 4, tgid: 4 });
    followed.rebindFails(1);
    assert.deepEqual(followed.owners(), [
      [1, 'a'],
      [3, 'c'],
      [4, 'd'],
    ]);
    followed.vm('xe_vm_free', 1);
    followed.rebindFails(1);
    assert.equal(followed.kills[3]?.owner, undefined);
  });

  it('dies once, though the driver says so twice', () => {
    const followed = new Followed();
    followed.vm('xe_vm_create', 1);
    followed.vm('xe_vm_rebind_worker_enter', 1, WORKER);
    for (let i = 0; i < 2; i++) {
      followed.probe(203, 7);
      followed.vm('xe_vm_kill', 1, WORKER);
    }
    assert.equal(followed.kills.length, 1);
    followed.wait(2);
    followed.vm('xe_vm_kill', 1, WORKER);
    assert.equal(followed.kills.length, 2, 'later, it is another VM at this address');
  });

  it('says whether the rebind worker killed it', () => {
    const followed = new Followed();
    const app = { comm: 'python3', tid: 203, tgid: 203 };
    followed.vm('xe_vm_create', 1, app);
    followed.vm('xe_vm_rebind_worker_enter', 2, WORKER);
    followed.vm('xe_vm_kill', 1, app);
    followed.vm('xe_vm_rebind_worker_exit', 2, WORKER);
    followed.vm('xe_vm_kill', 3, { ...WORKER, tid: 10 });
    followed.vm('xe_vm_kill', 4, WORKER);
    assert.deepEqual(
      followed.kills.map(({ rebind }) => rebind),
      [false, false, false],
    );
  });

  it('passes for a rebind where the beginning of the worker may be missing', () => {
    const followed = new Followed();
    followed.vm('xe_vm_kill', 1, WORKER);
    followed.vmKills.lost(101_000_000_000n);
    followed.vm('xe_vm_kill', 2, WORKER);
    followed.vm('xe_vm_kill', 3, { comm: 'python3', tid: 5, tgid: 5 });
    followed.wait(5);
    followed.vm('xe_vm_kill', 4, WORKER);
    assert.deepEqual(
      followed.kills.map(({ rebind }) => rebind),
      [false, true, false, false],
    );
  });

  it('asks /proc for the process of a thread that the trace does not know', () => {
    const followed = new Followed({ processOf: (tid) => (tid === 205 ? 203 : undefined) });
    followed.vm('xe_vm_create', 1, { comm: '<...>', tid: 205, tgid: undefined });
    followed.vm('xe_vm_create', 2, { comm: 'gone', tid: 206, tgid: undefined });
    followed.rebindFails(1);
    followed.rebindFails(2);
    assert.deepEqual(followed.owners(), [
      [203, ''],
      [undefined, 'gone'],
    ]);
  });

  it('is known by a later bind of its process where the kernel names the VM there', () => {
    const followed = new Followed();
    const bind = (vm: number, parts: TraceLineParts) =>
      followed.line('xe_vma_bind', `dev=${BDF}, vma=0000000000001234, vm=${pointer(vm)}, asid=0x00001,`, parts);
    bind(1, WORKER);
    bind(2, { comm: 'python3', tid: 203, tgid: 203 });
    bind(2, { comm: 'debugger', tid: 999, tgid: 999 });
    followed.rebindFails(1);
    followed.rebindFails(2);
    assert.deepEqual(followed.owners(), [undefined, [203, 'python3']]);
  });

  it('is told without its device before Linux 6.12', () => {
    const followed = new Followed();
    followed.line('xe_vm_create', VM_FIELDS['6.8']({ vm: pointer(1) }), { tid: 203, tgid: 203 });
    followed.line('xe_vm_kill', VM_FIELDS['6.8']({ vm: pointer(1) }), WORKER);
    assert.equal(followed.kills[0]?.pciBdf, undefined);
    assert.equal(followed.kills[0]?.owner?.pid, 203);
  });
});

it('what is remembered is bounded, and the newest is kept', () => {
  const followed = new Followed({ maxVms: 100 });
  for (let vm = 0; vm < 1_000; vm++) followed.vm('xe_vm_create', vm, { tid: vm + 1, tgid: vm + 1 });
  for (let tid = 0; tid < 5_000; tid++) followed.vm('xe_vm_rebind_worker_enter', 1, { tid });
  assert.equal(followed.vmKills.remembered, 100);
  followed.rebindFails(999);
  followed.rebindFails(1);
  assert.deepEqual(followed.owners(), [[1_000, 'ollama'], undefined]);
  for (let vm = 5_000; vm < 6_000; vm++) followed.rebindFails(vm);
  assert.equal(followed.vmKills.remembered, 100);
});

it('every VM that was seen made, and dies, has its own process, in any interleaving', () => {
  const step = fc.record({
    vm: fc.nat(5),
    tid: fc.integer({ min: 100, max: 105 }),
    what: fc.constantFrom('create', 'free', 'kill', 'probed kill'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const followed = new Followed();
      const model = new Map<number, { readonly pid: number; dead: boolean }>();
      const expected: unknown[] = [];
      for (const { vm, tid, what } of steps) {
        const known = model.get(vm);
        if (what === 'create' && known === undefined) {
          model.set(vm, { pid: tid, dead: false });
          followed.vm('xe_vm_create', vm, { tid, tgid: tid });
        } else if (what === 'free' && known !== undefined) {
          model.delete(vm);
          followed.vm('xe_vm_free', vm);
        } else if (what.endsWith('kill') && known !== undefined && !known.dead) {
          known.dead = true;
          const probed = what !== 'kill';
          expected.push([known.pid, probed ? 7_000 + vm : 'ollama']);
          followed.rebindFails(vm, probed ? () => followed.probe(known.pid, 7_000 + vm) : undefined);
        }
      }
      assert.deepEqual(followed.owners(), expected);
      assert.ok(followed.kills.every(({ rebind }) => rebind));
    }),
  );
});
