// Calls that allocate much: they split, merge, move, copy and bring in. Each is a scenario of a single thread, for a
// test in which allocations fail.

import {
  MAP_FIXED,
  MAP_POPULATE,
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  type Task,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
  callEnter,
  callExit,
  closeFile,
  createFile,
  finishCall,
  installFile,
  mlockall,
  mmap,
  mremap,
  openHostFile,
  putFile,
} from '../../src/kernel/index.ts'
import { FILE_SHARED_ANONYMOUS } from '../../src/kernel/memory/file.ts'
import { type Operation, kernelScenario } from '../../src/check/kernel-scenario.ts'
import type { ScenarioCpu } from '../../src/check/scenario-cpu/index.ts'

/** Two pages in front of a border of page tables. */
const BASE = 0x1_0000 - 2
/** Where there is neither a pte table nor a table above. */
const FAR = 0x400_0000
/** How many mappings {@link rough} makes. */
const ROUGH = 24
/** Of the swap area: as many as the disk of scenarios has pages. */
const SLOTS = 7

const call =
  (body: (task: Task, mm: number) => number): Operation =>
  ({ task, mm }) => {
    callEnter(task)
    const result = body(task, mm)
    finishCall(task)
    callExit(task)
    return result
  }

/** Pages of alternating protection, each a mapping, so that the tree of VMAs has full nodes; some have been written. */
function rough(cpu: ScenarioCpu): void {
  for (let n = 0; n < ROUGH; n++) cpu.mapPages(BASE + 4 * n, 3, n % 2 === 0 ? 'rw' : 'r')
  for (let n = 0; n < ROUGH; n += 2) {
    for (const page of [0, 1, 2]) cpu.store(BASE + 4 * n + page, n + 1)
  }
}

/** Holds the pages of {@link rough} to what they had, but for those of the mappings `but`. */
const intact =
  (...but: number[]): Operation =>
  (cpu) => {
    for (let n = 0; n < ROUGH; n += 2) {
      if (but.includes(n)) continue
      for (const page of [0, 1, 2]) {
        const found = cpu.load(BASE + 4 * n + page)
        if (found !== n + 1) throw new Error(`page ${page} of mapping ${n} has ${found}`)
      }
    }
    return 'intact'
  }

/** `pages` pages with this value are where they were, all of them, or where they were to be moved. */
const moved =
  (from: number, to: number, pages: number, value: number): Operation =>
  (cpu) => {
    const found = [from, to].map((first) => {
      return Array.from({ length: pages }, (_, page) => cpu.load(first + page))
    })
    const whole = found.some((values) => values.every((each) => each === value))
    if (!whole) throw new Error(`pages that were to be moved have ${found.join(' and ')}`)
    return 'moved'
  }

const DATA = VM_READ | VM_WRITE

/** Opens the file on disk for this thread, with a reference that the call drops; 0 when there is no memory. */
function openDisk(task: Task): number {
  return openHostFile(task, Int32Array.of(0, 0, 1, 0, 0, 0, 0), Uint8Array.of(97), 6, 4096, true, 0)
}

const disk = (cpu: ScenarioCpu): void => cpu.fillDisk(6, 10)

interface Exercise {
  readonly setup: (cpu: ScenarioCpu) => void
  readonly operations: readonly Operation[]
}

