// A thread that opens a file and maps it, says what came of it, and stays until it is ended: in a machine of its own,
// or in the one whose handle it is given. It may also stay in the middle of opening, or only open and write the file,
// or end by itself then, all without closing it.

import { parentPort, workerData } from 'node:worker_threads'
import {
  type AddressSpaceHandle,
  Machine,
  type MachineHandle,
  MemoryError,
  fileSystem,
} from '../../src/memory.ts'

export interface HolderData {
  readonly path: string
  readonly machine: MachineHandle | null
  /**
   * 'opening': stays when the file is locked, and not yet open. 'written': does not map it, but writes 7 at its
   * beginning. 'end': the same, and ends. 'mapped': maps it, reads or writes there, and says
   * where it is. Default: maps it.
   */
  readonly until?: 'opening' | 'written' | 'end' | 'mapped'
  /** Default 'r+'. */
  readonly mode?: 'r' | 'r+'
}

/** What a worker says that has 'mapped' the file. */
export interface Mapped {
  readonly space: AddressSpaceHandle
  readonly address: number
}

const { path, machine: handle, until, mode = 'r+' } = workerData as HolderData
try {
  const machine = handle === null ? Machine.create({ memory: '1MiB', cpus: 1 }) : Machine.attach(handle)
  let asked = 0
  machine.setStorage({
    ...fileSystem,
    identify(descriptor) {
      // Once it is locked, its size is asked for anew.
      if (++asked === 2 && until === 'opening') {
        parentPort!.postMessage('opening')
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
      }
      return fileSystem.identify(descriptor)
    },
  })
  const file = machine.openFile(path, { mode })
  let answer: Mapped | 'open' = 'open'
  if (until === undefined || until === 'mapped') {
    const space = machine.createAddressSpace()
    const address = space.mmap(file.size, { file, shared: true, protection: mode === 'r' ? 'r' : 'rw' })
    if (until === 'mapped' && mode === 'r') space.readUint8(address)
    else if (until === 'mapped') space.writeUint8(address, 7)
    if (until === 'mapped') answer = { space: space.handle, address }
  } else file.write(0, new Uint8Array([7]))
  const memory = machine.createFile({ size: 4096 })
  memory.write(0, new Uint8Array([7]))
  parentPort!.postMessage(answer)
  // It stays attached.
  if (until !== 'end') parentPort!.on('message', () => undefined)
} catch (error) {
  parentPort!.postMessage(error instanceof MemoryError ? error.errno : String(error))
}
