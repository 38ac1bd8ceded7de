// What is said of simulations under other designs and on more CPUs: what helps, what does not and why, and how far it
// can be believed.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  reportText,
  verdictOfTrace,
  verdictReport,
  whatIfAdvice,
  whatIfSentences,
} from '../../src/report/index.ts'
import type { TraceReport } from '../../src/report/index.ts'
import { harmed } from './replay-objects.ts'
import { runOf, whatIfOf } from './what-if-objects.ts'

const { trace } = harmed

/** The recording, with what its writers and readers were kept by. */
function keptBy(kept: Partial<TraceReport['locks']['keptNs']>): TraceReport {
  const { locks } = trace
  return { ...trace, locks: { ...locks, keptNs: { ...locks.keptNs, ...kept } } }
}

test('a design that helps is told with a number, and ranked with the other advice', () => {
  const whatIf = whatIfOf([
    runOf({ design: 'classic', elapsedMs: [210] }),
    runOf({ elapsedMs: [150], waits: 12, waitedMs: 1 }),
    runOf({ design: 'lespinasse-2021', elapsedMs: [180] }),
  ])
  const [advice, ...more] = whatIfAdvice(whatIf)
  assert.deepEqual(more, [])
  assert.equal(advice!.savesMs, 60)
  assert.match(advice!.change, /kernel with per-VMA locks \(per-vma-refcount-2025\)/)
  assert.match(
    advice!.how,
    /^Simulated on icelake-2s: 210 ms with 2 CPUs under classic, 150 ms .*; waits for the lock: 500, then 12\.$/,
  )
  assert.match(
    whatIfSentences(whatIf, trace).join(' '),
    /On 2 CPUs, a kernel with per-VMA locks .*: −60\.0 ms of 210 ms\./,
  )
  const ranked = verdictReport(verdictOfTrace(trace), trace, whatIf).advice
  assert.deepEqual(
    ranked.map(({ savesMs }) => savesMs),
    ranked.map(({ savesMs }) => savesMs).toSorted((a, b) => b - a),
  )
  assert.ok(ranked.some(({ change }) => change === advice!.change))
})

test('what another seed makes as well is no saving, nor what only one bound has', () => {
  const runs = [runOf({ design: 'classic', elapsedMs: [210, 220] }), runOf({ elapsedMs: [207, 217] })]
  const saves = (changes: object): number => whatIfAdvice(whatIfOf(runs, changes)).length
  assert.deepEqual([saves({ seedSpread: 0.01 }), saves({ seedSpread: 0.02 })], [1, 0])
  const oneBound = [runOf({ design: 'classic', elapsedMs: [210, 220] }), runOf({ elapsedMs: [100, 220] })]
  assert.deepEqual(whatIfAdvice(whatIfOf(oneBound)), [])
})

test('where no design helps, it is told why', () => {
  const runs = [runOf({ elapsedMs: [210] }), runOf({ design: 'classic', elapsedMs: [215] })]
  const why = (report: TraceReport, waitedMs = 40): string =>
    whatIfSentences(
      whatIfOf(
        runs.map((run) => ({
          ...run,
          bounds: run.bounds.map((bound) => ({ ...bound, waits: { count: 500, totalMs: waitedMs } })),
        })),
      ),
      report,
    ).join(' ')
  assert.match(
    why(keptBy({ writersByWriters: 3, readersByWriters: 2 })),
    /No fault design helps: writers wait for writers\./,
  )
  assert.match(why(keptBy({ readersByWriters: 2 }), 0.5), /No fault design helps: threads hardly wait/)
  const byKernel = {
    ...trace.faultCensus,
    kernel: {
      read: { faults: 900, lockedFaults: 900, lockedNs: 0, costNs: 0, samples: 0, delayedNs: 0, waitedNs: 0 },
    },
  }
  assert.match(
    why({ ...keptBy({ readersByWriters: 2 }), faultCensus: byKernel }),
    /are those inside the kernel/,
  )
  assert.match(why(keptBy({ readersByWriters: 2 })), /the recorded kernel’s own does best/)
})

test('the fewest CPUs that bring most of what more bring are named', () => {
  const whatIf = whatIfOf([
    runOf({ elapsedMs: [200] }),
    runOf({ cpus: 8, elapsedMs: [120] }),
    runOf({ cpus: 64, elapsedMs: [118] }),
  ])
  assert.deepEqual(
    whatIfAdvice(whatIf).map(({ change, savesMs }) => [change, savesMs]),
    [['Give it 8 CPUs.', 80]],
  )
})

test('the error stands beside, and beyond a factor of 1.5 the figures are no promise', () => {
  const runs = [
    runOf({ elapsedMs: [190, 210], waits: 500 }),
    runOf({ design: 'classic', elapsedMs: [100, 100] }),
  ]
  const near = whatIfSentences(whatIfOf(runs), trace)[0]!
  assert.match(near, /recorded, 200 ms, 520 waits of 44\.0 ms in all; simulated as .*, 190–210 ms, 500 waits/)
  assert.match(
    near,
    /; over all seeds, within a factor of 1\.2\. Another seed changes the time by up to 1\.0 %\.$/,
  )
  const far = whatIfOf(runs, { error: { elapsed: 1.1, waits: 2.26, waitedMs: null } })
  assert.match(whatIfSentences(far, trace)[0]!, /by a factor of 2\.3, so these figures are no promise/)
  assert.match(whatIfAdvice(far)[0]!.how, /factor of 2\.3: no promise\.$/)
  assert.doesNotMatch(whatIfAdvice(whatIfOf(runs))[0]!.how, /promise/)
})

test('the text has a row for the recording and for each run, and says what was left out', () => {
  const whatIf = whatIfOf([runOf({ elapsedMs: [190, 210] })], { leftOut: [{ design: 'classic', cpus: 64 }] })
  const text = reportText(trace, verdictOfTrace(trace), {}, whatIf)
  assert.match(text, /WHAT IF {2}simulated on icelake-2s/)
  assert.match(text, /as recorded +2 +200 ms +520 +44\.0 ms +312\n/)
  assert.match(text, /per-vma-refcount-2025\/spinning +2 +190–210 ms +500 +40\.0 ms +312\n/)
  assert.match(
    text.replaceAll(/\s+/g, ' '),
    /Left out because of too many events: classic on 64 \(see --most-events\)\./,
  )
  assert.doesNotMatch(reportText(trace, verdictOfTrace(trace)), /WHAT IF/)
})
