// Streams of Node in threads: what they do there, wherever another thread comes in between, is what the engine's do.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { doAsEngine } from './as-engine.ts'

const prelude = `
import { Duplex, PassThrough, Readable, Transform, Writable, addAbortSignal, finished, pipeline } from 'node:stream'
import * as promises from 'node:stream/promises'
import { once } from 'node:events'
const objectMode = true
const sink = (log, options) =>
  new Writable({ objectMode, ...options, write(chunk, _, done) { log.push(chunk); setImmediate(done) } })
const doubling = (cells) =>
  new Transform({ objectMode, transform(chunk, _, done) { done(null, chunk * 2 + 0 * Atomics.load(cells, 0)) } })
class Count extends Readable {
  left = 3
  constructor(cells) { super({ objectMode, highWaterMark: 1 }); this.cells = cells }
  _read() { Atomics.load(this.cells, 0); this.push(this.left === 0 ? null : this.left--) }
}`

const programs = [
  `async (log, cells) => {
    await promises.pipeline(Readable.from([1, 2, 3]), doubling(cells), sink(log))
    log.push('over')
  }`,
  `async (log, cells) => { for await (const each of new Count(cells)) log.push(each, Atomics.load(cells, 1)) }`,
  `async (log, cells) => {
    const source = new Count(cells)
    for await (const each of source) if (each === 2) break
    log.push(source.destroyed, source.readableEnded)
  }`,
  `async (log, cells) => {
    const out = sink(log, { highWaterMark: 1 })
    for (const each of [1, 2])
      if (!out.write(each)) { await once(out, 'drain'); log.push('drained', Atomics.load(cells, 1)) }
    out.end('last')
    await promises.finished(out)
    log.push(out.writableFinished)
  }`,
  `(log, cells) => new Promise((resolve) => {
    const transform = (chunk, _, done) => done(chunk === 2 ? new Error('two') : null, chunk)
    const failing = new Transform({ objectMode, transform })
    const over = (error) => { log.push(error.message, failing.destroyed); resolve() }
    pipeline(Readable.from([1, 2, 3]), failing, sink(log), over)
  })`,
  `async (log, cells) => {
    const out = sink(log)
    out.end()
    out.on('error', (error) => log.push(error.code, error.message, error instanceof Error))
    out.write('late')
    await new Promise((resolve) => out.on('close', resolve))
  }`,
  `async (log, cells) => {
    const through = new PassThrough()
    through.setEncoding('utf8')
    through.once('data', (text) => log.push(text, through.listenerCount('data')))
    through.end('text')
    await new Promise((resolve) => finished(through, resolve))
    log.push(through.eventNames().length)
  }`,
  `async (log, cells) => {
    const abort = new AbortController()
    const endless = addAbortSignal(abort.signal, new Readable({ read() {} }))
    setTimeout(() => abort.abort(), Atomics.load(cells, 1))
    await promises.finished(endless).catch((error) => log.push(error.name, error.code))
  }`,
  `async (log, cells) => {
    async function* odd(source) {
      for await (const each of source) if (each % 2 === 1) yield each + Atomics.load(cells, 1)
    }
    log.push(await Readable.from([1, 2, 3]).map((each) => each + 2).toArray())
    await promises.pipeline(new Count(cells), odd, sink(log))
  }`,
  `async (log, cells) => {
    const pair = Duplex.from(async function* (source) {
      for await (const each of source) yield String(each).toUpperCase()
    })
    pair.end('x')
    for await (const each of pair) log.push(each)
    try { Readable.from(1) } catch (error) { log.push(error.code) }
  }`,
]

test('streams do what those of the engine do', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'streams-'))
  after(() => rmSync(folder, { recursive: true }))
  await doAsEngine(folder, prelude, programs)
})
