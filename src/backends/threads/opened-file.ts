// What a thread has open, found again from a handle.

import {
  CACHE_LINE_WORDS,
  FILE_HOST,
  File,
  Header,
  OPEN_FILE_WORDS,
  OpenFile,
  finishCall,
  fixedHeapWords,
  getOpenFile,
  isOpenFile,
  putFile,
} from '../../kernel/index.ts'
import { rangeError } from './arguments.ts'
import { MemoryError } from './errors.ts'
import type { Place } from './handles.ts'
import type { MachineThread } from './machine-thread.ts'

/**
 * A file that a thread has open: its address, its number, the file in the kernel heap, and whether it may be written.
 */
export interface Opened {
  readonly open: number
  readonly generation: number
  readonly pointer: number
  readonly writable: boolean
  /** Whether it was opened for this object, so that closing the object closes it. */
  readonly owns: boolean
}

/**
 * The file that a thread of the machine has open at that place. Throws a RangeError if there is no file of that kind,
 * and EBADF if it is closed.
 */
export function findOpened(thread: MachineThread, place: Place, onDisk: boolean): Opened {
  const { pointer: open, generation } = place
  const { heap } = thread.task
  const first = fixedHeapWords(heap[Header.cpuCount]!, heap[Header.frameCount]!)
  const end = Atomics.load(heap, Header.heapNext)
  if (open % CACHE_LINE_WORDS !== 0 || open < first || open + OPEN_FILE_WORDS > end)
    rangeError('handle.file', open, 'a file of that machine', 'ERR_INVALID_ARG_VALUE')
  let pointer = 0
  let writable = false
  let isOnDisk = false
  thread.enter('attach', (task) => {
    if (!isOpenFile(task, open, generation)) return
    writable = Atomics.load(heap, open + OpenFile.writable) !== 0
    // If it is still open, the words read before belong to it.
    pointer = getOpenFile(task, open, generation)
    if (pointer === 0) return
    isOnDisk = (Atomics.load(heap, pointer + File.flags) & FILE_HOST) !== 0
    putFile(task, pointer)
    finishCall(task)
  })
  if (pointer === 0) throw new MemoryError('EBADF', 'attach', 'the file is closed')
  if (isOnDisk !== onDisk) {
    const wanted = onDisk ? 'a file on disk' : 'a file in memory'
    rangeError('handle.file', open, `${wanted} of that machine`, 'ERR_INVALID_ARG_VALUE')
  }
  return { open, generation, pointer, writable, owns: false }
}
