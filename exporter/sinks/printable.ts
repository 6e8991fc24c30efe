/** A process chooses its own name: it must not move the cursor, colour the screen, begin a line, or be no Unicode. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, '?');
}
