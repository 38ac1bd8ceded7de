// A thread that is to die: writes its own pages of a file in rounds, and says which are safe. Before one of its host
// operations it stops for ever, inside the kernel; or it works until it is terminated somewhere.

import { workerData } from 'node:worker_threads'
import { AddressSpace, DiskFile, Machine } from '../../src/memory.ts'
import { Injector } from './injector.ts'
import { ACKNOWLEDGED, PAGES_EACH, STATE, STOPPED, type ThreadData, WORKING } from './threads.ts'

const PAGE = 4096

const { space: spaceHandle, file: fileHandle, step, first, control } = workerData as ThreadData
const space = AddressSpace.attach(spaceHandle)
const injector = new Injector()
Machine.attach(spaceHandle.machine).setStorage(injector)
const file = DiskFile.attach(fileHandle)
injector.count = 0
injector.before = (_, count) => {
  if (count !== step) return
  Atomics.store(control, STATE, STOPPED)
  Atomics.notify(control, STATE)
  Atomics.wait(control, STATE, STOPPED)
}

const address = space.mmap(PAGES_EACH * PAGE, { file, shared: true, offset: first * PAGE })
Atomics.store(control, STATE, WORKING)
Atomics.notify(control, STATE)
for (let round = 1; ; round++) {
  for (let page = 0; page < PAGES_EACH; page++) {
    space.writeUint32(address + page * PAGE, round)
    space.writeUint32(address + page * PAGE + PAGE - 4, round)
  }
  space.msync(address, PAGES_EACH * PAGE)
  Atomics.store(control, ACKNOWLEDGED, round)
  space.madvise(address, PAGES_EACH * PAGE, 'dontneed')
  if (round % 3 === 0) file.sync()
}
