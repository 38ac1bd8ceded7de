import { setTimeout } from 'node:timers/promises'
import { Mutex } from '@openally/mutex'

const mutex = new Mutex({ concurrency: 2 })
let inside = 0
const task = async (n) => {
  const free = await mutex.acquire()
  if (++inside > 2) throw new Error('three are inside')
  await setTimeout(n)
  inside--
  free()
}
await Promise.all([1, 2, 3].map(task))
if (mutex.running !== 0) throw new Error('one still runs')
