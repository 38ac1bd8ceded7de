// `faultline/memory` in a browser: a bundler that asks for the condition `browser` gets a program without a module of
// Node, and workers without the globals of Node use it. They are threads of Node, which has no others; what a browser
// has besides, such as that a page may not wait, is not tested.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { rolldown } from 'rolldown'
import { build } from 'vite'
import * as browserHost from '../src/backends/threads/browser-host.ts'
import * as nodeHost from '../src/backends/threads/node-host.ts'
// oxlint-disable-next-line import/no-unassigned-import -- it builds what is published, where that is not built yet
import './built.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'faultline-browser-'))
const program = join(folder, 'program.mjs')
const bundle = join(folder, 'bundle.mjs')
after(() => rmSync(folder, { recursive: true }))

before(async () => {
  writeFileSync(program, `export * from ${JSON.stringify(join(root, 'dist/memory.js'))}`)
  const bundled = await rolldown({ input: program, platform: 'browser' })
  const { output } = await bundled.write({ file: bundle, format: 'esm' })
  await bundled.close()
  assert.deepEqual(
    output.flatMap((each) => (each.type === 'chunk' ? each.imports : [])),
    [],
  )
})

/** Makes a worker one without the globals of Node, which decodes no shared memory and puts no random numbers there. */
const asBrowser = `
  for (const name of ['process', 'Buffer', 'global', 'require', 'setImmediate', 'clearImmediate'])
    delete globalThis[name]
  const refuseShared = (prototype, method) => {
    const real = prototype[method]
    prototype[method] = function (bytes, ...rest) {
      if (bytes?.buffer instanceof SharedArrayBuffer) throw new TypeError('The provided value must not be shared.')
      return real.call(this, bytes, ...rest)
    }
  }
  refuseShared(TextDecoder.prototype, 'decode')
  refuseShared(Crypto.prototype, 'getRandomValues')`

/** Runs `code` in a worker that has no global of Node, with `memory`, the bundle, and `given`; what it answers. */
async function inBrowser(code: string, given: unknown = null): Promise<unknown> {
  const source = `
    const { parentPort, workerData } = require('node:worker_threads')
    const { given, bundle } = workerData
    ${asBrowser}
    import(bundle).then(async (memory) => parentPort.postMessage(await (async () => { ${code} })()))`
  const worker = new Worker(source, { eval: true, workerData: { given, bundle: pathToFileURL(bundle).href } })
  try {
    const [answer] = await once(worker, 'message')
    return answer
  } finally {
    await worker.terminate()
  }
}

test('what stands in the place of Node has its names, all that the bundle asks for', () => {
  assert.deepEqual(Object.keys(browserHost).sort(), Object.keys(nodeHost).sort())
  const [first] = readFileSync(join(root, 'dist/backends/threads/index.js'), 'utf8').split('\n')
  const asked = /^import \{(.*)\} from "#host";$/.exec(first!)![1]!.split(',')
  const names = asked.map((each) => each.trim().split(' as ')[0]!)
  assert.deepEqual(names.sort(), Object.keys(nodeHost).sort())
})

