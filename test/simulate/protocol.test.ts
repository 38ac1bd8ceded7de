// The coherence protocols under random traffic: one writer at a time, and every read gives what was written last.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import {
  Directory,
  EXCLUSIVE,
  FROM_CORE,
  FROM_LAST_LEVEL,
  FROM_MEMORY,
  FROM_OWN,
  MODIFIED,
  type ProtocolName,
} from '../../src/simulate/protocol.ts'

const CORES = 40
const LINES = 3
const groups = Int16Array.from({ length: CORES }, (_, core) => core >> 2)

interface Access {
  readonly core: number
  readonly line: number
  readonly write: boolean
}

const accesses = fc.array(
  fc.record({ core: fc.nat(CORES - 1), line: fc.nat(LINES - 1), write: fc.boolean() }),
  { minLength: 1, maxLength: 80 },
)

/** What each core's copy holds, and memory, kept by what the directory says and by nothing else. */
class Copies {
  readonly directory: Directory
  readonly #copies = new Map<string, number>()
  readonly #memory = new Int32Array(LINES)
  readonly #latest = new Int32Array(LINES)
  #written = 0

  constructor(protocol: ProtocolName) {
    this.directory = new Directory(protocol, groups, LINES)
  }

  perform({ core, line, write }: Access): void {
    const { directory } = this
    const hit = directory.isHit(line, core, write)
    const state = directory.state[line]
    const holders = directory.holders(line)
    if (write) directory.write(line, core)
    else directory.read(line, core)
    if (hit) assert.deepEqual([directory.source, directory.endedCount], [FROM_OWN, 0])
    const value = this.#valueFor(core, line, holders)
    assert.equal(value, this.#latest[line], 'what is read is what was written last')
    // Who lets others share what it has changed writes it back, but for MOESI, where it keeps it.
    if (!write && state === MODIFIED && directory.protocol !== 'MOESI') this.#memory[line] = value
    const ended = [...directory.ended.subarray(0, directory.endedCount)]
    assert.deepEqual(
      ended.toSorted((a, b) => a - b),
      write ? holders.filter((other) => other !== core) : [],
      'a write ends every other copy',
    )
    for (const other of ended) this.#copies.delete(`${other} ${line}`)
    if (write) this.#latest[line] = ++this.#written
    this.#copies.set(`${core} ${line}`, this.#latest[line]!)
    this.#mustBeConsistent(line)
  }

  #valueFor(core: number, line: number, holders: readonly number[]): number {
    const { source, supplier } = this.directory
    if (source === FROM_OWN) return this.#copies.get(`${core} ${line}`)!
    if (source === FROM_CORE) return this.#copies.get(`${supplier} ${line}`)!
    if (source === FROM_MEMORY) return this.#memory[line]!
    assert.equal(source, FROM_LAST_LEVEL)
    const near = holders.find((other) => groups[other] === groups[core])
    return this.#copies.get(`${near} ${line}`)!
  }

  #mustBeConsistent(line: number): void {
    const { directory } = this
    const holders = directory.holders(line)
    const state = directory.state[line]!
    if (state === EXCLUSIVE || state === MODIFIED) {
      assert.equal(holders.length, 1, 'who may write is alone')
      assert.equal(holders[0], directory.owner[line])
    }
    for (const core of holders) {
      assert.equal(this.#copies.get(`${core} ${line}`), this.#latest[line], 'no copy is stale')
      assert.ok(directory.isHit(line, core, false))
    }
    const writers = Array.from({ length: CORES }, (_, core) => core).filter((core) =>
      directory.isHit(line, core, true),
    )
    assert.ok(writers.length <= 1, 'there is one writer at most')
  }
}

describe('a coherence protocol', () => {
  for (const protocol of ['MESI', 'MESIF', 'MOESI'] as const) {
    it(`${protocol}: one writer, and the last value read`, () => {
      fc.assert(
        fc.property(accesses, (traffic) => {
          const copies = new Copies(protocol)
          for (const access of traffic) copies.perform(access)
        }),
        { numRuns: 150 },
      )
    })
  }

  const sourceOf = (protocol: ProtocolName, ...traffic: readonly Access[]): number[] => {
    const directory = new Directory(protocol, groups, LINES)
    for (const { core, line, write } of traffic) {
      if (write) directory.write(line, core)
      else directory.read(line, core)
    }
    return [directory.source, directory.supplier]
  }
  const read = (core: number): Access => ({ core, line: 0, write: false })
  const write = (core: number): Access => ({ core, line: 0, write: true })

  it('who forwards differs', () => {
    const traffic = [write(0), read(8), read(16)]
    // MESI: any who shares it; MESIF: the last reader; MOESI: who has changed it.
    assert.deepEqual(sourceOf('MESI', ...traffic), [FROM_CORE, 0])
    assert.deepEqual(sourceOf('MESIF', ...traffic), [FROM_CORE, 8])
    assert.deepEqual(sourceOf('MOESI', ...traffic), [FROM_CORE, 0])
  })

  it('a group has it from its last level once one of it shares it', () => {
    for (const protocol of ['MESI', 'MESIF', 'MOESI'] as const)
      assert.deepEqual(sourceOf(protocol, write(0), read(8), read(9)), [FROM_LAST_LEVEL, -1])
  })
})
