// What docs/check.md says one can do, done: its files are written out as they stand there, and run.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { command } from '../built.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const page = readFileSync(join(root, 'docs/check.md'), 'utf8')
const blocks = [...page.matchAll(/^```ts\n([^]*?)^```$/gm)].map(([, text]) => text!)
const folder = mkdtempSync(join(tmpdir(), 'faultline-'))
after(() => rmSync(folder, { recursive: true }))

/** A project of its own that has this one installed. */
function write(name: string, text: string): string {
  mkdirSync(join(folder, 'node_modules'), { recursive: true })
  try {
    symlinkSync(root, join(folder, 'node_modules/faultline'), 'dir')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  const file = join(folder, name)
  writeFileSync(file, text)
  return file
}

function run(...args: readonly string[]): { status: number | null; stdout: string; stderr: string } {
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined }
  return spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8', env })
}

describe('the page of the checker', () => {
  const ring = blocks.find((text) => text.includes('export default scenario'))!
  const runner = blocks.find((text) => text.includes('assertHolds'))!
  const stores = /( {2}Atomics\.store\(ring, TAIL.*\n)( {2}Atomics\.store\(ring, SLOTS.*\n)/

  it('prints what its command prints, before the correction and after', () => {
    const file = write('ring.check.ts', ring)
    const wrong = run(command, 'check', 'ring.check.ts')
    const timeless = (text: string): string => text.replaceAll(/\d+\.\d\d s/g, 's').replaceAll(/ +$/gm, '')
    assert.equal(wrong.status, 1, wrong.stderr)
    assert.ok(timeless(page).includes(timeless(wrong.stdout).trim()), wrong.stdout)
    writeFileSync(file, ring.replace(stores, '$2$1'))
    const right = run(command, 'check', 'ring.check.ts')
    assert.equal(right.status, 0, right.stderr)
    assert.ok(timeless(page).includes(timeless(right.stdout).trim()), right.stdout)
  })

  it('has a test that fails with the table, and passes after the correction', () => {
    write('ring.check.ts', ring)
    const file = write('ring.test.ts', runner)
    const wrong = run('--test', file)
    assert.equal(wrong.status, 1, wrong.stderr)
    assert.match(wrong.stdout, /switch to thread 1: thread 0 is stopped before Atomics\.store/)
    write('ring.check.ts', ring.replace(stores, '$2$1'))
    assert.equal(run('--test', file).status, 0)
  })
})

describe('faultline check --init', () => {
  const corrected = (text: string): string =>
    text.replace(/( {2}Atomics\.store\(ring, TAIL.*\n)( {2}Atomics\.store\(ring, SLOTS.*\n)/, '$2$1')

  for (const [kind, project, name] of [
    ['JavaScript', '{ "type": "commonjs" }', 'ring.check.mjs'],
    ['TypeScript', '{ "type": "module", "devDependencies": { "typescript": "5.9.0" } }', 'ring.check.ts'],
    ['TypeScript of CommonJS', '{ "devDependencies": { "typescript": "5.9.0" } }', 'ring.check.mts'],
  ] as const) {
    it(`writes a check that fails, in ${kind}, and passes once its comment is followed`, () => {
      const file = write(name, '')
      rmSync(file)
      writeFileSync(join(folder, 'package.json'), project)
      const written = run(command, 'check', '--init')
      assert.equal(written.status, 0, written.stderr)
      assert.match(written.stdout, new RegExp(`wrote ${name}.*\n\n  npx faultline check ${name}\n$`))
      const text = readFileSync(file, 'utf8')
      const wrong = run(command, 'check', name)
      assert.equal(wrong.status, 1, wrong.stderr)
      assert.match(wrong.stdout, /1 was put in first, and 0 came out/)
      writeFileSync(file, corrected(text))
      assert.notEqual(corrected(text), text)
      const right = run(command, 'check', name)
      assert.equal(right.status, 0, right.stderr)
    })
  }

  it('leaves a file that is there', () => {
    const file = write('ring.check.mjs', '// mine')
    const { status, stderr } = run(command, 'check', '--init')
    assert.equal(status, 2)
    assert.match(stderr, /ring\.check\.mjs already exists/)
    assert.equal(readFileSync(file, 'utf8'), '// mine')
  })
})
