// A thread that is to be terminated: does one thing, over and over.

import { isMainThread, parentPort, workerData } from 'node:worker_threads'
import { AddressSpace, type AddressSpaceHandle } from '../../src/memory.ts'

const PAGE = 4096

const loads: Readonly<Record<string, (space: AddressSpace, base: number) => void>> = {
  'mmap and munmap': (space) => {
    const address = space.mmap(64 * PAGE)
    space.writeUint32(address, 1)
    space.munmap(address, 64 * PAGE)
  },
  faults: (space, base) => {
    space.madvise(base, 16 * PAGE, 'dontneed')
    for (let page = 0; page < 16; page++) space.writeUint32(base + page * PAGE, page)
  },
  'accesses that need no fault': (space, base) => {
    for (let word = 0; word < 1000; word++) space.writeUint32(base + (64 * PAGE + word * 4), word)
  },
  'reads of a range': (space, base) => void space.read(base, 1 << 19),
  forks: (space) => space.fork().destroy(),
}

export const LOADS = Object.keys(loads)

if (!isMainThread && workerData?.load !== undefined) {
  const {
    space: handle,
    base,
    load,
  } = workerData as { space: AddressSpaceHandle; base: number; load: string }
  const space = AddressSpace.attach(handle)
  const work = loads[load]!
  work(space, base)
  parentPort!.postMessage('at work')
  for (;;) work(space, base)
}
