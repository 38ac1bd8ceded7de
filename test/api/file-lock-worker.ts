// A thread that opens a file and maps it, says what came of it, and stays until it is ended: in a machine of its own,
// or in the one whose handle it is given.

import { parentPort, workerData } from 'node:worker_threads'
import { Machine, type MachineHandle, MemoryError } from '../../src/index.ts'

export interface HolderData {
  readonly path: string
  readonly machine: MachineHandle | null
}

const { path, machine: handle } = workerData as HolderData
try {
  const machine = handle === null ? Machine.create({ memory: '1MiB', cpus: 1 }) : Machine.attach(handle)
  const file = machine.openFile(path, { mode: 'r+' })
  machine.createAddressSpace().mmap(4096, { file, shared: true })
  parentPort!.postMessage('open')
  // It stays attached.
  parentPort!.on('message', () => undefined)
} catch (error) {
  parentPort!.postMessage(error instanceof MemoryError ? error.errno : String(error))
}
