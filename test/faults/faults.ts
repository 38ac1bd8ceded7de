// What is injected into the files of a machine, and what is to be seen of it. Each case says what it saw in words that
// are made from what it observed; it is right when they are the expected ones.

import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type AddressSpace,
  BusError,
  CpuLostError,
  type DiskFile,
  Machine,
  MemoryError,
} from '../../src/memory.ts'
import { processesAtOneFile } from './contenders.ts'
import { killedPrograms } from './killed-programs.ts'
import { linesOf, runChild as runScript } from './run-child.ts'
import type { FaultCase } from './fault-case.ts'
import { Injector } from './injector.ts'
import { threadEnds } from './thread-ends.ts'
import { DoomedThread, PAGES_EACH, WORKING, dieInKernel } from './threads.ts'

const PAGE = 4096

export interface FaultOutcome {
  readonly injected: string
  readonly expected: string
  readonly seen: string
}

/** Runs a case. What it throws is what was seen. */
export async function runFaultCase({ injected, expected, run }: FaultCase): Promise<FaultOutcome> {
  const folder = mkdtempSync(join(tmpdir(), 'faultline-faults-'))
  try {
    return { injected, expected, seen: await run(folder) }
  } catch (error) {
    return { injected, expected, seen: `${String(error)}` }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

// ---------------------------------------------------------------------------------------------------------------------
// Errors of the host, in one thread

function pattern(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, index) => (index * 31 + (index >> 12) * 7) & 0xff)
}

interface Bench {
  readonly machine: Machine
  readonly space: AddressSpace
  readonly injector: Injector
  readonly file: DiskFile
  readonly path: string
  /** A shared mapping of the whole file. */
  readonly address: number
}

/** A machine with a file of `pages` pages of the pattern, mapped. */
function withFile(folder: string, pages: number, memory: string, body: (bench: Bench) => string): string {
  const path = join(folder, 'file')
  writeFileSync(path, pattern(pages * PAGE))
  const machine = Machine.create({ memory, cpus: 1 })
  const injector = new Injector()
  machine.setStorage(injector)
  const file = machine.openFile(path, { mode: 'r+' })
  const space = machine.createAddressSpace()
  const address = space.mmap(pages * PAGE, { file, shared: true })
  try {
    return body({ machine, space, injector, file, path, address })
  } finally {
    machine.detach({ discard: true })
  }
}

/** What came of it: 'done', or the error in a few words. */
function attempt(body: () => void): string {
  try {
    body()
    return 'done'
  } catch (error) {
    if (error instanceof BusError) return `BusError ${error.errno ?? 'beyond the end'}`
    if (error instanceof MemoryError) return `${error.call}: ${error.errno}`
    if (error instanceof CpuLostError) return 'CpuLostError'
    throw error
  }
}

function same(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0
}

/** Whether the file on disk has `value` in every byte of [0, bytes). */
function onDisk({ path }: Bench, expected: Uint8Array): string {
  return same(readFileSync(path), expected) ? 'all on disk' : 'something else on disk'
}

