// docs/kernel-scenarios.md lists every scenario, in the words of its table, and docs/mutants.md every mutant.
// FAULTLINE_UPDATE_GOLDEN=1 writes the lists.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { describe, it } from 'node:test'
import { mutants, priceNames, scenarioNames } from '../../src/check/index.ts'
import { tables } from '../../src/check/scenarios/index.ts'
import { readSubject } from './scenario-comments.ts'

const [BEGIN, END] = ['<!-- list -->\n\n', '\n\n<!-- end of list -->']

/** Holds what stands between the marks of a page to a list, or writes it there. */
function assertListed(name: string, list: string): void {
  const page = new URL(`../../docs/${name}`, import.meta.url)
  const whole = readFileSync(page, 'utf8')
  const from = whole.indexOf(BEGIN) + BEGIN.length
  const to = whole.indexOf(END)
  assert.ok(from >= BEGIN.length && from <= to, `${name} has no marks`)
  if (process.env['FAULTLINE_UPDATE_GOLDEN'] === '1')
    writeFileSync(page, whole.slice(0, from) + list + whole.slice(to))
  else assert.equal(whole.slice(from, to), list)
}

function tableOf(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const escaped = rows.map((cells) => cells.map((cell) => cell.replaceAll('|', '\\|')))
  return [line(heads), line(heads.map(() => '---')), ...escaped.map(line)].join('\n')
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
      const rows = scenarios.map(({ name, what }) => [`\`${name}\``, what])
      return `**${title}**\n\n${tableOf(['scenario', 'what'], rows)}`
    })
    assertListed('kernel-scenarios.md', parts.join('\n\n'))
  })
})

describe('the page on mutants', () => {
  it('has all of them, by design', () => {
    const byDesign = Map.groupBy(mutants, ({ design = 'lespinasse-2021' }) => design)
    const parts = [...byDesign].map(([design, own]) => {
      const rows = own.map(({ name, guard, race, scenario, redundant }) => [
        `\`${name}\``,
        guard,
        redundant === undefined ? `\`${scenario}\`` : `redundant, \`${scenario}\` passes: ${redundant}`,
        race ?? '—',
      ])
      const heads = ['mutant', 'the guard that is missing', 'found by', 'race']
      return `**\`${design}\`**\n\n${tableOf(heads, rows)}`
    })
    assertListed('mutants.md', parts.join('\n\n'))
  })
})
