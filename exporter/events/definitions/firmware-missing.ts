import { ATTRIBUTE } from '../../names.js';
import { define } from '../definition.js';
import type { DeviceEvent } from '../device-event.js';
import { gpu } from '../text/place.js';

/** What the device loses without the file, by its name; without GuC it cannot run at all. */
const LOSES: readonly (readonly [file: RegExp, without: string])[] = [
  [/_dmc/, 'the display cannot save power; jobs are not affected'],
  [/_huc/, 'some media codecs do not work'],
  [/_gsc/, 'protected content and some media codecs do not work'],
];

/**
 * A firmware file is not there (drivers/base/firmware_loader/main.c, Linux 6.8 to 7.3). The driver repeats it in its own words, which are
 * not counted again.
 */
export const firmwareMissing = define({
  name: 'xe.firmware.missing',
  summary: 'a firmware file that the driver asked for is not installed',
  kernelLog: {
    patterns: [/^Direct firmware load for (?<file>[\w./-]{1,120}) failed with error -2$/],
    read: ({ file = '' }) => ({ details: { [ATTRIBUTE.firmwareFile]: file } }),
  },
  rank: 'root',
  severity: (event) => (loses(event) === undefined ? 17 : 9),
  errorType: () => 'firmware_missing',
  body: (event) =>
    `The firmware file ${fileOf(event)} for ${gpu(event)} is not installed, and without it ${loses(event) ?? 'the driver cannot start'}: install linux-firmware (firmware-intel-graphics on Debian, intel-gpu-firmware on Fedora), also into the initramfs.`,
});

function fileOf({ details }: DeviceEvent): string {
  return String(details?.[ATTRIBUTE.firmwareFile] ?? '(unnamed)');
}

function loses(event: DeviceEvent): string | undefined {
  return LOSES.find(([file]) => file.test(fileOf(event)))?.[1];
}
