// EventTarget, AbortSignal, events.on and what takes a signal, in threads: as the engine has them, and so that their
// listeners can stop.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { checkFile } from '../../src/check/index.ts'
import { doAsEngine } from './as-engine.ts'

const prelude = `
import events, { EventEmitter, on, once } from 'node:events'
import { scheduler, setImmediate as immediate, setInterval as every, setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
const step = (cells) => Atomics.load(cells, 0)
const told = (error) => [error.name, error.message, error.code, error.cause?.name ?? error.cause]
const caught = async (log, promise) => { try { log.push(await promise) } catch (error) { log.push(told(error)) } }
`

const programs = [
  `async (log, cells) => {
class Bus extends EventTarget {
  send(detail) { return this.dispatchEvent(new CustomEvent('sent', { detail, cancelable: true })) }
}
const bus = new Bus()
const { signal, ...rest } = new AbortController()
const controller = new AbortController()
const listener = {
  handleEvent(event) { step(cells); log.push([this === listener, event.detail, event.target === bus]) },
}
bus.addEventListener('sent', listener)
bus.addEventListener('sent', listener)
bus.addEventListener('sent', listener, true)
const first = function (event) { log.push([this === bus, event.target === bus]); step(cells) }
bus.addEventListener('sent', first, { once: true })
bus.addEventListener('sent', () => log.push('until it is aborted'), { signal: controller.signal })
bus.addEventListener('other', () => log.push('never'))
log.push(bus.send(1))
controller.abort()
bus.addEventListener('sent', () => log.push('never'), { signal: controller.signal })
bus.removeEventListener('sent', listener, { capture: true })
bus.addEventListener('sent', (event) => { event.preventDefault(); event.stopImmediatePropagation() })
bus.addEventListener('sent', () => log.push('never'))
log.push(bus.send(2), bus instanceof EventTarget, Object.keys(bus))
try { bus.dispatchEvent({ type: 'sent' }) } catch (error) { log.push(error.name) }
const late = (event) => {
  bus.removeEventListener('again', later)
  bus.addEventListener('again', () => log.push('next time'))
}
const later = () => log.push('taken away')
bus.addEventListener('again', late, { once: true })
bus.addEventListener('again', later)
bus.dispatchEvent(new Event('again'))
bus.dispatchEvent(new Event('again'))
}`,
  `async (log, cells) => {
const one = new AbortController()
const other = new AbortController()
const any = AbortSignal.any([one.signal, other.signal])
const nested = AbortSignal.any([any])
for (const [name, signal] of Object.entries({ one: one.signal, any, nested }))
  signal.onabort = (event) => { step(cells); log.push([name, signal.reason, any.aborted, nested.aborted, event.type]) }
one.signal.addEventListener('abort', () => log.push('and this'))
one.signal.throwIfAborted()
one.abort('because')
one.abort('again')
other.abort()
log.push(told(other.signal.reason), any.reason, nested.reason, nested instanceof AbortSignal)
try { nested.throwIfAborted() } catch (error) { log.push(error) }
log.push(AbortSignal.abort(5).reason, told(AbortSignal.abort().reason), AbortSignal.any([AbortSignal.abort(7)]).reason)
try { new AbortSignal() } catch (error) { log.push(told(error)) }
const time = AbortSignal.timeout(1)
await new Promise((resolve) => {
  const timer = setTimeout(resolve, 1000)
  time.onabort = () => { clearTimeout(timer); resolve() }
})
log.push(told(time.reason))
}`,
  `async (log, cells) => {
const controller = new AbortController()
const ends = caught(log, sleep(10_000, 1, { signal: controller.signal }))
controller.abort('enough')
await ends
await caught(log, sleep(1, 3))
await caught(log, immediate(2))
await caught(log, sleep(1, 0, { signal: controller.signal }))
await caught(log, immediate(0, { signal: controller.signal }))
await caught(log, promisify(setTimeout)(1, 'promisified'))
await caught(log, promisify(setImmediate)('promisified too'))
await caught(log, scheduler.wait(1))
await caught(log, scheduler.yield())
let turns = 0
for await (const each of every(1, 'tick')) { step(cells); log.push(each); if (++turns === 2) break }
const ended = new AbortController()
await caught(log, (async () => {
  for await (const each of every(1, turns, { signal: ended.signal })) { log.push(each); ended.abort('over') }
})())
await caught(log, (async () => { for await (const each of every(1, 0, { signal: ended.signal })) log.push(each) })())
}`,
  `async (log, cells) => {
const emitter = new EventEmitter()
const later = (...args) => queueMicrotask(() => { step(cells); emitter.emit(...args) })
later('a', 1, 2)
log.push(await once(emitter, 'a'))
later('error', new Error('wrong'))
await caught(log, once(emitter, 'a'))
later('error', 'as it is')
log.push(await once(emitter, 'error'), emitter.eventNames())
const controller = new AbortController()
queueMicrotask(() => controller.abort('no'))
await caught(log, once(emitter, 'a', { signal: controller.signal }))
await caught(log, once(emitter, 'a', { signal: controller.signal }))
const [event] = await Promise.all([once(controller.signal, 'abort'), 0]
  .slice(1).concat([[{ type: 'none' }]]))
const target = new EventTarget()
queueMicrotask(() => target.dispatchEvent(new Event('x')))
log.push((await once(target, 'x'))[0].type)
const all = on(emitter, 'b', { close: ['end'] })
emitter.emit('b', 1); emitter.emit('b', 2, 3)
later('b', 4)
queueMicrotask(() => queueMicrotask(() => emitter.emit('end')))
for await (const each of all) log.push(each)
log.push(emitter.listenerCount('b'), await all.next())
const failing = on(emitter, 'b')
emitter.emit('b', 5)
emitter.emit('error', new Error('in between'))
await caught(log, (async () => { for await (const each of failing) log.push(each) })())
const ended = new AbortController()
const aborted = on(emitter, 'b', { signal: ended.signal })
queueMicrotask(() => ended.abort('done'))
await caught(log, (async () => { for await (const each of aborted) log.push(each) })())
try { on(emitter, 'b', { signal: ended.signal }) } catch (error) { log.push(told(error)) }
const left = events.on(emitter, 'b')
const asked = [left.next(), left.next()]
await left.return()
log.push(await asked[0], await asked[1], emitter.listenerCount('b'))
}`,
]

