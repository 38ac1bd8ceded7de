// Emphasis where a text goes to a terminal.

import { styleText } from 'node:util'
import type { Style } from './style.ts'

/** Emphasis where the stream is a terminal and NO_COLOR is not set. */
export function styleFor(stream: NodeJS.WriteStream): Style {
  const styled =
    (format: Parameters<typeof styleText>[0]) =>
    (text: string): string =>
      styleText(format, text, { stream })
  return {
    heading: styled('bold'),
    faint: styled('dim'),
    good: styled('green'),
    notable: styled('yellow'),
    bad: styled('red'),
  }
}
