import type { TestContext } from 'node:test';
import { ApiPodDirectory, type ApiPodDirectoryOptions } from '../../../exporter/kubernetes/pods/api-pod-directory.js';
import type { PodName } from '../../../exporter/kubernetes/pods/pod-directory.js';
import type { FeatureBoard, FeatureReport } from '../../../exporter/features.js';
import { KubeApi, NODE, type KubeApiOptions, type PodStub } from '../../helpers/kube-api.js';
import { recordedFeatures } from '../../helpers/recorded-features.js';
import { waitFor } from '../../helpers/wait-for.js';

export const uid = (n: number): string => `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;

export const cid = (n: number): string => n.toString(16).padStart(64, '0');

export const TRAIN: PodStub = {
  uid: uid(1),
  name: 'train-0',
  namespace: 'ml',
  containers: [
    { name: 'main', id: cid(1) },
    { name: 'sidecar', id: cid(2) },
  ],
};

export interface Setting {
  readonly api: KubeApi;
  readonly pods: ApiPodDirectory;
  readonly features: FeatureBoard;
  /** What was reported of the feature, in order. */
  readonly reports: FeatureReport[];
  changes(): number;
  name(container: number, pod?: number): PodName | undefined;
}

export async function setting(
  t: TestContext,
  options: Partial<ApiPodDirectoryOptions> & {
    readonly stub?: KubeApiOptions;
    readonly prepare?: (api: KubeApi) => void;
  } = {},
): Promise<Setting> {
  const { stub, prepare, ...rest } = options;
  const api = await KubeApi.open(t, stub);
  prepare?.(api);
  const { features, reports } = recordedFeatures();
  const pods = new ApiPodDirectory({
    access: api.access(),
    nodeName: NODE,
    features,
    backoff: { firstMs: 2, maxMs: 20, random: () => 0 },
    ...rest,
  });
  t.after(() => pods.stop());
  let changes = 0;
  pods.onChange(() => changes++);
  await pods.start();
  const name = (container: number, pod?: number): PodName | undefined =>
    pods.lookup({ containerId: cid(container), podUid: pod === undefined ? '' : uid(pod) });
  return { api, pods, features, reports, changes: () => changes, name };
}

export const watching = (api: KubeApi, count = 1): Promise<true> =>
  waitFor(() => api.watchers === 1 && api.watches().length >= count, { what: `watch ${count}` });