const hostErrors: readonly FaultCase[] = [
  {
    injected: 'reads of at most 700 bytes',
    expected: 'the content',
    run: (folder) =>
      withFile(folder, 40, '1MiB', ({ space, address, injector }) => {
        injector.bytesMax = 700
        return same(space.read(address, 40 * PAGE), pattern(40 * PAGE)) ? 'the content' : 'something else'
      }),
  },
  {
    injected: 'writes of at most 700 bytes',
    expected: 'all on disk',
    run: (folder) =>
      withFile(folder, 40, '1MiB', (bench) => {
        bench.injector.bytesMax = 700
        bench.space.fill(bench.address, 40 * PAGE, 9)
        bench.file.sync()
        return onDisk(bench, new Uint8Array(40 * PAGE).fill(9))
      }),
  },
  {
    injected: 'EIO for reads through a mapping, then none',
    expected: 'BusError EIO; BusError EIO; the content',
    run: (folder) =>
      withFile(folder, 4, '1MiB', ({ space, address, injector }) => {
        injector.failing.set('read', 'EIO')
        const first = attempt(() => space.readUint8(address + 5))
        const second = attempt(() => space.writeUint8(address + PAGE, 5))
        injector.failing.clear()
        const content = same(space.read(address, 4 * PAGE), pattern(4 * PAGE))
          ? 'the content'
          : 'something else'
        return `${first}; ${second}; ${content}`
      }),
  },
  {
    injected: 'EIO for reads by read() and write(), then none',
    expected: 'read: EIO; write: EIO; the content',
    run: (folder) =>
      withFile(folder, 4, '1MiB', ({ file, injector }) => {
        injector.failing.set('read', 'EIO')
        const reading = attempt(() => file.read(0, PAGE))
        const writing = attempt(() => file.write(5, new Uint8Array(1)))
        injector.failing.clear()
        const content = same(file.read(0, 4 * PAGE), pattern(4 * PAGE)) ? 'the content' : 'something else'
        return `${reading}; ${writing}; ${content}`
      }),
  },
  {
    injected: 'the file made shorter by somebody else',
    expected: 'the content; BusError EIO',
    run: (folder) =>
      withFile(folder, 4, '1MiB', ({ space, address, path }) => {
        truncateSync(path, 2 * PAGE)
        const content = same(space.read(address, 2 * PAGE), pattern(2 * PAGE))
          ? 'the content'
          : 'something else'
        return `${content}; ${attempt(() => space.readUint8(address + 3 * PAGE))}`
      }),
  },
  {
    injected: 'ENOSPC for writes by msync, then space',
    expected: 'msync: ENOSPC; msync: ENOSPC; done; all on disk; done',
    run: (folder) =>
      withFile(folder, 8, '1MiB', (bench) => {
        const { space, address, injector } = bench
        space.fill(address, 8 * PAGE, 9)
        injector.failing.set('write', 'ENOSPC')
        const full = attempt(() => space.msync(address, 8 * PAGE))
        const fullStill = attempt(() => space.msync(address, 8 * PAGE))
        injector.failing.clear()
        const again = attempt(() => space.msync(address, 8 * PAGE))
        const disk = onDisk(bench, new Uint8Array(8 * PAGE).fill(9))
        return `${full}; ${fullStill}; ${again}; ${disk}; ${attempt(() => space.msync(address, 8 * PAGE))}`
      }),
  },
  {
    injected: 'EIO for three writes that nobody asked for, when memory was short',
    expected: 'sync: EIO; done; all on disk',
    run: (folder) =>
      withFile(folder, 512, '1MiB', (bench) => {
        const { space, address, injector, file } = bench
        injector.failing.set('write', 'EIO')
        injector.failuresLeft = 3
        space.fill(address, 512 * PAGE, 9)
        const told = attempt(() => file.sync())
        return `${told}; ${attempt(() => file.sync())}; ${onDisk(bench, new Uint8Array(512 * PAGE).fill(9))}`
      }),
  },
  {
    injected: 'ENOSPC for all writes while memory is short, then space',
    expected: 'access: ENOMEM; sync: ENOSPC; done; all on disk',
    run: (folder) =>
      withFile(folder, 512, '1MiB', (bench) => {
        const { space, address, injector, file } = bench
        injector.failing.set('write', 'ENOSPC')
        const short = attempt(() => space.fill(address, 512 * PAGE, 9))
        const told = attempt(() => file.sync())
        injector.failing.clear()
        space.fill(address, 512 * PAGE, 9)
        const again = attempt(() => file.sync())
        return `${short}; ${told}; ${again}; ${onDisk(bench, new Uint8Array(512 * PAGE).fill(9))}`
      }),
  },
  {
    injected: 'ENOSPC for writes by close(), then space',
    expected: 'close: ENOSPC; file: EBADF; done; all on disk',
    run: (folder) =>
      withFile(folder, 8, '1MiB', (bench) => {
        const { machine, space, address, injector, file } = bench
        space.fill(address, 8 * PAGE, 9)
        space.munmap(address, 8 * PAGE)
        injector.failing.set('write', 'ENOSPC')
        const closing = attempt(() => file.close())
        const closed = attempt(() => file.sync())
        injector.failing.clear()
        return `${closing}; ${closed}; ${attempt(() => machine.sync())}; ${onDisk(bench, new Uint8Array(8 * PAGE).fill(9))}`
      }),
  },
  {
    injected: 'ENOSPC for writes by munmap after close(), then the file opened again',
    expected: 'done; done; the content; sync: ENOSPC; done; all on disk',
    run: (folder) =>
      withFile(folder, 8, '1MiB', (bench) => {
        const { machine, space, address, injector, file } = bench
        const closing = attempt(() => file.close())
        space.fill(address, 8 * PAGE, 9)
        injector.failing.set('write', 'ENOSPC')
        const unmapping = attempt(() => space.munmap(address, 8 * PAGE))
        injector.failing.clear()
        const again = machine.openFile(bench.path, { mode: 'r+' })
        const expected = new Uint8Array(8 * PAGE).fill(9)
        const content = same(again.read(0, 8 * PAGE), expected) ? 'the content' : 'something else'
        const told = attempt(() => again.sync())
        return `${closing}; ${unmapping}; ${content}; ${told}; ${attempt(() => again.sync())}; ${onDisk(bench, expected)}`
      }),
  },
  {
    injected: 'EIO for fsync, then none',
    expected: 'sync: EIO; done; all on disk',
    run: (folder) =>
      withFile(folder, 8, '1MiB', (bench) => {
        const { space, address, injector, file } = bench
        space.fill(address, 8 * PAGE, 9)
        injector.failing.set('sync', 'EIO')
        const told = attempt(() => file.sync())
        injector.failing.clear()
        return `${told}; ${attempt(() => file.sync())}; ${onDisk(bench, new Uint8Array(8 * PAGE).fill(9))}`
      }),
  },
  {
    injected: 'ENOSPC and EIO for changes of the size, then none',
    expected: 'write: ENOSPC; truncate: EIO; 4 pages; the content; done; 1 page',
    run: (folder) =>
      withFile(folder, 4, '1MiB', ({ space, address, injector, file, path }) => {
        injector.failing.set('truncate', 'ENOSPC')
        const growing = attempt(() => file.write(4 * PAGE, new Uint8Array(1)))
        injector.failing.set('truncate', 'EIO')
        const cutting = attempt(() => file.truncate(PAGE))
        const size = `${file.size / PAGE} pages`
        const content = same(space.read(address, 4 * PAGE), pattern(4 * PAGE))
          ? 'the content'
          : 'something else'
        injector.failing.clear()
        const again = attempt(() => file.truncate(PAGE))
        return `${growing}; ${cutting}; ${size}; ${content}; ${again}; ${statSync(path).size / PAGE} page`
      }),
  },
]