test('Vite makes a program for a browser of it', async () => {
  const made = await build({
    root: folder,
    configFile: false,
    logLevel: 'silent',
    build: { write: false, minify: false, lib: { entry: program, formats: ['es'], fileName: 'out' } },
  })
  const { output } = (made as { output: { code?: string; imports?: string[] }[] }[])[0]!
  assert.deepEqual(
    output.flatMap(({ imports = [] }) => imports),
    [],
  )
  assert.doesNotMatch(output.map(({ code }) => code).join('\n'), /from ["']node:|__vite-browser-external/)
})

test('Node gets what is of Node, though it is asked as a browser is', () => {
  const code = `
    const { Machine } = await import('faultline/memory')
    Machine.create({ memory: '1MiB', cpus: 1 }).openFile(process.argv[1])`
  const { NODE_OPTIONS: _, ...env } = process.env
  const args = ['--conditions=browser', '--input-type=module', '--eval', code, program]
  const { status, stderr } = spawnSync(process.execPath, args, { cwd: root, env, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
})

test('a compiler that has no types of Node reads the declarations', () => {
  const typed = join(folder, 'typed.mts')
  writeFileSync(
    typed,
    `import { Machine, type Snapshot } from ${JSON.stringify(join(root, 'dist/memory.js'))}
    const snapshot: Snapshot = Machine.create({ memory: '1MiB', cpus: 1 }).createAddressSpace().snapshot()
    snapshot.destroy()`,
  )
  const options = '--noEmit --ignoreConfig --strict --target es2024 --lib es2024,dom --module esnext'
  const paths = ['--moduleResolution', 'bundler', '--types', '', '--typeRoots', folder]
  const { status, stdout } = spawnSync(
    process.execPath,
    [join(root, 'node_modules/typescript/bin/tsc'), ...options.split(' '), ...paths, typed],
    { encoding: 'utf8' },
  )
  assert.equal(status, 0, stdout)
})

test('what a browser has not is refused before anything is made', async () => {
  const answer = await inBrowser(`
    const errors = []
    for (const writeback of [true, {}])
      try {
        memory.Machine.create({ memory: '4MiB', cpus: 2, writeback })
      } catch (error) {
        errors.push(String(error))
      }
    return errors`)
  const refused = 'ConfigurationError: writeback: a browser has no thread for it'
  assert.deepEqual(answer, [refused, refused])
})

test('only a file: URL is a path', () => {
  assert.equal(browserHost.fileURLToPath(new URL('file:///a%20b')), '/a b')
  assert.throws(() => browserHost.fileURLToPath(new URL('https://x/a')), TypeError)
})

test('workers of a browser share an address space, and a heap in it', async (t) => {
  const machine = `
    const machine = memory.Machine.create({ memory: '4MiB', cpus: 4 })
    const space = machine.createAddressSpace()
    const base = space.mmap('1MiB')`
  const worker = new Worker(
    `const { parentPort, workerData } = require('node:worker_threads')
    ${asBrowser}
    import(workerData).then(async (memory) => {
      ${machine}
      space.writeUint32(base, 41)
      const heap = space.createHeap({ maximum: '1MiB' })
      const block = heap.allocate(100)
      space.write(block, new TextEncoder().encode('from the first'))
      const snapshot = space.snapshot()
      space.addUint32(base, 1)
      parentPort.postMessage({ handle: space.handle, base, block, kept: snapshot.read(base, 4)[0] })
      parentPort.on('message', () => parentPort.postMessage(space.readUint32(base)))
    })`,
    { eval: true, workerData: pathToFileURL(bundle).href },
  )
  t.after(() => worker.terminate())
  const [first] = await once(worker, 'message')
  assert.equal(first.kept, 41)
  const other = await inBrowser(
    `const space = memory.AddressSpace.attach(given.handle)
    const text = new TextDecoder().decode(space.read(given.block, 14))
    const found = space.indexOf(given.block, 100, new TextEncoder().encode('first'))
    space.copyWithin(given.base + 4096, given.block, 14)
    const order = space.compare(given.base + 4096, given.block, 14)
    const before = space.addUint32(given.base, 8)
    space.machine.detach()
    return { text, found: found - given.block, order, before }`,
    first,
  )
  assert.deepEqual(other, { text: 'from the first', found: 9, order: 0, before: 42 })
  worker.postMessage('look')
  assert.deepEqual(await once(worker, 'message'), [50])
})

test('a file of a browser is what a storage keeps, and without one there is none', async () => {
  const answer = await inBrowser(`
    const machine = memory.Machine.create({ memory: '4MiB', cpus: 1 })
    const errors = []
    const attempt = (call) => { try { call() } catch (error) { errors.push(error.errno ?? error.name) } }
    attempt(() => machine.openFile('there.bin'))
    const files = new Map([['/there.bin', new Uint8Array(10000).fill(7)]])
    const open = []
    const bytesOf = (descriptor) => files.get(open[descriptor])
    const storage = {
      open: (path) => open.push(path) - 1,
      close() {},
      identify: (at) => ({ device: 1n, inode: BigInt(open.indexOf(open[at])), size: bytesOf(at).length, isFile: true }),
      read(at, buffers, position) {
        let done = 0
        for (const buffer of buffers) {
          const part = bytesOf(at).subarray(position + done, position + done + buffer.length)
          buffer.set(part)
          done += part.length
        }
        return done
      },
      write(at, buffers, position) {
        let done = 0
        for (const buffer of buffers) {
          bytesOf(at).set(buffer, position + done)
          done += buffer.length
        }
        return done
      },
      sync() {},
      truncate() {},
    }
    machine.setStorage(storage)
    const named = new Uint8Array(new SharedArrayBuffer(9))
    named.set(new TextEncoder().encode('there.bin'))
    const file = machine.openFile(named, { mode: 'r+' })
    const space = machine.createAddressSpace()
    const base = space.mmap(file.size, { file, shared: true })
    const before = space.readUint8(base + 9999)
    space.writeUint8(base + 1, 9)
    // The file is opened by the name that the machine has of it.
    machine.setStorage({ ...storage })
    file.close()
    space.destroy()
    return { opened: open.length, errors, before, after: files.get('/there.bin')[1] }`)
  assert.deepEqual(answer, { opened: 2, errors: ['ENODEV'], before: 7, after: 9 })
})
