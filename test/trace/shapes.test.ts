// Recordings of a program that does with memory what few programs do, each as `faultline record` wrote it
// (test/fixtures/traces/README.md): replayed whole, with nothing that fails.
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { importTrace, replayTrace } from '../../src/trace/index.ts'

/** What each does; its faults, and the corrections that recorded error codes ask for. */
const RECORDINGS: readonly [name: string, faults: number, corrections: Readonly<Record<string, number>>][] = [
  // Handled SIGSEGVs, MADV_FREE, MREMAP_DONTUNMAP, mlock, guard regions, a heap that shrinks, MAP_GROWSDOWN.
  ['odd', 581, { removed: 17 }],
  // Huge pages, of which madvise, mprotect, munmap, mremap and a fork take parts.
  ['thp', 2125, { presentBefore: 1782, hugePage: 255 }],
  // A file in memory, shared and private, with holes, cut off, and forks.
  ['memfd', 4882, { removed: 769 }],
  // Shared anonymous memory and a segment of shmat, by four processes.
  ['shared', 1980, { removed: 544 }],
  // Pages that another thread gives, by userfaultfd.
  ['uffd', 315, {}],
  // Threads whose names look like events, lines and markup.
  ['names', 4059, {}],
]

for (const [name, faults, corrections] of RECORDINGS) {
  test(`${name}: at least 98 of 100 faults are reproduced, and no access fails`, async (t) => {
    const file = path.join(import.meta.dirname, '../fixtures/traces/shapes', `${name}.perf.txt.gz`)
    const trace = await importTrace(file)
    t.after(() => trace.close())
    assert.equal(trace.recordedFaults, faults)
    const { fidelity, corrections: made } = await replayTrace(trace, { threads: 2 })
    assert.deepEqual([fidelity.failed, fidelity.failures], [0, []])
    assert.ok(fidelity.ratio >= 0.98, `${fidelity.ratio}`)
    assert.deepEqual(made, corrections)
  })
}
