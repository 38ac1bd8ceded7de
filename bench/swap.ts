// An address space several times the size of memory: what it costs to fill it, to read it back, to copy it and to write
// to the copy, a page at a time. `npm run bench:swap`, with
//
//   --memory 16MiB --size 64MiB --rounds 5 --design NAME,NAME
//
// Principles: every page has a value of its own, which is compared whenever it is read, and a wrong one is an error and
// not a number; runs of the designs are taken in turn. Exit code 0: all contents were right; 1: not; 2: a wrong call.

import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { AddressSpace, Machine as MachineClass } from '../src/index.ts'

// What is measured is what users run: the built form, whose kernel is one file.
const built = (module: string): string => new URL(`../dist/${module}`, import.meta.url).href
const { Machine, designs, parseSize } = (await import(built('index.js'))) as typeof import('../src/index.ts')
const { spread } = (await import(built('workloads/index.js'))) as typeof import('../src/workloads/index.ts')

const PAGE = 4096
const phases = ['fill', 'read', 'read again', 'fork', 'write to the copy', 'swapOff'] as const

/** Microseconds of each phase, in all. */
type Times = Record<(typeof phases)[number], number>

interface Settings {
  readonly memory: number
  readonly pages: number
  readonly rounds: number
  readonly designs: readonly string[]
}

function settings(): Settings {
  const { values } = parseArgs({
    options: {
      memory: { type: 'string', default: '16MiB' },
      size: { type: 'string', default: '64MiB' },
      rounds: { type: 'string', default: '5' },
      design: { type: 'string', default: 'classic,zijlstra-2014,lespinasse-2021,per-vma-refcount-2025' },
    },
  })
  const rounds = Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new RangeError(`--rounds ${values.rounds}: a whole number from 1`)
  const names = values.design.split(',')
  const unknown = names.find((name) => !designs.some((design) => design.name === name))
  if (unknown !== undefined) throw new RangeError(`--design ${unknown}: there is none`)
  const memory = parseSize(values.memory, '--memory')
  return { memory, pages: Math.ceil(parseSize(values.size, '--size') / PAGE), rounds, designs: names }
}

function value(page: number, round: number): number {
  return (Math.imul(page + 1, 0x9e3779b1) ^ round) >>> 0
}

function expect(space: AddressSpace, base: number, page: number, round: number): void {
  const found = space.readUint32(base + page * PAGE)
  if (found !== value(page, round)) throw new Error(`page ${page} has ${found} and not ${value(page, round)}`)
}

function measure(design: string, { memory, pages }: Settings, swap: string): Times {
  const machine = Machine.create({ memory, cpus: 1, design })
  machine.swapOn(swap, { size: 2 * pages * PAGE })
  const space = machine.createAddressSpace()
  const times = Object.fromEntries(phases.map((phase) => [phase, 0])) as Times
  const timed = (phase: keyof Times, work: () => void): void => {
    const begun = performance.now()
    work()
    times[phase] += (performance.now() - begun) * 1000
  }
  const each = (work: (page: number) => void): void => {
    for (let page = 0; page < pages; page++) work(page)
  }
  const base = space.mmap(pages * PAGE)
  timed('fill', () => each((page) => space.writeUint32(base + page * PAGE, value(page, 1))))
  timed('read', () => each((page) => expect(space, base, page, 1)))
  timed('read again', () => each((page) => expect(space, base, page, 1)))
  let copy: AddressSpace | null = null
  timed('fork', () => (copy = space.fork()))
  timed('write to the copy', () => each((page) => copy!.writeUint32(base + page * PAGE, value(page, 2))))
  each((page) => expect(space, base, page, 1))
  each((page) => expect(copy!, base, page, 2))
  copy!.destroy()
  // What is left fits.
  const left = Math.floor(memory / PAGE / 2)
  space.munmap(base + left * PAGE, (pages - left) * PAGE)
  timed('swapOff', () => machine.swapOff())
  for (let page = 0; page < left; page++) expect(space, base, page, 1)
  space.destroy()
  nothingLeft(machine)
  machine.detach()
  return times
}

function nothingLeft(machine: MachineClass): void {
  const { framesTotal, framesFree } = machine.usage()
  if (framesFree !== framesTotal) throw new Error(`${framesTotal - framesFree} frames were never freed`)
}

function main(): number {
  let chosen: Settings
  try {
    chosen = settings()
  } catch (error) {
    console.error(String(error))
    return 2
  }
  const { memory, pages, rounds } = chosen
  const folder = mkdtempSync(join(os.tmpdir(), 'faultline-swap-'))
  const runs = new Map<string, Times[]>(chosen.designs.map((design) => [design, []]))
  try {
    // The first round is for the compiler.
    for (let round = 0; round <= rounds; round++) {
      for (const [design, times] of runs) {
        const result = measure(design, chosen, join(folder, `${design}-${round}`))
        if (round > 0) times.push(result)
      }
    }
  } catch (error) {
    console.error(error)
    return 1
  } finally {
    rmSync(folder, { recursive: true })
  }
  console.log(
    `${(pages * PAGE) / 2 ** 20} MiB of pages in ${memory / 2 ** 20} MiB of memory, one thread, ${os.cpus()[0]?.model}`,
  )
  console.log(
    `µs a page (swapOff and fork: ms in all), median (range) of ${rounds} rounds, contents compared`,
  )
  for (const phase of phases) {
    console.log(`  ${phase}`)
    for (const [design, times] of runs) {
      const inAll = phase === 'fork' || phase === 'swapOff'
      const { median, min, max } = spread(times.map((time) => time[phase] / (inAll ? 1000 : pages)))
      console.log(`    ${design.padEnd(24)} ${median.toFixed(2)} (${min.toFixed(2)}–${max.toFixed(2)})`)
    }
  }
  return 0
}

process.exitCode = main()
