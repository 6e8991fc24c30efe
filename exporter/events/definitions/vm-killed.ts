import { define } from '../definition.js';
import { lostVm } from '../text/victim.js';

/**
 * The driver gave up a VM outside the rebind worker: a page table update failed on one tile of several, or shared virtual memory could not
 * be kept up (xe_pt.c, xe_svm.c; Linux 6.12 to 7.3). The kernel log has no line with the process for any of them.
 */
export const vmKilled = define({
  name: 'xe.vm.killed',
  summary: 'the driver stopped a VM outside a rebind: page tables or shared virtual memory could not be updated',
  trace: 'other',
  ofClient: true,
  severity: () => 17,
  errorType: () => 'vm_kill',
  body: (event) =>
    `${lostVm(event)}: a page table or shared memory could not be updated; see the kernel log of that moment, then restart the job.`,
});
