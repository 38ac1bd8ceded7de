// The campaign over published packages: its table is whole, and docs/packages.md says what it says. It runs by itself
// (`npm run packages`), as it installs them. FAULTLINE_UPDATE_GOLDEN=1 writes the list.

import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { describe, it } from 'node:test'
import { type Row, table } from '../../bench/packages/table.ts'
import { assertPart, pageOf, tableOf } from './page-parts.ts'

const folder = new URL('../../bench/packages/scripts/', import.meta.url)
const files = readdirSync(folder)

function textOf(file: string): string {
  return readFileSync(new URL(file, folder), 'utf8')
}

/** What stands between the marks of the page. */
const list = /(?<=<!-- packages -->\n\n).*(?=\n<!-- end of packages -->)/s

const words: Record<Row['expected'], (row: Row) => string> = {
  'every interleaving': () => 'pass, every interleaving',
  bounded: ({ options = [] }) => `pass, with \`${options.join(' ')}\``,
  incomplete: () => 'incomplete',
  fail: ({ finding }) => `**fail**: ${finding!}`,
  refused: ({ finding }) => `refused: ${finding!}`,
}

describe('the table of published packages', () => {
  it('names each package with its version, and each script', () => {
    for (const { packages, file } of table) {
      for (const each of packages) assert.match(each, /^(@[\w-]+\/)?[\w.-]+@\d+\.\d+\.\d+$/)
      assert.ok(files.includes(file), `there is no ${file}`)
    }
    const names = table.map(({ file }) => file)
    assert.deepEqual(names, [...new Set(names)])
  })

  it('has no script that nothing runs', () => {
    const named = new Set(table.map(({ file }) => file))
    const used = files.filter((file) => files.some((other) => textOf(other).includes(file)))
    assert.deepEqual(
      files.filter((file) => !named.has(file) && !used.includes(file)),
      [],
    )
  })

  it('installs what its scripts import', () => {
    for (const { packages, file } of table) {
      const stem = file.replace(/\.\w+$/, '')
      for (const own of files.filter(
        (each) => each.startsWith(`${stem}.`) || each.startsWith(`${stem}-worker`),
      ))
        for (const [, name] of textOf(own).matchAll(/(?:from |require\()'((?:@[\w-]+\/)?[\w.-]+)/g))
          if (!name!.startsWith('node:') && !name!.startsWith('node') && !name!.startsWith('.'))
            assert.ok(
              packages.some((each) => each.startsWith(`${name}@`)),
              `${own} imports ${name}`,
            )
    }
  })

  it('says what is found where something is', () => {
    for (const { file, expected, finding } of table)
      assert.equal(finding !== undefined, /^(fail|refused)$/.test(expected), file)
  })

  it('is on the page', () => {
    const rows = table.map((row) => {
      const [name, version] = /^(.+)@(.+)$/.exec(row.packages[0]!)!.slice(1) as [string, string]
      return [`${name} ${version}`, row.what, words[row.expected](row)]
    })
    assertPart(pageOf('packages.md'), list, tableOf(['package', 'checked', 'result'], rows))
  })
})
