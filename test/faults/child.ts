// A process that is to be looked at when it has ended: writes a file through a mapping, in rounds, and says on its
// standard output which rounds are safe.
//
//   child.ts end PATH PAGES WAY          one round, not synchronised; ends in that way
//   child.ts lost PATH PAGES STEP        the same, and a thread dies inside the kernel before its host operation STEP
//   child.ts rounds PATH PAGES STEP      rounds without end; kills itself before host operation STEP (0: never)

import { writeSync } from 'node:fs'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { type AddressSpaceHandle, AddressSpace, CpuLostError, Machine } from '../../src/memory.ts'
import { Injector } from './injector.ts'
import { dieInKernel, makeControl } from './threads.ts'

const PAGE = 4096

interface Work {
  readonly space: AddressSpaceHandle
  readonly address: number
  readonly pages: number
  readonly way: string
  /** [0] is 1 when the main thread has detached. */
  readonly control: Int32Array
}

/** Round `round` in every page, at its beginning and at its end. */
function write(space: AddressSpace, address: number, pages: number, round: number): void {
  for (let page = 0; page < pages; page++) {
    space.writeUint32(address + page * PAGE, round)
    space.writeUint32(address + page * PAGE + PAGE - 4, round)
  }
}

function end(path: string, pages: number, way: string): void {
  const machine = Machine.create({ memory: '4MiB', cpus: 3 })
  const file = machine.openFile(path, { mode: 'r+' })
  const space = machine.createAddressSpace()
  const address = space.mmap(pages * PAGE, { file, shared: true })
  if (way.startsWith('worker')) {
    const control = makeControl()
    const work: Work = { space: space.handle, address, pages, way, control }
    const worker = new Worker(new URL(import.meta.url), { workerData: work })
    // Once it has attached, so that it is the last.
    worker.once('message', () => {
      machine.detach()
      Atomics.store(control, 0, 1)
      Atomics.notify(control, 0)
    })
    return
  }
  if (way === 'no-space') {
    const injector = new Injector()
    machine.setStorage(injector)
    injector.failing.set('write', 'ENOSPC')
  }
  write(space, address, pages, 1)
  if (way === 'process.exit') process.exit()
  if (way === 'throw') throw new Error('nobody catches this')
  if (way === 'detach') machine.detach()
  if (way === 'unmap') {
    file.close()
    space.destroy()
  }
}

function endInWorker({ space: handle, address, pages, way, control }: Work): void {
  const space = AddressSpace.attach(handle)
  write(space, address, pages, 1)
  parentPort!.postMessage('attached')
  Atomics.wait(control, 0, 0)
  if (way === 'worker: process.exit') process.exit()
  if (way === 'worker: throw') throw new Error('nobody catches this')
}

async function lost(path: string, pages: number, step: number): Promise<void> {
  const machine = Machine.create({ memory: '4MiB', cpus: 2 })
  const file = machine.openFile(path, { mode: 'r+' })
  const space = machine.createAddressSpace()
  const address = space.mmap(pages * PAGE, { file, shared: true })
  write(space, address, pages, 1)
  await dieInKernel(space, file, step)
  try {
    space.readUint8(address)
  } catch (error) {
    if (error instanceof CpuLostError) return
    throw error
  }
  throw new Error('the machine works on, though a thread died inside the kernel')
}

function rounds(path: string, pages: number, step: number): void {
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  const injector = new Injector()
  machine.setStorage(injector)
  const file = machine.openFile(path, { mode: 'r+' })
  const space = machine.createAddressSpace()
  const address = space.mmap(pages * PAGE, { file, shared: true })
  injector.before = (_, count) => {
    if (step !== 0 && count === step) process.kill(process.pid, 'SIGKILL')
  }
  for (let round = 1; ; round++) {
    write(space, address, pages, round)
    if (round % 2 === 0) file.sync()
    else space.msync(address, pages * PAGE)
    writeSync(1, `${round}\n`)
  }
}

if (!isMainThread) endInWorker(workerData as Work)
else {
  const [mode, path, pages, argument] = process.argv.slice(2) as [string, string, string, string]
  if (mode === 'end') end(path, Number(pages), argument)
  else if (mode === 'lost') await lost(path, Number(pages), Number(argument))
  else rounds(path, Number(pages), Number(argument))
}
