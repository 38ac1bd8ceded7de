// A process whose recursion uses the stack up, in 60 shapes: 30 calls, called from frames of two sizes. It says how
// often the error was the engine's and the machine went on, and counts that in a mapped file, which it does not
// synchronise.
//
//   stack-child.ts FILE SWAP

import { writeFileSync } from 'node:fs'
import { type AddressSpace, type DiskFile, Machine, fileSystem } from '../../src/memory.ts'

const PAGE = 4096
const PAGES = 256

const [path, swap] = process.argv.slice(2) as [string, string]

interface Place {
  readonly space: AddressSpace
  readonly base: number
  readonly file: DiskFile
  readonly mapped: number
}

const shapes: readonly ((place: Place, depth: number) => unknown)[] = [
  ({ space }) => space.mmap(PAGE),
  ({ space }) => space.munmap(space.mmap(PAGE), PAGE),
  ({ space, base }, depth) => space.mprotect(base + 9000 * PAGE, PAGE, depth % 2 === 0 ? 'r' : 'rw'),
  ({ space }) => space.mremap(space.mmap(PAGE), PAGE, 2 * PAGE, { mayMove: true }),
  ({ space, base }) => (space.touch(base, 'w'), space.madvise(base, PAGE, 'dontneed')),
  ({ space, base }) => (space.writeUint8(base, 1), space.madvise(base, PAGE, 'free')),
  ({ space, base }) => (space.fill(base, 50 * PAGE, 1), space.madvise(base, 50 * PAGE, 'pageout')),
  ({ space }) => space.fork().destroy(),
  ({ space, base }, depth) => space.readUint32(base + (depth % PAGES) * PAGE),
  ({ space, base }, depth) => space.writeUint32(base + (depth % PAGES) * PAGE, depth),
  ({ space, base }, depth) => space.addUint32(base + (depth % PAGES) * PAGE, depth),
  ({ space, base }, depth) => space.writeFloat64(base + (depth % PAGES) * PAGE - 4 + PAGE, depth),
  ({ space, base }) => space.read(base, 10_000),
  ({ space, base }, depth) => space.fill(base + (depth % PAGES) * PAGE, 3 * PAGE, 7),
  ({ space, mapped }, depth) => space.readUint8(mapped + (depth % PAGES) * PAGE),
  ({ space, mapped }, depth) => space.writeUint8(mapped + ((depth * 7) % PAGES) * PAGE, 0),
  ({ space, mapped }) => (space.writeUint8(mapped, 0), space.msync(mapped, PAGES * PAGE)),
  ({ space, mapped, file }) => (space.writeUint8(mapped, 0), file.sync()),
  ({ file }) => (file.write(0, new Uint8Array(10)), file.read(0, 5000)),
  ({ file }) => (file.truncate((PAGES - 1) * PAGE), file.truncate(PAGES * PAGE)),
  ({ space, base }) => (space.mlock(base, PAGE), space.munlock(base, PAGE)),
  ({ space }) => space.brk(space.brk() + PAGE),
  ({ space }) => [space.maps(), space.rss, space.mapped, space.getLimit('as')],
  ({ space, base }) => space.residentPages(base, 10 * PAGE),
  ({ space }) => space.machine.usage(),
  ({ space }) => space.machine.createAddressSpace().destroy(),
  ({ space }) => space.machine.createFile({ size: PAGE }).close(),
  ({ space }) => space.machine.sync(),
  ({ space, base }) => {
    const notifier = space.registerNotifier()
    notifier.readUint32(base)
    notifier.unregister()
  },
  // The deepest: a fault that has to write other pages to the disk. Last, as who walks all pages is slow then.
  ({ space, base }, depth) => space.writeUint32(base + (depth % 8192) * PAGE, depth),
]

/** Recurses until the stack is used up, calling now and then, and at every depth towards the end. */
function useUp(place: Place, shape: number, wide: boolean): unknown {
  const call = shapes[shape]!
  let depth = 0
  const narrow = (): void => {
    if (++depth % 1000 === 0 || depth > 8000) call(place, depth)
    narrow()
  }
  const broad = (a: number, b: number, c: number, d: number, e: number, f: number, g: number): void => {
    if (++depth % 1000 === 0 || depth > 6000) call(place, depth)
    broad(b, c, d, e, f, g, a)
  }
  try {
    if (wide) broad(1, 2, 3, 4, 5, 6, 7)
    else narrow()
    return null
  } catch (error) {
    return error
  }
}

/** A machine with a file on disk; memory is short, so that calls have to reclaim. */
function makePlace(): Place {
  writeFileSync(path, new Uint8Array(PAGES * PAGE))
  const options = {
    memory: '1MiB',
    cpus: 1,
    overcommit: 'always',
    swap: { path: swap, size: '64MiB' },
  } as const
  const machine = Machine.create(options)
  // The disk is not what is tried here.
  machine.setStorage({ ...fileSystem, sync: () => {} })
  const space = machine.createAddressSpace()
  const file = machine.openFile(path, { mode: 'r+' })
  const mapped = space.mmap(PAGES * PAGE, { file, shared: true })
  return { space, base: space.mmap(1 << 26), file, mapped }
}

function goesOn({ space, base, mapped }: Place): boolean {
  try {
    space.writeUint32(base + 1000 * PAGE, 1)
    space.munmap(space.mmap(PAGE), PAGE)
    space.addUint32(mapped + 100, 1)
    return true
  } catch {
    return false
  }
}

const place = makePlace()
let right = 0
for (let shape = 0; shape < shapes.length; shape++) {
  for (const wide of [false, true]) {
    const error = useUp(place, shape, wide)
    if (error instanceof RangeError && goesOn(place)) right++
    else console.log(`${String(shapes[shape])}: ${String(error)}`)
  }
}
console.log(`${right} of ${2 * shapes.length} RangeErrors`)
