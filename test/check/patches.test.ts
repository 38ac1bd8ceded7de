// Patches are operators on syntax trees: what each of them makes of a piece of code, what is refused, and that they
// survive a source that is formatted anew.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { format } from 'oxfmt'
import {
  type ParsedModule,
  type Program,
  type ProgramModule,
  readProgram,
  withScopes,
} from '../../src/backends/stepped/program.ts'
import { parseText } from '../../src/backends/stepped/syntax.ts'
import { mutants } from '../../src/check/mutants.ts'
import { applyPatches } from '../../src/check/mutants/apply.ts'
import { type SourcePatch, at } from '../../src/check/mutants/patch.ts'
import { extent } from '../extent.ts'

const folder = mkdtempSync(join(tmpdir(), 'faultline-patches-'))
after(() => rmSync(folder, { recursive: true }))

const source = `import { other } from './other.ts'
export const LIMIT: number = 3
export class Lock {
  take(heap: Int32Array, at: number): boolean {
    // The first look.
    if (heap[at] !== 0 || other(heap)) return false
    if (at > LIMIT) {
      other(heap)
      other(heap)
    } else other(
      heap,
    )
    const before = Atomics.add(heap, at, 1)
    return before === 0 && heap.length > 1
  }
  give(heap: Int32Array): void {
    other(heap)
  }
}
`
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
writeFileSync(join(folder, 'code.ts'), source)
writeFileSync(
  join(folder, 'other.ts'),
  'export function other(heap: Int32Array): boolean {\n  return heap[1] === 1\n}\nexport const spare = 1\n',
)
const program = await readProgram([pathToFileURL(join(folder, 'code.ts')).href])

/** The text of `code.ts` with some changes; blanks that stand for what went away, types included, count as one. */
function patched(...patches: readonly SourcePatch[]): string {
  const [form] = applyPatches(program, patches).values()
  return form!.text
}

function words(text: string): string {
  return text.replaceAll(/\/\/.*/g, '').replaceAll(/\s+/g, ' ')
}

const [unchanged] = program.modules.values()
const take = at('code.ts', 'take')

