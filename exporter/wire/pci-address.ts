/** Source of a regular expression for a PCI address as the kernel prints it; a domain has four digits, behind a VMD controller five. */
export const PCI_ADDRESS = '[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]';
