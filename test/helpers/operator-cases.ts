import { EVENT, EVENT_METRIC } from '../../exporter/events/index.js';
import { METRIC, type DeviceHealthState } from '../../exporter/names.js';

/**
 * What operators of Intel GPUs ran into in 2026, from their public reports: the lines that the kernel wrote, and what one wants to be told.
 */
export interface OperatorCase {
  readonly what: string;
  /** Milliseconds before the line, its level, and the line without `xe <address>: `. */
  readonly lines: readonly (readonly [afterMs: number, level: number, text: string])[];
  /** How long nothing happens at the end. */
  readonly waitMs?: number;
  readonly state: DeviceHealthState;
  /** The event that began it. */
  readonly cause?: string;
  readonly advice?: RegExp;
  /** Events of the log, without changes of health. */
  readonly events: readonly string[];
  /** Which of them follow from the first. */
  readonly consequences?: readonly string[];
  /** Sentences that have to be among them. */
  readonly says?: readonly RegExp[];
  /** Counters of {@link OPERATOR_GPU} and what they have to show. */
  readonly counts?: Readonly<Record<string, number>>;
}

/** The GPU of every case. */
export const OPERATOR_GPU = '0000:03:00.0';

const rebindErrors = (errno: string) => `${METRIC.vmRebindErrors}{pci_bdf="${OPERATOR_GPU}",errno="${errno}"}`;
const counter = (name: string) => `${name}{pci_bdf="${OPERATOR_GPU}"}`;

