import { setTimeout } from 'node:timers/promises'
import { RWLock } from '@rocicorp/lock'

const lock = new RWLock()
let readers = 0
let writers = 0
const read = async () => {
  readers++
  if (writers > 0) throw new Error('a reader beside a writer')
  await setTimeout(1)
  readers--
}
const write = async () => {
  writers++
  if (readers > 0 || writers > 1) throw new Error('a writer is not alone')
  await setTimeout(1)
  writers--
}
await Promise.all([lock.withRead(read), lock.withWrite(write), lock.withRead(read)])
