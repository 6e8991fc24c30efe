/** `5.1`, for bytes. */
export function inGib(bytes: number): string {
  return (bytes / 1024 ** 3).toFixed(1);
}

/** `5.1 GiB`, or `96 MiB` for less than a tenth of that. */
export function amount(bytes: number): string {
  return bytes < 1024 ** 3 / 10 ? `${Math.round(bytes / 1024 ** 2)} MiB` : `${inGib(bytes)} GiB`;
}
