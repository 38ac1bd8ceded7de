// What real recordings have that no tidy program has, each in the smallest form: how it is replayed, and what has to be
// corrected because a recorded error code says so.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { DetailCollector, importTrace, replayTrace, type ReplayResult } from '../../src/trace/index.ts'
import { OpStore } from '../../src/trace/op-store.ts'
import { planReplay } from '../../src/trace/plan.ts'
import { importText, TraceText } from './trace-text.ts'

/** What each recording shows; faults that count, all of them reproduced; corrections. */
const RECORDINGS: readonly [name: string, faults: number, corrections: ReplayResult['corrections']][] = [
  // Of a program that ran before: faults in a window without any call.
  ['attach-faults-only', 4, {}],
  // Pages from before the recording, which the fork write-protects.
  ['attach-then-fork', 4, { presentBefore: 4 }],
  // The first thread ends first; all that is seen of the other is its end.
  ['attach-thread-only-exits', 1, {}],
  ['callchain-zero', 2, {}],
  // The child is refused what MADV_DONTFORK kept from it.
  ['dontfork-child-segv', 2, {}],
  // clone failed after it had copied: no new task, but pages are write-protected.
  ['failed-fork', 4, { writeProtected: 2 }],
  ['holder-is-another-process', 1, {}],
  ['lost-most-events', 2, {}],
  ['map-growsdown', 4, {}],
  // mremap makes the mapping of a file longer than any mmap of it.
  ['mremap-grows-file', 2, {}],
  // The kernel probes with page faults disabled, and then has one handled: that one counts.
  ['pagefault-disabled', 4, {}],
  ['punch-hole', 8, { removed: 4 }],
  ['reclaimed-file-pages', 24, { removed: 16 }],
  // Eight files of 8 MiB, populated one after the other, stay in the page cache.
  ['shared-populate-memory', 1, {}],
  // Segments of shmat have no fault-around.
  ['sysv-shm-read', 16, {}],
  // One fault brings in a huge page, of which a fork makes small ones.
  ['thp-fork', 9, { hugePage: 7 }],
  // A collector's write barrier: refused, handled, allowed.
  ['write-barrier-segv', 12, {}],
]

const fileOf = (name: string): string =>
  path.join(import.meta.dirname, '..', 'fixtures', 'traces', 'small', `${name}.perf.txt`)

describe('small recordings', () => {
  for (const [name, faults, corrections] of RECORDINGS) {
    test(`${name}: what counts, and what is corrected`, async (t) => {
      const trace = await importTrace(fileOf(name))
      t.after(() => trace.close())
      assert.equal(trace.recordedFaults, faults)
      const plan = planReplay(name, trace, 1, new OpStore(name, 1 << 20))
      assert.deepEqual(plan.corrections, corrections)
      assert.equal(plan.statistics.faults, faults, 'all are performed')
    })
  }

  test('all of them side by side, each in processes of its own', { timeout: 60_000 }, async (t) => {
    const trace = await importText(together(RECORDINGS.map(([name]) => readFileSync(fileOf(name), 'utf8'))))
    t.after(() => trace.close())
    const result = await replayTrace(trace, { design: 'per-vma-refcount-2025', threads: 2 })
    const { recorded, reproduced, failed, faults } = result.fidelity
    assert.deepEqual(faults, [])
    const all = RECORDINGS.reduce((sum, [, count]) => sum + count, 0)
    assert.deepEqual([recorded, reproduced, failed], [all, all, 0])
  })
})

test('of faults without error codes, as on ARM64, a report is made and no replay', async () => {
  const A = 0xffff8a3e0000
  const bare = (fields: string): string => `page-faults: ${fields}`
  const text = new TraceText().map2(1, 1, 0xaaaac3e00000, 0x1000, 'r-xp', '/bin/program', 0, 7)
  text
    .exec(1)
    .mmap(1, 1, A, 0x4000)
    .line(1, 1, bare(`     ${A.toString(16)}     aaaac3e00750`))
  text.line(1, 1, bare(`     ${(A + 0x1000).toString(16)}     ffff800080441234 __arch_copy_to_user`))
  text.lockStart(1, 1, false).lockAcquired(1, 1, false).wait(20).unlock(1, 1, false)
  text.line(1, 1, bare(`     ${(A + 0x1000).toString(16)}     aaaac3e00758`)).exitTask(1, 1, true)
  const detail = new DetailCollector()
  const trace = await text.import({ isReplayed: false, observers: [detail] })
  trace.close()
  const { user, kernel } = trace.faultCensus
  assert.deepEqual([user.faults, user.lockedFaults], [2, 0])
  assert.deepEqual(kernel['system call']?.lockedNs, 23_000)
  assert.deepEqual(
    detail.result().faultKinds.map(({ mode, access, cause, faults }) => [mode, access, cause, faults]),
    [
      ['user', 'unknown', 'unknown', 2],
      ['kernel', 'unknown', 'unknown', 1],
    ],
  )
  await assert.rejects(text.import(), /without error codes.*report reads this/)
})

