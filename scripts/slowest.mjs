// A reporter for `node --test`: what the reporter `spec` says, and before its summary which test files took longest.
// Files run beside each other, so that their seconds add up to more than the whole took.

import { relative } from 'node:path'
import { Readable } from 'node:stream'
import { spec } from 'node:test/reporters'
import { root } from './paths.mjs'

const shown = 10

export default async function* report(events) {
  yield* Readable.from(withSlowest(events)).pipe(new spec())
}

/** Adds the table where the summary begins: with the number of tests, which the runner itself tells. */
async function* withSlowest(events) {
  const files = []
  for await (const event of events) {
    const { type, data } = event
    if (type === 'test:summary' && data.file !== undefined)
      files.push({ file: relative(root, data.file), seconds: data.duration_ms / 1000 })
    if (type === 'test:diagnostic' && data.nesting === 0 && /^tests \d+$/.test(data.message))
      yield { type: 'test:stdout', data: { message: slowestText(files) } }
    yield event
  }
}

/**
 * The files that took longest, the longest first; nothing where none is known.
 *
 * @param {readonly { file: string, seconds: number }[]} files
 */
export function slowestText(files) {
  if (files.length === 0) return ''
  const slowest = files.toSorted((a, b) => b.seconds - a.seconds).slice(0, shown)
  const lines = slowest.map(({ file, seconds }) => `${seconds.toFixed(1).padStart(7)} s  ${file}\n`)
  return `\nslowest of ${files.length} test files:\n${lines.join('')}\n`
}
