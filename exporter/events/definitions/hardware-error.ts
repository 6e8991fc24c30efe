import { ATTRIBUTE, HARDWARE_ERROR_SEVERITIES, LABEL, type HardwareErrorSeverity } from '../../names.js';
import { define } from '../definition.js';
import type { DeviceEvent } from '../device-event.js';
import { messageOf } from '../text/kernel-log-message.js';
import { gpu } from '../text/place.js';
import { sigid } from '../text/sigid.js';

/** The words of xe_hw_error.c, of the RAS controller, and of xe_hw_error.c before Linux 7.2. Uncorrectable first, it contains the other. */
const SEVERITIES: readonly (readonly [words: RegExp, severity: HardwareErrorSeverity])[] = [
  [/uncorrectable-errors|Uncorrectable (?:Error|local error)|FATAL/, 'uncorrected'],
  [/correctable-errors|Correctable Error|CORRECTABLE/, 'corrected'],
];

const REPORTED: Readonly<Record<HardwareErrorSeverity, string>> = {
  corrected: 'a corrected hardware error: have the card checked if there are more',
  uncorrected: 'an uncorrected hardware error: drain the node and have the card checked',
  unknown: 'a hardware error of unknown severity: see its message and the kernel log',
};

/**
 * Errors that the hardware itself reports (xe_hw_error.c, xe_ras.c and xe_amc.c, Linux 7.2). `… detected` after `[Hardware Error]`, and
 * `…: HEC` in Linux 6.18, only detail the `TILE… reported` before it; the first line of a `[RAS]` batch only says how many follow.
 */
export const hardwareError = define({
  name: 'xe.hardware_error',
  summary: 'the device reported a hardware error, corrected or not',
  kernelLog: {
    patterns: [
      /^\[Hardware Error\]: (?:TILE\d{1,2} reported |HEC FW |Tile\d{1,2} reported (?:[^]{0,64} blank|(?:FATAL|NONFATAL|CORRECTABLE) error 0x))/,
      /^\[RAS\]: [^]{1,64} detected/,
      /^GuC: Uncorrectable local error(?:!| with )/,
      sigid(200, 201, 202, 203, 204, 205),
      /^(?:AMC Alert|unknown AMC alert): /,
    ],
    read: (_groups, line) => ({
      details: { ...messageOf(line), [ATTRIBUTE.hardwareErrorSeverity]: severityOf(line.message) },
    }),
  },
  counter: {
    name: 'xe_hardware_errors_total',
    help: 'Hardware errors reported by the device, by severity.',
    label: { name: LABEL.severity, values: HARDWARE_ERROR_SEVERITIES, valueOf: recorded },
  },
  rank: 'root',
  health: (event) => (recorded(event) === 'uncorrected' ? 'grave_fault' : undefined),
  severity: (event) => (recorded(event) === 'corrected' ? 13 : 17),
  errorType: recorded,
  body: (event) => `${gpu(event)} reported ${REPORTED[recorded(event)]}.`,
});

function severityOf(message: string): HardwareErrorSeverity {
  return SEVERITIES.find(([words]) => words.test(message))?.[1] ?? 'unknown';
}

function recorded({ details }: DeviceEvent): HardwareErrorSeverity {
  return (details?.[ATTRIBUTE.hardwareErrorSeverity] as HardwareErrorSeverity | undefined) ?? 'unknown';
}
