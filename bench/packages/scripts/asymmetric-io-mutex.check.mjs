import { IOMutex } from 'asymmetric-io-mutex'

const { INPUT } = IOMutex.MUTEX_SCOPE
const { READ } = IOMutex.OPERATION_MODE

export default {
  setup: () => {
    const mutex = new IOMutex([{ constructor: Int32Array, length: 1, name: 'n', position: 0 }], [])
    const buffer = new SharedArrayBuffer(64)
    mutex.initialize(buffer)
    return { mutex, lock: new Int32Array(buffer, 0, 1) }
  },
  threads: [
    ({ mutex }) => mutex.setMetaFieldValue('n', 7),
    async ({ mutex, lock }) => {
      const input = new IOMutex([], [], mutex.propertiesForCoupling)
      await input.executeWithLock(INPUT, READ, () => {
        if (Atomics.load(lock, 0) === IOMutex.WRITE_LOCK_VALUE)
          throw new Error('a reader has the lock of a writer')
      })
    },
  ],
}
