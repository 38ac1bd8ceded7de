// How many atomic operations a fault takes in each design. A timing cannot show one load more; these numbers do. A
// commit that raises one says why.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

const operations = ['load', 'store', 'add', 'sub', 'and', 'or', 'exchange', 'compareExchange'] as const
const counts = { loads: 0, changes: 0 }

for (const name of operations) {
  const original = Atomics[name] as (...given: unknown[]) => number
  const kind = name === 'load' ? 'loads' : 'changes'
  Object.defineProperty(Atomics, name, {
    value: (...given: unknown[]) => {
      counts[kind]++
      return original(...given)
    },
  })
}

const { Machine, designs } = await import('../../src/index.ts')

const PAGE = 4096
const PAGES = 500

/** Atomic loads and other atomic operations of the first write to a page of anonymous memory, and of a first read. */
const expected: Readonly<Record<string, readonly [write: string, read: string]>> = {
  classic: ['16 loads, 9 others', '14 loads, 7 others'],
  'kamezawa-2009-version': ['25 loads, 10 others', '23 loads, 8 others'],
  'kamezawa-2009-refcount': ['20 loads, 9 others', '18 loads, 7 others'],
  'zijlstra-2010': ['34 loads, 9 others', '32 loads, 7 others'],
  'zijlstra-2014': ['38 loads, 9 others', '36 loads, 7 others'],
  'dufour-2017': ['17 loads, 9 others', '15 loads, 7 others'],
  'dufour-2018': ['17 loads, 9 others', '15 loads, 7 others'],
  'dufour-2019': ['17 loads, 9 others', '15 loads, 7 others'],
  'lespinasse-2021': ['17 loads, 9 others', '15 loads, 7 others'],
  'lespinasse-2021-file': ['17 loads, 9 others', '15 loads, 7 others'],
  'lespinasse-2022': ['17 loads, 9 others', '15 loads, 7 others'],
  'per-vma-lock-2023': ['25 loads, 9 others', '18 loads, 7 others'],
  'per-vma-refcount-2025': ['24 loads, 9 others', '22 loads, 7 others'],
  'hazard-vma': ['22 loads, 9 others', '20 loads, 7 others'],
  'leaf-slots': ['10 loads, 7 others', '8 loads, 5 others'],
}

/** Each per fault, rounded: page tables and batches of frames come on top of some. */
function perFault(access: (page: number) => void): string {
  counts.loads = 0
  counts.changes = 0
  for (let page = 0; page < PAGES; page++) access(page)
  return `${Math.round(counts.loads / PAGES)} loads, ${Math.round(counts.changes / PAGES)} others`
}

describe('atomic operations of a fault', () => {
  for (const { name } of designs) {
    test(name, () => {
      const machine = Machine.create({ memory: '8MiB', cpus: 1, design: name, rwsem: 'xadd' })
      const space = machine.createAddressSpace()
      const found = [true, false].map((write) => {
        for (let round = 0; ; round++) {
          const base = space.mmap(PAGES * PAGE)
          const cost = perFault((page) =>
            write ? space.writeUint8(base + page * PAGE, 1) : space.readUint8(base + page * PAGE),
          )
          space.munmap(base, PAGES * PAGE)
          // Once all lists of the CPU are filled.
          if (round === 2) return cost
        }
      })
      machine.detach()
      assert.deepEqual(found, expected[name])
    })
  }
})
