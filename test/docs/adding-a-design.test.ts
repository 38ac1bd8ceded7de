// docs/adding-a-design.md: its design is built into a copy of the tree, and what the page runs is run there.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { isWhole } from '../extent.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const page = readFileSync(join(root, 'docs/adding-a-design.md'), 'utf8')
const [design, importLine, listLine, mutant] = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map(
  ([, code]) => code!,
)
const file = /`(src\/kernel\/designs\/[\w-]+\.ts)`:\n\n```ts/.exec(page)![1]!
const name = /name: '([\w-]+)'/.exec(design!)![1]!
const index = 'src/kernel/designs/index.ts'

let parent = ''
let copy = ''

interface Outcome {
  readonly code: number
  readonly stdout: string
}

/** Runs Node in the copy. */
function node(...values: string[]): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    // A test in a test is not a test file's own.
    const { NODE_TEST_CONTEXT: _, ...environment } = process.env
    const options = { cwd: copy, env: { ...environment, NO_COLOR: '1' }, maxBuffer: 64 * 2 ** 20 }
    execFile(process.execPath, values, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code
      if (typeof code !== 'number') reject(error ?? new Error(stderr))
      else if (stderr !== '') reject(new Error(stderr))
      else resolve({ code, stdout })
    })
  })
}

function faultline(...values: string[]): Promise<Outcome> {
  return node('src/cli/main.ts', ...values)
}

function objects<T>(text: string): T[] {
  const lines = text.trim().split('\n')
  return lines.map((line) => JSON.parse(line) as T)
}

function edit(path: string, change: (text: string) => string): void {
  const text = readFileSync(join(copy, path), 'utf8')
  const changed = change(text)
  assert.notEqual(changed, text, path)
  writeFileSync(join(copy, path), changed)
}

describe('the page on adding a design', () => {
  before(() => {
    // Where the tree lies makes no difference, whatever the folders above it are called.
    parent = mkdtempSync(join(tmpdir(), 'faultline-design-'))
    copy = join(parent, 'src/kernel/memory/check')
    for (const part of ['src', 'test/check', 'package.json', 'tsconfig.json', 'tsconfig.base.json']) {
      cpSync(join(root, part), join(copy, part), { recursive: true })
    }
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
    writeFileSync(join(copy, file), design!)
    edit(index, (text) => text.replace(/(?=\nexport const designs)/, importLine!))
    edit(index, (text) => text.replace(/\]\s*$/, `${listLine}]\n`))
  })
  after(() => rmSync(parent, { recursive: true }))

  it('shows a design that the compiler takes as it stands', async () => {
    const { code, stdout } = await node('node_modules/typescript/bin/tsc', '--noEmit', '-p', 'src/kernel')
    assert.equal(stdout, '')
    assert.equal(code, 0)
  })

  // All scenarios would take a minute: each loads the kernel anew.
  for (const scenario of ['fault-munmap', ...(isWhole ? ['munmap-mmap', 'fault-stack-growth'] : [])]) {
    it(`shows one that holds in ${scenario}, as far as a moment goes`, async () => {
      const { code, stdout } = await faultline(
        'check',
        scenario,
        '--design',
        name,
        '--seconds',
        '0.5',
        '--json',
      )
      const {
        design: checked,
        verdict,
        executions,
      } = JSON.parse(stdout) as {
        design: string
        verdict: string
        executions: number
      }
      assert.equal(checked, name)
      assert.notEqual(verdict, 'fail')
      assert.ok(executions > 1)
      assert.equal(code, 0)
    })
  }

  it('says what a fault writes, and it is what is observed', async () => {
    const pattern = `--test-name-pattern=is what ${name} declares`
    const { code, stdout } = await node('--test', pattern, 'test/check/conflicts.test.ts')
    assert.match(stdout, /pass 1\n/)
    assert.equal(code, 0)
  })

  it('says what it shares with others', async () => {
    const { stdout } = await faultline('check', '--conflicts', '--design', name, '--json')
    const found = objects<{ first: string; second: string; lines: { name: string; firstWrites: boolean }[] }>(
      stdout,
    )
    const linesOf = (first: string, second: string) =>
      found.find((pair) => pair.first === first && pair.second === second)!.lines
    assert.deepEqual(linesOf('read fault', 'read fault, other VMA'), [])
    const besideWriter = linesOf('write fault', 'mmap elsewhere')
    assert.ok(besideWriter.some((line) => line.name === 'cpu0.state' && line.firstWrites))
    assert.ok(!besideWriter.some((line) => line.name === 'mm.mmapLock'))
  })

  it('runs on threads, beside a writer too', async () => {
    for (const workload of [...(isWhole ? ['read-fault'] : []), 'fault-beside-writer']) {
      const size = ['--threads', '2', '--seconds', '0.2', '--warmup', '0', '--repeat', '1', '--size', '4MiB']
      const { code, stdout } = await faultline('bench', workload, '--design', name, ...size, '--json')
      const { runs } = JSON.parse(stdout) as {
        runs: { faults: number; speculative: { succeeded: number } }[]
      }
      assert.ok(runs[0]!.faults > 0)
      assert.ok(runs[0]!.speculative.succeeded > 0)
      assert.equal(code, 0)
    }
  })

  // In the whole run: a kernel that is stepped anew takes as long as all the others.
  it('is right that the scenarios see what its guard is good for', { skip: !isWhole }, async () => {
    edit('src/check/mutants/design.ts', (text) => text.replace(/}\s*$/, `${mutant}}\n`))
    const [, called = ''] = /'([\w-]+)'/.exec(mutant!)!
    const { code, stdout } = await faultline('check', '--mutant', called, '--no-minimise')
    assert.match(stdout, new RegExp(`^fault-munmap, ${name}/xadd: fail\\n`))
    assert.equal(code, 1)
  })
})
