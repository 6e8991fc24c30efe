import { constants } from 'node:os';
import { join } from 'node:path';
import type { ClientEntry } from '../clients/client-table.js';
import { DRM_MAJOR, type XeDevice } from '../host/device.js';
import { runtimeStatusPath } from '../host/device-state.js';
import { parseDrmFdinfo } from '../host/fdinfo.js';
import { parseFdinfoMemory } from '../host/fdinfo-memory.js';
import type { RegionMemory } from '../host/memory.js';
import { parseMemoryManager, parseMemoryRegions } from '../host/memory-regions.js';
import type { DeviceRead, NativeAddon, NativeFailure } from '../native/binding.js';
import type { MemoryItem, MemoryReader, MemoryReadHandlers, MemoryResult } from './memory-reader.js';

export interface NativeMemoryReaderOptions {
  readonly native: Pick<NativeAddon, 'startReads' | 'pageSize'>;
  readonly procRoot: string;
  readonly sysRoot: string;
  readonly debugfsRoot: string;
  readonly devRoot: string;
}

/** One entry of the native list of reads, and the item its answer belongs to. */
interface Step {
  readonly item: MemoryItem;
  readonly read: DeviceRead;
  readonly parse: (content: Uint8Array) => RegionMemory | MemoryResult | undefined;
}

const { ENOENT, ESRCH, ECANCELED, EBADMSG } = constants.errno;

/**
 * Memory of a real device: regions from debugfs, which wakes nothing, else by a query on its own open render node;
 * clients from the fdinfo of the oldest process that has them open. Reads that can hang run on a thread of their own.
 */
export class NativeMemoryReader implements MemoryReader {
  readonly #options: NativeMemoryReaderOptions;
  /** Devices of which debugfs has shown no region. */
  readonly #byQuery = new WeakSet<XeDevice>();

  constructor(options: NativeMemoryReaderOptions) {
    this.#options = options;
  }

  /** Where the regions of a device come from, as far as known. */
  regionsFrom(device: XeDevice): 'debugfs' | 'render node' {
    return this.#byQuery.has(device) ? 'render node' : 'debugfs';
  }

  read(device: XeDevice, items: readonly MemoryItem[], handlers: MemoryReadHandlers): () => void {
    let cancelled = false;
    let cancel = (): void => undefined;
    const tryQuery = items.includes('regions') && !this.#byQuery.has(device);
    const first: MemoryReadHandlers = {
      onResult: (item, result) => {
        // Answered by the query below.
        if (item === 'regions' && tryQuery && noRegion(result) && !cancelled) this.#byQuery.add(device);
        else handlers.onResult(item, result);
      },
      onEnd: () => {
        if (!tryQuery || !this.#byQuery.has(device)) return handlers.onEnd();
        cancel = this.#start(device, ['regions'], handlers);
        if (cancelled) cancel();
      },
    };
    cancel = this.#start(device, items, first);
    return () => {
      cancelled = true;
      cancel();
    };
  }

  #start(device: XeDevice, items: readonly MemoryItem[], { onResult, onEnd }: MemoryReadHandlers): () => void {
    const steps = items.flatMap((item) => this.#steps(device, item));
    const regions: RegionMemory[] = [];
    let refusal: NativeFailure | undefined;
    const accept = (index: number, content: Uint8Array | NativeFailure): void => {
      const { item, parse } = steps[index]!;
      const result = 'errno' in content ? content : (parse(content) ?? { operation: 'parse', errno: EBADMSG });
      if (item !== 'regions') return onResult(item, result as MemoryResult);
      if ('region' in result) regions.push(result);
      else if ('errno' in result) refusal = worse(refusal, result);
      else regions.push(...(result as readonly RegionMemory[]));
      if (steps[index + 1]?.item === 'regions') return;
      const whole = refusal === undefined || (regions.length > 0 && refusal.errno !== ECANCELED);
      onResult(item, whole ? regions : refusal!);
    };
    const started = this.#options.native.startReads(
      steps.map(({ read }) => read),
      (index, content) => {
        accept(index, content);
        if (index === steps.length - 1) onEnd();
      },
    );
    if (typeof started === 'function' && steps.length > 0) return started;
    queueMicrotask(() => {
      if (typeof started !== 'function') for (const item of items) onResult(item, started);
      onEnd();
    });
    return () => undefined;
  }

  #steps(device: XeDevice, item: MemoryItem): Step[] {
    if (item !== 'regions') return [this.#fdinfo(device, item)];
    return this.#byQuery.has(device) ? [this.#query(device)] : this.#debugfs(device);
  }

  /** 7.2 has tile0/vram_mm, 6.12 vram0_mm. */
  #debugfs({ pciBdf }: XeDevice): Step[] {
    const { debugfsRoot, native } = this.#options;
    const step = (path: string, region: string, unit?: number): Step => ({
      item: 'regions',
      read: { kind: 'file', path: join(debugfsRoot, 'dri', pciBdf, path) },
      parse: (content) => parseMemoryManager(toText(content), region, unit),
    });
    const vram = [0, 1].flatMap((tile) => [
      step(`tile${tile}/vram_mm`, `vram${tile}`),
      step(`vram${tile}_mm`, `vram${tile}`),
    ]);
    return [...vram, step('gtt_mm', 'gtt', native.pageSize)];
  }

  #query({ pciBdf, render, renderMinor }: XeDevice): Step {
    const { devRoot, sysRoot } = this.#options;
    return {
      item: 'regions',
      read: {
        kind: 'mem_regions',
        // Without one there is nothing to open, and the answer says so.
        renderNode: join(devRoot, 'dri', render ?? 'none'),
        major: DRM_MAJOR,
        minor: renderMinor ?? 0,
        runtimeStatus: runtimeStatusPath(sysRoot, pciBdf),
      },
      parse: parseMemoryRegions,
    };
  }

  #fdinfo({ pciBdf }: XeDevice, entry: ClientEntry): Step {
    const { procRoot, sysRoot } = this.#options;
    const [holder] = entry.holders;
    return {
      item: entry,
      read: {
        kind: 'fdinfo',
        procRoot,
        pid: holder?.pid ?? 0,
        startTime: holder?.startTime ?? 0n,
        fd: holder?.fd ?? 0,
        major: DRM_MAJOR,
        minor: holder?.minor ?? 0,
        runtimeStatus: runtimeStatusPath(sysRoot, pciBdf),
      },
      // The number may belong to another client by now.
      parse: (content) => {
        const text = toText(content);
        const isStill = parseDrmFdinfo(text)?.clientId === entry.client.drmClientId;
        return isStill ? parseFdinfoMemory(text) : { operation: 'client', errno: ESRCH };
      },
    };
  }
}

/**
 * Which failure to report when several files were tried: never the file that this kernel does not have, and always a
 * cancellation.
 */
function worse(before: NativeFailure | undefined, now: NativeFailure): NativeFailure {
  return before === undefined || before.errno === ENOENT || now.errno === ECANCELED ? now : before;
}

function noRegion(result: MemoryResult): boolean {
  return 'errno' in result ? result.errno !== ECANCELED : result.length === 0;
}

function toText(content: Uint8Array): string {
  return Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('latin1');
}
