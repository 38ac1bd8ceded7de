// `faultline/memory` in a real browser: a page that is cross-origin isolated, and its workers, as Vite and rolldown
// bundle them. What has no browser for it is in memory-browser.test.ts.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { build } from 'vite'
// oxlint-disable-next-line import/no-unassigned-import -- it builds what is published, where that is not built yet
import './built.ts'
import { Tab, findChromium } from './report/html/browser.ts'

const chromium = findChromium()
const root = fileURLToPath(new URL('../', import.meta.url))

const library = `import * as memory from ${JSON.stringify(join(root, 'dist/memory.js'))}`

/** A worker of the page runs what it is sent, with the library, and keeps things in `kept` for the next. */
const worker = `${library}
  const kept = {}
  const AsyncFunction = (async () => {}).constructor
  onmessage = async ({ data: { code, given } }) => {
    try {
      postMessage({ value: await new AsyncFunction('memory', 'kept', 'given', code)(memory, kept, given) })
    } catch (error) {
      postMessage({ error: String(error?.stack ?? error) })
    }
  }`

/** In the page `ask(name, code, given)` has the worker of that name run the code; what has handles is in `kept`. */
const page = `${library}
  const workers = new Map()
  globalThis.memory = memory
  globalThis.kept = {}
  globalThis.ask = (name, code, given) =>
    new Promise((resolve, reject) => {
      if (!workers.has(name))
        workers.set(name, new Worker(new URL('./worker.js', import.meta.url), { type: 'module' }))
      const one = workers.get(name)
      one.onerror = ({ message }) => reject(new Error(message))
      one.onmessage = ({ data }) => ('error' in data ? reject(new Error(data.error)) : resolve(data.value))
      one.postMessage({ code, given })
    })
  globalThis.end = (name) => { workers.get(name).terminate(); workers.delete(name) }
  document.title = 'ready'`
const html = '<title>-</title><script type="module" src="./page.js"></script>'

/** Makes the page and its worker in a folder. */
const bundlers: Readonly<Record<string, (source: string, target: string) => Promise<void>>> = {
  async Vite(source, target) {
    writeFileSync(join(source, 'index.html'), html)
    await build({
      root: source,
      configFile: false,
      logLevel: 'silent',
      worker: { format: 'es' },
      build: { outDir: target },
    })
  },
  async rolldown(source, target) {
    const input = ['page', 'worker'].map((each) => join(source, `${each}.js`))
    const bundled = await rolldown({ input, platform: 'browser' })
    await bundled.write({ dir: target, format: 'esm', minify: true })
    await bundled.close()
    writeFileSync(join(target, 'index.html'), html)
  },
}

