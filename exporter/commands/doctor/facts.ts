import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { CodedError, codedError } from '../../errors.js';
import { DRM_MAJOR, drmMinors, type XeDevice } from '../../host/device.js';
import { readDeviceState } from '../../host/device-state.js';
import { DeviceTable } from '../../host/device-table.js';
import { listXeDevices } from '../../host/devices.js';
import { DrmClientDirectory } from '../../host/drm-clients.js';
import { readPrivileges } from '../../host/privileges.js';
import { loadProtection } from '../../web-config/protection.js';
import { findApiAccess } from '../../kubernetes/api/access.js';
import {
  EVENT_RIGHTS,
  NO_API_ACCESS,
  NODE_CONDITION_RIGHTS,
  reviewRights,
  type ApiRights,
  type WantedRights,
} from '../../kubernetes/api/rights.js';
import { openPodDirectory } from '../../kubernetes/pods/open.js';
import type { DrmFd, NativeAddon, NativeResult } from '../../native/binding.js';
import { loadNative } from '../../native/load.js';
import { ClientTable } from '../../clients/client-table.js';
import { metricPushWanted } from '../../otlp/metrics/open.js';
import { LOGS } from '../../otlp/signal.js';
import { otlpWanted } from '../../otlp/wanted.js';
import { ownNodes } from '../../ras/own-nodes.js';
import { RAS_ACTIVE } from '../../ras/ras-feature.js';
import { RasReader } from '../../ras/ras-reader.js';
import { sources } from '../../sources/index.js';
import { coredumpFolder } from '../../sources/uevent/coredumps/open.js';
import { coredumpSupport } from '../../sources/uevent/coredumps/support.js';
import { watchIoctlChoice, watchQueue } from '../../sources/watch-queue/entry.js';
import { probeWatchIoctl, type WatchIoctlChoice } from '../../sources/watch-queue/probe.js';
import { FeatureBoard } from '../../features.js';
import type { CommandContext } from '../../app/context.js';
import type { ClientFacts, Facts } from './finding.js';
import { readJobsSocket } from './jobs-facts.js';
import { readMemory } from './memory-facts.js';

/** A sample that tells as much as all of them, in bounded time. */
const MOST_BORROWED = 256;
const { EBADF, ESRCH } = constants.errno;

/** Where facts come from; the real ones unless a test says otherwise. */
export interface Machine {
  readonly loadNative: (explicitPath: string | undefined) => NativeAddon;
  readonly listXeDevices: (sysRoot: string) => readonly XeDevice[];
}

/**
 * Looks at the machine. Attaches nothing to any client; probes the watch ioctl on throw-away opens of the render nodes, which wakes the GPUs.
 * Takes up to a few seconds per device.
 */
export async function gatherFacts(context: CommandContext, given: Partial<Machine> = {}): Promise<Facts> {
  const { config, env, nodeVersion } = context;
  const machine: Machine = { loadNative, listXeDevices, ...given };
  const devices = machine.listXeDevices(config.sysRoot);
  const choice = watchIoctlChoice(config);
  const native = load(machine, env['XE_EXPORTER_NATIVE_PATH']);
  const addon = native instanceof CodedError ? undefined : native;

  const pipe = addon?.probePipe();
  const survivability = devices.filter(({ pciBdf }) => readDeviceState(config.sysRoot, pciBdf).inSurvivability);
  const clients = addon && (await findClients(addon, config.procRoot, devices));
  const alive = devices.filter((device) => !survivability.includes(device));
  return {
    nodeVersion,
    watchingOff: 'off' in choice ? choice.off : undefined,
    maxClients: config.maxClients,
    sysRoot: config.sysRoot,
    scanIntervalMs: config.scanInterval,
    announced: config.discovery === 'proc' ? undefined : listAnnounced(config.debugfsRoot),
    podNames: await findPodNames(context),
    kubernetesEvents: config.kubernetesEvents ? await findRights(env, EVENT_RIGHTS) : undefined,
    nodeCondition: config.kubernetesNodeCondition ? await findRights(env, NODE_CONDITION_RIGHTS) : undefined,
    coredumps: await findCoredumpSupport(config),
    ras: addon && (await findRasSupport(addon, devices, config)),
    privileges: readPrivileges(config.procRoot),
    devices,
    survivability,
    addonError: native instanceof CodedError ? native : undefined,
    pipe,
    watches:
      addon !== undefined && pipe === undefined && 'probe' in choice
        ? await probeEach(addon, devices, choice.probe, context)
        : [],
    dynamicEvents: listDynamicEvents(config.tracefsRoot),
    messages: addon ? await openMessages(addon, devices, config) : [],
    clients,
    memory: await readMemories(addon, alive, clients?.scan.fds ?? [], config),
    jobs: await readJobsSocket(config, addon),
    otlp: otlpWanted(env, LOGS, { endpoint: config.otlpEndpoint ?? '' }),
    otlpMetrics: metricPushWanted(context),
    webConfig: config.webConfigFile === undefined ? undefined : loadProtection(config.webConfigFile).outcome,
  };
}

