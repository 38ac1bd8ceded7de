// The other thread of border-threads.test.ts.
//
//   'destroy'   destroys each address space whose handle it is sent
//   'use'       uses each file whose handle it is sent until that fails, and says how
//   'map'       maps, populates and unmaps memory without end

import { parentPort, workerData } from 'node:worker_threads'
import {
  AddressSpace,
  type AddressSpaceHandle,
  DiskFile,
  type DiskFileHandle,
  MemoryFile,
  type MemoryFileHandle,
} from '../../src/memory.ts'

export interface BorderData {
  readonly task: 'destroy' | 'use' | 'map'
  readonly space: AddressSpaceHandle
  /** Of 'use': [0] how often a file was used. */
  readonly control: Int32Array
}

const { task, space: handle, control } = workerData as BorderData
const space = AddressSpace.attach(handle)
if (task === 'destroy') {
  parentPort!.on('message', (snapshot: AddressSpaceHandle) => {
    AddressSpace.attach(snapshot).destroy()
    parentPort!.postMessage('destroyed')
  })
} else if (task === 'use') {
  parentPort!.on('message', (given: DiskFileHandle | MemoryFileHandle) => {
    try {
      const file = given.kind === 'faultline-file' ? MemoryFile.attach(given) : DiskFile.attach(given)
      for (;;) {
        file.write(4096, file.read(0, 4096))
        space.munmap(space.mmap(8192, { file, shared: true, populate: true }), 8192)
        Atomics.add(control, 0, 1)
        Atomics.notify(control, 0)
      }
    } catch (error) {
      parentPort!.postMessage((error as { code?: unknown }).code ?? String(error))
    }
  })
} else {
  const bytes = 256 * 4096
  for (;;) space.munmap(space.mmap(bytes, { populate: true }), bytes)
}
