import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isFaithful, mergeRepetitions } from '../../src/report/replay-report.ts'
import { replayText } from '../../src/report/replay-text.ts'
import type { Style } from '../../src/report/style.ts'
import { verdictOf } from '../../src/report/verdict.ts'
import { assertFits, assertGolden } from './golden.ts'
import { failed, harmed, unharmed, whole } from './replay-objects.ts'

for (const [name, report] of Object.entries({ harmed, unharmed, whole, failed })) {
  test(`the text of a replay: ${name}`, () => {
    const text = replayText(report, 0.98)
    assertFits(text, 100)
    assertGolden(`replay-${name}.txt`, text)
  })
}

test('on a narrow terminal the designs are told one below the other, and nothing is lost', () => {
  const text = replayText(unharmed, 0.98, { width: 60 })
  assertFits(text.slice(text.indexOf('\n', text.indexOf('REPLAYED'))), 60)
  assert.equal(text.match(/fault latency/g)?.length, 3)
  assert.equal(text.match(/generic/g)?.length, 2, 'one for each column of that rwsem')
})

test('how resident pages are counted is told where it is not the default', () => {
  assert.doesNotMatch(replayText(harmed, 0.98), /rss/)
  assert.match(replayText({ ...harmed, rss: 'shared' }, 0.98), /^REPLAYED .*; shared rss$/m)
})

test('emphasis changes no character of the text', () => {
  const mark = (text: string): string => `«${text}»`
  const style: Style = { heading: mark, faint: mark, good: mark, notable: mark, bad: mark }
  const marked = replayText(harmed, 0.98, { style })
  assert.notEqual(marked, replayText(harmed, 0.98))
  assert.equal(marked.replaceAll(/[«»]/g, ''), replayText(harmed, 0.98))
})

test('the verdict follows the figures', () => {
  assert.equal(verdictOf(harmed, 0.98).mood, 'notable')
  assert.match(verdictOf(harmed, 0.98).sentences.join(' '), /hurts this program\..*14\.4 %.*less time/)
  assert.equal(verdictOf(unharmed, 0.98).mood, 'good')
  assert.match(verdictOf(unharmed, 0.98).sentences.join(' '), /does not hurt .*no difference is shown/)
  assert.equal(verdictOf(failed, 0.98).mood, 'bad')
  assert.match(verdictOf(failed, 0.98).sentences[0]!, /1 access failed/)
  assert.match(verdictOf(harmed, 0.999).sentences[0]!, /not faithful enough/)
})

test('a verdict from more threads than processors says so', () => {
  assert.match(
    verdictOf({ ...harmed, processors: 2 }, 0.98).sentences.join(' '),
    /compare with --threads 2\./,
  )
  assert.doesNotMatch(verdictOf(harmed, 0.98).sentences.join(' '), /processor/)
})

test('where Linux recorded its waits, they decide, not those of the replay under pressure', () => {
  const calm = { ...harmed, trace: unharmed.trace }
  assert.match(verdictOf(calm, 0.98).sentences.join(' '), /does not hurt .*14\.4 %/)
})

test('where Linux did not record its waits, a replay under pressure does not say whether the lock hurts', () => {
  for (const report of [harmed, unharmed]) {
    const { hurts, mood, sentences } = verdictOf({ ...report, trace: failed.trace }, 0.98)
    assert.deepEqual([hurts, mood], [null, 'notable'])
    assert.match(sentences[0]!, /^The trace has no mmap_lock events, .*nor whether the lock hurts\.$/)
    assert.doesNotMatch(sentences.join(' '), /hurts? this program|those of this program do not/)
  }
})

test('a replay says that it leaves out the holders of other processes', () => {
  const owner = { process: 'service', pid: 1 }
  const cat = { process: 'cat', pid: 9, comm: 'cat', call: 'read', owner, waits: 3, waitedNs: 5e6 }
  const { trace } = harmed
  const locks = {
    ...trace.locks,
    holders: [cat],
    foreign: [{ ...cat, owners: 1, processes: 1, delayedNs: 0, shortNs: 0 }],
  }
  const text = verdictOf({ ...harmed, trace: { ...trace, locks } }, 0.98).sentences.join(' ')
  assert.match(text, /leaves out other processes that held the lock \(cat\); .* waited 5\.00 ms/)
  assert.doesNotMatch(verdictOf(harmed, 0.98).sentences.join(' '), /leaves out/)
})

/** A replay whose faults were reproduced with so many corrections, of which so many contradict each other. */
function correctedReplay(corrected: number, contradictory: number): typeof harmed {
  const designs = harmed.designs.map((design) => ({
    ...design,
    corrections: { removed: corrected },
    fidelity: { ...design.fidelity, uncorrected: design.fidelity.reproduced - corrected, contradictory },
  }))
  return { ...harmed, designs }
}

test('faults that were reproduced after a correction only are no fidelity, and the verdict says so', () => {
  const many = correctedReplay(30_000, 0)
  assert.equal(isFaithful(many, 0.98), true)
  const text = verdictOf(many, 0.98).sentences.join(' ')
  assert.match(text, /^The mmap lock hurts .*30,000 \(67\.5 %\) were reproduced only after a correction/)
  assert.match(replayText(many, 0.98), /^ {6}without correction +14,312 +14,312$/m)
  assert.doesNotMatch(verdictOf(correctedReplay(100, 0), 0.98).sentences.join(' '), /correction/)
})

test('of a recording that contradicts itself nothing is judged', () => {
  const report = correctedReplay(30_000, 15_000)
  assert.equal(isFaithful(report, 0.98), false)
  const { hurts, mood, sentences } = verdictOf(report, 0.98)
  assert.deepEqual([hurts, mood], [null, 'bad'])
  assert.match(sentences[0]!, /contradicts itself .* 15,000 of 44,472 faults \(33\.7 %\)/)
  assert.match(replayText(report, 0.98), /^ {6}contradictory +15,000 +15,000$/m)
})

test('without the classic design the verdict compares nothing', () => {
  const report = { ...harmed, designs: harmed.designs.filter(({ design }) => design !== 'classic') }
  assert.match(verdictOf(report, 0.98).sentences[0]!, /Without the classic design/)
})

test('of several repetitions the median one is shown, with the worst fidelity of all', () => {
  const [base] = harmed.designs
  const repetition = (elapsedMs: number, failures: number): typeof base => ({
    ...base!,
    elapsedMs,
    faults: elapsedMs,
    fidelity: { ...base!.fidelity, failed: failures },
  })
  const merged = mergeRepetitions([repetition(30, 0), repetition(10, 2), repetition(20, 0)] as never, 1)
  assert.equal(merged.elapsedMs, 20)
  assert.equal(merged.faults, 20)
  assert.deepEqual(merged.elapsedMsSpread, { median: 20, min: 10, max: 30 })
  assert.equal(merged.fidelity.failed, 2)
  assert.throws(() => mergeRepetitions([], 1), RangeError)
})

test('faithful means that nothing failed and enough was reproduced', () => {
  assert.equal(isFaithful(harmed, 0.98), true)
  assert.equal(isFaithful(harmed, 0.999), false)
  assert.equal(isFaithful(failed, 0), false)
})
