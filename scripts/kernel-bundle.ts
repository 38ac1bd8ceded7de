// Bundles the kernel into one module that V8 compiles well.
//
// V8 folds a top-level `const` into the code that uses it, and nothing else: what is imported, and what is exported
// even in its own module, lives in a module cell that is read at each use; a `let` and a `var` are read at each use
// as well. (Measured on Node 24: a function of 1.9 ns with five such constants takes 6.4 ns where they are imported
// or exported, 6.6 ns where they are `let`, and 2.7 ns where they are `var`.) So constants are inlined, what remains
// is `const`, and exports are aliases that the kernel itself does not use. Atomic operations on the kernel heap become
// WebAssembly instructions, see locked-rewrite.ts.

import { type SourceMapSegment, decode, encode } from '@jridgewell/sourcemap-codec'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { type InputOptions, rolldown } from 'rolldown'
import { parseAst } from 'rolldown/parseAst'
import { rewriteAtomics } from './locked-rewrite.ts'

/** How any bundle of ours is made: a warning is an error. */
export const inputOptions: InputOptions = {
  // How long the plugins took is a warning otherwise, which a slow machine must not fail for.
  checks: { bundlerTimings: false },
  onLog: (level, { message }) => {
    if (level === 'warn') throw new Error(stripVTControlCharacters(message).split('\n')[0])
  },
}

/**
 * Bundles the module `input`, and all that it imports, into the file `output`, with a source map of its lines. It names
 * the sources, of which the package has a copy in the same place beside the bundle.
 *
 * @throws {Error} where an import leads out of the kernel, or the result is not what V8 folds; see `unfoldable`
 */
export async function bundleKernel(input: string, output: string): Promise<void> {
  const bundle = await rolldown({
    ...inputOptions,
    input,
    // Each part of the bundle is headed by its path from here.
    cwd: join(dirname(input), '../..'),
    optimization: { inlineConst: { mode: 'all', pass: 3 } },
    plugins: [
      {
        name: 'locked',
        transform: (code) => {
          const rewritten = rewriteAtomics(code)
          if (rewritten === null) return null
          return { code: rewritten.toString(), map: rewritten.generateMap({ hires: true }).toString() }
        },
      },
      { name: 'foldable', renderChunk: (code) => ({ code: makeFoldable(code), map: null }) },
    ],
  })
  const write = { format: 'esm', sourcemap: true, sourcemapExcludeSources: true, comments: false } as const
  await bundle.write({ file: output, ...write })
  await bundle.close()
  writeFileSync(`${output}.map`, linesOf(readFileSync(`${output}.map`, 'utf8')))
  const faults = unfoldable(readFileSync(output, 'utf8'))
  if (faults.length > 0) throw new Error(`${output} is not what V8 folds: ${faults.join('; ')}`)
}

/** A source map that tells of each line of the bundle only which lines it is from: a third of its size. */
function linesOf(text: string): string {
  const map = JSON.parse(text) as { names: string[]; mappings: string }
  const lines = decode(map.mappings).map((line) => {
    const segments = line.flatMap(([column, source, from, at]) =>
      source === undefined ? [] : [[column, source, from!, at!] satisfies SourceMapSegment],
    )
    return segments.filter(([, source, from], i) => {
      const [, sourceBefore, fromBefore] = segments[i - 1] ?? []
      return source !== sourceBefore || from !== fromBefore
    })
  })
  return JSON.stringify({ ...map, names: [], mappings: encode(lines) })
}

/** Turns each top-level class of a bundle back into a `const`, and each export into an alias. No line moves. */
export function makeFoldable(code: string): string {
  const exported: { local: string; name: string }[] = []
  const withoutExports = code
    .replaceAll(/^var (\w+ = class\b)/gm, 'const $1')
    .replaceAll(/^export \{([^}]*)\};?$/gm, (_, list: string) => {
      for (const item of list.split(',').filter((each) => each.trim() !== '')) {
        const [local = '', name = local] = item.trim().split(/\s+as\s+/)
        exported.push({ local, name })
      }
      return ''
    })
  const aliases = exported.map(({ local, name }) => `const export$${name} = ${local};\n`)
  const list = exported.map(({ name }) => `export$${name} as ${name}`)
  return `${withoutExports.trimEnd()}\n${aliases.join('')}export { ${list.join(', ')} };\n`
}

/**
 * Why V8 would read at each use what it could fold in the bundle `code`; empty where all is well. Imports are such a
 * reason, unless the bundle `mayImport`.
 */
export function unfoldable(code: string, mayImport = false): string[] {
  const faults: string[] = []
  const mutable = new Set<string>()
  for (const statement of parseAst(code).body) {
    if (mayImport && statement.type === 'ImportDeclaration') continue
    if (/^Import|^ExportAll|^ExportDefault/.test(statement.type)) faults.push(`it has an ${statement.type}`)
    if (statement.type === 'VariableDeclaration') {
      const names = statement.declarations.map(({ id }) => code.slice(id.start, id.end))
      if (statement.kind === 'var') faults.push(`${names.join(', ')} is a var`)
      if (statement.kind === 'let') for (const name of names) mutable.add(name)
    }
    if (statement.type !== 'ExportNamedDeclaration') continue
    if (statement.declaration !== null) faults.push('a declaration is exported where it stands')
    for (const { local } of statement.specifiers) {
      const name = code.slice(local.start, local.end)
      if (!name.startsWith('export$')) faults.push(`${name} is exported without an alias`)
    }
  }
  // An alias would keep the value that the binding had when the module ended.
  for (const [, name] of code.matchAll(/^const export\$\w+ = (\w+);$/gm)) {
    if (mutable.has(name!)) faults.push(`${name} is exported, and is not constant`)
  }
  return faults
}
