import { setTimeout } from 'node:timers/promises'
import { RWLock } from 'async-rwlock'

let readers = 0
let writers = 0
const lock = new RWLock()
const read = async () => {
  await lock.readLock()
  readers++
  if (writers > 0) throw new Error('a reader beside a writer')
  await setTimeout(1)
  readers--
  lock.unlock()
}
const write = async () => {
  await lock.writeLock()
  writers++
  if (readers > 0 || writers > 1) throw new Error('a writer is not alone')
  await setTimeout(1)
  writers--
  lock.unlock()
}
await Promise.all([read(), write(), read()])
