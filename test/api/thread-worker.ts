// The other thread in tests of several threads: performs one named scenario and says what it saw.

import { parentPort, workerData } from 'node:worker_threads'
import {
  type AddressSpace,
  type AddressSpaceHandle,
  AddressSpace as Space,
  Machine,
  type MachineHandle,
  MemoryFile,
  SegmentationFault,
} from '../../src/memory.ts'
import { Random } from '../reference/random.ts'

const PAGE = 4096

export interface ScenarioData {
  scenario: string
  handle: AddressSpaceHandle
  machine?: MachineHandle
  file?: MemoryFile['handle']
  address: number
  pages: number
  thread: number
  seed: number
  /**
   * [0]: how far the scenario is; [1]: set to end it; [2]: the state of what is watched; [3], [4]: how often its
   * stable states were seen; further words by scenario
   */
  control: Int32Array
}

export const READY = 0
export const END = 1
export const STATE = 2
export const SEEN = 3
export const SEEN_OTHER = 4

let control: Int32Array
let address: number
let pages: number
let thread: number
let seed: number

/** Lets the other side know that this thread is at work. */
function ready(): void {
  Atomics.add(control, READY, 1)
  Atomics.notify(control, READY)
}

const ended = () => Atomics.load(control, END) !== 0

function say(result: unknown): void {
  parentPort!.postMessage(result)
}

/** 'fault code' or the value. */
function attempt<T>(body: () => T): T | string {
  try {
    return body()
  } catch (error) {
    if (error instanceof SegmentationFault) return error.code
    throw error
  }
}

