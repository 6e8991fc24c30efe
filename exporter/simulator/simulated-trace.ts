import { hrtime } from 'node:process';
import type { XeClient } from '../clients/client.js';
import { VM_KILL_PROBE } from '../sources/trace/tracefs.js';

/** The worker that rebinds VMs, one for all devices. */
const WORKER = { comm: 'kworker/u16:3', tid: 9, tgid: 9 };

/** What lines of the trace begin with: the thread that ran into the event. */
interface Thread {
  readonly comm: string;
  readonly tid: number;
  readonly tgid: number;
}

/** The trace of the simulated driver, in the format of Linux 7.3: include/trace/trace_events.h, drivers/gpu/drm/xe/xe_trace_bo.h. */
export class SimulatedTrace {
  readonly #post: (line: string) => void;

  /** @param post takes each line as trace_pipe would give it */
  constructor(post: (line: string) => void) {
    this.#post = post;
  }

  /** The client has made a VM. */
  vmCreated(client: XeClient, vmId: number): void {
    this.#event(mainThread(client), 'xe_vm_create', vmFields(client, vmId, 0x2));
  }

  /** The client has made its exec queue. */
  queueCreated(client: XeClient): void {
    const fields = `dev=${client.device.pciBdf}, 4:0x1, gt=0, width=1, guc_id=${gucIdOf(client)}, guc_state=0x0, flags=0x0`;
    this.#event(mainThread(client), 'xe_exec_queue_create', fields);
  }

  /** The rebind worker gives the VM up, and it is freed. */
  vmKilled(client: XeClient, vmId: number): void {
    const { drmClientId, device, process } = client;
    const fields = vmFields(client, vmId, 0x22);
    this.#event(WORKER, 'xe_vm_rebind_worker_enter', vmFields(client, vmId, 0x2));
    this.#event(
      WORKER,
      VM_KILL_PROBE.name,
      `(xe_vm_kill+0x4/0xf0 [xe]) pid=${process.pid} client=${drmClientId} asid=${asidOf(client)} flags=0x2 dev="${device.pciBdf}" comm="${process.executable}"`,
    );
    this.#event(WORKER, 'xe_vm_kill', fields);
    this.#event(WORKER, 'xe_vm_rebind_worker_exit', fields);
    this.#event(WORKER, 'xe_vm_free', fields);
  }

  #event({ comm, tid, tgid }: Thread, event: string, fields: string): void {
    const micros = hrtime.bigint() / 1_000n;
    const seconds = `${micros / 1_000_000n}.${String(micros % 1_000_000n).padStart(6, '0')}`.padStart(12);
    const thread = `${comm.padStart(16)}-${String(tid).padEnd(7)} (${String(tgid).padStart(7)})`;
    this.#post(`${thread} [000] ${seconds}: ${event}: ${fields}`);
  }
}

function vmFields(client: XeClient, vmId: number, flags: number): string {
  const pointer = (client.drmClientId * 0x1000 + vmId).toString(16).padStart(16, '0');
  return `dev=${client.device.pciBdf}, vm=${pointer}, asid=${hex(asidOf(client))}, vm flags=${hex(flags)}`;
}

function mainThread({ process: { executable: comm, pid } }: XeClient): Thread {
  return { comm, tid: pid, tgid: pid };
}

/** The firmware's number of the one exec queue of a client; it has 2^16 of them. */
export function gucIdOf({ drmClientId }: XeClient): number {
  return drmClientId % (1 << 16);
}

/** The hardware has 2^20 of them. */
function asidOf({ drmClientId }: XeClient): number {
  return drmClientId % (1 << 20);
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(5, '0')}`;
}
