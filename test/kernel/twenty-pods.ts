// 300 clients of 20 pods with an API server that knows them, for the scenarios in which every error has to be its pod's.
import { mkdirSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { KubeApi, NODE } from '../helpers/kube-api.js';
import { GPU0, RENDER0, startClient, type GuestClient } from './guest-lib.js';

const PODS = 20;
const PROCESSES_A_POD = 3;
const FILES_A_PROCESS = 5;
const CGROUPS = '/sys/fs/cgroup';
const KUBECONFIG = '/tmp/kubeconfig';

export interface Pod {
  readonly name: string;
  readonly uid: string;
  readonly containerId: string;
  readonly cgroup: string;
}

/** One client of a pod, and what a careful observer expects of it. */
export interface PodClient {
  readonly pod: Pod;
  readonly process: GuestClient;
  readonly k: number;
  readonly id: number;
  errors: number;
  closed: boolean;
}

export const pods: readonly Pod[] = Array.from({ length: PODS }, (_, index) => {
  const uid = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
  const containerId = (index + 1).toString(16).padStart(64, 'c');
  const slice = `kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod${uid.replaceAll('-', '_')}.slice`;
  return {
    name: `train-${index}`,
    uid,
    containerId,
    cgroup: `${CGROUPS}/${slice}/cri-containerd-${containerId}.scope`,
  };
});

/** Arguments and environment by which an exporter finds the API server that is started here. */
export async function startPodApi(after: (end: () => unknown) => void): Promise<{
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}> {
  spawnSync('mount', ['-t', 'cgroup2', 'none', CGROUPS]);
  for (const { cgroup } of pods) mkdirSync(cgroup, { recursive: true });
  const api = await KubeApi.open({ after });
  for (const { name, uid, containerId } of pods) {
    api.put({ uid, name, namespace: 'ml', containers: [{ name: 'main', id: containerId }] });
  }
  writeFileSync(
    KUBECONFIG,
    JSON.stringify({
      'current-context': 'test',
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
      clusters: [{ name: 'test', cluster: { server: api.url } }],
    }),
  );
  return { args: ['--kubernetes=api', `--node-name=${NODE}`], env: { KUBECONFIG } };
}

/** Three processes of five files in each pod, all on the first GPU. */
export async function startPodClients(after: (end: () => unknown) => void): Promise<PodClient[]> {
  const clients: PodClient[] = [];
  for (const pod of pods) {
    const started = await Promise.all(
      Array.from({ length: PROCESSES_A_POD }, () =>
        startClient({ files: Array<string>(FILES_A_PROCESS).fill(RENDER0), cgroup: pod.cgroup, uid: 1000 }),
      ),
    );
    for (const process of started) {
      after(() => process.kill());
      for (const { k, client } of process.files)
        clients.push({ pod, process, k, id: client, errors: 0, closed: false });
    }
  }
  return clients;
}

/** The series of a pod's out-of-memory errors. */
export function podSeries(pod: Pod, gpu = GPU0): string {
  return `xe_client_vm_rebind_errors_total{pci_bdf="${gpu}",errno="ENOMEM",k8s_namespace_name="ml",k8s_pod_name="${pod.name}",k8s_container_name="main"}`;
}

/** Deterministic, so that a failure can be had again (mulberry32). */
export function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}
