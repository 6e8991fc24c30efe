import type { ATTRIBUTE, REGION_ATTRIBUTE } from '../../exporter/names.js';

/** When a log event carries an attribute. */
export const ATTRIBUTE_GROUPS = {
  every: 'Every event',
  device: 'Every event whose device is known',
  victim: 'Every event whose victim is known or inferred',
  memory: 'Out-of-memory errors',
  event: 'Particular events',
} as const;

interface AttributeMeaning {
  readonly group: keyof typeof ATTRIBUTE_GROUPS;
  readonly meaning: string;
}

/** What each attribute means; one without an entry does not compile. Types and events come from real records. */
export const ATTRIBUTES: Readonly<Record<keyof typeof ATTRIBUTE, AttributeMeaning>> = {
  eventId: {
    group: 'every',
    meaning: 'Unique id: the exporter process and a sequence number. An outcome has the id of the error it follows.',
  },
  eventSource: { group: 'every', meaning: 'Source that reported it.' },
  eventCauseId: {
    group: 'every',
    meaning:
      'The `xe.event.id` of the event that this one follows from, such as the page fault behind a reset. Absent when nothing on that GPU led to it.',
  },
  suppressedCount: {
    group: 'every',
    meaning:
      'How many other events this record also stands for: repeats of one kernel log line, and what the rate limit held back. Absent when none.',
  },
  errorType: {
    group: 'every',
    meaning: 'Class of the error, for example `ENOMEM`, `wedged` or `job_timeout`. Absent when nothing failed.',
  },
  hwId: { group: 'device', meaning: 'PCI address of the GPU.' },
  hwType: { group: 'device', meaning: 'Always `gpu`.' },
  hwName: { group: 'device', meaning: 'Card node or, without one, render node.' },
  hwModel: { group: 'device', meaning: 'Model name from the pci.ids database.' },
  hwVendor: { group: 'device', meaning: '`Intel`.' },
  hwDriverVersion: { group: 'device', meaning: 'Version of the xe module, where it has one.' },
  pciBdf: { group: 'device', meaning: 'PCI address of the GPU, the same as the label `pci_bdf`.' },
  pciVendorId: { group: 'device', meaning: 'PCI vendor id.' },
  pciDeviceId: { group: 'device', meaning: 'PCI device id.' },
  drmClientId: {
    group: 'victim',
    meaning: 'Id of the client (the open GPU file), unique since boot: `drm-client-id` in fdinfo.',
  },
  drmClientHolders: { group: 'victim', meaning: 'How many processes share that file, when more than one.' },
  pid: { group: 'victim', meaning: 'Process id on the host. Absent with `--no-include-process`.' },
  executable: {
    group: 'victim',
    meaning: 'Name of its executable, or the name the kernel knows. Absent with `--no-include-process`.',
  },
  processCreationTime: { group: 'victim', meaning: 'When the process started. Absent with `--no-include-process`.' },
  containerId: { group: 'victim', meaning: 'Container id from the cgroup.' },
  k8sNamespace: { group: 'victim', meaning: 'Namespace of the pod.' },
  k8sPod: { group: 'victim', meaning: 'Name of the pod.' },
  k8sPodUid: { group: 'victim', meaning: 'UID of the pod.' },
  k8sContainer: { group: 'victim', meaning: 'Name of the container.' },
  systemdUnit: { group: 'victim', meaning: 'systemd unit, outside containers.' },
  slurmJobId: { group: 'victim', meaning: 'Slurm job id, outside containers.' },
  victimInferred: {
    group: 'victim',
    meaning:
      '`true` when the kernel did not name the victim and the exporter inferred it. The body then starts with "Probably".',
  },
  victimEvidence: {
    group: 'victim',
    meaning:
      'How the victim is known when the report does not say: exactly, from the driver’s trace (`kernel_trace`), or by inference: the kernel reported a job timeout of its process at that moment (`job_timeout`), it was the one client that closed the GPU ' +
      'within seconds (`client_closed`), or the only compute client of the device (`only_client`).',
  },
  memorySnapshotAge: {
    group: 'memory',
    meaning: 'Age of the memory figures in seconds. Absent when they were read for this event.',
  },
  evictedFor: {
    group: 'memory',
    meaning:
      'For whom the driver moved buffers out of VRAM in the last minute, the five largest, as last read at `--memory-interval`. Only with `--top-consumers` and the trace.',
  },
  topConsumers: {
    group: 'memory',
    meaning:
      'The five largest holders of GPU memory. Only with `--top-consumers`, because it discloses the pod names of other teams.',
  },
  vmId: {
    group: 'event',
    meaning: 'Id of the GPU VM, unique within its client. Absent when the source does not name it.',
  },
  vmErrno: { group: 'event', meaning: 'Kernel error of the rebind, negative.' },
  vmAsid: {
    group: 'event',
    meaning: 'Address space id of the VM that a page fault hit, where the kernel log gives it.',
  },
  eventOutcome: {
    group: 'event',
    meaning: 'What became of the client: `exited`, `repeated`, `survived` or `unknown`.',
  },
  tileId: { group: 'event', meaning: 'Tile of the GPU.' },
  gtId: { group: 'event', meaning: 'GT of the GPU.' },
  gucId: { group: 'event', meaning: 'Id of the queue in the GuC firmware.' },
  engineClass: { group: 'event', meaning: 'Engine class: `rcs`, `ccs`, `bcs`, `vcs` or `vecs`.' },
  deviceRecovery: {
    group: 'event',
    meaning: 'Recovery methods the kernel suggests, mildest first: `rebind`, `bus-reset`, `vendor-specific`, `none`.',
  },
  deviceHealth: {
    group: 'event',
    meaning:
      'Whether the GPU is fit for work: `ok`, `recovering`, `faulting`, `unrecovered`, `wedged`, `survivability`, `lost` or `unknown`.',
  },
  deviceHealthPrevious: { group: 'event', meaning: 'The state of health before.' },
  deviceHealthReason: {
    group: 'event',
    meaning:
      'Why it is in that state, where one state has several remedies: `resetting`, `faults_repeat`, `reset_stuck`, `reset_failed`, `faults_go_on`, `off_bus`, `not_started`.',
  },
  firmwareFile: { group: 'event', meaning: 'The firmware file that is not installed, below /lib/firmware.' },
  hardwareErrorSeverity: { group: 'event', meaning: '`corrected`, `uncorrected` or `unknown`.' },
  devcoredumpPath: {
    group: 'event',
    meaning: 'Where the dump can be read for one hour. The exporter never publishes its content.',
  },
  devcoredumpReason: { group: 'event', meaning: 'Why the driver took the dump, from its first lines.' },
  devcoredumpCopy: { group: 'event', meaning: 'Path of the copy in `--coredump-dir`.' },
  devcoredumpCopySize: { group: 'event', meaning: 'Size of the copy in bytes.' },
  devcoredumpTruncated: { group: 'event', meaning: '`true` when the end of the dump did not fit. Absent otherwise.' },
  devcoredumpCopyError: { group: 'event', meaning: 'Why the dump could not be copied.' },
  pageFaultError: { group: 'event', meaning: 'Why the driver could not service the page fault, as an error name.' },
  kernelLogMessage: { group: 'event', meaning: 'The message itself, for events whose name says too little.' },
  kernelLogSequence: { group: 'event', meaning: 'Sequence number of the record in `/dev/kmsg`.' },
  sourceState: { group: 'event', meaning: '`up` or `down`.' },
  sourceReason: { group: 'event', meaning: 'Why the source went down.' },
};

/** Attributes whose name holds a memory region such as `vram0`. */
export const REGION_ATTRIBUTES: Readonly<Record<keyof typeof REGION_ATTRIBUTE, string>> = {
  used: 'Bytes in use on the device in that region.',
  size: 'Size of the region in bytes.',
  clientResident: 'Bytes the victim had resident in that region.',
};
