// The other thread in tests of files: performs one named scenario and says what it saw.

import { parentPort, workerData } from 'node:worker_threads'
import {
  type AddressSpaceHandle,
  AddressSpace,
  BusError,
  DiskFile,
  type DiskFileHandle,
  fileSystem,
  Machine,
} from '../../src/memory.ts'
import { Random } from '../reference/random.ts'

const PAGE = 4096

export interface FilesData {
  readonly scenario: string
  readonly space: AddressSpaceHandle
  readonly file: DiskFileHandle
  readonly path: string
  readonly address: number
  readonly pages: number
  readonly thread: number
  readonly rounds: number
  /** [0]: how many threads are at work; [1]: set to end it; [2], [3]: how often something was seen. */
  readonly control: Int32Array
}

const {
  scenario,
  space: handle,
  file: fileHandle,
  path,
  address,
  pages,
  thread,
  rounds,
  control,
} = workerData as FilesData
const space = AddressSpace.attach(handle)
const ended = () => Atomics.load(control, 1) !== 0

function ready(): void {
  Atomics.add(control, 0, 1)
  Atomics.notify(control, 0)
}

const scenarios: Record<string, () => unknown> = {
  /** Reads and writes words of its own all over the file, by a mapping, and by read and write. */
  ownWords() {
    const file = DiskFile.attach(fileHandle)
    const random = new Random(thread + 1)
    const values = new Uint32Array(pages)
    const wrong: string[] = []
    const bytes = new Uint8Array(4)
    const word = new DataView(bytes.buffer)
    ready()
    for (let round = 1; round <= rounds && wrong.length < 5; round++) {
      const page = random.below(pages)
      const place = page * PAGE + thread * 64 + 4
      const viaFile = random.oneIn(4)
      if (random.oneIn(2)) {
        values[page] = round * 16 + thread
        word.setUint32(0, values[page]!, true)
        if (viaFile) file.write(place, bytes)
        else space.write(address + place, bytes)
      } else {
        const seen = viaFile
          ? new DataView(file.read(place, 4).buffer).getUint32(0, true)
          : space.readUint32(address + place)
        if (seen !== values[page]) wrong.push(`page ${page}: ${seen} instead of ${values[page]}`)
      }
      if (random.oneIn(200)) space.msync(address, pages * PAGE)
    }
    return { wrong, values }
  },

  /** The main thread makes the file shorter and longer again; what is beyond `pages / 2` is watched. */
  watchTruncation() {
    const file = DiskFile.attach(fileHandle)
    const wrong: string[] = []
    ready()
    while (!ended() && wrong.length < 5) {
      for (let page = pages / 2; page < pages; page++) {
        try {
          const before = file.size
          const value = space.readUint32(address + page * PAGE)
          // Zeros after it has grown again, or what another has written since.
          if (value !== 0 && value !== page) wrong.push(`page ${page}: ${value}, size ${before}`)
          space.writeUint32(address + page * PAGE, page)
          Atomics.add(control, 2, 1)
        } catch (error) {
          if (!(error instanceof BusError) || error.errno !== null) throw error
          Atomics.add(control, 3, 1)
        }
      }
      for (let page = 0; page < pages / 2; page++) {
        const value = space.readUint32(address + page * PAGE)
        if (value !== page + 1) wrong.push(`page ${page}, never cut off: ${value}`)
      }
    }
    return { wrong }
  },

  /** Opens the same file over and over, beside others who do. */
  openAndClose() {
    const machine = Machine.attach(handle.machine)
    ready()
    const pointers = new Set<number>()
    for (let round = 0; round < rounds; round++) {
      const file = machine.openFile(path, { mode: 'r+' })
      pointers.add(file.pointer)
      file.write(thread * 8, Uint8Array.of(round & 0xff, thread))
      const seen = file.read(thread * 8, 2)
      if (seen[0] !== (round & 0xff) || seen[1] !== thread) return { wrong: [`round ${round}: ${seen}`] }
      file.close()
    }
    return { wrong: [] }
  },

  /** Appends to the file without knowing how long it is by then: every write is to leave the others' in place. */
  grow() {
    const file = DiskFile.attach(fileHandle)
    const random = new Random(thread + 7)
    ready()
    for (let round = 0; round < rounds; round++) {
      const slot = round * 4 + thread
      file.write(slot * 1000, new Uint8Array(random.below(900) + 1).fill((slot % 251) + 1))
    }
    return { wrong: [] }
  },

  /** Synchronises the file, and takes its time before it writes. */
  syncSlowly() {
    const file = DiskFile.attach(fileHandle)
    Machine.attach(handle.machine).setStorage({
      ...fileSystem,
      write(descriptor, buffers, position) {
        ready()
        Atomics.wait(control, 1, 0, 500)
        return fileSystem.write(descriptor, buffers, position)
      },
    })
    file.sync()
    return { wrong: [] }
  },

  /** The file was renamed when this thread comes. */
  late() {
    const file = DiskFile.attach(fileHandle)
    return { wrong: [], first: file.read(0, 4), mapped: space.readUint8(address + PAGE) }
  },
}

try {
  parentPort!.postMessage({ result: scenarios[scenario]!() })
} catch (error) {
  parentPort!.postMessage({ error: (error as Error).stack })
}
