// What one thread puts on its global object, no other has; what is there from the beginning, all have.
import { cwd } from 'node:process'
import { Worker, isMainThread, parentPort } from 'node:worker_threads'
import * as sloppy from './globals-sloppy.cjs'

const ways = {
  globalThis: () => globalThis.mark,
  global: () => global.mark,
  self: () => (typeof self === 'undefined' ? 'no self' : self.mark),
  name: () => mark,
  typeof: () => typeof mark,
  in: () => 'mark' in globalThis,
  key: () => Object.keys(globalThis).includes('mark'),
  function: () => Function('return this.mark')(),
  // oxlint-disable-next-line no-eval -- it is one of the ways
  eval: () => (0, eval)('mark'),
  ...sloppy.ways,
}
const seen = () =>
  Object.fromEntries(
    Object.entries(ways).map(([name, way]) => {
      try {
        return [name, way()]
      } catch (error) {
        return [name, error.name]
      }
    }),
  )
const changed = () => [
  typeof fetch,
  typeof cwd,
  typeof structuredClone,
  String(globalThis),
  globalThis.kind,
  typeof globalThis.flat,
]

if (isMainThread) {
  globalThis.mark = 'main'
  Object.defineProperty(globalThis, 'self', { value: globalThis })
  globalThis.structuredClone = 'mine'
  const worker = new Worker(new URL(import.meta.url))
  worker.on('message', (theirs) => report([theirs, seen(), changed()]))
} else {
  const before = seen()
  Object.assign(globalThis, { mark: 'worker' })
  const assigned = seen()
  delete globalThis.mark
  delete globalThis.fetch
  Object.assign(globalThis, { Buffer: 'mine' })
  // oxlint-disable-next-line no-underscore-dangle -- what it defines, no other function tells of
  globalThis.__defineGetter__('navigator', () => 'mine')
  Object.setPrototypeOf(globalThis, Object.assign(Object.create(Array.prototype), { kind: 'of a prototype' }))
  let calls = 0
  Object.defineProperty(globalThis, 'mark', { get: () => `got ${++calls}`, configurable: true })
  const got = seen()
  sloppy.put()
  const same = [
    globalThis.setTimeout === setTimeout,
    global.process === process,
    globalThis.Promise === Promise,
  ]
  parentPort.postMessage([before, assigned, got, seen(), changed(), same])
}
