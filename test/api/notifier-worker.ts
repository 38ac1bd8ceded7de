// The program in the tests of MMU notifiers: changes the translation of one page over and over, and says how far it is.

import { parentPort, workerData } from 'node:worker_threads'
import { AddressSpace, type AddressSpaceHandle } from '../../src/memory.ts'

const PAGE = 4096

export interface ChangeData {
  readonly handle: AddressSpaceHandle
  readonly kind: 'copy' | 'unmap' | 'discard'
  readonly address: number
  readonly rounds: number
  /** Every value that is written is this plus the round, which begins at 1. */
  readonly tag: number
  /** The word of `control` in which the round stands whose value was written last; -1 when the thread gives up. */
  readonly word: number
  readonly control: Int32Array
}

const { handle, kind, address, rounds, tag, word, control } = workerData as ChangeData

function change(space: AddressSpace, value: number): void {
  if (kind === 'copy') {
    // Shared with a child, the page is copied by the next write.
    const child = space.fork()
    space.writeUint32(address, value)
    child.destroy()
    return
  }
  if (kind === 'discard') {
    space.madvise(address, PAGE, 'dontneed')
    // The zero page, which the write replaces.
    space.readUint32(address)
  } else {
    space.munmap(address, PAGE)
    space.mmap(PAGE, { address, fixed: true })
  }
  space.writeUint32(address, value)
}

try {
  const space = AddressSpace.attach(handle)
  for (let round = 1; round <= rounds; round++) {
    change(space, tag + round)
    Atomics.store(control, word, round)
  }
  space.machine.detach()
  parentPort!.postMessage('done')
} catch (error) {
  Atomics.store(control, word, -1)
  throw error
}
