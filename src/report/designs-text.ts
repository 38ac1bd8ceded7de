// The text of `faultline designs`: what there is, where it comes from, and how each goes about a fault.
import { plainStyle, type TextOptions } from './style.ts'
import { wrap } from './table.ts'

export interface DesignDescription {
  readonly name: string
  readonly year: number
  readonly author: string
  /** The form of the mmap lock of its year. */
  readonly rwsem: string
  /** Where it was published. */
  readonly source: string
  readonly lookup: string
  readonly lifetime: string
  readonly validation: string
  readonly commit: string
  readonly sharedWrites: readonly string[]
}

const LABEL_WIDTH = 'kept alive'.length + 2

/** Every given way of taking a page fault, ending in a newline. */
export function designsText(designs: readonly DesignDescription[], options: TextOptions = {}): string {
  const { style = plainStyle, width = 100 } = options
  const line = (label: string, text: string): string[] =>
    wrap(text, width, 2 + LABEL_WIDTH).map((part, number) =>
      number > 0 ? part : `  ${style.faint(label.padEnd(LABEL_WIDTH))}${part.trimStart()}`,
    )
  return designs
    .map((design) =>
      [
        style.heading(design.name) + style.faint(`  ${design.year}, ${design.author}`),
        ...line('source', design.source),
        ...line('rwsem', design.rwsem),
        ...line('looked up', design.lookup),
        ...line('kept alive', design.lifetime),
        ...line('checked', design.validation),
        ...line('committed', design.commit),
        ...line(
          'writes',
          design.sharedWrites.length === 0 ? 'nothing shared' : design.sharedWrites.join(', '),
        ),
      ].join('\n'),
    )
    .join('\n\n')
    .concat('\n')
}
