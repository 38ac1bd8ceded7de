// `faultline/memory` is what a thread loads that uses memory: no checker, no parser, no package. And a bundler may
// leave out of a program what it does not use.

import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
// oxlint-disable-next-line import/no-unassigned-import -- it builds what is published, where that is not built yet
import './built.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'faultline-door-'))
after(() => rmSync(folder, { recursive: true }))

/** What a bundler needs of a module, and puts into one file: the modules, and what they import besides. */
async function bundled(input: string, file: string): Promise<{ modules: string[]; imports: string[] }> {
  const bundle = await rolldown({ input, platform: 'node', logLevel: 'silent' })
  const { output } = await bundle.write({ file, format: 'esm' })
  await bundle.close()
  const chunks = output.flatMap((each) => (each.type === 'chunk' ? [each] : []))
  return {
    modules: chunks.flatMap(({ moduleIds }) => moduleIds),
    imports: chunks.flatMap(({ imports }) => imports),
  }
}

const isOfMemory = (id: string): boolean =>
  /\/(src|dist)\/(memory\.[tj]s$|kernel\/|backends\/threads\/)/.test(id)

test('faultline/memory loads the kernel and the threads backend, and nothing else', async () => {
  const { modules, imports } = await bundled(join(root, 'src/memory.ts'), join(folder, 'memory.mjs'))
  assert.deepEqual(
    modules.filter((id) => !isOfMemory(id)),
    [],
  )
  assert.deepEqual(
    imports.filter((id) => !id.startsWith('node:')),
    [],
  )
  assert.ok(modules.length > 100, `${modules.length} modules`)
})

for (const index of ['src/index.ts', 'dist/index.js']) {
  test(`a bundle of a program that uses memory of ${index} runs, with no more than that`, async () => {
    const program = join(folder, 'program.mjs')
    writeFileSync(
      program,
      `import { Machine } from ${JSON.stringify(join(root, index))}
      const machine = Machine.create({ memory: '1MiB', cpus: 1 })
      const space = machine.createAddressSpace()
      const base = space.mmap(4096)
      space.withRange(base, 8, 'rw', (_, view) => view.setUint32(0, 42, true))
      console.log(space.readUint32(base), machine.usage().framesTotal)`,
    )
    const file = join(folder, 'bundle.mjs')
    const { modules } = await bundled(program, file)
    assert.equal(execFileSync(process.execPath, [file], { encoding: 'utf8' }), '42 255\n')
    assert.deepEqual(
      modules.filter((id) => id !== program && !isOfMemory(id) && !id.endsWith(`/${index}`)),
      [],
    )
  })
}

/** What the compiler says of a program whose declarations are only those that it asks for. */
function compiled(
  program: string,
  module: string,
  named = 'node',
): { status: number | null; stdout: string } {
  const options = ['--ignoreConfig', '--noEmit', '--strict', '--module', module, '--target', 'es2024']
  const types = ['--lib', 'es2024,esnext.disposable', '--types', named]
  const roots = ['--typeRoots', join(root, 'node_modules/@types')]
  const { status, stdout } = spawnSync(
    process.execPath,
    [join(root, 'node_modules/typescript/bin/tsc'), ...options, ...types, ...roots, program],
    { encoding: 'utf8', cwd: root },
  )
  return { status, stdout }
}

test('the published types are enough for a program that knows no browser, and for one that does not know Node', () => {
  const program = join(folder, 'types.mts')
  writeFileSync(
    program,
    `import { Machine, type MachineHandle } from ${JSON.stringify(join(root, 'dist/memory.js'))}
    import { check } from ${JSON.stringify(join(root, 'dist/check.js'))}
    export type * from ${JSON.stringify(join(root, 'dist/index.js'))}
    class Lock { uses = 0 }
    await check({ setup: () => new Lock(), threads: [(lock) => void lock.uses++], invariant: ({ uses }) => uses === 1 })
    using machine = Machine.create({ memory: '1MiB', cpus: 1 })
    const handle: MachineHandle = machine.handle
    const space = machine.createAddressSpace()
    export const bytes: number = space.withRange(0, 1, 'r', (array, view) => array[0]! + view.byteLength)
    // @ts-expect-error -- were the types of a field lost, it would be any
    export const wrong: number = handle.heap`,
  )
  for (const named of ['node', ''])
    assert.deepEqual(compiled(program, 'nodenext', named), { status: 0, stdout: '' }, named)
})

test('a program of CommonJS has the same types, also where no module may be required', () => {
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(root, join(folder, 'node_modules/faultline'), 'dir')
  const program = join(folder, 'types.cts')
  writeFileSync(
    program,
    `import { Machine, type RecordView, SegmentationFault, defineRecord } from 'faultline/memory'
    import { designs } from 'faultline'
    import type { CheckResult } from 'faultline/check'
    const machine: Machine = Machine.create({ memory: '1MiB', cpus: 1, design: designs[0]!.name })
    const Point = defineRecord({ x: 'float64', name: 4 })
    const point: RecordView<{ x: 'float64'; name: 4 }> = Point.create(machine.createAddressSpace().createHeap())
    // @ts-expect-error -- were the types of a field lost, it would be any
    point.x = 1n
    export const address = (error: unknown): number => (error instanceof SegmentationFault ? error.address : 0)
    export type Passed = CheckResult['design']`,
  )
  assert.deepEqual(compiled(program, 'node16'), { status: 0, stdout: '' })
})
