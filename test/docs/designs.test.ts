// docs/designs.md and docs/conflicts.md: their tables are what the designs declare and what is observed. After a wanted
// change: FAULTLINE_UPDATE_GOLDEN=1 npm test, npm run format, and read the difference.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { findConflicts } from '../../src/check/index.ts'
import { designs } from '../../src/kernel/index.ts'
import { conflictsText } from '../../src/report/conflicts-text.ts'
import { assertPart, pageOf, tableOf } from './page-parts.ts'

const descriptions = designs.map(({ description }) => description)

/** But for what a formatter does to a table. */
function squeeze(part: string): string {
  return part.replaceAll(/ +/g, ' ').replaceAll(/-+/g, '-')
}

describe('the page on the designs', () => {
  it('has the table of where they come from', () => {
    const rows = descriptions.map(({ name, year, author, rwsem, lookup }) => [
      `\`${name}\``,
      year,
      author,
      `\`${rwsem}\``,
      lookup,
    ])
    const headings = ['design', 'year', 'author', 'semaphore', 'how the VMA is found']
    assertPart(pageOf('designs.md'), /^\| design +\| year (?:.|\n\|)*\n/m, tableOf(headings, rows), squeeze)
  })

  it('has the table of how they go about a fault', () => {
    const rows = descriptions.map(({ name, lifetime, validation, commit, sharedWrites }) => [
      `\`${name}\``,
      lifetime,
      validation,
      commit,
      sharedWrites.map((word) => `\`${word}\``).join(', ') || 'nothing',
    ])
    const headings = [
      'design',
      'what keeps the VMA alive',
      'how a change is noticed',
      'how the fault commits',
      'what it writes to shared memory',
    ]
    assertPart(pageOf('designs.md'), /^\| design +\| what (?:.|\n\|)*\n/m, tableOf(headings, rows), squeeze)
  })

  it('tells of each', () => {
    const { text } = pageOf('designs.md')
    for (const { name } of descriptions) assert.ok(text.includes(`\n## ${name}\n`), name)
  })

  it('names every hook', () => {
    const source = readFileSync(new URL('../../src/kernel/fault/design.ts', import.meta.url), 'utf8')
    const hooks = [...source.matchAll(/^ {2}(\w+)\(/gm)].map(([, hook]) => hook!)
    assert.ok(hooks.length > 20)
    const { text } = pageOf('designs.md')
    for (const hook of hooks) assert.ok(text.includes(`\`${hook}\``), hook)
  })
})

describe('the page on conflicts', () => {
  it('has the table of all designs', async () => {
    const found = []
    for (const { name } of descriptions) {
      found.push(...(await findConflicts({ design: name, rwsem: 'xadd', rss: 'batched' })))
    }
    const text = conflictsText(found)
    const table = text.slice(text.indexOf('\n\n') + 2, text.indexOf('\n\nBY NAME'))
    assertPart(pageOf('conflicts.md'), /(?<=^```text\n) *[^`]*(?=^```$)/m, `${table}\n`, squeeze)
  })
})
