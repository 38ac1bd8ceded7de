// The style guide as a test: the tree keeps the rules of tidy-rules.ts, and each rule finds what it is there to find.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as rules from './tidy-rules.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const notOurs = new Set([
  '.git',
  '.build',
  'dist',
  'dist.new',
  'dist.old',
  'node_modules',
  'site/node_modules',
])

function readTree(): rules.Files {
  const files = new Map<string, string>()
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory() && !notOurs.has(path)) visit(path)
      if (entry.isFile() && !/\.(gz|png|log|tgz)$/.test(path))
        files.set(path, readFileSync(join(root, path), 'utf8'))
    }
  }
  visit('')
  return files
}

function read(path: string): string | undefined {
  const file = join(root, path)
  if (!existsSync(file)) return undefined
  return statSync(file).isDirectory() ? '' : readFileSync(file, 'utf8')
}

describe('the tree', () => {
  const files = readTree()
  const manifest = JSON.parse(files.get('package.json')!) as Record<string, object>
  const dependencies = [manifest['dependencies'], manifest['peerDependencies']].flatMap((each) =>
    Object.keys(each ?? {}),
  )
  const each = (rule: (path: string, text: string) => string[]): string[] =>
    [...files].flatMap(([path, text]) => rule(path, text))
  const holds = (name: string, check: () => string[]): void => {
    test(name, () => {
      const problems = check()
      if (problems.length > 0) assert.fail(problems.join('\n'))
    })
  }

  holds('keeps the arrows of the house', () =>
    each((path, text) => rules.arrowProblems(path, text, dependencies)),
  )
  holds('has no circles of imports', () => rules.circleProblems(files))
  holds('keeps time, chance and backends out of the kernel', () => each(rules.kernelPurityProblems))
  holds('says at the head of each module what it is', () => each(rules.headerProblems))
  holds('fits each kernel function on a screen', () => each(rules.functionLengthProblems))
  holds('has no BigInt literals', () => each(rules.bigintProblems))
  holds('has no long lines', () => each(rules.columnProblems))
  holds('has no work put off in comments', () => each(rules.leftoverProblems))
  holds('mentions no file that a clone does not have', () => each(rules.outsideProblems))
  holds('names no module that is not there', () => rules.staleNameProblems(files))
  holds('takes no path from an address', () => each(rules.pathnameProblems))
  holds('has no dead links', () => each((path, text) => rules.linkProblems(path, text, read)))
  holds('exports nothing that nothing uses', () => rules.unusedExportProblems(files))
  holds('names each folder in the README', () =>
    rules.legendProblems(files.get('README.md') ?? '', files.keys()),
  )
})

/** Where a rule finds its first fault in `text`, as if `text` stood at `path`; null where it finds none. */
function found(problems: readonly string[]): string | null {
  return problems[0] ?? null
}

