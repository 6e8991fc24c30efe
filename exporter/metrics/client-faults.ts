import { CLIENT_FAULTS, LABEL, METRIC, type ClientFault } from '../names.js';
import { CounterFamily, type Counter } from './engine/metric-families.js';

/**
 * xe_client_faults_total. A series is born with the first fault of its kind: there would be five for each container, nearly all of them at 0
 * for ever, and dashboards count the first value of a series that an event brought into being.
 */
export class ClientFaultFamily {
  readonly family: CounterFamily;

  /** @param workloadLabels labels beyond the device and the fault */
  constructor(workloadLabels: readonly string[]) {
    this.family = new CounterFamily({
      name: METRIC.clientFaults,
      help: 'Faults beyond rebind errors by affected container; labels are empty for processes outside any container.',
      labels: [LABEL.pciBdf, LABEL.fault, ...workloadLabels],
    });
  }

  /** The counter of these label values, born at 0. */
  at(pciBdf: string, fault: ClientFault, workload: readonly string[]): Counter {
    return this.family.cell(pciBdf, fault, ...workload);
  }

  remove(pciBdf: string, workload: readonly string[]): void {
    for (const fault of CLIENT_FAULTS) this.family.remove(pciBdf, fault, ...workload);
  }
}