describe('a patch', () => {
  const cases: readonly (readonly [SourcePatch, before: string, after: string])[] = [
    [take.drop('const before = $'), 'const before = Atomics.add(heap, at, 1)', ''],
    [
      take.drop('if (at > LIMIT) $; else $'),
      words(source.slice(source.indexOf('if (at'), source.indexOf('const before'))).trim(),
      '',
    ],
    [take.drop('other(heap); other(heap)'), 'other(heap) other(heap) }', '}'],
    [take.drop('heap.length > 1'), 'heap.length > 1', 'true'],
    [take.drop('heap[at] !== 0'), 'heap[at] !== 0', 'false'],
    [take.force('at > LIMIT', true), 'at > LIMIT', 'true'],
    [
      take.replace('before === 0', 'before === 0 || at === 1'),
      'before === 0 &&',
      '(before === 0 || at === 1) &&',
    ],
    [take.replace('Atomics.add(...$)', 'heap[at]++'), 'Atomics.add(heap, at, 1)', 'heap[at]++'],
    [
      take.replace('const before = $', 'const before = heap[at]; heap[at] = 1'),
      'const before = Atomics.add(heap, at, 1)',
      'const before = heap[at]; heap[at] = 1;',
    ],
    [take.before('Atomics.add(...$)', 'other(heap)'), 'const before', 'other(heap); const before'],
    [
      take.after('Atomics.add(heap, $, 1)', 'other(heap)'),
      'add(heap, at, 1)',
      'add(heap, at, 1); other(heap);',
    ],
    [take.before('return false', 'other(heap)'), 'return false', '{ other(heap); return false }'],
    [take.swap('if (heap[at] !== 0 || $) $', 'const before = $'), '', ''],
    [at('code.ts', 'Lock.give').drop('other(heap)'), '{ other(heap) } }', '{ } }'],
    [at('code.ts', 'give').remove(), 'give(heap ) { other(heap) }', ''],
    [at('code.ts', '').replace('const LIMIT = $', 'const LIMIT = 0'), 'LIMIT = 3', 'LIMIT = 0;'],
  ]
  for (const [patch, from, to] of cases) {
    it(`${patch.operator} of ${patch.piece || patch.within}`, () => {
      const text = patched(patch)
      assert.equal(text.split('\n').length, unchanged!.text.split('\n').length, 'a line has moved')
      if (patch.operator === 'swap') {
        assert.ok(text.indexOf('const before') < text.indexOf('if (heap[at]'), text)
        return
      }
      const tidy = (code: string): string => words(code).replaceAll(/ +(?=[,):;])/g, '')
      assert.equal(tidy(text), words(tidy(unchanged!.text).replace(tidy(from), () => to)))
    })
  }

  it('imports what it uses', () => {
    const text = patched(take.before('const before = $', 'other(heap); spare === at'))
    assert.ok(text.endsWith('\nimport { spare } from "./other.ts"'), text)
  })

  it('that adds to the same place as another comes behind it', () => {
    const both = patched(
      take.before('const before = $', 'other()'),
      take.before('const before = $', 'at(1)'),
      take.drop('const before = $'),
    )
    assert.match(both, /other\(\); at\(1\); \n/)
  })

  const refused: readonly (readonly [SourcePatch, RegExp])[] = [
    [
      take.drop('nothing(heap)'),
      /code\.ts.*in the function take the piece .* stands 0 times: nothing\(heap\)/,
    ],
    [take.drop('other(heap)'), /in the function take the piece .* stands 4 times: other\(heap\)/],
    [at('code.ts', 'lose').drop('other(heap)'), /the function lose is not there/],
    [
      at('none.ts', 'take').drop('other(heap)'),
      /none\.ts.*a patch names a file that the program has 0 times/,
    ],
    [take.drop('const ='), /the piece const = does not parse/],
    [take.drop('heap.length'), /neither a statement nor an operand: heap\.length/],
    [
      take.replace('heap.length > 1', 'a = 1; b = 2'),
      /statements cannot stand in the place of heap\.length > 1/,
    ],
    [take.before('const before = $', 'unheard(heap)'), /a patch uses unheard, which 0 modules export/],
  ]
  for (const [patch, message] of refused) {
    it(`is refused: ${patch.operator} of ${patch.piece} in ${patch.file}, ${patch.within}`, () => {
      assert.throws(() => patched(patch), message)
    })
  }

  it('is refused if another changes the same code', () => {
    const drops = (['const before = $', 'Atomics.add(...$)'] as const).map((piece) =>
      take.replace(piece, '1'),
    )
    assert.throws(() => patched(...drops), /two patches change the same code/)
  })
})

/** A tree without places, and without statements that are none. */
function shape(node: unknown): unknown {
  if (Array.isArray(node)) return node.filter(isSomething).map(shape)
  if (typeof node !== 'object' || node === null) return typeof node === 'bigint' ? String(node) : node
  if (node instanceof RegExp) return String(node)
  const facts = Object.entries(node).filter(([key]) => !['start', 'end', 'raw'].includes(key))
  return Object.fromEntries(facts.map(([key, value]) => [key, shape(value)]))
}

function isSomething(node: { readonly type?: string } | null): boolean {
  return node?.type !== 'EmptyStatement'
}

describe('the mutants of the kernel', () => {
  it('are the same where the source is formatted anew', async () => {
    const kernel = await readProgram([new URL('../../src/kernel/index.ts', import.meta.url).href])
    const tried = mutants.filter((_, index) => index % extent(24, 1) === 0)
    const files = new Set(tried.flatMap(({ patches }) => patches.map(({ file }) => file)))
    const modules = new Map<string, ProgramModule>()
    for (const [url, module] of kernel.modules) {
      const isChanged = [...files].some((file) => url.endsWith(`/${file}`))
      modules.set(url, isChanged ? await formattedAnew(module) : module)
    }
    const anew: Program = { ...kernel, modules }
    for (const { name, patches } of tried) {
      const trees = [kernel, anew].map((each) => treesOf(applyPatches(each, patches)))
      assert.deepEqual(trees[1], trees[0], name)
    }
  })
})

function treesOf(forms: ReadonlyMap<string, ParsedModule>): unknown[] {
  return [...forms.values()].map((form) => shape(form.program))
}

async function formattedAnew(module: ProgramModule): Promise<ProgramModule> {
  // The types are blanks by now: what is left is JavaScript.
  const { code } = await format('module.js', module.text, {
    printWidth: 50,
    useTabs: true,
    bracketSpacing: false,
    quoteProps: 'preserve',
  })
  assert.notEqual(code, module.text)
  return { ...module, ...withScopes(parseText(module.file, code, module.format)) }
}
