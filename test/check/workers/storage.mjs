// What is stored where something is begun is known in whatever comes of it.
import assert from 'node:assert'
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'

const cells = new Int32Array(new SharedArrayBuffer(4))
const storage = new AsyncLocalStorage({ defaultValue: 'none' })
const told = []
const tell = (name) => {
  Atomics.add(cells, 0, 1)
  told.push([name, storage.getStore()])
}
const later = async (name) => {
  tell(`${name}: before`)
  await Promise.resolve()
  tell(`${name}: after`)
}
tell('outside')
let bound
let resource
await Promise.all([
  storage.run('a', later, 'a'),
  storage.run('b', async () => {
    await later('b')
    bound = AsyncResource.bind(() => tell('bound'))
    resource = new AsyncResource('own')
    setTimeout(tell, 1, 'timer')
    setImmediate(tell, 'immediate')
    process.nextTick(tell, 'tick')
    queueMicrotask(() => tell('microtask'))
    storage.exit(() => tell('exit'))
    await storage.run('c', () => Promise.resolve().then(() => tell('then')))
    tell('again')
  }),
])
bound()
resource.runInAsyncScope(tell, null, 'resource')
tell('outside again')
await Promise.all([
  new Promise((resolve) => setTimeout(resolve, 5)),
  new Promise((resolve) => setImmediate(resolve)),
])
storage.enterWith('d')
await later('entered')
assert.equal(Atomics.load(cells, 0), told.length)
report(told.toSorted(([one], [other]) => (one < other ? -1 : 1)))