/** A machine of 1 MiB with a swap file of 4 MiB, and twice its memory mapped, each page written with its number. */
function withSwap(folder: string, body: (bench: Omit<Bench, 'file' | 'path'>) => string): string {
  const machine = Machine.create({ memory: '1MiB', cpus: 1 })
  const injector = new Injector()
  machine.setStorage(injector)
  machine.swapOn(join(folder, 'swap'), { size: '4MiB' })
  const space = machine.createAddressSpace()
  const address = space.mmap(SWAPPED_PAGES * PAGE)
  try {
    return body({ machine, space, injector, address })
  } finally {
    machine.detach({ discard: true })
  }
}

const SWAPPED_PAGES = 512

function writeNumbers(space: AddressSpace, address: number): void {
  for (let page = 0; page < SWAPPED_PAGES; page++) space.writeUint32(address + page * PAGE, page)
}

function numbersOf(space: AddressSpace, address: number): string {
  for (let page = 0; page < SWAPPED_PAGES; page++) {
    if (space.readUint32(address + page * PAGE) !== page) return `something else in page ${page}`
  }
  return 'the content'
}

const swapErrors: readonly FaultCase[] = [
  {
    injected: 'ENOSPC for all writes to the swap file, then space',
    expected: 'access: ENOMEM; the content',
    run: (folder) =>
      withSwap(folder, ({ space, address, injector }) => {
        injector.failing.set('write', 'ENOSPC')
        const short = attempt(() => writeNumbers(space, address))
        injector.failing.clear()
        writeNumbers(space, address)
        return `${short}; ${numbersOf(space, address)}`
      }),
  },
  {
    injected: 'EIO for reads of the swap file, then none',
    expected: 'BusError EIO; swapOff: EIO; the content',
    run: (folder) =>
      withSwap(folder, ({ machine, space, address, injector }) => {
        writeNumbers(space, address)
        injector.failing.set('read', 'EIO')
        const access = attempt(() => numbersOf(space, address))
        // Room enough: that it cannot be read is the only reason.
        space.madvise(address + 16 * PAGE, (SWAPPED_PAGES - 16) * PAGE, 'dontneed')
        const leaving = attempt(() => machine.swapOff())
        injector.failing.clear()
        for (let page = 16; page < SWAPPED_PAGES; page++) space.writeUint32(address + page * PAGE, page)
        return `${access}; ${leaving}; ${numbersOf(space, address)}`
      }),
  },
  {
    injected: 'reads and writes of the swap file of at most 700 bytes',
    expected: 'the content',
    run: (folder) =>
      withSwap(folder, ({ space, address, injector }) => {
        injector.bytesMax = 700
        writeNumbers(space, address)
        return numbersOf(space, address)
      }),
  },
]

