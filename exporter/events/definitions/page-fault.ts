import { ATTRIBUTE } from '../../names.js';
import { define } from '../definition.js';
import { errnoNameOf } from '../../wire/errno.js';
import { onGpu } from '../text/place.js';
import { theJob } from '../text/victim.js';
import { sigid } from '../text/sigid.js';

/**
 * The GPU accessed unmapped memory and the driver could not service the fault (xe_pagefault.c, Linux 7.2; 6.12 logs it at debug level and
 * with a number for the error). Address and engine are in the record before, which is not joined with this one: several workers print at
 * the same time, and a wrong address is worse than none. Of that record, only the address space is used, and only where it is certain.
 */
export const pageFault = define({
  name: 'xe.page_fault',
  summary: 'the driver could not service a GPU page fault',
  kernelLog: {
    patterns: [/^Fault response: Unsuccessful(?: (?<error>-(?:E[A-Z\d]{1,15}|\d{1,4}))$| |$)/, sigid(107)],
    read: ({ error }) => (error === undefined ? {} : { details: { [ATTRIBUTE.pageFaultError]: errnoNameOf(error) } }),
  },
  ofClient: true,
  fault: 'page_fault',
  counter: {
    name: 'xe_page_faults_unserviced_total',
    help: 'GPU page faults that the driver could not service.',
  },
  rank: 'trigger',
  severity: () => 17,
  errorType: () => 'page_fault',
  body: (event) =>
    `The driver could not service a page fault of ${theJob(event)}${onGpu(event)}: the application probably used memory that it had not mapped, or had freed.`,
});
