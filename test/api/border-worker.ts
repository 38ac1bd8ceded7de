// The other thread of border-threads.test.ts.
//
//   'destroy'   destroys each address space whose handle it is sent
//   'map'       maps, populates and unmaps memory without end

import { parentPort, workerData } from 'node:worker_threads'
import { AddressSpace, type AddressSpaceHandle } from '../../src/index.ts'

export interface BorderData {
  readonly task: 'destroy' | 'map'
  readonly space: AddressSpaceHandle
}

const { task, space: handle } = workerData as BorderData
const space = AddressSpace.attach(handle)
if (task === 'destroy') {
  parentPort!.on('message', (snapshot: AddressSpaceHandle) => {
    AddressSpace.attach(snapshot).destroy()
    parentPort!.postMessage('destroyed')
  })
} else {
  const bytes = 256 * 4096
  for (;;) space.munmap(space.mmap(bytes, { populate: true }), bytes)
}