test('of a long time without an event it is said where it ends', async () => {
  const text = new TraceText()
    .exec(1)
    .fault(1, 1, 0x7ffc00000000, 6)
    .wait(3.6e9)
    .fault(1, 1, 0x7ffc00001000, 6)
  const trace = await text.import({ isReplayed: false })
  trace.close()
  const told = trace.warnings.filter((warning) => warning.startsWith('nothing is recorded for 3600.0 s'))
  assert.match(told[0]!, / until line \d+: an idle program, a clock that jumped, or two recordings/)
})

/** One recording of several, one after the other, with other numbers for processes, threads and files. */
function together(texts: readonly string[]): string {
  const early: string[] = []
  const lines: string[] = []
  for (const [index, text] of texts.entries()) {
    const other = (number: string): string => String(Number(number) + 100 * (index + 1))
    for (const line of text.split('\n')) {
      const moved = line
        .replace(/(\d+)\/(\d+) \[/, (_, pid: string, tid: string) => `${other(pid)}/${other(tid)} [`)
        .replace(/MMAP2 (\d+)\/(\d+):/, (_, pid: string, tid: string) => `MMAP2 ${other(pid)}/${other(tid)}:`)
        .replace(/ pid=(\d+)/, (_, pid: string) => ` pid=${other(pid)}`)
        .replace(/ (fe|00):(\d\d) (\d+) /, (all, device: string, minor: string, inode: string) =>
          inode === '0' ? all : ` ${device}:${minor} ${other(inode)} `,
        )
        .replace(/ 1\.(\d{6}):/, (_, fraction: string) => ` ${index + 1}.${fraction}:`)
      if (/ 0\.000000:/.test(moved)) early.push(moved)
      else lines.push(moved)
    }
  }
  return [...early, ...lines].join('\n')
}

describe('corrections of a page that turn back earlier ones', () => {
  const A = 0x7f0000000000
  const PAGE = 0x1000

  async function correctionsOf(text: TraceText): Promise<readonly [corrections: number, turns: number]> {
    const trace = await text.import()
    try {
      const { corrections, contradictions } = planReplay('-', trace, 1, new OpStore('-', 1 << 20))
      return [Object.values(corrections).reduce((sum, count) => sum + count, 0), contradictions]
    } finally {
      trace.close()
    }
  }

  /** Faults on a page of a mapping, first missing, then as the codes say. */
  function faults(codes: readonly number[]): TraceText {
    const text = new TraceText()
      .exec(1)
      .mmap(1, 1, A, 4 * PAGE)
      .fault(1, 1, A, 6)
    for (const code of codes) text.fault(1, 1, A, code)
    return text
  }

  test('no state explains a page that is missing and write-protected by turns', async () => {
    assert.deepEqual(await correctionsOf(faults([6, 7, 6, 7, 6, 7])), [6, 4])
    const trace = await faults([6, 7, 6, 7]).import()
    try {
      const { fidelity } = await replayTrace(trace)
      const { recorded, reproduced, uncorrected, contradictory } = fidelity
      assert.deepEqual([recorded, reproduced, uncorrected, contradictory], [5, 5, 1, 2])
    } finally {
      trace.close()
    }
  })

  test('reclaim alone, protection alone, and one turn are states that were mended', async () => {
    for (const codes of [
      [6, 6, 6, 6],
      [7, 7, 7, 7],
      [7, 7, 6, 6],
    ])
      assert.deepEqual(await correctionsOf(faults(codes)), [4, 0], String(codes))
  })

  test('a page that a call removed begins anew', async () => {
    const text = faults([6, 7]).madvise(1, 1, A, PAGE, 4)
    for (const code of [6, 6, 7]) text.fault(1, 1, A, code)
    assert.deepEqual(await correctionsOf(text), [4, 0])
  })

  test('the pages of a file are written back and reclaimed by turns', async () => {
    const text = new TraceText().exec(1)
    text.enter(1, 1, 'mmap', { addr: 0, len: PAGE, prot: 3, flags: 1, fd: 3, off: 0 })
    text.map2(1, 1, A, PAGE, 'rw-s', '/data/base', 0, 77).exit(1, 1, 'mmap', A)
    for (const code of [6, 6, 7, 6, 7]) text.fault(1, 1, A, code)
    assert.deepEqual(await correctionsOf(text), [4, 0])
  })
})
