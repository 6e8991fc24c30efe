import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { CommandContext } from '../../../exporter/app/context.js';
import { gatherFacts } from '../../../exporter/commands/doctor/facts.js';
import { makeReport } from '../../../exporter/commands/doctor/report.js';
import { parseArguments } from '../../../exporter/config/argv.js';
import { loadConfig } from '../../../exporter/config/load.js';
import type { NativeAddon } from '../../../exporter/native/binding.js';
import { loadNative } from '../../../exporter/native/load.js';
import { FixtureTree } from '../../helpers/fixture-tree.js';
import { EINVAL, EPERM, ESRCH, device, fd, noAddon } from './doctor-facts.js';

describe('gathering the facts', () => {
  async function context(flags: readonly string[] = []): Promise<CommandContext> {
    const config = await loadConfig('doctor', parseArguments(['doctor', '--path-sysfs=/no/such/sys', ...flags]), {});
    // Only what gatherFacts takes.
    return {
      config,
      env: {},
      signal: new AbortController().signal,
      nodeVersion: '20.0.0',
    } as unknown as CommandContext;
  }

  it('reports an addon that does not load, also one that throws something else', async () => {
    const coded = await gatherFacts(await context(), {
      loadNative: () => {
        throw noAddon;
      },
    });
    assert.equal(coded.addonError, noAddon);
    const other = await gatherFacts(await context(), {
      loadNative: () => {
        throw new Error('ELF');
      },
    });
    assert.match(other.addonError?.message ?? '', /ELF/);
  });

  it('probes no ioctl when watching is switched off', async () => {
    const native = { ...loadNative(), probe: () => assert.fail('probed') } as unknown as NativeAddon;
    for (const option of ['--xe-watch-ioctl=off', '--mode=fallback']) {
      const facts = await gatherFacts(await context([option]), {
        loadNative: () => native,
        listXeDevices: () => [device],
      });
      assert.deepEqual([facts.watchingOff, facts.addonError, facts.watches], [option, undefined, []]);
    }
  });

  it('opens no source that is switched off', async () => {
    const MessageReader = function () {
      assert.fail('opened');
    };
    const native = { ...loadNative(), MessageReader } as unknown as NativeAddon;
    for (const [options, reason] of [
      [['--mode=watch_queue'], /--mode=watch_queue/],
      [['--trace=off', '--kmsg=off', '--uevent=off'], /--(trace|kmsg|uevent)=off$/],
    ] as const) {
      const { messages } = await gatherFacts(await context(options), { loadNative: () => native });
      assert.deepEqual(
        messages.map(({ source }) => source),
        ['trace', 'kmsg', 'uevent'],
      );
      for (const { report } of messages) {
        assert.equal(report.state, 'disabled');
        assert.match(report.reason, reason);
      }
    }
  });

  it('reads memory as the exporter would, and not when that is switched off', async (t) => {
    const tree = new FixtureTree(t);
    tree.file(
      `dri/${device.pciBdf}/tile0/vram_mm`,
      readFileSync('test/fixtures/memory-manager/vram_mm-7.2.txt', 'utf8'),
    );
    const machine = { listXeDevices: () => [device] };
    const [facts] = (await gatherFacts(await context([`--path-debugfs=${tree.root}`]), machine)).memory ?? [];
    assert.deepEqual(
      facts?.regions.map(({ region }) => region),
      ['vram0'],
    );
    assert.deepEqual([facts?.from, facts?.hung, facts?.tried], ['debugfs', false, 0]);
    const off = await gatherFacts(await context(['--memory-interval=off']), machine);
    assert.equal(off.memory, undefined);
  });

  it('counts what could be borrowed, what was gone and what was refused', async () => {
    const answers = [
      undefined,
      { operation: 'pidfd_open', errno: ESRCH },
      { operation: 'pidfd_getfd', errno: EPERM },
      { operation: 'identity', errno: ESRCH },
    ];
    const native = {
      ...loadNative(),
      probePipe: () => undefined,
      probe: () => Promise.resolve({ attachErrno: EINVAL, repeatErrno: 0, removalSeen: false }),
      scanDrmFds: () => Promise.resolve({ fds: answers.map((_, pid) => ({ ...fd, pid })), processes: 9, denied: 0 }),
      canBorrow: ({ pid }: { pid: number }) => Promise.resolve(answers[pid]),
    } as unknown as NativeAddon;
    const facts = await gatherFacts(await context(), { loadNative: () => native, listXeDevices: () => [device] });
    assert.deepEqual(
      { ...facts.clients, scan: undefined },
      { scan: undefined, tried: 4, borrowed: 1, gone: 2, refusal: answers[2] },
    );
    assert.equal(facts.watches[0]?.support.request, undefined);
    assert.deepEqual(
      facts.messages.map(({ source }) => source),
      ['trace', 'kmsg', 'uevent'],
    );
    assert.equal(makeReport(facts, '0.0.0').status, 'degraded');
  });
});