// ---------------------------------------------------------------------------------------------------------------------
// The end of the process

const runChild = runScript.bind(null, './child.ts')

/** What the pages of the file have at their beginning and end: the least and the most. */
function roundsOnDisk(path: string): { least: number; most: number; torn: number } {
  const words = new Uint32Array(new Uint8Array(readFileSync(path)).buffer)
  let least = Infinity
  let most = 0
  let torn = 0
  for (let first = 0; first < words.length; first += PAGE / 4) {
    const [begin, end] = [words[first]!, words[first + PAGE / 4 - 1]!]
    least = Math.min(least, begin, end)
    most = Math.max(most, begin, end)
    if (Math.abs(begin - end) > 1) torn++
  }
  return { least, most, torn }
}

function endCase(way: string, injected: string, expected: string, pages = 64): FaultCase {
  return {
    injected,
    expected,
    async run(folder) {
      const path = join(folder, 'file')
      writeFileSync(path, new Uint8Array(pages * PAGE))
      const { code, signal, errors } = await runChild(
        way === 'lost' ? ['lost', path, `${pages}`, '2'] : ['end', path, `${pages}`, way],
      )
      const { least, most } = roundsOnDisk(path)
      const told = /ENOSPC/.test(errors) ? ', says ENOSPC' : ''
      const disk = least === 1 && most === 1 ? 'all on disk' : `${least} to ${most} on disk`
      return `${signal ?? (code === 0 ? 'exit 0' : 'exit not 0')}${told}; ${disk}`
    },
  }
}

const ends: readonly FaultCase[] = [
  endCase('end', 'the process ends, nothing synchronised', 'exit 0; all on disk'),
  endCase('end', 'the same, the file larger than memory', 'exit 0; all on disk', 2048),
  endCase('unmap', 'the same, unmapped and closed before', 'exit 0; all on disk'),
  endCase('detach', 'the same, detached before', 'exit 0; all on disk'),
  endCase('process.exit', 'process.exit() at once', 'exit 0; all on disk'),
  endCase('throw', 'an exception that nobody catches', 'exit not 0; all on disk'),
  endCase('worker: end', 'a worker, the last that is attached, ends', 'exit 0; all on disk'),
  endCase('worker: process.exit', 'such a worker calls process.exit()', 'exit 0; all on disk'),
  endCase('worker: throw', 'such a worker throws', 'exit not 0; all on disk'),
  endCase('no-space', 'no space when the process ends', 'exit not 0, says ENOSPC; 0 to 0 on disk'),
  endCase('lost', 'the process ends after a thread died inside the kernel', 'exit 0; all on disk'),
]

// ---------------------------------------------------------------------------------------------------------------------
// SIGKILL

const KILL_PAGES = 300

/** Kills the process before its host operation `step`, or, where that is 0, so long after `rounds` rounds. */
async function killed(folder: string, step: number, rounds: number, delayMs: number): Promise<string> {
  const path = join(folder, `file-${step}-${rounds}`)
  writeFileSync(path, new Uint8Array(KILL_PAGES * PAGE))
  const { signal, output, errors } = await runChild(
    ['rounds', path, `${KILL_PAGES}`, `${step}`],
    step === 0 ? rounds : Infinity,
    delayMs,
  )
  if (signal !== 'SIGKILL') return `it ended by itself: ${errors}`
  const acknowledged = linesOf(output)
  const { least, most, torn } = roundsOnDisk(path)
  if (torn !== 0) return `${torn} pages torn by more than one round`
  if (least < acknowledged) return `round ${least} on disk, though ${acknowledged} was acknowledged`
  return most <= acknowledged + 1 ? 'all acknowledged on disk' : `round ${most} after ${acknowledged}`
}

/** The answers of all, if they are not one. */
function summary(answers: readonly string[]): string {
  return [...new Set(answers)].join('; ')
}

