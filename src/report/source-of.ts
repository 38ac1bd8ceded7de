// Source files for pages.

import { readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import type { SourceText } from './html/source.ts'

/** Bytes of a source file: what is larger was made by a tool, and nobody reads it. */
const SOURCE_MAX = 4 * 1024 * 1024

/** The text of a source file, called by its path from here where it is below here. */
export function sourceOf(file: string): SourceText | null {
  const fromHere = path.relative('', file)
  const isBelow = !fromHere.startsWith('..') && !path.isAbsolute(fromHere)
  const name = isBelow ? fromHere : path.join(path.basename(path.dirname(file)), path.basename(file))
  try {
    return statSync(file).size > SOURCE_MAX ? null : { name, text: readFileSync(file, 'utf8') }
  } catch {
    // It has gone since it was checked. The steps still say where they happen.
    return null
  }
}
