// The example of the README is the one that runs, and what it prints is so.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const example = fileURLToPath(new URL('../../examples/shared-file.ts', import.meta.url))

describe('the example', () => {
  it('stands in the README as it is', () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
    assert.ok(readme.includes(`\`\`\`ts\n${readFileSync(example, 'utf8')}\`\`\``))
  })

  it('runs, and leaves nothing behind', () => {
    const folder = mkdtempSync(join(tmpdir(), 'faultline-example-'))
    try {
      const printed = execFileSync(process.execPath, [example], { cwd: folder, encoding: 'utf8' })
      assert.match(printed, /^on disk, counter 7 is 4\nthe note is 2, and 1 in the snapshot\n$/)
      assert.deepEqual(readdirSync(folder), [])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
