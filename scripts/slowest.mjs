// A reporter for `node --test`: what the reporter `spec` says, and before its summary which test files took longest.
// Files run beside each other, so that their seconds add up to more than the whole took. Of files that share a process
// (see groups.mjs) it counts what their tests took.

import { relative } from 'node:path'
import { Readable } from 'node:stream'
import { spec } from 'node:test/reporters'
import { groupFolder, root } from './paths.mjs'

const shown = 10

export default async function* report(events) {
  yield* Readable.from(withSlowest(events)).pipe(new spec())
}

/** Adds the table where the summary begins: with the number of tests, which the runner itself tells. */
async function* withSlowest(events) {
  const files = []
  const shared = new Map()
  for await (const event of events) {
    const { type, data } = event
    if (type === 'test:summary' && data.file !== undefined && !data.file.startsWith(groupFolder))
      files.push({ file: relative(root, data.file), seconds: data.duration_ms / 1000 })
    if ((type === 'test:pass' || type === 'test:fail') && data.nesting === 0 && data.file !== undefined)
      shared.set(data.file, (shared.get(data.file) ?? 0) + data.details.duration_ms / 1000)
    if (type === 'test:diagnostic' && data.nesting === 0 && /^tests \d+$/.test(data.message))
      yield { type: 'test:stdout', data: { message: slowestText(withShared(files, shared)) } }
    yield event
  }
}

/** Files that ran alone, and those that no process told of as a whole. */
function withShared(files, shared) {
  const alone = new Set(files.map(({ file }) => file))
  const others = [...shared]
    .map(([path, seconds]) => ({ file: relative(root, path), seconds }))
    .filter(({ file }) => !alone.has(file))
  return [...files, ...others]
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
