import { ATTRIBUTE } from '../../names.js';
import { define } from '../definition.js';
import { errnoNameOf } from '../../wire/errno.js';
import { onGpu } from '../text/place.js';

/**
 * The GPU touched memory that nobody has mapped, and the driver could not help (xe_pagefault.c, Linux 7.2; 6.12 at debug level
 * and with a number for the error). Address and engine stand in the record before. It is not joined with this one: several
 * workers print at the same time, and a wrong address is worse than none.
 */
export const pageFault = define({
  name: 'xe.page_fault',
  summary: 'a GPU page fault could not be served',
  kernelLog: {
    patterns: [/^Fault response: Unsuccessful(?: (?<error>-(?:E[A-Z\d]{1,15}|\d{1,4}))$| |$)/],
    read: ({ error }) => (error === undefined ? {} : { details: { [ATTRIBUTE.pageFaultError]: errnoNameOf(error) } }),
  },
  counter: {
    name: 'xe_page_faults_unserviced_total',
    help: 'GPU page faults that the driver could not service.',
  },
  severity: () => 17,
  errorType: () => 'page_fault',
  body: (event) =>
    `A page fault${onGpu(event)} could not be served: the application used memory it has not mapped, or that was taken from it.`,
});
