// Emphasis on a terminal, nothing elsewhere.
//
// Principle: the texts of this folder are pure functions; they are handed a Style and know no stream.
// Text is padded first and styled afterwards, so that escape sequences never count as width.

export interface Style {
  heading(text: string): string
  faint(text: string): string
  good(text: string): string
  notable(text: string): string
  bad(text: string): string
}

const same = (text: string): string => text

/** No emphasis at all. */
export const plainStyle: Style = { heading: same, faint: same, good: same, notable: same, bad: same }

export interface TextOptions {
  readonly style?: Style
  /** The most characters of a line. */
  readonly width?: number
}
