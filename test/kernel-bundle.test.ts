// The bundle of the kernel keeps what V8 folds, and the check for that finds what it would not.

import assert from 'node:assert/strict'
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SourceMap } from 'node:module'
import { test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { bundleKernel, makeFoldable, unfoldable } from '../scripts/kernel-bundle.ts'

const layout = `
export const SHIFT = 12
export const SIZE = 1 << SHIFT
export const table = new Int32Array(4)
export class Frames { size(): number { return SIZE } }
export function sizeOf(frames: number): number { return frames * SIZE }
`
const index = `
import { SHIFT, SIZE, table, sizeOf } from './layout.ts'
export { SIZE, Frames, sizeOf } from './layout.ts'
export const pagesOf = (bytes: number): number => (bytes >> SHIFT) + table[0]! * SIZE + sizeOf(0)
`

async function bundled(
  sources: Record<string, string>,
): Promise<{ code: string; exports: Record<string, unknown> }> {
  const folder = await mkdtemp(join(tmpdir(), 'faultline-'))
  try {
    for (const [name, text] of Object.entries(sources)) await writeFile(join(folder, name), text)
    const output = join(folder, 'bundle.mjs')
    await bundleKernel(join(folder, 'index.ts'), output)
    return { code: await readFile(output, 'utf8'), exports: await import(pathToFileURL(output).href) }
  } finally {
    await rm(folder, { recursive: true })
  }
}

test('constants of other modules are inlined, and the rest is const', async () => {
  const { code, exports } = await bundled({ 'index.ts': index, 'layout.ts': layout })
  assert.match(code, /bytes >> 12/)
  assert.match(code, /\* 4096/)
  assert.match(code, /^const Frames = class/m)
  assert.match(code, /^const table = /m)
  assert.doesNotMatch(code, /^(var|let|import) /m)
  assert.deepEqual(Object.keys(exports).sort(), ['Frames', 'SIZE', 'pagesOf', 'sizeOf'])
  const { SIZE, Frames, pagesOf, sizeOf } = exports as Record<string, any>
  assert.deepEqual([SIZE, new Frames().size(), pagesOf(8192), sizeOf(2)], [4096, 4096, 2, 8192])
})

test('a bundle that would be read at each use is refused', async () => {
  await assert.rejects(
    bundled({ 'index.ts': 'export let count = 0\nexport const add = () => ++count' }),
    /count is exported/,
  )
  await assert.rejects(
    bundled({ 'index.ts': `import { pid } from 'node:process'\nexport const a = () => pid` }),
    /node:process/,
  )
})

test('what V8 would not fold is found', () => {
  const faults: [string, RegExp][] = [
    ['var a = 1', /a is a var/],
    [`import { a } from 'b'`, /ImportDeclaration/],
    [`export * from 'b'`, /ExportAllDeclaration/],
    ['export default 1', /ExportDefaultDeclaration/],
    ['export const a = 1', /exported where it stands/],
    ['const a = 1\nexport { a }', /a is exported without an alias/],
    ['let a = 1\nconst export$a = a;\nexport { export$a as a }', /a is exported, and is not constant/],
  ]
  for (const [code, fault] of faults) assert.match(unfoldable(code).join(), fault, code)
  assert.deepEqual(unfoldable('const a = 1\nlet b = 2\nconst export$a = a;\nexport { export$a as a }'), [])
})

test('exports under other names keep their names', () => {
  const code = makeFoldable('const a = 1\nconst b = 2\nexport { a as first, b };\n')
  assert.match(code, /export \{ export\$first as first, export\$b as b \}/)
  assert.deepEqual(unfoldable(code), [])
})

test('threads run the same bytes whether there is a stepped backend or not', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'faultline-'))
  try {
    const kernel = fileURLToPath(new URL('../src/kernel', import.meta.url))
    const alone = join(folder, 'src/kernel')
    await cp(kernel, alone, { recursive: true })
    await cp(
      fileURLToPath(new URL('../tsconfig.base.json', import.meta.url)),
      join(folder, 'tsconfig.base.json'),
    )
    const bundle = async (source: string): Promise<string> => {
      const output = join(folder, 'bundle.mjs')
      await bundleKernel(join(source, 'index.ts'), output)
      // It names the files that it was made of, from where it was made.
      return (await readFile(output, 'utf8')).replaceAll(/^\/\/ .*?src\/kernel\//gm, '// ')
    }
    const [beside, without] = [await bundle(kernel), await bundle(alone)]
    assert.ok(beside === without)
    assert.doesNotMatch(beside, /stepped|\$f_|yield/)
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('the source map leads from each function to its line of the published source', async () => {
  const built = new URL('../dist/kernel/index.js', import.meta.url)
  const map = new SourceMap(JSON.parse(await readFile(new URL(`${built.href}.map`), 'utf8')))
  const sources = new Map<string, string[]>()
  const wrong: string[] = []
  let seen = 0
  for (const [number, line] of (await readFile(built, 'utf8')).split('\n').entries()) {
    const head =
      /^(?:async )?function\*? (\w+)|^\t(?!if|for|while|switch|return)(?:static |get |set )?(\w+)\(.*\{$/.exec(
        line,
      )
    if (head === null) continue
    const name = (head[1] ?? head[2])!
    // Those that locked-rewrite.ts makes are in no source.
    if (/^locked[A-Z]/.test(name)) continue
    const entry = map.findEntry(number, line.indexOf(name))
    if (!('originalSource' in entry)) {
      wrong.push(`${name} is from nowhere`)
      continue
    }
    const { originalSource: source, originalLine } = entry
    if (!sources.has(source))
      sources.set(source, (await readFile(new URL(source, built), 'utf8')).split('\n'))
    seen++
    if (!sources.get(source)![originalLine]!.includes(name))
      wrong.push(`${name} is not in ${source}:${originalLine + 1}`)
  }
  assert.deepEqual(wrong, [])
  assert.ok(seen > 1000, `${seen} functions`)
})