describe('targets of events, and signals', () => {
  const folder = mkdtempSync(join(tmpdir(), 'events-'))
  after(() => rmSync(folder, { recursive: true }))

  it('do in threads what those of the engine do', async () => {
    for (const each of programs) {
      const executions = await doAsEngine(folder, prelude, [each])
      assert.ok(executions > 1)
    }
  })

  const check = (name: string, text: string): ReturnType<typeof checkFile> => {
    const file = join(folder, `${name}.mjs`)
    writeFileSync(file, text)
    return checkFile(file, { seconds: 600 })
  }

  it('let a listener of a port go with a signal, and a flag be set when one is aborted', async () => {
    const { verdict, complete, failure } = await check(
      'stop',
      `
export default {
  setup: () => ({ ...new MessageChannel(), flag: new Int32Array(new SharedArrayBuffer(4)) }),
  threads: [
    ({ port1, flag }) => {
      const controller = new AbortController()
      const { signal } = controller
      signal.addEventListener('abort', () => { Atomics.store(flag, 0, 1); Atomics.notify(flag, 0); port1.close() })
      port1.addEventListener('message', () => controller.abort(), { signal })
      port1.start()
    },
    ({ port2, flag }) => {
      port2.postMessage('stop')
      while (Atomics.load(flag, 0) === 0) Atomics.wait(flag, 0, 0)
    },
  ],
}`,
    )
    assert.equal(failure?.message, undefined)
    assert.deepEqual([verdict, complete], ['pass', true])
  })

  it('end a thread with the error of a listener, when the others were called', async () => {
    const { failure } = await check(
      'throws',
      `
export default {
  setup: () => new Int32Array(new SharedArrayBuffer(4)),
  threads: [(cells) => {
    const target = new EventTarget()
    target.addEventListener('x', () => { throw new Error('of the first') })
    target.addEventListener('x', () => Atomics.add(cells, 0, 1))
    target.dispatchEvent(new Event('x'))
    if (Atomics.load(cells, 0) !== 1) throw new Error('the second was not called')
  }],
}`,
    )
    assert.match(failure?.message ?? '', /of the first/)
  })
})
