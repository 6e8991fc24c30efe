import { METRIC, type LABEL } from '../../exporter/names.js';

interface LabelMeaning {
  readonly meaning: string;
  /** True where values are not a closed list that the reference can print. */
  readonly open?: true;
}

/** What each label means. Metric and values come from the registry; a label without an entry does not compile. */
export const LABELS: Readonly<Record<keyof typeof LABEL, LabelMeaning>> = {
  pciBdf: { open: true, meaning: 'PCI address of the GPU, such as `0000:03:00.0`. Unique on a node only.' },
  errno: {
    meaning:
      'Kernel error. `ENOMEM` and `ENOSPC`: GPU memory is over-committed. `ETIME`: the GPU or its firmware did not answer. ' +
      '`EBUSY`: host memory kept moving. `other`: a driver limit or bug; the log event has the exact error.',
  },
  fault: {
    meaning:
      'What happened to the client: the driver stopped a VM of it outside a rebind (`vm_kill`), a job timed out (`job_timeout`), an engine was reset to stop a job (`engine_reset`), ' +
      'a job accessed an unmapped address (`memory_cat_error`), or a GPU page fault could not be serviced (`page_fault`). One hang can be several of them.',
  },
  severity: { meaning: 'Whether the hardware corrected its error.' },
  component: {
    open: true,
    meaning:
      'Part of the GPU, as the driver names it: `core-compute`, `soc-internal`, `device-memory`, `pcie` or `fabric`.',
  },
  outcome: {
    meaning:
      'What became of the client within `--outcome-window`: it closed the GPU (`exited`), failed again (`repeated`), still has the GPU open ' +
      '(`survived`), or cannot be followed (`unknown`).',
  },
  region: {
    open: true,
    meaning: 'Memory region: `vram0`, `vram1`, `gtt` (host memory mapped for the GPU), `system` or `stolen`.',
  },
  k8sNamespace: { open: true, meaning: 'Kubernetes namespace of the pod.' },
  k8sPod: { open: true, meaning: 'Name of the pod.' },
  k8sContainer: { open: true, meaning: 'Name of the container in the pod.' },
  systemdUnit: { open: true, meaning: 'systemd unit, with `--workload-labels=systemd`.' },
  slurmJobId: { open: true, meaning: 'Slurm job id, with `--workload-labels=slurm`.' },
  reason: {
    meaning:
      'Why. Failed attachments: `denied` (a privilege is missing), `gone` (the process ended first), `limit` (RLIMIT_NOFILE), `unsupported` (by the kernel). ' +
      'Unattributed events: `client_gone`, `no_container`, `no_pid` (the kernel log does not name a process). Drops: `queue_full`, `rate_limited`, `malformed`, ' +
      '`unknown_type`, `unknown_device`, `refused` and `unreachable` (API server), `closed` (at shutdown), `error` (a bug). Event streams: `slow`, `limit`.',
  },
  source: { meaning: 'Where events come from; see [events](events.md#sources).' },
  event: { open: true, meaning: 'Name of an [event](events.md).' },
  stage: { meaning: 'Where something was dropped: the native reader, the decoder, or a sink.' },
  sink: { meaning: 'Which output dropped it; empty for the stages before.' },
  metric: { meaning: 'Metric whose series are capped.' },
  feature: {
    meaning: 'Part of the exporter that can be missing on a node. `xe-exporter doctor` says why and how to fix it.',
  },
  state: {
    meaning:
      'Of a feature: `active`; `unsupported` by this kernel or machine; `denied` for want of a privilege; `disabled` by configuration. ' +
      'Of the health of a device: `ok`; `recovering`: a reset has started; `faulting`: the device itself reports faults; `unrecovered`: a reset did not complete, or did not help; ' +
      '`wedged`; `survivability`: only its firmware can be flashed; `lost`: off the bus, or the driver did not start on it; `unknown`: no event source can tell.',
  },
  signal: { meaning: 'OpenTelemetry signal: log events (`logs`), or pushed metrics (`metrics`).' },
  result: {
    meaning:
      'OTLP: the collector accepted it (`exported`), refused it or could not be reached (`failed`), or the queue was full or closed (`dropped`). ' +
      'Kubernetes Events: `created`, `updated`, `failed`. Node conditions: `written`, `failed`. ' +
      'Jobs’ socket: `answered`; `unidentified`, because the peer belongs to no workload or cannot be seen; `refused`, because it asked too often or wrongly. ' +
      'Coredumps: `copied`, `truncated` (its end did not fit), `failed`, `removed` (an old copy made room).',
  },
  card: { open: true, meaning: 'Name of the card node, such as `card0`.' },
  render: { open: true, meaning: 'Name of the render node, such as `renderD128`.' },
  pciId: { open: true, meaning: 'PCI vendor and device id, such as `8086:e20b`.' },
  vendor: { open: true, meaning: '`Intel`, or empty.' },
  model: { open: true, meaning: 'Model name from the pci.ids database; empty when it is not installed or too old.' },
  driverVersion: { open: true, meaning: 'Version of the xe module, where it has one.' },
  serial: {
    open: true,
    meaning:
      'Serial number of the card, read while it is awake; empty where card or kernel has none (Linux 7.2 has), and without root.',
  },
  physicalFunction: {
    open: true,
    meaning: 'PCI address of the physical function, of an SR-IOV virtual function; else empty.',
  },
  numaNode: { open: true, meaning: 'NUMA node of the device, `-1` for none.' },
  version: { open: true, meaning: 'Version of the exporter.' },
  revision: { open: true, meaning: 'Commit it was built from, where known.' },
  nodeVersion: { open: true, meaning: 'Version of Node.js it runs on.' },
};