export const OPERATOR_CASES: readonly OperatorCase[] = [
  {
    what: '1: a dead media engine, one line for ever',
    lines: Array.from({ length: 2_000 }, (_, index) => [
      index % 50 === 0 ? 1_000 : 0,
      6,
      '[drm] GT1: trying reset from guc_exec_queue_timedout_job [xe]',
    ]),
    state: 'unrecovered',
    cause: EVENT.gtResetAttempt,
    advice: /power-cycle the node; do not unbind the driver/,
    // Five as they come, and one for all that came in each ten seconds.
    events: Array.from({ length: 8 }, () => EVENT.gtResetAttempt),
    says: [/; the driver has repeated this [\d,]+ times\.$/],
    counts: { [counter(EVENT_METRIC.gtResetAttempt)]: 2_000, [counter(EVENT_METRIC.gtReset)]: 0 },
  },
  {
    what: '2: -62, a queue that the firmware did not suspend; the reset ends it',
    lines: [
      [0, 4, '[drm] Tile0: GT0: Suspend fence, guc_id=7, failed to respond'],
      [1, 4, '[drm] VM worker error: -62'],
      [1, 6, '[drm] Tile0: GT0: trying reset from disable_scheduling_deregister [xe]'],
      [1, 6, '[drm] Tile0: GT0: reset queued'],
      [1, 6, '[drm] Tile0: GT0: reset started'],
      [80, 6, '[drm] Tile0: GT0: reset done'],
    ],
    waitMs: 4_000,
    state: 'ok',
    events: [EVENT.kernelLogError, EVENT.gtResetAttempt, EVENT.gtReset, EVENT.gtResetCompleted, EVENT.vmRebindError],
    consequences: [EVENT.vmRebindError, EVENT.gtResetAttempt, EVENT.gtReset, EVENT.gtResetCompleted],
    says: [/\(ETIME\).*did not respond in time/],
    counts: { [rebindErrors('ETIME')]: 1, [rebindErrors('ENOMEM')]: 0 },
  },
  {
    what: '3: -16, a busy queue, and the copy engine that is reset for it',
    lines: [
      [0, 4, '[drm] VM worker error: -16'],
      [600, 6, '[drm] Tile0: GT0: Engine reset: engine_class=bcs, logical_mask: 0x1, guc_id=6, state=0x3'],
    ],
    waitMs: 4_000,
    state: 'ok',
    events: [EVENT.engineReset, EVENT.vmRebindError],
    consequences: [EVENT.engineReset],
    says: [/\(EBUSY\)/],
    counts: { [rebindErrors('EBUSY')]: 1, [rebindErrors('ENOMEM')]: 0 },
  },
  {
    what: '4 and 5: out of memory, and a reset that looks like flaky hardware',
    lines: [
      [0, 4, '[drm] VM worker error: -12'],
      [900, 6, '[drm] Tile0: GT0: Engine reset: engine_class=ccs, logical_mask: 0x1, guc_id=3, state=0x3'],
      [1, 6, '[drm] Xe device coredump has been created'],
    ],
    waitMs: 4_000,
    state: 'ok',
    events: [EVENT.engineReset, EVENT.vmRebindError, EVENT.deviceCoredump],
    consequences: [EVENT.engineReset, EVENT.deviceCoredump],
    says: [/\(ENOMEM\): .*out of memory/, /it follows from an earlier event of this GPU/],
    counts: { [rebindErrors('ENOMEM')]: 1 },
  },
  {
    what: '6: the ban that survives a reset',
    lines: [
      [0, 6, '[drm] Tile0: GT0: reset started'],
      [90, 6, '[drm] Tile0: GT0: reset done'],
      ...Array.from(
        { length: 4 },
        () => [10_000, 4, '[drm] Tile0: GT0: Check job timeout: seqno=7, lrc_seqno=7, guc_id=0, not started'] as const,
      ),
    ],
    state: 'unrecovered',
    cause: EVENT.gtReset,
    advice: /Stop the jobs on it, then unbind the xe driver from this GPU and bind it again/,
    events: [EVENT.gtReset, EVENT.gtResetCompleted, ...Array.from({ length: 4 }, () => EVENT.kernelLogError)],
    consequences: [EVENT.gtResetCompleted],
  },
  {
    what: '7: a firmware crash whose reset never ends: this is the card that did not come back',
    lines: [
      [0, 3, '[drm] *ERROR* Tile0: GT0: GuC Crash dump notification'],
      [1, 3, '[drm] *ERROR* Tile0: GT0: GuC Exception notification'],
      [1, 6, '[drm] Tile0: GT0: trying reset from process_g2h_msg.isra.0.cold [xe]'],
      [1, 6, '[drm] Tile0: GT0: reset started'],
      [500, 3, '[drm] *ERROR* Tile0: GT0: TLB invalidation fence timeout, seqno=2281 recv=2280'],
    ],
    waitMs: 31_000,
    state: 'unrecovered',
    cause: EVENT.kernelLogError,
    advice: /do not unbind/,
    events: [EVENT.kernelLogError, EVENT.kernelLogError, EVENT.gtResetAttempt, EVENT.gtReset, EVENT.kernelLogError],
    consequences: [EVENT.gtResetAttempt, EVENT.gtReset],
  },
  {
    what: '7: the six cards beside it, whose reset ended',
    lines: [
      [0, 3, '[drm] *ERROR* Tile0: GT0: GuC Crash dump notification'],
      [1, 3, '[drm] *ERROR* Tile0: GT0: GuC Exception notification'],
      [1, 6, '[drm] Tile0: GT0: reset started'],
      [90, 6, '[drm] Tile0: GT0: reset done'],
    ],
    waitMs: 31_000,
    state: 'ok',
    events: [EVENT.kernelLogError, EVENT.kernelLogError, EVENT.gtReset, EVENT.gtResetCompleted],
    consequences: [EVENT.gtReset, EVENT.gtResetCompleted],
    counts: { [counter(EVENT_METRIC.gtReset)]: 1, [counter(EVENT_METRIC.gtResetCompleted)]: 1 },
  },
  {
    what: '8: a page fault that hangs a server for good is no fault of the GPU',
    lines: [
      [0, 4, '[drm] Fault response: Unsuccessful -ENOENT'],
      [200, 6, '[drm] Tile0: GT0: Engine reset: engine_class=ccs, logical_mask: 0x1, guc_id=3, state=0x3'],
    ],
    state: 'ok',
    events: [EVENT.pageFault, EVENT.engineReset],
    consequences: [EVENT.engineReset],
  },
  {
    what: '9: faults at exit',
    lines: [
      [0, 5, '[drm] Tile0: GT0: Timedout job: seqno=1, lrc_seqno=1, guc_id=3, flags=0x0 in FluidX3D [4711]'],
      ...Array.from({ length: 10 }, () => [1, 4, '[drm] Fault response: Unsuccessful -EINVAL'] as const),
    ],
    state: 'ok',
    events: [EVENT.jobTimeout, ...Array.from({ length: 10 }, () => EVENT.pageFault)],
  },
  {
    what: 'wedged after a reset that failed',
    lines: [
      [0, 6, '[drm] Tile0: GT0: reset started'],
      [90, 3, '[drm] *ERROR* Tile0: GT0: reset failed (-ETIMEDOUT)'],
      [1, 3, '[drm] *ERROR* CRITICAL: Xe has declared device 0000:03:00.0 as wedged.'],
    ],
    waitMs: 2_000,
    state: 'wedged',
    cause: EVENT.gtReset,
    events: [EVENT.gtReset, EVENT.kernelLogError, EVENT.deviceWedged],
    consequences: [EVENT.kernelLogError, EVENT.deviceWedged],
  },
  {
    what: '11, at run time: registers read all ones',
    lines: [
      [0, 3, '[drm] *ERROR* Tile0: GT0: Force wake domain 0: MMIO unreliable (forcewake register returns 0xFFFFFFFF)!'],
      [1, 3, '[drm] *ERROR* Tile0: GT0: GDRST=0xffffffff'],
      [1, 3, '[drm] *ERROR* CRITICAL: Xe has declared device 0000:03:00.0 as wedged.'],
    ],
    waitMs: 2_000,
    state: 'lost',
    cause: EVENT.deviceLost,
    advice: /power-cycle the node; if the GPU stays away/,
    events: [EVENT.deviceLost, EVENT.deviceWedged],
    consequences: [EVENT.deviceWedged],
  },
  {
    what: '7.3: the kernel stops the device for a PCI error and brings it back',
    lines: [
      [0, 6, '[drm] PCI error: detected state = 2'],
      [1, 6, '[drm] PCI error: slot reset'],
      [900, 6, '[drm] PCI error: resume'],
    ],
    state: 'ok',
    events: [EVENT.pciError, EVENT.pciRecovered],
    consequences: [EVENT.pciRecovered],
  },
  {
    what: '7.3: and one that it does not bring back',
    lines: [
      [0, 6, '[drm] PCI error: detected state = 2'],
      [900, 3, '[drm] *ERROR* Cannot re-enable PCI device after reset'],
    ],
    waitMs: 2_000,
    state: 'lost',
    cause: EVENT.pciError,
    events: [EVENT.pciError, EVENT.deviceLost],
  },
  {
    what: '7.3: reset queued from',
    lines: [[0, 6, '[drm] Tile0: GT0: reset queued from guc_exec_queue_timedout_job [xe]']],
    waitMs: 31_000,
    state: 'unrecovered',
    cause: EVENT.gtResetAttempt,
    events: [EVENT.gtResetAttempt],
    counts: { [counter(EVENT_METRIC.gtResetAttempt)]: 1 },
  },
  {
    what: '6.18: an uncorrected hardware error, with the line that details it',
    lines: [
      [0, 3, '[drm] *ERROR* [Hardware Error]: Tile0 reported NONFATAL error 0x20000'],
      [
        1,
        3,
        '[drm] *ERROR* [Hardware Error]: NONFATAL: HEC Uncorrected FW FD Corruption error reported, bit[2] is set',
      ],
    ],
    state: 'faulting',
    cause: EVENT.hardwareError,
    events: [EVENT.hardwareError],
    counts: { 'xe_hardware_errors_total{pci_bdf="0000:03:00.0",severity="uncorrected"}': 1 },
  },
  {
    what: 'a hundred display errors of a healthy laptop',
    lines: Array.from({ length: 172 }, () => [
      10,
      3,
      '[drm] *ERROR* [CRTC:151:pipe A] DSB 0 timed out waiting for idle',
    ]),
    state: 'ok',
    events: [],
    counts: {
      [counter(EVENT_METRIC.displayError)]: 172,
      [counter(EVENT_METRIC.kernelLogError)]: 0,
    },
  },
];