const scenarios: Record<string, (space: AddressSpace, data: ScenarioData) => unknown> = {
  // Writes where the main thread told, and says what it read there before.
  writeOnce(space) {
    const before = space.readUint32(address)
    space.writeUint32(address, 4711)
    const fault = attempt(() => space.readUint32(address + pages * PAGE))
    return { before, fault }
  },

  /** Reports its CPU number, by faulting. */
  whichCpu(space) {
    ready()
    while (!ended()) Atomics.wait(control, END, 0, 1000)
    try {
      space.readUint8(0)
    } catch (error) {
      return (error as SegmentationFault).cpu
    }
    return -1
  },

  // The main thread maps and unmaps; STATE counts: 0 mapped, 1 unmapping, 2 unmapped, 3 mapping (modulo 4).
  watchMapping(space) {
    const wrong: string[] = []
    let mapped = 0
    let unmapped = 0
    ready()
    while (!ended() && wrong.length < 5) {
      for (let page = 0; page < pages; page++) {
        const before = Atomics.load(control, STATE)
        const seen = attempt(() => space.readUint32(address + page * PAGE))
        const after = Atomics.load(control, STATE)
        if (before !== after) continue
        if (before % 4 === 0) {
          mapped++
          Atomics.add(control, SEEN, 1)
          if (seen !== (before >> 2) * 100 + page) wrong.push(`mapped (${before}), page ${page}: ${seen}`)
        } else if (before % 4 === 2) {
          unmapped++
          Atomics.add(control, SEEN_OTHER, 1)
          if (seen !== 'SEGV_MAPERR') wrong.push(`unmapped (${before}), page ${page}: ${seen}`)
        }
      }
    }
    return { wrong, mapped, unmapped }
  },

  // The main thread swaps what two addresses show.
  watchSwap(space) {
    const wrong: string[] = []
    let stable = 0
    ready()
    while (!ended() && wrong.length < 5) {
      const before = Atomics.load(control, STATE)
      const first = space.readUint32(address)
      const second = space.readUint32(address + PAGE)
      if (Atomics.load(control, STATE) !== before || before % 2 === 1) continue
      stable++
      Atomics.add(control, before % 4 === 0 ? SEEN : SEEN_OTHER, 1)
      const expected = before % 4 === 0 ? [1, 2] : [2, 1]
      if (first !== expected[0] || second !== expected[1]) wrong.push(`state ${before}: ${first}, ${second}`)
    }
    return { wrong, stable }
  },

  // The main thread takes write permission away and gives it back: 0 writable, 1 protecting, 2 protected, 3 opening.
  watchProtection(space) {
    const wrong: string[] = []
    let written = 0
    let refused = 0
    ready()
    while (!ended() && wrong.length < 5) {
      const before = Atomics.load(control, STATE)
      const outcome = attempt(() => space.addUint32(address + thread * 4, 1))
      if (typeof outcome === 'number') Atomics.add(control, 8 + thread, 1)
      const after = Atomics.load(control, STATE)
      if (before !== after) continue
      if (before % 4 === 0) {
        written++
        Atomics.add(control, SEEN, 1)
        if (typeof outcome !== 'number') wrong.push(`writable: ${outcome}`)
      } else if (before % 4 === 2) {
        refused++
        Atomics.add(control, SEEN_OTHER, 1)
        if (outcome !== 'SEGV_ACCERR') wrong.push(`protected: ${outcome}`)
      }
    }
    return { wrong, written, refused }
  },

  // Writes a private file mapping that the main thread keeps giving up; reads must be the file's or its own.
  writePrivate(space) {
    const wrong: string[] = []
    let count = 0
    ready()
    while (!ended() && wrong.length < 5) {
      for (let page = 0; page < pages; page++) {
        count++
        Atomics.add(control, SEEN, 1)
        Atomics.add(control, SEEN_OTHER, 1)
        space.writeUint32(address + page * PAGE, 0x55000000 + count)
        const seen = space.readUint32(address + page * PAGE)
        if (seen !== 0x55000000 + count && seen !== page + 1) wrong.push(`page ${page}: ${seen}`)
        const beside = space.readUint32(address + page * PAGE + 8)
        if (beside !== page + 1) wrong.push(`beside, page ${page}: ${beside}`)
      }
    }
    return { wrong, count }
  },

  // All threads fault the same pages, each with words of its own: round r writes r into every page.
  faultTogether(space) {
    const wrong: string[] = []
    const rounds = control.length - 16
    for (let round = 0; round < rounds; round++) {
      Atomics.add(control, 16 + round, 1)
      // A barrier that spins, so that the first accesses collide.
      while (Atomics.load(control, 16 + round) < Atomics.load(control, STATE) && !ended());
      const base = address + round * pages * PAGE
      for (let page = 0; page < pages; page++) {
        const word = base + page * PAGE + thread * 8
        if (page % 3 === 0) {
          const before = space.readUint32(word)
          if (before !== 0) wrong.push(`round ${round} page ${page}: ${before} before the first write`)
        }
        space.writeUint32(word, round * 1000 + page + 1)
      }
      for (let page = 0; page < pages; page++) {
        const seen = space.readUint32(base + page * PAGE + thread * 8)
        if (seen !== round * 1000 + page + 1) wrong.push(`round ${round} page ${page}: ${seen}`)
      }
    }
    return { wrong }
  },

  // Forks while the main thread writes and gives up; see ltp-fork.test.ts for what is where.
  forkAndLook(space) {
    const wrong: string[] = []
    const expect = (what: string, holds: boolean, seen: unknown): void => {
      if (!holds) wrong.push(`${what}: ${String(seen)}`)
    }
    const page = (number: number): number => address + number * PAGE
    let before = 0
    let forks = 0
    ready()
    while (!ended() && wrong.length < 5) {
      const child = space.fork()
      forks++
      Atomics.add(control, SEEN, 1)
      const [wiped, counted] = [child.readUint32(page(0)), child.readUint32(page(1))]
      expect('a page that is wiped', wiped === 0, wiped)
      expect('what was written before the fork', counted >= before, `${counted} after ${before}`)
      before = counted
      for (const each of [2, 3]) {
        const seen = child.readUint32(page(each))
        expect('a private page of the file', seen === each || seen >= 1000, seen)
        child.writeUint32(page(each), 500)
        const again = child.readUint32(page(each))
        expect('the same once the child has written', again === 500, again)
      }
      // The first end is written before the last.
      const [first, last] = [child.readUint32(page(8)), child.readUint32(page(8 + pages - 1))]
      expect('both ends of a large mapping', first === last || first === last + 1, `${first}, ${last}`)
      // Beside what was inherited, something new: two mappings, as one of them has pages in two spaces.
      child.mmap(PAGE, { address: page(5), fixed: true })
      child.writeUint32(page(5), 1)
      const beside = child.maps().filter(({ start, end }) => start <= page(5) && end >= page(5))
      expect('mappings at the border of an inherited one', beside.length === 2, beside.length)
      const kept = child.readUint32(page(1))
      expect('what the child had', kept === counted, `${kept} after ${counted}`)
      child.writeUint32(page(6 + (forks % 2)), forks)
      child.destroy()
      if (forks % 2 === 0) Atomics.add(control, SEEN_OTHER, 1)
    }
    return { wrong, forks, shared: [space.readUint32(page(6)), space.readUint32(page(7))] }
  },

  // Faults, maps and unmaps without end; to be terminated.
  faultForever(space) {
    const random = new Random(seed)
    ready()
    const own = address + thread * pages * PAGE
    for (let round = 0; ; round++) {
      space.mmap(pages * PAGE, { address: own, fixed: true })
      for (let page = 0; page < pages; page++) space.writeUint32(own + page * PAGE, round)
      if (random.oneIn(2)) space.mprotect(own + PAGE, PAGE, 'r')
      space.madvise(own, pages * PAGE, 'dontneed')
      space.munmap(own, pages * PAGE)
      Atomics.add(control, STATE, 1)
    }
  },

  // Works beside a thread that will be terminated, until told to end; then says whether the machine still works.
  outlive(space) {
    const own = address + thread * pages * PAGE
    ready()
    let rounds = 0
    const work = () => {
      rounds++
      space.mmap(pages * PAGE, { address: own, fixed: true })
      for (let page = 0; page < pages; page++) space.writeUint32(own + page * PAGE, rounds)
      for (let page = 0; page < pages; page++) {
        const seen = space.readUint32(own + page * PAGE)
        if (seen !== rounds) throw new Error(`page ${page}: ${seen} instead of ${rounds}`)
      }
      space.munmap(own, pages * PAGE)
    }
    while (!ended()) work()
    // Once more, since the other thread has certainly ended now.
    for (let count = 0; count < 50; count++) work()
    return { rounds }
  },

  // Attaches to a second machine beside the first.
  twoMachines(space, { machine }) {
    const other = Machine.attach(machine!)
    const own = other.createAddressSpace()
    const place = own.mmap(pages * PAGE)
    for (let page = 0; page < pages; page++) {
      own.writeUint32(place + page * PAGE, page + 1)
      space.writeUint32(address + page * PAGE, page + 1001)
    }
    const seen: number[] = []
    for (let page = 0; page < pages; page++)
      seen.push(own.readUint32(place + page * PAGE), space.readUint32(address + page * PAGE))
    own.destroy()
    other.detach()
    return seen
  },

  /** Takes a CPU of the machine only; the test expects it to fail. */
  attachMachine() {
    return 'attached'
  },

  readFile(space, data) {
    const file = MemoryFile.attach(data.file!)
    const mapped = space.mmap(file.size, { file, shared: true })
    space.writeUint32(mapped + 8, 99)
    return { size: file.size, first: file.read(0, 1)[0], mapped }
  },
}

/** What ends with its scenario, and not after many. */
const isMortal = workerData as boolean

function perform(data: ScenarioData): void {
  ;({ control, address, pages, thread, seed } = data)
  try {
    const space = Space.attach(data.handle)
    const result = scenarios[data.scenario]!(space, data)
    if (!isMortal) space.machine.detach()
    say({ result })
  } catch (error) {
    const { name, message, stack } = error as Error
    say({ error: { name, message, stack } })
  }
}

parentPort!.on('message', (data: ScenarioData) => {
  perform(data)
  if (isMortal) parentPort!.close()
})
