// Holds random sequences on Faultline against the same on Linux, and shrinks the first that differs.

import * as fc from 'fast-check'
import type { DesignName } from '../../src/memory.ts'
import { Random } from '../reference/random.ts'
import { type Case, type Difference, differences } from './differences.ts'
import { Subject } from './faultline.ts'
import type { Peer } from './linux.ts'
import { sequences, type Step } from './operations.ts'

/** Sequences that are drawn, sent and performed at a time, so that both sides are at work at once. */
const BATCH = 250

export interface ComparisonOptions {
  readonly sequences: number
  readonly seed: number
  /** The most steps of a sequence. */
  readonly calls: number
  /** Each sequence is performed by one of them in turn. */
  readonly designs: readonly DesignName[]
  readonly peer: Peer
  progress?(done: number): void
}

/** How far a sequence was held against the other side. */
export interface Verdict {
  /** The differences by design that were met. */
  readonly listed: readonly Difference[]
  /** The step at which they differ otherwise. */
  readonly step: number | null
}

/** A sequence that differs. */
export interface Disagreement {
  readonly design: DesignName
  readonly steps: readonly Step[]
  readonly step: number
  readonly theirs: readonly string[]
  readonly ours: readonly string[]
  /** Whether it differed each time that it was performed, so that it could be shrunk. */
  readonly again: boolean
}

export interface Comparison {
  sequences: number
  steps: number
  /** How often each difference by design was met. */
  listed: Map<string, number>
  disagreement: Disagreement | null
}

/** Compares until something differs or all is done. */
export async function compare(options: ComparisonOptions): Promise<Comparison> {
  const { peer, designs, calls } = options
  const subjects = designs.map((design) => new Subject(design, peer))
  const drawn = sequences(calls)
  const result: Comparison = { sequences: 0, steps: 0, listed: new Map(), disagreement: null }
  for (let batch = 0; result.sequences < options.sequences; batch++) {
    const numRuns = Math.min(BATCH, options.sequences - result.sequences)
    const seed = Random.derive(options.seed, batch).next() | 0
    const all = fc.sample(drawn, { seed, numRuns })
    const answers = peer.run(all)
    const ours = all.map((steps, index) => subjects[index % subjects.length]!.run(steps))
    for (const [index, theirs] of (await answers).entries()) {
      const steps = all[index]!
      const verdict = judge(steps, theirs, ours[index]!)
      result.sequences++
      result.steps += steps.length
      for (const { name } of verdict.listed) result.listed.set(name, (result.listed.get(name) ?? 0) + 1)
      if (verdict.step === null) continue
      const subject = subjects[index % subjects.length]!
      const { step } = verdict
      const first = { design: subject.design, steps, step, theirs, ours: ours[index]!, again: false }
      result.disagreement = await shrink(drawn, { seed, numRuns, path: String(index) }, peer, subject, first)
      for (const each of subjects) each.close()
      return result
    }
    options.progress?.(result.sequences)
  }
  for (const subject of subjects) subject.close()
  return result
}

/** Holds the answers to one sequence against each other. */
export function judge(
  steps: readonly Step[],
  theirs: readonly string[],
  ours: readonly string[],
  listed: readonly Difference[] = differences,
): Verdict {
  const met: Difference[] = []
  for (let index = 0; index < Math.max(steps.length + 1, theirs.length, ours.length); index++) {
    const found: Case = { steps, index, theirs: theirs[index] ?? 'nothing', ours: ours[index] ?? 'nothing' }
    if (found.theirs === found.ours) continue
    const difference = listed.find((each) => each.explains(found))
    if (difference === undefined) return { listed: met, step: index }
    met.push(difference)
    if (!difference.harmless) break
  }
  return { listed: met, step: null }
}

async function shrink(
  drawn: fc.Arbitrary<Step[]>,
  parameters: { seed: number; numRuns: number; path: string },
  peer: Peer,
  subject: Subject,
  first: Disagreement,
): Promise<Disagreement> {
  let smallest = first
  const agrees = async (steps: Step[]): Promise<boolean> => {
    const [theirs] = await peer.run([steps])
    const ours = subject.run(steps)
    const { step } = judge(steps, theirs!, ours)
    if (step !== null) smallest = { design: subject.design, steps, step, theirs: theirs!, ours, again: true }
    return step === null
  }
  await fc.check(fc.asyncProperty(drawn, agrees), parameters)
  return smallest
}

/** A sequence and both answers, to be read. */
export function disagreementText({ design, steps, step, theirs, ours, again }: Disagreement): string {
  const lines = [`${design} and Linux differ${again ? '' : ', but not when it is performed again'}:`, '']
  for (const [index, [name, ...numbers]] of steps.entries()) {
    const shown = numbers.map((number) => (number < 10 ? String(number) : `0x${number.toString(16)}`))
    lines.push(`  ${name} ${shown.join(' ')}`)
    if (index < step) lines.push(`      ${ours[index]}`)
    if (index !== step) continue
    lines.push(`      Linux:     ${theirs[index]}`, `      Faultline: ${ours[index]}`)
    return lines.join('\n')
  }
  lines.push(
    `  process at the end, ${step - steps.length}`,
    `      Linux:     ${theirs[step]}`,
    `      Faultline: ${ours[step]}`,
  )
  return lines.join('\n')
}
