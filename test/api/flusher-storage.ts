// The storage of the flusher in writeback.test.ts: the file system, which tells the test what it does, and fails on
// demand.

import { getEnvironmentData } from 'node:worker_threads'
import { type Storage, fileSystem } from '../../src/memory.ts'

/** Words of what the test and this thread share. */
export const WRITTEN = 0
export const FAILED = 1
/** How many of the next writes fail. */
export const TO_FAIL = 2
export const CONTROL = 'faultline flusher test'

const control = getEnvironmentData(CONTROL) as Int32Array

function tell(word: number): void {
  Atomics.add(control, word, 1)
  Atomics.notify(control, word)
}

const storage: Storage = {
  ...fileSystem,
  write(descriptor, buffers, position) {
    if (Atomics.load(control, TO_FAIL) > 0) {
      Atomics.sub(control, TO_FAIL, 1)
      tell(FAILED)
      throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
    }
    const written = fileSystem.write(descriptor, buffers, position)
    tell(WRITTEN)
    return written
  },
}

export default storage