describe('the rules', () => {
  const arrow = (path: string, source: string): string | null =>
    found(rules.arrowProblems(path, `import { a } from '${source}'\n`, ['commander', '@scope/name']))

  test('arrows between floors', () => {
    assert.match(
      arrow('src/trace/a.ts', '../report/b.ts')!,
      /^src\/trace\/a\.ts:1: trace must not import report$/,
    )
    assert.match(arrow('src/trace/a.ts', '../simulate/b.ts')!, /trace must not import simulate/)
    assert.match(arrow('src/backends/threads/a.ts', '../../check/b.ts')!, /backends must not import check/)
    assert.match(arrow('src/backends/threads/a.ts', '../stepped/b.ts')!, /threads must not import .*stepped/)
    assert.match(
      arrow('src/trace/a.ts', '../backends/threads/machine.ts')!,
      /threads\/index\.ts as one module/,
    )
    assert.equal(arrow('src/trace/a.ts', '../backends/threads/index.ts'), null)
    assert.match(arrow('src/report/a.ts', '../index.ts')!, /report must not import index\.ts/)
    assert.match(arrow('src/index.ts', './cli/main.ts')!, /index\.ts must not import cli/)
    assert.match(arrow('src/memory.ts', './check/index.ts')!, /memory\.ts must not import check/)
    assert.match(arrow('src/cli/a.ts', '../../test/b.ts')!, /outside src/)
    assert.match(arrow('src/utilities/a.ts', './b.ts')!, /not a floor/)
    assert.equal(arrow('src/report/a.ts', '../trace/b.ts'), null)
    assert.equal(arrow('src/cli/a.ts', '../memory.ts'), null)
    assert.match(arrow('src/cli/a.ts', '../index.ts')!, /cli must not import index\.ts/)
    assert.equal(arrow('src/trace/a.ts', './b.ts'), null)
    assert.equal(arrow('test/a.test.ts', '../src/kernel/vma/vma.ts'), null)
  })

  test('arrows, however something is imported', () => {
    const forms = [
      `import type { A } from '../cli/b.ts'`,
      `import '../cli/b.ts'`,
      `export * from '../cli/b.ts'`,
      `export { a } from '../cli/b.ts'`,
      `const a = await import('../cli/b.ts')`,
      `type A = import('../cli/b.ts').A`,
    ]
    for (const form of forms) assert.ok(found(rules.arrowProblems('src/trace/a.ts', form, [])), form)
    assert.equal(
      found(
        rules.arrowProblems(
          'src/trace/a.ts',
          `// import '../cli/b.ts'\nconst a = "import '../cli/b.ts'"`,
          [],
        ),
      ),
      null,
    )
  })

  test('arrows into and within the kernel', () => {
    assert.match(
      arrow('src/backends/threads/a.ts', '../../kernel/vma/vma.ts')!,
      /only src\/kernel\/index\.ts/,
    )
    assert.match(
      arrow('src/kernel/machine/a.ts', '../sync/b.ts')!,
      /kernel\/machine must not import kernel\/sync/,
    )
    assert.match(
      arrow('src/kernel/mm/a.ts', '../designs/b.ts')!,
      /kernel\/mm must not import kernel\/designs/,
    )
    assert.match(arrow('src/kernel/mm/a.ts', '../index.ts')!, /kernel\/mm must not import kernel\/index\.ts/)
    assert.match(
      arrow('src/kernel/mm/a.ts', '../../backends/b.ts')!,
      /the kernel must not import src\/backends/,
    )
    assert.match(arrow('src/kernel/mm/a.ts', 'node:fs')!, /the kernel must not import node:fs/)
    assert.match(arrow('src/kernel/mm/a.ts', '../boot.ts')!, /kernel\/mm must not import kernel\/boot\.ts/)
    assert.match(
      arrow('src/kernel/boot.ts', './index.ts')!,
      /kernel\/boot\.ts must not import kernel\/index\.ts/,
    )
    assert.match(arrow('src/kernel/other/a.ts', '../mm/a.ts')!, /kernel\/other is not a floor/)
    const rooms = ['mm', 'memory', 'vma', 'tables', 'cache', 'fault', 'calls', 'designs']
    for (const [index, room] of rooms.entries()) {
      for (const [other, target] of rooms.entries()) {
        const fault = arrow(`src/kernel/${room}/a.ts`, `../${target}/b.ts`)
        if (other <= index) assert.equal(fault, null)
        else assert.match(fault!, new RegExp(`kernel/${room} must not import kernel/${target}$`))
      }
    }
    assert.equal(arrow('src/kernel/boot.ts', './designs/a.ts'), null)
    assert.equal(arrow('src/backends/threads/a.ts', '../../kernel/index.ts'), null)
    assert.equal(arrow('src/kernel/designs/a.ts', '../machine/b.ts'), null)
    assert.equal(arrow('src/kernel/index.ts', './designs/a.ts'), null)
  })

  test('circles of imports', () => {
    const circles = (files: Record<string, string>): string[] =>
      rules.circleProblems(new Map(Object.entries(files)))
    const a = `import { b } from './b.ts'\n`
    const b = `import { c } from '../check/c.ts'\nexport const b = c\n`
    const c = `import type { A } from '../trace/a.ts'\n`
    const paths = ['src/trace/a.ts', 'src/trace/b.ts', 'src/check/c.ts'] as const
    assert.deepEqual(circles({ [paths[0]]: a, [paths[1]]: b, [paths[2]]: c }), [
      `${[...paths, paths[0]].join(' → ')}: a circle of imports`,
    ])
    assert.deepEqual(circles({ [paths[0]]: a, [paths[1]]: b, [paths[2]]: '' }), [])
    assert.equal(circles({ [paths[0]]: `${a}type A = import('./a.ts').A\n`, [paths[1]]: '' }).length, 1)
  })

  test('packages that a user would not have', () => {
    assert.match(arrow('src/cli/a.ts', 'fast-check')!, /not among the dependencies/)
    assert.match(arrow('src/cli/a.ts', '@scope/other/deep')!, /imports @scope\/other,/)
    assert.equal(arrow('src/cli/a.ts', 'commander'), null)
    assert.equal(arrow('src/cli/a.ts', '@scope/name/deep'), null)
    assert.equal(arrow('src/cli/a.ts', 'node:fs'), null)
  })

  test('a kernel that knows the world', () => {
    const impure = (text: string): string | null =>
      found(rules.kernelPurityProblems('src/kernel/mm/a.ts', text))
    assert.match(impure('f()\nconsole.log(1)')!, /^src\/kernel\/mm\/a\.ts:2: .* console$/)
    for (const use of [
      'Date.now()',
      'new Date()',
      'performance.now()',
      'process.exit()',
      'setTimeout(f, 1)',
      'Math.random()',
    ]) {
      assert.ok(impure(use), use)
    }
    assert.ok(impure('const clock = { now: performance }'))
    assert.ok(impure('const bag = { process }'))
    assert.ok(impure('// one stepped access'))
    assert.ok(impure('// for the Explorer'))
    assert.equal(impure('task.process = { console: 1 }; class A { process(): void {} }'), null)
    assert.equal(impure('// the process, its Date and performance'), null)
    assert.equal(impure('// steps'), null)
    assert.equal(found(rules.kernelPurityProblems('src/cli/a.ts', 'console.log(1)')), null)
  })

  test('modules without a header', () => {
    assert.ok(found(rules.headerProblems('src/a.ts', `import 'node:fs'\n// late\n`)))
    assert.equal(found(rules.headerProblems('src/a.ts', '// What it is.\n')), null)
    assert.equal(found(rules.headerProblems('src/a.ts', '#!/usr/bin/env node\n/* What it is. */\n')), null)
  })

  test('long functions', () => {
    const long = (head: string, lines: number): string | null =>
      found(rules.functionLengthProblems('src/kernel/mm/a.ts', `${head} {\n${'  f()\n'.repeat(lines - 2)}}`))
    for (const head of ['function g()', 'export const g = () =>', 'const g = function ()']) {
      assert.match(long(head, 71)!, /71 lines/, head)
      assert.equal(long(head, 70), null, head)
    }
    assert.ok(
      found(rules.functionLengthProblems('src/kernel/a.ts', `class A {\n  g() {${'\n'.repeat(70)}}\n}`)),
    )
  })

  test('BigInt literals', () => {
    assert.match(found(rules.bigintProblems('src/a.ts', 'f()\nf(10n)'))!, /^src\/a\.ts:2/)
    assert.equal(found(rules.bigintProblems('src/a.ts', `f(10, '10n') // 10n`)), null)
  })

  test('long lines', () => {
    assert.match(
      found(rules.columnProblems('src/a.ts', `\n${'x'.repeat(121)}`))!,
      /^src\/a\.ts:2: 121 columns/,
    )
    assert.equal(found(rules.columnProblems('src/a.ts', 'x'.repeat(120))), null)
    assert.equal(found(rules.columnProblems('src/a.ts', `// https://${'x'.repeat(120)}`)), null)
    assert.equal(found(rules.columnProblems('src/a.ts', `  '${'x'.repeat(120)}',`)), null)
    assert.match(found(rules.columnProblems('src/a.ts', `f('x', ${'y'.repeat(120)})`))!, /columns/)
    assert.equal(found(rules.columnProblems('a.md', 'x'.repeat(121))), null)
  })

  test('paths taken from addresses', () => {
    const wrong = `spawn(new URL('./a.ts', import.meta.url)${'.'}pathname)`
    assert.match(found(rules.pathnameProblems('test/a.test.ts', wrong))!, /^test\/a\.test\.ts:1/)
    assert.equal(found(rules.pathnameProblems('src/a.ts', wrong)), null)
  })

  test('work put off, and files that a clone does not have', () => {
    for (const mark of [`${'TO'}DO`, `${'FIX'}ME`, `${'X'}XX`]) {
      assert.match(found(rules.leftoverProblems('src/a.ts', `a\n// ${mark}: later`))!, /^src\/a\.ts:2/)
    }
    assert.equal(found(rules.leftoverProblems('src/a.ts', '// mkdtemp XXXXXX')), null)
    assert.ok(found(rules.outsideProblems('docs/a.md', `see ${'..'}/shared/DESIGN.md`)))
    assert.equal(found(rules.outsideProblems('src/a.ts', `import '../shared-state.ts' // ./shared`)), null)
  })

  test('names of modules that are not there', () => {
    const stale = (text: string): string[] =>
      rules.staleNameProblems(
        new Map([
          ['src/a.ts', text],
          ['src/trace/b.ts', ''],
        ]),
      )
    assert.match(stale('a()\n// as c.ts does')[0]!, /^src\/a\.ts:2: there is no c\.ts$/)
    assert.match(stale('/**\n * See report/b.ts.\n */')[0]!, /there is no report\/b\.ts/)
    assert.deepEqual(stale(`// b.ts, trace/b.ts, ./a.ts, memory.c\nread('c.ts')`), [])
  })

  test('dead links', () => {
    const tree = new Map([
      ['docs/b.md', '# The `pte`, and more\n'],
      ['src', ''],
    ])
    const dead = (text: string): string | null =>
      found(rules.linkProblems('docs/a.md', text, (path) => tree.get(path)))
    assert.match(dead('\n[a](c.md)')!, /^docs\/a\.md:2: docs\/c\.md does not exist/)
    assert.match(dead('![a](../a.png)')!, /a\.png does not exist/)
    assert.match(dead('[a](b.md#nothing)')!, /no heading #nothing/)
    assert.match(dead('# Here\n[a](#there)')!, /no heading #there/)
    assert.equal(
      dead('[a](b.md) [b](../src/) [c](https://example.org/c.md) [d](b.md#the-pte-and-more)'),
      null,
    )
    assert.equal(dead('# Here\n[a](#here)\n```\n[b](c.md)\n```\n'), null)
  })

  test('folders without a legend', () => {
    const paths = [
      'src/index.ts',
      'src/trace/a.ts',
      'src/kernel/mm/vma.ts',
      'test/trace/a.ts',
      'src/kernel/index.ts',
    ]
    assert.deepEqual(rules.legendProblems('src/\n  trace/\n  kernel/\n    mm/\n', paths), [])
    assert.match(found(rules.legendProblems('  trace/\n  kernel/\n', paths))!, /does not name mm\//)
    assert.match(
      found(rules.legendProblems('  backtrace/\n  kernel/\n  mm/', paths))!,
      /does not name trace\//,
    )
  })

  test('exports that nothing uses', () => {
    const unused = (main: string, other: string): string[] =>
      rules.unusedExportProblems(new Map(Object.entries({ 'src/trace/a.ts': main, 'test/b.ts': other })))
    const importing = (names: string): string => `import ${names} from '../src/trace/a.ts'`
    assert.match(unused('export function f() {}', '')[0]!, /src\/trace\/a\.ts: nothing uses its export f/)
    assert.equal(unused('export const a = 1, b = 2\nexport class C {}', importing('{ b }')).length, 2)
    assert.equal(unused(`export { a } from './c.ts'`, '').length, 1)
    assert.equal(
      unused('export function f() {}\nfunction g() {}\nexport { g }', importing('{ f as g }')).length,
      1,
    )
    assert.deepEqual(unused('export const FLAG_A = 1', ''), [])
    assert.deepEqual(unused('export const a = 1', importing('{ a as b }')), [])
    assert.deepEqual(unused('export const a = 1', importing('* as all')), [])
    assert.deepEqual(unused('export const a = 1', `export * from '../src/trace/a.ts'`), [])
    assert.deepEqual(unused('export const a = 1', `const { a } = await import('../src/trace/a.ts')`), [])
    assert.deepEqual(unused('export const a = 1\nuse(a)\nexport type T = 1', ''), [])
    assert.deepEqual(rules.unusedExportProblems(new Map([['src/index.ts', 'export const a = 1']])), [])
  })
})
