// What a fault costs one thread, on a machine that does other things too.
// `node bench/fault-slices.ts classic leaf-slots`.
//
// Principles: a slice of 512 faults takes a tenth of a millisecond, which most often nobody interrupts; of the slices
// of a process, the fastest twentieth tells. Each design and kind of fault is a process of its own, so that none shares
// compiled code, and they take turns. What is told is the median of the turns, with its range.

import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { DesignName } from '../src/index.ts'

const built = (module: string): string => new URL(`../dist/${module}`, import.meta.url).href
const { spread } = (await import(built('workloads/index.js'))) as typeof import('../src/workloads/index.ts')

const TURNS = 5
const MEASURED_MS = 1000
const WARM_ROUNDS = 60
const SLICE = 512
const PAGES = 16 * SLICE

type Kind = 'write' | 'read'

/** Nanoseconds of a fault in the fastest twentieth of the slices of this process. */
async function measure(design: DesignName, kind: Kind): Promise<number> {
  const { Machine } = (await import(built('index.js'))) as typeof import('../src/index.ts')
  const machine = Machine.create({ memory: '64MiB', cpus: 2, design })
  const space = machine.createAddressSpace()
  const touch = (address: number): void => {
    if (kind === 'write') space.writeUint8(address, 1)
    else space.readUint8(address)
  }
  const slices: number[] = []
  let until = Infinity
  for (let round = 0; performance.now() < until; round++) {
    if (round === WARM_ROUNDS) until = performance.now() + MEASURED_MS
    const base = space.mmap(PAGES * 4096)
    for (let first = 0; first < PAGES; first += SLICE) {
      const begin = process.hrtime.bigint()
      for (let page = first; page < first + SLICE; page++) touch(base + page * 4096)
      if (until !== Infinity) slices.push(Number(process.hrtime.bigint() - begin) / SLICE)
    }
    space.munmap(base, PAGES * 4096)
  }
  return slices.toSorted((a, b) => a - b)[Math.floor(slices.length / 20)]!
}

if (process.argv[2] === '--one') {
  console.log(await measure(process.argv[3] as DesignName, process.argv[4] as Kind))
  process.exit(0)
} else {
  const designs = process.argv.slice(2)
  const found = new Map<string, number[]>()
  for (let turn = 0; turn < TURNS; turn++) {
    for (const kind of ['write', 'read'] as const) {
      for (const design of designs) {
        const text = execFileSync(process.execPath, [fileURLToPath(import.meta.url), '--one', design, kind])
        const name = `${kind} fault, ${design}`
        found.set(name, [...(found.get(name) ?? []), Number(text)])
      }
    }
  }
  for (const [name, values] of found) {
    const { median, min, max } = spread(values)
    console.log(`${name.padEnd(40)} ${median.toFixed(0)} ns  ${min.toFixed(0)}–${max.toFixed(0)}`)
  }
}
