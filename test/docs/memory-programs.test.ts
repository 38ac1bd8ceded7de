// The programs of examples/memory, in small: all sides of each compute the same, and leave nothing behind.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const folder = new URL('../../examples/memory/', import.meta.url)
const programs = readdirSync(folder).filter((file) => file !== 'main.ts' && file !== 'side-by-side.ts')

function run(file: string, ...args: readonly string[]): string {
  const temporary = mkdtempSync(join(tmpdir(), 'faultline-programs-'))
  try {
    const printed = execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', file, ...args], {
      encoding: 'utf8',
      env: { ...process.env, TMPDIR: temporary, TMP: temporary, TEMP: temporary },
    })
    assert.deepEqual(readdirSync(temporary), [])
    return printed
  } finally {
    rmSync(temporary, { recursive: true })
  }
}

describe('programs that use memory', () => {
  it('are five', () => assert.equal(programs.length, 5))

  for (const program of programs) {
    it(`${program} computes what plain JavaScript does`, () => {
      const [title, ...sides] = run(fileURLToPath(new URL(program, folder)), '--small')
        .trimEnd()
        .split('\n')
      assert.match(title!, /: [\d,]+ [a-z ]+; median \(range\) of 1$/)
      assert.match(sides[0]!, /^ {2}faultline /)
      assert.ok(sides.length >= 2)
      for (const side of sides)
        assert.match(side, / time [\d.]+ .* CPU [\d.]+ .* memory [\d.]+ .* pause [\d.]+ /)
    })
  }

  it('object-store.ts has what three workers have put in', () => {
    const printed = run(fileURLToPath(new URL('../object-store.ts', folder)))
    assert.equal(printed, '3000 people, with ids of 1498500 in all, in 3000 blocks\n')
  })
})
