import { ATTRIBUTE, type Outcome } from '../../names.js';
import { define } from '../definition.js';
import { lostVm, vmIdAttribute } from '../text/victim.js';

/** The end of a sentence that begins with who lost which VM. */
const FATE: Readonly<Record<Outcome, string>> = {
  exited: 'and has since closed the GPU: check that the job is restarted, with less GPU memory',
  repeated: 'and has failed again since: it will not recover while the GPU is this full',
  survived: 'and still has the GPU open: check that it makes progress, and restart it if it does not',
  unknown: 'and what became of it is unknown: check whether the job still runs',
};

/**
 * What became of a client after a rebind OOM. Everything except time and outcome is the original event's, including the sequence: both
 * have the same `xe.event.id`.
 */
export const vmRebindOutcome = define({
  name: 'xe.vm.rebind_error.outcome',
  summary: 'what became of the client after a VM rebind OOM',
  ofClient: true,
  ofVm: true,
  severity: ({ outcome }) => (outcome === 'survived' ? 9 : 13),
  isFinal: ({ outcome }) => outcome === 'exited' || outcome === 'survived',
  body: (event) => `${lostVm(event)} ${FATE[event.outcome ?? 'unknown']}.`,
  attributes: (event) => ({
    ...vmIdAttribute(event),
    [ATTRIBUTE.vmErrno]: event.errorCode,
    [ATTRIBUTE.eventOutcome]: event.outcome ?? 'unknown',
  }),
});
