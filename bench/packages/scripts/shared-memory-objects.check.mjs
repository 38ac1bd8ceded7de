import { readLock, readUnlock, writeLock, writeUnlock } from '@daneren2005/shared-memory-objects'

const INSIDE = 2
// Its two words, and how many readers are inside; a writer adds 10.
const setup = () => new Int32Array(new SharedArrayBuffer(12))
const reader = (words) => {
  readLock(words)
  if (Atomics.add(words, INSIDE, 1) >= 10) throw new Error('a writer beside a reader')
  Atomics.sub(words, INSIDE, 1)
  readUnlock(words)
}
const writer = (words) => {
  writeLock(words)
  if (Atomics.add(words, INSIDE, 10) > 0) throw new Error('a writer beside a reader')
  Atomics.sub(words, INSIDE, 10)
  writeUnlock(words)
}

export default { setup, threads: [reader, reader, writer] }
