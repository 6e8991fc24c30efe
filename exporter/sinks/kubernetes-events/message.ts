import type { XeClient } from '../../clients/client.js';
import type { DeviceEvent, VictimEvidence } from '../../events/device-event.js';
import { HEALTH_REASONS } from '../../events/device-health.js';
import { errnoName } from '../../wire/errno.js';
import { memoryClause } from '../../events/text/memory-attributes.js';
import type { Outcome } from '../../names.js';
import { printable } from '../printable.js';
import { isOutOfMemory, lossOf } from './hits.js';

/** What events.k8s.io/v1 allows for a note; core/v1 takes more, but clients read Events through both. */
export const MAX_MESSAGE_BYTES = 1024;

/** An executable can have 255 bytes of name. */
const MAX_NAME_LENGTH = 64;

const EVIDENCE: Readonly<Record<VictimEvidence, string>> = {
  client_closed: 'its process was the only one that closed the GPU at that moment',
  job_timeout: 'the kernel reported a job timeout of its process at that moment',
  only_client: 'its process was the only one using the GPU for compute',
};

const FATE: Partial<Readonly<Record<Outcome, string>>> = {
  exited: 'It has since closed the GPU.',
  survived: 'It still has the GPU open: check that it makes progress.',
};

const MEMORY_ADVICE = 'Run fewer jobs on this GPU or give each less memory, then restart this one.';
const LOSS_ADVICE = 'Restart this pod on another GPU; whoever runs the node has to repair this one.';

interface Teller {
  readonly nodeName: string;
  readonly includeProcess: boolean;
}

/** What happened to the pod, for its owner: it names no other pod. Pure. */
export function whatHappened(event: DeviceEvent, teller: Teller): string {
  if (isOutOfMemory(event)) return whoRanOutOfMemory(event, teller);
  const loss = lossOf(event);
  if (loss !== undefined) {
    const gpu = `GPU ${event.device?.pciBdf ?? '(unknown)'} of node ${teller.nodeName}`;
    return `${gpu}, which this pod has open, ${HEALTH_REASONS[loss].what}.`;
  }
  // A snapshot of the memory could name others.
  const body = event.definition.body({ ...event, memory: undefined });
  return event.causeId !== undefined ? `${body} It follows from an earlier event of this GPU.` : body;
}

/** What the owner of the pod can do; empty when {@link whatHappened} says it. Pure. */
export function adviceFor(event: DeviceEvent): string {
  if (isOutOfMemory(event)) return MEMORY_ADVICE;
  return lossOf(event) === undefined ? '' : LOSS_ADVICE;
}

function whoRanOutOfMemory(event: DeviceEvent, { nodeName, includeProcess }: Teller): string {
  const { client, inferred, device, vmId, errorCode, memory } = event;
  const victim = client ?? inferred?.client;
  const who = victim === undefined ? 'a process' : nameOf(victim, includeProcess);
  const where = `GPU ${(device ?? victim?.device)?.pciBdf ?? '(unknown)'} of node ${nodeName}`;
  const vm = vmId === 0 ? 'its GPU VM' : `its GPU VM ${vmId}`;
  const fill = memory && memoryClause({ ...memory, everyClient: false });
  return [
    `${client ? capital(who) : `Probably ${who}`} ran out of memory on ${where} (${errnoName(errorCode)}):`,
    `the driver stopped ${vm}, and the job has probably lost the device.`,
    ...(fill ? [`The GPU had ${fill}.`] : []),
  ].join(' ');
}

export interface MessageParts {
  /** See {@link whatHappened}. */
  readonly what: string;
  readonly count: number;
  readonly since: string;
  readonly outcome: Outcome | undefined;
  /** See {@link adviceFor}. */
  readonly advice: string;
  readonly evidence: VictimEvidence | undefined;
}

/** The message of an Event: at most {@link MAX_MESSAGE_BYTES} of printable text. Pure. */
export function messageOf({ what, count, since, outcome, advice, evidence }: MessageParts): string {
  const parts = [
    what,
    count > 1 && `This has happened ${count} times since ${since}.`,
    outcome && FATE[outcome],
    advice,
    evidence && `The kernel does not name the victim; this pod was chosen because ${EVIDENCE[evidence]}.`,
  ];
  return shortened(printable(parts.filter(Boolean).join(' ')));
}

function nameOf({ workload, process: { executable } }: XeClient, includeProcess: boolean): string {
  const container = workload?.container ? `container ${workload.container}` : 'a container of this pod';
  return includeProcess && executable !== '' ? `process ${cut(executable)} of ${container}` : container;
}

function cut(name: string): string {
  return name.length > MAX_NAME_LENGTH ? `${name.slice(0, MAX_NAME_LENGTH)}…` : name;
}

/** Cuts between characters, never within one. */
function shortened(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= MAX_MESSAGE_BYTES) return text;
  const ellipsis = '…';
  let end = MAX_MESSAGE_BYTES - Buffer.byteLength(ellipsis);
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return `${bytes.toString('utf8', 0, end)}${ellipsis}`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
