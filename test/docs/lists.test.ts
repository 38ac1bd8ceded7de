// docs/kernel-scenarios.md lists every scenario, in the words of its table, and docs/mutants.md every mutant.
// FAULTLINE_UPDATE_GOLDEN=1 writes the lists.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { mutants, priceNames, scenarioNames } from '../../src/check/index.ts'
import { tables } from '../../src/check/scenarios/index.ts'
import { assertPart, pageOf, tableOf } from './page-parts.ts'
import { readSubject } from './scenario-comments.ts'

/** What stands between the marks of a page. */
const list = /(?<=<!-- list -->\n\n).*(?=\n<!-- end of list -->)/s

/** A bar would end the cell. */
function cells(row: readonly string[]): string[] {
  return row.map((cell) => cell.replaceAll('|', '\\|'))
}

describe('the page on kernel scenarios', () => {
  const folder = new URL('../../src/check/scenarios/', import.meta.url)
  const subjects = tables.map((table) => readSubject(new URL(`${table}.ts`, folder)))

  it('has all of them, and what each is', () => {
    const names = subjects.flatMap(({ scenarios }) => scenarios.map(({ name }) => name))
    assert.deepEqual(names.toSorted(), [...scenarioNames, ...priceNames].toSorted())
    const silent = subjects.flatMap(({ scenarios }) => scenarios.filter(({ what }) => what === ''))
    assert.deepEqual(silent, [])
  })

  it('has them in the words of their tables', () => {
    const parts = subjects.map(({ title, scenarios }) => {
      const rows = scenarios.map(({ name, what }) => cells([`\`${name}\``, what]))
      return `**${title}**\n\n${tableOf(['scenario', 'what'], rows)}`
    })
    assertPart(pageOf('kernel-scenarios.md'), list, parts.join('\n'))
  })
})

describe('the page on mutants', () => {
  it('has all of them, by design', () => {
    const byDesign = Map.groupBy(mutants, ({ design = 'lespinasse-2021' }) => design)
    const parts = [...byDesign].map(([design, own]) => {
      const rows = own.map(({ name, guard, race, scenario, redundant }) =>
        cells([
          `\`${name}\``,
          guard,
          redundant === undefined ? `\`${scenario}\`` : `redundant, \`${scenario}\` passes: ${redundant}`,
          race ?? '—',
        ]),
      )
      const heads = ['mutant', 'the guard that is missing', 'found by', 'race']
      return `**\`${design}\`**\n\n${tableOf(heads, rows)}`
    })
    assertPart(pageOf('mutants.md'), list, parts.join('\n'))
  })
})