/** Starts and stops each source of kernel messages as the exporter would. The watch queue has facts of its own. */
async function openMessages(
  native: NativeAddon,
  found: readonly XeDevice[],
  config: CommandContext['config'],
): Promise<Facts['messages']> {
  const devices = new DeviceTable(() => found);
  devices.refresh();
  const ignore = (): void => undefined;
  const accounting = {
    upChanged: ignore,
    restarted: ignore,
    dropped: ignore,
    queuePeak: ignore,
    attachFailed: ignore,
    moved: ignore,
  };
  const messages: Facts['messages'][number][] = [];
  for (const { name, feature, wanted, open } of sources.filter((entry) => entry !== watchQueue)) {
    const features = new FeatureBoard();
    if (wanted(config)) {
      // Of coredumps it copies none; they have a check of their own.
      const source = open({
        config: { ...config, coredumpDir: undefined },
        native,
        devices,
        clients: new ClientTable(0),
        features,
        accounting,
      });
      await source.start(ignore);
      await source.stop();
    } else {
      features.report(feature, 'disabled', `switched off by --mode=${config.mode}`);
    }
    messages.push({ source: name, report: features.all().find((report) => report.feature === feature)! });
  }
  return messages;
}

/** Each line is `type:group/name what`; the type can have a number behind it. */
function listDynamicEvents(tracefsRoot: string): Facts['dynamicEvents'] {
  try {
    const text = readFileSync(join(tracefsRoot, 'dynamic_events'), 'utf8');
    return text.split('\n').flatMap((line) => /^\w+:(\S{1,128})/.exec(line)?.[1] ?? []);
  } catch {
    return undefined;
  }
}

function listAnnounced(debugfsRoot: string): NonNullable<Facts['announced']> {
  const directory = new DrmClientDirectory(debugfsRoot);
  try {
    return { path: directory.path, clients: directory.list().size };
  } catch {
    return { path: directory.path, clients: -1 };
  }
}

const RIGHTS_DEADLINE_MS = 2_000;
const RAS_DEADLINE_MS = 2_000;

async function findRights(env: CommandContext['env'], wanted: WantedRights): Promise<ApiRights> {
  const access = await findApiAccess(env);
  if (access === undefined) return NO_API_ACCESS;
  return reviewRights(access, wanted, { signal: new AbortController().signal, deadlineMs: RIGHTS_DEADLINE_MS });
}

async function findCoredumpSupport(config: CommandContext['config']): Promise<Facts['coredumps']> {
  const folder = coredumpFolder(config);
  return folder && coredumpSupport(folder, config);
}

/** Reads no counter, because that could wake a device. */
async function findRasSupport(
  native: NativeAddon,
  devices: readonly XeDevice[],
  { rasInterval, sysRoot }: CommandContext['config'],
): Promise<Facts['ras']> {
  if (rasInterval === 0) return undefined;
  const own = await ownNodes(new RasReader({ native, sysRoot, deadlineMs: RAS_DEADLINE_MS }), devices);
  return 'state' in own ? own : RAS_ACTIVE;
}

/** Asks for the names as the exporter would: at most the two seconds it waits at its start. */
async function findPodNames({ config, env }: CommandContext): Promise<Facts['podNames']> {
  const features = new FeatureBoard();
  const pods = await openPodDirectory({ mode: config.kubernetes, nodeName: config.nodeName, env, features });
  await pods?.start();
  await pods?.stop();
  const report = features.all().find(({ feature }) => feature === 'kubernetes');
  return report ?? { state: 'unsupported', reason: 'no answer in time', fix: 'See the log of the exporter.' };
}

function load(machine: Machine, path: string | undefined): NativeAddon | CodedError {
  try {
    return machine.loadNative(path);
  } catch (error) {
    if (error instanceof CodedError) return error;
    return codedError('XEE_ADDON_NOT_LOADABLE', { tried: String(error), fix: 'Run "npm rebuild".' }, { cause: error });
  }
}

async function probeEach(
  addon: NativeAddon,
  devices: readonly XeDevice[],
  choice: WatchIoctlChoice,
  { config, signal }: CommandContext,
): Promise<Facts['watches']> {
  const watches: Facts['watches'][number][] = [];
  for (const device of devices) {
    signal.throwIfAborted();
    watches.push({ device, support: await probeWatchIoctl(addon, device, config.devRoot, choice) });
  }
  return watches;
}

/** All at once: each has its own deadline. */
async function readMemories(
  addon: NativeAddon | undefined,
  devices: readonly XeDevice[],
  files: readonly DrmFd[],
  config: CommandContext['config'],
): Promise<Facts['memory']> {
  if (config.memoryInterval === 0) return undefined;
  return addon ? Promise.all(devices.map((device) => readMemory(addon, config, device, files))) : [];
}

async function findClients(
  addon: NativeAddon,
  procRoot: string,
  devices: readonly XeDevice[],
): Promise<ClientFacts | undefined> {
  const minors = drmMinors(devices);
  if (minors.length === 0) return undefined;
  const scan = await addon.scanDrmFds(procRoot, DRM_MAJOR, Uint32Array.from(minors));
  const results: NativeResult[] = [];
  for (const fd of scan.fds.slice(0, MOST_BORROWED)) results.push(await borrow(addon, fd));
  const isGone = (result: NativeResult): boolean =>
    result?.operation === 'identity' || result?.errno === ESRCH || result?.errno === EBADF;
  return {
    scan,
    tried: results.length,
    borrowed: results.filter((result) => result === undefined).length,
    gone: results.filter(isGone).length,
    refusal: results.find((result) => result !== undefined && !isGone(result)),
  };
}

function borrow(addon: NativeAddon, { pid, startTime, fd, minor }: DrmFd): Promise<NativeResult> {
  return addon.canBorrow({ pid, startTime, fd, major: DRM_MAJOR, minor });
}
