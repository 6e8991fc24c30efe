/**
 * A line of the driver by its number: `SIGID=106 (-ETIMEDOUT) Tile0: GT0: …`. Of such lines only the number is meant to stay. Seen in a
 * development tree of 2026; no released kernel prints them yet.
 */
export function sigid(...numbers: readonly number[]): RegExp {
  return new RegExp(`^SIGID=(?:${numbers.join('|')})(?!\\d)`);
}
