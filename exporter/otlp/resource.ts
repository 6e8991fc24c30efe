import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { ATTRIBUTE } from '../names.js';
import { envValue, type Environment } from './environment.js';

/** Who sends: this process. Attributes of victims and devices go on the record, not here. */
export interface ServiceIdentity {
  readonly name: string;
  readonly version: string;
  readonly instanceId: string;
  readonly hostName: string;
  /** /etc/machine-id; undefined where it is not known. In a pod that file is the image's and is not used. */
  readonly hostId: string | undefined;
}

/**
 * Resource attributes of this exporter. In a pod (NODE_NAME, POD_NAME, POD_NAMESPACE, POD_UID from the downward API) the host name is the
 * node's: the kernel's is the pod's.
 */
export function resourceAttributes(service: ServiceIdentity, env: Environment): Record<string, string> {
  const node = envValue(env, 'NODE_NAME');
  const pod = envValue(env, 'POD_NAME');
  const all: Record<string, string | undefined> = {
    'service.name': service.name,
    'service.version': service.version,
    'service.instance.id': service.instanceId,
    'host.name': node ?? service.hostName,
    'host.id': node || pod ? undefined : service.hostId,
    'k8s.node.name': node,
    [ATTRIBUTE.k8sNamespace]: envValue(env, 'POD_NAMESPACE'),
    [ATTRIBUTE.k8sPod]: pod,
    [ATTRIBUTE.k8sPodUid]: envValue(env, 'POD_UID'),
  };
  return Object.fromEntries(Object.entries(all).filter((entry): entry is [string, string] => Boolean(entry[1])));
}

/** This process on this machine. */
export function serviceIdentity(version: string, instanceId: string): ServiceIdentity {
  return { name: 'xe-exporter', version, instanceId, hostName: hostname(), hostId: machineId() };
}

function machineId(): string | undefined {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}
