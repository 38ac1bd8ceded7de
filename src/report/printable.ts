// Text from outside (names of processes and files) in what a terminal shows.

/** The text without what a terminal takes for a command: control characters, and what changes the direction of text. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?')
}
