// The other thread in tests of scripts that are cut off. It holds the lock of a file, in an operation of its storage,
// until it is told to go on; or waits for that lock. Then it says what a call is.

import { workerData } from 'node:worker_threads'
import { type DiskFileHandle, DiskFile, Machine, fileSystem } from '../../src/memory.ts'

export interface CutOffData {
  readonly role: 'holder' | 'waiter'
  readonly file: DiskFileHandle
  /** See the indexes below. */
  readonly control: Int32Array
}

/** The worker holds the lock, or is about to wait for it. */
export const READY = 0
/** The holder may go on. */
export const RELEASED = 1
/** The call of the worker is over: an outcome. */
export const OUTCOME = 2
/** The script that was cut off has been told; the worker may call once more. */
export const TOLD = 3
/** Of that second call. */
export const LAST_OUTCOME = 4

export const GOES_ON = 1
export const IS_LOST = 2
const FAILS = 3

export function tell(words: Int32Array, index: number, value: number): void {
  Atomics.store(words, index, value)
  Atomics.notify(words, index)
}

function outcomeOf(call: () => void): number {
  try {
    call()
    return GOES_ON
  } catch (error) {
    return (error as Error).name === 'CpuLostError' ? IS_LOST : FAILS
  }
}

function work({ role, file: handle, control }: CutOffData): void {
  const file = DiskFile.attach(handle)
  const machine = Machine.attach(handle.machine)
  if (role === 'holder') {
    machine.setStorage({
      ...fileSystem,
      truncate(descriptor, size) {
        tell(control, READY, 1)
        Atomics.wait(control, RELEASED, 0)
        fileSystem.truncate(descriptor, size)
      },
    })
  } else {
    tell(control, READY, 1)
  }
  const outcome = outcomeOf(() => file.truncate(4096))
  machine.setStorage(fileSystem)
  tell(control, OUTCOME, outcome)
  Atomics.wait(control, TOLD, 0)
  tell(
    control,
    LAST_OUTCOME,
    outcomeOf(() => file.truncate(8192)),
  )
  machine.detach({ discard: true })
}

if (workerData !== null) work(workerData as CutOffData)
