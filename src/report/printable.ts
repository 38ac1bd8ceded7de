// Text from outside (names of processes and files) in what a terminal shows.

/** A path can have 4,096 bytes: of a longer name than this, its beginning and its end are shown. */
const LONGEST_NAME = 100
const BEGINNING = 30

/** A name as a table has room for it. */
export function shortened(name: string): string {
  if (name.length <= LONGEST_NAME) return name
  return `${name.slice(0, BEGINNING)}…${name.slice(BEGINNING - LONGEST_NAME + 1)}`.toWellFormed()
}

/** The text without what a terminal takes for a command: control characters, and what changes the direction of text. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?')
}
