import { ATTRIBUTE, LABEL } from '../../names.js';
import type { Labels } from '../../metrics/engine/series-table.js';

/**
 * Labels that log events carry as attributes, under the names they have there. Each comes back as its label where Prometheus turns
 * dots into underscores.
 */
const ATTRIBUTE_OF: Readonly<Record<string, string>> = {
  [LABEL.pciBdf]: ATTRIBUTE.pciBdf,
  [LABEL.k8sNamespace]: ATTRIBUTE.k8sNamespace,
  [LABEL.k8sPod]: ATTRIBUTE.k8sPod,
  [LABEL.k8sContainer]: ATTRIBUTE.k8sContainer,
};

/** The attributes of a series: its labels, and for a series of a device what the hardware conventions know it by. */
export function attributesOf(labels: Labels): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const [label, value] of Object.entries(labels)) attributes[ATTRIBUTE_OF[label] ?? label] = value;
  const pciBdf = labels[LABEL.pciBdf];
  if (pciBdf !== undefined) {
    attributes[ATTRIBUTE.hwId] = pciBdf;
    attributes[ATTRIBUTE.hwType] = 'gpu';
  }
  return attributes;
}
