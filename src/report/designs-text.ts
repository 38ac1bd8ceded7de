// The text of `faultline designs`: what there is, and where it comes from.
import type { TextOptions } from './replay-text.ts'
import { plainStyle } from './style.ts'
import { wrap } from './table.ts'

export interface DesignDescription {
  readonly name: string
  readonly year: number
  readonly author: string
  /** Where it was published. */
  readonly source: string
}

/** Every given way of taking a page fault, ending in a newline. */
export function designsText(designs: readonly DesignDescription[], options: TextOptions = {}): string {
  const { style = plainStyle, width = 100 } = options
  return designs
    .map((design) =>
      [
        style.heading(design.name) + style.faint(`  ${design.year}, ${design.author}`),
        ...wrap(design.source, width, 2),
      ].join('\n'),
    )
    .join('\n\n')
    .concat('\n')
}