const exercises: Readonly<Record<string, Exercise>> = {
  'protect a middle': { setup: rough, operations: [(cpu) => cpu.protect(BASE + 9, 1, 'r'), intact()] },
  'make a middle writable': {
    setup: rough,
    operations: [(cpu) => cpu.protect(BASE + 13, 1, 'rw'), intact()],
  },
  'protect across mappings': { setup: rough, operations: [(cpu) => cpu.protect(BASE + 9, 7, 'r'), intact()] },
  'protect many': {
    setup: (cpu) => {
      cpu.mapPages(BASE, 4 * ROUGH)
      for (let n = 0; n < ROUGH; n += 2) {
        for (const page of [0, 1, 2]) cpu.store(BASE + 4 * n + page, n + 1)
      }
    },
    operations: [
      ...Array.from(
        { length: 23 },
        (_, n): Operation =>
          (cpu) =>
            cpu.protect(BASE + 4 * n + 2, 1, 'r'),
      ),
      intact(),
    ],
  },
  'unmap a middle': { setup: rough, operations: [(cpu) => cpu.unmap(BASE + 13, 1), intact()] },
  'unmap across mappings': {
    setup: rough,
    operations: [(cpu) => cpu.unmap(BASE + 41, 3), intact(10)],
  },
  'replace a middle': {
    setup: rough,
    operations: [call((task, mm) => mmap(task, mm, BASE + 41, 1, VM_READ, MAP_FIXED, 0, 0)), intact(10)],
  },
  'populate tables': {
    setup: rough,
    operations: [
      call((task, mm) => mmap(task, mm, FAR - 2, 4, DATA, MAP_FIXED | MAP_POPULATE, 0, 0)),
      intact(),
    ],
  },
  'shared memory': {
    setup: rough,
    operations: [
      call((task, mm) => mmap(task, mm, FAR - 2, 4, DATA | VM_SHARED, MAP_FIXED, 0, 0)),
      (cpu) => cpu.store(FAR - 1, 4),
      (cpu) => cpu.store(FAR + 1, 5),
      (cpu) => cpu.forkOnly(),
      intact(),
    ],
  },
  'lock a middle': { setup: rough, operations: [(cpu) => cpu.lock(BASE + 9, 1), (cpu) => cpu.lock(BASE, 2)] },
  'lock everything': { setup: rough, operations: [call((task, mm) => mlockall(task, mm, 3)), intact()] },
  'advise a middle': { setup: rough, operations: [(cpu) => cpu.advise(BASE + 9, 1, 'dontfork'), intact()] },
  'advise to bring in': {
    setup: rough,
    operations: [(cpu) => cpu.advise(BASE + 8, 3, 'populate-write'), intact()],
  },
  'move far away': {
    setup: rough,
    operations: [(cpu) => cpu.move(BASE + 8, 3, FAR - 1), intact(2), moved(BASE + 8, FAR - 1, 2, 3)],
  },
  'move a part': {
    setup: rough,
    operations: [(cpu) => cpu.move(BASE + 8, 2, FAR - 1), intact(2), moved(BASE + 8, FAR - 1, 2, 3)],
  },
  'move and keep': {
    setup: rough,
    operations: [(cpu) => cpu.move(BASE + 8, 3, FAR - 1, true), intact(2), moved(BASE + 8, FAR - 1, 2, 3)],
  },
  'move over others': {
    setup: rough,
    operations: [(cpu) => cpu.move(BASE + 8, 2, BASE + 41), intact(2, 10), moved(BASE + 8, BASE + 41, 2, 3)],
  },
  'move several': {
    setup: rough,
    operations: [
      call((task, mm) => mremap(task, mm, BASE, 60, 60, MREMAP_MAYMOVE | MREMAP_FIXED, FAR - 3)),
      ...Array.from({ length: 7 }, (_, n) => moved(BASE + 8 * n, FAR - 3 + 8 * n, 3, 2 * n + 1)),
      intact(0, 2, 4, 6, 8, 10, 12, 14),
    ],
  },
  'move and grow': {
    setup: rough,
    operations: [
      call((task, mm) => mremap(task, mm, BASE + 8, 3, 9, MREMAP_MAYMOVE | MREMAP_FIXED, FAR - 4)),
      intact(2),
      moved(BASE + 8, FAR - 4, 3, 3),
    ],
  },
  'move beside a neighbour': {
    setup: (cpu) => {
      rough(cpu)
      cpu.mapPages(FAR, 2)
    },
    operations: [(cpu) => cpu.move(BASE + 9, 1, FAR - 1), intact(2), moved(BASE + 9, FAR - 1, 1, 3)],
  },
  'move a table': {
    setup: (cpu) => {
      cpu.mapMany(FAR, 1024)
      cpu.store(FAR, 3)
      cpu.store(FAR + 600, 4)
    },
    operations: [
      call((task, mm) => mremap(task, mm, FAR, 1024, 1024, MREMAP_MAYMOVE | MREMAP_FIXED, 3 * FAR)),
      call((task, mm) =>
        mremap(task, mm, 3 * FAR, 1024, 1024, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, 5 * FAR),
      ),
      (cpu) => {
        const found = [FAR, 3 * FAR, 5 * FAR].map((base) => [cpu.load(base), cpu.load(base + 600)].join())
        if (!found.includes('3,4')) throw new Error(`the table has ${found.join(' and ')}`)
        return 'moved'
      },
    ],
  },
  // The second of them under another table of the level above.
  'move tables': {
    setup: (cpu) => {
      cpu.mapMany(FAR, 1024)
      cpu.store(FAR, 3)
      cpu.store(FAR + 600, 4)
    },
    operations: [
      call((task, mm) => mremap(task, mm, FAR, 1024, 1024, MREMAP_MAYMOVE | MREMAP_FIXED, 3 * FAR - 512)),
      (cpu) => {
        const found = [FAR, 3 * FAR - 512].map((base) => [cpu.load(base), cpu.load(base + 600)].join())
        if (!found.includes('3,4')) throw new Error(`the tables have ${found.join(' and ')}`)
        return 'moved'
      },
    ],
  },
  'grow in place': {
    setup: rough,
    operations: [call((task, mm) => mremap(task, mm, BASE + 92, 3, 9, 0, 0)), intact()],
  },
  heap: {
    setup: (cpu) => {
      rough(cpu)
      cpu.startHeap(FAR)
    },
    operations: [(cpu) => cpu.heap(3), (cpu) => cpu.store(FAR + 2, 4), (cpu) => cpu.heap(1), intact()],
  },
  stack: {
    setup: (cpu) => cpu.mapPages(FAR, 2, 'rw', true) as never,
    operations: [(cpu) => cpu.store(FAR - 3, 4), (cpu) => cpu.load(FAR - 3)],
  },
  fork: {
    setup: rough,
    operations: [
      (cpu) => cpu.forkOnly(),
      (cpu) => cpu.store(BASE + 9, 3),
      (cpu) => cpu.store(BASE + 17, 5),
      intact(2),
    ],
  },
  'fork with pins and swap': {
    setup: (cpu) => {
      cpu.startSwap(SLOTS)
      rough(cpu)
      cpu.pageOut(BASE + 17)
    },
    operations: [
      (cpu) => cpu.pin(BASE + 9, 1, 'rw'),
      (cpu) => cpu.forkOnly(),
      (cpu) => cpu.unpin(),
      (cpu) => cpu.load(BASE + 17),
      intact(),
    ],
  },
  'swap in and out': {
    setup: (cpu) => {
      cpu.startSwap(SLOTS)
      rough(cpu)
    },
    operations: [
      (cpu) => cpu.pageOut(BASE + 8, 12),
      (cpu) => cpu.advise(BASE + 8, 12, 'willneed'),
      (cpu) => cpu.store(BASE + 9, 3),
      (cpu) => cpu.stopSwap(),
      intact(2),
    ],
  },
  'shared memory in swap': {
    setup: (cpu) => {
      cpu.startSwap(SLOTS)
      cpu.mapFile(BASE, 4, 'rw', true)
      for (let page = 0; page < 4; page++) cpu.store(BASE + page, page + 1)
    },
    operations: [
      (cpu) => cpu.pageOut(BASE, 4),
      (cpu) => cpu.load(BASE + 1),
      (cpu) => cpu.advise(BASE, 4, 'willneed'),
      (cpu) => cpu.stopSwap(),
    ],
  },
  collapse: {
    setup: (cpu) => {
      cpu.mapPages(FAR - 2, 4)
      for (let page = 0; page < 3; page++) cpu.store(FAR - 2 + page, page + 1)
    },
    operations: [(cpu) => cpu.collapse(FAR - 2, 4), (cpu) => cpu.unpin()],
  },
  observer: {
    setup: rough,
    operations: [
      (cpu) => cpu.register(),
      (cpu) => cpu.observe(BASE + 9),
      (cpu) => cpu.storeObserved(BASE + 8, 3),
      (cpu) => cpu.store(BASE + 8, 4),
    ],
  },
  'new space': { setup: rough, operations: [(cpu) => cpu.forkOnly(), (cpu) => cpu.forkOnly(), intact()] },
  'open a file': {
    setup: disk,
    operations: [
      call((task) => {
        const file = openDisk(task)
        const open = file === 0 ? 0 : installFile(task, file, true)
        if (open !== 0) closeFile(task, open)
        else if (file !== 0) putFile(task, file)
        return 0
      }),
    ],
  },
  'read and write a file': {
    setup: (cpu) => {
      disk(cpu)
      cpu.mapDisk(BASE, 6)
      cpu.keepFile(BASE)
    },
    operations: [
      (cpu) => cpu.load(BASE + 1),
      (cpu) => cpu.store(BASE + 3, 4),
      (cpu) => cpu.readFile(5),
      (cpu) => cpu.truncate(8),
      (cpu) => cpu.readFile(7),
      (cpu) => cpu.truncate(2),
      (cpu) => cpu.syncFile(),
    ],
  },
  'private pages of a file': {
    setup: (cpu) => {
      disk(cpu)
      cpu.mapDisk(BASE, 6, 'rw', false)
    },
    operations: [
      (cpu) => cpu.load(BASE + 1),
      (cpu) => cpu.store(BASE + 1, 4),
      (cpu) => cpu.store(BASE + 3, 4),
      (cpu) => cpu.forkOnly(),
      (cpu) => cpu.store(BASE + 3, 5),
      (cpu) => cpu.protect(BASE + 2, 2, 'r'),
      (cpu) => cpu.advise(BASE + 2, 3, 'willneed'),
    ],
  },
  'a file in memory': {
    setup: () => {},
    operations: [
      call((task, mm) => {
        const file = createFile(task, 300, 4096, FILE_SHARED_ANONYMOUS)
        if (file === 0) return 0
        const page = mmap(task, mm, BASE, 300, DATA | VM_SHARED, MAP_FIXED, file, 0)
        putFile(task, file)
        return page
      }),
      (cpu) => cpu.store(BASE + 290, 4),
      (cpu) => cpu.store(BASE + 200, 4),
      (cpu) => cpu.load(BASE + 100),
    ],
  },
}

export default Object.fromEntries(
  Object.entries(exercises).map(([name, { setup, operations }]) => [
    name,
    kernelScenario({ setup: (cpu) => void setup(cpu), threads: [operations], pages: [], frames: 200 }),
  ]),
)
