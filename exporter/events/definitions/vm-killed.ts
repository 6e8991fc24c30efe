import { define } from '../definition.js';
import { lostVm } from '../text/victim.js';

/**
 * The driver stopped a VM outside the rebind worker: a page table update failed on one of several tiles, or shared virtual memory could
 * not be updated (xe_pt.c, xe_svm.c; Linux 6.12 to 7.3). The kernel log names the process for neither.
 */
export const vmKilled = define({
  name: 'xe.vm.killed',
  summary: 'the driver stopped a VM because it could not update page tables or shared virtual memory',
  trace: 'other',
  ofClient: true,
  fault: 'vm_kill',
  rank: 'trigger',
  severity: () => 17,
  errorType: () => 'vm_kill',
  body: (event) =>
    `${lostVm(event)}: the driver could not update a page table or shared virtual memory; see the kernel log of that moment, then restart the job.`,
});
