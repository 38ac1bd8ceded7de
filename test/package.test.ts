// What is published: how much of it there is, that its modules find each other, and that its doors lead into one
// library. A limit here is no aim. It is there so that nobody goes past it without noticing; who has to raises it, and
// says in docs/bench.md what the package weighs then.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
// oxlint-disable-next-line import/no-unassigned-import -- it builds what is published, where that is not built yet
import './built.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const dist = join(root, 'dist')

const PACKED_BYTES_MAX = 1_150_000
const FILES_MAX = 815
const DOOR_BYTES_MAX = 615_000

/** What a process prints as JSON that runs `code`, a module that imports the package by its name as a user would. */
function printed(code: string): unknown {
  const { NODE_OPTIONS: _, ...env } = process.env
  const args = ['--input-type=module', '--eval', code]
  return JSON.parse(execFileSync(process.execPath, args, { cwd: root, env, encoding: 'utf8' }))
}

test('the package is not larger than its limit', () => {
  const args = ['pack', '--dry-run', '--ignore-scripts', '--json']
  const [pack] = JSON.parse(
    execFileSync('npm', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
  ) as { size: number; files: { path: string }[] }[]
  const paths = pack!.files.map(({ path }) => path)
  assert.ok(pack!.size < PACKED_BYTES_MAX, `${pack!.size} bytes`)
  assert.ok(paths.length < FILES_MAX, `${paths.length} files`)
  for (const path of [
    'dist/memory.js',
    'dist/memory.d.ts',
    'dist/src/kernel/index.ts',
    'bench/peers/linux.c',
  ])
    assert.ok(paths.includes(path), path)
  assert.deepEqual(
    paths.filter((path) => path.endsWith('.map')).sort(),
    ['dist/kernel/index.js.map'],
    'only the kernel, whose source is there, has a source map',
  )
})

test('faultline/memory loads five files', () => {
  const loaded = printed(`
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
    await import('faultline/memory')
    console.log(JSON.stringify(loaded.filter((url) => url.startsWith('file:'))))`) as string[]
  const files = loaded.map((url) => fileURLToPath(url))
  assert.deepEqual(files.map((file) => file.slice(dist.length + 1)).sort(), [
    'backends/threads/index.js',
    'backends/threads/node-host.js',
    'backends/threads/node-version.js',
    'kernel/index.js',
    'memory.js',
  ])
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0)
  assert.ok(bytes < DOOR_BYTES_MAX, `${bytes} bytes`)
})

test('faultline/memory imports nothing that a bundler cannot follow, of which webpack warns each program', () => {
  for (const module of [
    'memory.js',
    'kernel/index.js',
    'backends/threads/index.js',
    'backends/threads/node-host.js',
  ])
    assert.doesNotMatch(
      readFileSync(join(dist, module), 'utf8'),
      /\bimport\s*\(|new URL\([^)]*import\.meta/,
      module,
    )
})

test('both doors lead into one library, whose classes have the names that users know', () => {
  const names = printed(`
    import * as memory from 'faultline/memory'
    import * as all from 'faultline'
    const names = Object.keys(memory)
    console.log(JSON.stringify({
      count: names.length,
      different: names.filter((name) => memory[name] !== all[name]),
      renamed: names.filter((name) => typeof memory[name] === 'function' && memory[name].name !== name),
    }))`) as { count: number; different: string[]; renamed: string[] }
  assert.deepEqual([names.different, names.renamed], [[], []])
  assert.ok(names.count > 20, `${names.count} exports`)
})

test('a thread that came in by one door uses what another made that came in by the other', () => {
  const read = printed(`
    import { Machine } from 'faultline'
    import { once } from 'node:events'
    import { Worker } from 'node:worker_threads'
    const machine = Machine.create({ memory: '1MiB', cpus: 2 })
    const space = machine.createAddressSpace()
    const base = space.mmap(4096)
    const worker = new Worker(\`
      import { AddressSpace } from 'faultline/memory'
      import { workerData } from 'node:worker_threads'
      AddressSpace.attach(workerData.space).writeUint32(workerData.base, 42)\`,
    { eval: true, workerData: { space: space.handle, base } })
    await once(worker, 'exit')
    console.log(space.readUint32(base))`)
  assert.equal(read, 42)
})

test('every file that a published module imports is published', () => {
  const imports = /\b(?:from |import |import\()["'](\.[^"']+)["']/g
  const missing: string[] = []
  let seen = 0
  for (const path of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
    if (!/\.(js|d\.ts)$/.test(path)) continue
    const file = join(dist, path)
    for (const [, source] of readFileSync(file, 'utf8').matchAll(imports)) {
      // Declarations name modules as they are written, and a compiler looks for theirs.
      const wanted = path.endsWith('.d.ts') ? source!.replace(/\.[jt]s$/, '.d.ts') : source!
      seen++
      if (!existsSync(join(dirname(file), wanted))) missing.push(`${path} imports ${source}`)
    }
  }
  assert.deepEqual(missing, [])
  assert.ok(seen > 1000, `${seen} imports`)
})