/** What the HELP of a metric has no room for. */
export const NOTES: Readonly<Record<string, string | undefined>> = {
  [METRIC.vmRebindErrors]: 'The rebind of a VM failed and the driver stopped the VM.',
  [METRIC.clientVmRebindErrors]:
    'For `ENOMEM` born at 0, for other errors with the first one. Kept for `--client-series-retention` after the last client of the container has left.',
  [METRIC.clientFaults]:
    'Born with the first fault. Job timeouts name their process in the kernel log; the others are known by the trace.',
  [METRIC.clientMemoryResident]: 'With `--client-memory`. A sum over pods can exceed the device.',
  [METRIC.clientMemoryAtOom]:
    'With `--client-memory`: who held the memory then. Read at the error; of clients that did not answer in time, the last reading.',
  [METRIC.deviceMemorySize]: 'Read every `--memory-interval` while the device is awake.',
  [METRIC.deviceMemoryUsed]: 'Read every `--memory-interval` while the device is awake.',
  [METRIC.deviceEvictions]:
    'Summed up by the kernel; no series where it cannot, without `--trace` or without `--memory-interval`.',
  [METRIC.deviceEvictedBytes]:
    'As `xe_device_evictions_total`. Both this and restored bytes high for minutes: the jobs do not fit together.',
  [METRIC.deviceRestoredBytes]: 'As `xe_device_evictions_total`. A buffer that is new is not restored.',
  [METRIC.deviceRasErrors]:
    'With `--ras-interval`, where the kernel has drm-ras. Of Ponte Vecchio and, from Linux 7.3 on, Crescent Island. A restart of the exporter shows again what the driver has counted.',
  [METRIC.deviceInfo]: 'Join it with other exporters on (`node`, `pci_bdf`).',
  [METRIC.clientsWatched]: 'Divide by `xe_clients` for the coverage of the watch queue.',
  [METRIC.coredumpCopies]: 'With `--coredump-dir`.',
  [METRIC.kubernetesEventRequests]: 'With `--kubernetes-events` or `--kubernetes-node-condition`.',
  [METRIC.nodeConditionWrites]: 'With `--kubernetes-node-condition`. A heartbeat every 5 minutes counts, too.',
};