for (const [name, bundle] of Object.entries(bundlers))
  describe(
    `workers of a page that ${name} has bundled`,
    { skip: chromium === null && 'there is no Chromium (see FAULTLINE_CHROMIUM)' },
    () => {
      const folder = mkdtempSync(join(tmpdir(), 'faultline-chromium-page-'))
      const target = join(folder, 'out')
      let server: Server
      let tab: Tab

      before(async () => {
        mkdirSync(target)
        writeFileSync(join(folder, 'worker.js'), worker)
        writeFileSync(join(folder, 'page.js'), page)
        await bundle(folder, target)
        server = createServer((request, response) => {
          const isPage = request.url === '/' || request.url === '/alone'
          const path = isPage ? '/index.html' : request.url!
          if (path === '/favicon.ico') return void response.writeHead(204).end()
          response.setHeader('Content-Type', path.endsWith('.js') ? 'text/javascript' : 'text/html')
          if (request.url !== '/alone') {
            response.setHeader('Cross-Origin-Opener-Policy', 'same-origin')
            response.setHeader('Cross-Origin-Embedder-Policy', 'require-corp')
          }
          response.end(readFileSync(join(target, path)))
        }).listen(0, '127.0.0.1')
        await once(server, 'listening')
        tab = await Tab.open(chromium!)
        await open('/')
      })
      after(async () => {
        await tab.close()
        server.close()
        rmSync(folder, { recursive: true })
      })

      const open = async (path: string): Promise<void> => {
        await tab.goTo(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`)
        await tab.until(`document.title === 'ready'`)
      }

      /** What is thrown by code in the page itself. */
      const refused = (code: string): Promise<unknown> =>
        tab.evaluate(`(() => { try { ${code} } catch (error) { return String(error) } })()`)

      /** What a worker answers; `keep` names what the page keeps of it, with handles, for `given` of another. */
      const ask = (thread: string, code: string, given = 'undefined'): Promise<unknown> =>
        tab.evaluate(`ask(${JSON.stringify(thread)}, ${JSON.stringify(code)}, ${given})`)

      it('share an address space, and wait for each other', async () => {
        assert.equal(await tab.evaluate('crossOriginIsolated'), true)
        await tab.evaluate(
          `ask('first', ${JSON.stringify(`
            kept.machine = memory.Machine.create({ memory: '16MiB', cpus: 3 })
            kept.space = kept.machine.createAddressSpace()
            kept.base = kept.space.mmap('8MiB', { contiguous: true })
            return { space: kept.space.handle, base: kept.base }`)}).then((value) => { kept.shared = value })`,
        )
        const waiting = ask(
          'second',
          `
          kept.space = memory.AddressSpace.attach(given.space)
          kept.space.storeUint32(given.base + 4, 1)
          kept.space.notify(given.base + 4)
          return kept.space.waitUint32(given.base, 0)`,
          'kept.shared',
        )
        const said = await ask(
          'first',
          `
          const { space, base } = kept
          space.waitUint32(base + 4, 0)
          space.storeUint32(base, 7)
          space.notify(base)
          return space.loadUint32(base + 4)`,
        )
        assert.equal(said, 1)
        assert.match(String(await waiting), /^(ok|not-equal)$/)
      })

      it('write the same memory by withRange while a snapshot keeps what it was', async () => {
        const sums = `
          const sum = (from) => {
            let total = 0
            from((bytes) => { for (const byte of bytes) total += byte })
            return total
          }`
        assert.equal(
          await ask(
            'first',
            `
            const { space, base } = kept
            space.withRange(base, 2 ** 20, 'rw', (bytes) => bytes.fill(1))
            kept.snapshot = space.snapshot()
            return space.readUint8(base + 5)`,
          ),
          1,
        )
        await ask(
          'second',
          `kept.space.withRange(given.base, 2 ** 20, 'rw', (bytes) => {
            for (let i = 0; i < bytes.length; i += 2) bytes[i] = 3
          })`,
          'kept.shared',
        )
        assert.deepEqual(
          await ask(
            'first',
            `${sums}
            const { space, base, snapshot } = kept
            const live = sum((each) => space.withRange(base, 2 ** 20, 'r', each))
            const then = sum((each) => each(snapshot.read(base, 2 ** 20)))
            snapshot.restore(space, base, 2 ** 20)
            const again = sum((each) => space.withRange(base, 2 ** 20, 'r', each))
            snapshot.destroy()
            return [live, then, again]`,
          ),
          [2 * 2 ** 20, 2 ** 20, 2 ** 20],
        )
      })

      it('allocate in one heap, and text goes there and back', async () => {
        await tab.evaluate(
          `ask('first', ${JSON.stringify(`
            const heap = kept.space.createHeap({ maximum: '1MiB' })
            const Node = memory.defineRecord({ next: 'reference', id: 'uint32', name: 24 })
            for (const [id, name] of ['Ada', 'Grace', 'Barbara'].entries()) {
              const node = Node.create(heap, { id, name: new TextEncoder().encode(name) })
              do node.next = heap.root
              while (heap.compareExchangeRoot(node.next, node.address) !== node.next)
            }
            return heap.address`)}).then((value) => { kept.heap = { heap: value } })`,
        )
        const names = await ask(
          'second',
          `
          const heap = kept.space.openHeap(given.heap)
          const Node = memory.defineRecord({ next: 'reference', id: 'uint32', name: 24 })
          const names = []
          for (let at = heap.root; at !== 0; at = Node.at(heap, at).next)
            names.push(new TextDecoder().decode(Node.at(heap, at).name).replaceAll('\\0', ''))
          return names`,
          'kept.heap',
        )
        assert.deepEqual(names, ['Barbara', 'Grace', 'Ada'])
      })

      it('have files in the private file system of the origin, larger than memory', async () => {
        // Handles are opened before, by promises; what is done with them is done at once.
        const pages = 1024
        const answer = await ask(
          'files',
          `
          const root = await navigator.storage.getDirectory()
          const handle = await (await root.getFileHandle('large.bin', { create: true })).createSyncAccessHandle()
          handle.truncate(0)
          let synced = 0
          const machine = memory.Machine.create({ memory: '1MiB', cpus: 1 })
          // An access handle takes no shared memory, which frames are.
          machine.setStorage({
            lockable: false,
            open: () => 3,
            close() {},
            identify: () => ({ device: 1n, inode: 3n, size: handle.getSize(), isFile: true }),
            read(at, buffers, position) {
              let done = 0
              for (const buffer of buffers) {
                const part = new Uint8Array(buffer.length)
                const read = handle.read(part, { at: position + done })
                buffer.set(part.subarray(0, read))
                done += read
                if (read < buffer.length) break
              }
              return done
            },
            write(at, buffers, position) {
              let done = 0
              for (const buffer of buffers) done += handle.write(new Uint8Array(buffer), { at: position + done })
              return done
            },
            sync: () => { synced++; handle.flush() },
            truncate: (at, size) => handle.truncate(size),
          })
          const file = machine.openFile('/large.bin', { mode: 'r+', size: ${pages} * 4096 })
          const space = machine.createAddressSpace()
          const base = space.mmap(file.size, { file, shared: true })
          for (let page = 0; page < ${pages}; page++) space.writeUint32(base + page * 4096, page * 7)
          let wrong = 0
          for (let page = 0; page < ${pages}; page++) if (space.readUint32(base + page * 4096) !== page * 7) wrong++
          space.msync(base, file.size)
          const last = new Uint32Array(1)
          handle.read(last, { at: ${pages - 1} * 4096 })
          space.munmap(base, file.size)
          file.close()
          machine.detach()
          handle.close()
          return { wrong, last: last[0], synced: synced > 0 }`,
        )
        assert.deepEqual(answer, { wrong: 0, last: (pages - 1) * 7, synced: true })
      })

      it('leave their CPU to the next when they detach, and refuse what a browser has not', async () => {
        await ask('second', 'kept.space.machine.detach()')
        await tab.evaluate(`end('second')`)
        const answer = await ask(
          'third',
          `
          const space = memory.AddressSpace.attach(given.space)
          const machine = space.machine
          const errors = []
          const attempt = (call) => {
            try {
              call()
              errors.push('none')
            } catch (error) {
              errors.push(error.name + ' ' + error.code)
            }
          }
          attempt(() => machine.openFile('/there'))
          attempt(() => machine.swapOn('/there', { size: '1MiB' }))
          attempt(() => memory.Machine.create({ memory: '4MiB', cpus: 2, writeback: true }))
          attempt(() => space.readUint8(1))
          const value = space.readUint8(given.base + 5)
          machine.detach()
          return { errors, value }`,
          'kept.shared',
        )
        assert.deepEqual(answer, {
          errors: [
            'MemoryError ENODEV',
            'MemoryError ENODEV',
            'ConfigurationError ERR_FAULTLINE_CONFIGURATION',
            'SegmentationFault SEGV_MAPERR',
          ],
          value: 1,
        })
      })

      it('use what the page itself cannot', async () => {
        const mayNot = /^ConfigurationError: this thread may not wait .* its workers can$/
        assert.match(String(await refused(`memory.Machine.create({ memory: '1MiB', cpus: 1 })`)), mayNot)
        assert.match(String(await refused('memory.AddressSpace.attach(kept.shared.space)')), mayNot)
        assert.deepEqual(tab.problems, [])
      })

      it('are told when the page is not isolated', async () => {
        await open('/alone')
        const alone = ask('only', `memory.Machine.create({ memory: '1MiB', cpus: 1 })`)
        await assert.rejects(
          alone,
          /ConfigurationError: no memory can be shared here: the page has to be cross-origin/,
        )
      })
    },
  )
