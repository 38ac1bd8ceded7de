import { setTimeout } from 'node:timers/promises'
import RWMutex from 'rwmutex'

let readers = 0
let writers = 0
const mutex = new RWMutex()
const read = async () => {
  const unlock = await mutex.rlock()
  readers++
  if (writers > 0) throw new Error('a reader beside a writer')
  await setTimeout(1)
  readers--
  unlock()
}
const write = async () => {
  const unlock = await mutex.lock()
  writers++
  if (readers > 0 || writers > 1) throw new Error('a writer is not alone')
  await setTimeout(1)
  writers--
  unlock()
}
await Promise.all([read(), write(), read()])