function kills(steps: readonly number[], moments: readonly number[]): readonly FaultCase[] {
  return [
    {
      injected: `SIGKILL before each of ${steps.length} host operations of the process, in turn`,
      expected: 'all acknowledged on disk',
      async run(folder) {
        const answers: string[] = []
        for (const step of steps) answers.push(await killed(folder, step, 0, 0))
        return summary(answers)
      },
    },
    {
      injected: `SIGKILL at ${moments.length} moments`,
      expected: 'all acknowledged on disk',
      async run(folder) {
        const answers: string[] = []
        for (const moment of moments) answers.push(await killed(folder, 0, moment, moment))
        return summary(answers)
      },
    },
  ]
}

// ---------------------------------------------------------------------------------------------------------------------
// Threads that are terminated

/**
 * Two threads at work in one file. The first stops before its host operation `step` and is terminated there, at once;
 * or, where there is no such step, `moment` milliseconds after it has begun, at once or as programs do it.
 */
async function terminated(folder: string, step: number, moment: number, atOnce: boolean): Promise<string> {
  const path = join(folder, `file-${step}-${moment}`)
  writeFileSync(path, new Uint8Array(2 * PAGES_EACH * PAGE))
  const machine = Machine.create({ memory: '1MiB', cpus: 3 })
  const file = machine.openFile(path, { mode: 'r+' })
  const space = machine.createAddressSpace()
  const witness = new DoomedThread(space, file, Infinity, PAGES_EACH)
  await witness.until(WORKING)
  const thread =
    step < Infinity ? await dieInKernel(space, file, step) : new DoomedThread(space, file, step, 0)
  if (step === Infinity) {
    await thread.until(WORKING)
    await new Promise((resolve) => setTimeout(resolve, moment))
    await thread.terminate(atOnce)
  }
  const answer = attempt(() => file.sync())
  const acknowledged = [thread.acknowledged, witness.acknowledged]
  await witness.terminate()
  machine.detach({ discard: true })
  const words = new Uint32Array(new Uint8Array(readFileSync(path)).buffer)
  const rounds = [0, PAGES_EACH].map((first) =>
    Math.min(...Array.from({ length: PAGES_EACH }, (_, page) => words[(first + page) * (PAGE / 4)]!)),
  )
  const lost = rounds.filter((round, index) => round < acknowledged[index]!)
  const verdict = lost.length === 0 ? 'all acknowledged on disk' : `rounds ${rounds} of ${acknowledged}`
  if (answer !== 'done' && answer !== 'CpuLostError') return `${answer}; ${verdict}`
  return atOnce && step === Infinity ? verdict : `${answer}; ${verdict}`
}

function deaths(steps: readonly number[], moments: readonly number[]): readonly FaultCase[] {
  return [
    {
      injected: `a thread terminated at once in each of ${steps.length} host operations, in turn`,
      expected: 'CpuLostError; all acknowledged on disk',
      async run(folder) {
        const answers: string[] = []
        for (const step of steps) answers.push(await terminated(folder, step, 0, true))
        return summary(answers)
      },
    },
    {
      injected: `a thread terminated at once at ${moments.length} moments`,
      expected: 'all acknowledged on disk',
      async run(folder) {
        const answers: string[] = []
        for (const moment of moments) answers.push(await terminated(folder, Infinity, moment, true))
        return summary(answers)
      },
    },
    {
      injected: `a thread terminated by terminate() at ${moments.length} moments`,
      expected: 'done; all acknowledged on disk',
      async run(folder) {
        const answers: string[] = []
        for (const moment of moments) answers.push(await terminated(folder, Infinity, moment, false))
        return summary(answers)
      },
    },
  ]
}

/** All cases; `scale` multiplies how often those are done that are done at many steps or moments. */
export function faultCases(scale: number): readonly FaultCase[] {
  const numbers = (count: number, distance: number) =>
    Array.from({ length: count }, (_, index) => 1 + index * distance)
  return [
    ...hostErrors,
    ...swapErrors,
    ...ends,
    ...kills(numbers(6 * scale, 17), numbers(4 * scale, 2)),
    ...killedPrograms(4 * scale),
    ...deaths(numbers(4 * scale, 1), numbers(4 * scale, 3)),
    ...threadEnds(scale),
    ...processesAtOneFile(Math.min(4 * scale, 8)),
  ]
}
