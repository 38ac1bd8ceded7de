// Runs designs with the errors of their published form: each must be found where it is expected, and no other.

import type { CheckOptions, CheckResult } from './check.ts'
import { type PublishedFlaw, publishedFlaws } from './published-flaws.ts'
import { seekFailure } from './races/explore-race.ts'

export interface PublishedResult {
  readonly design: string
  readonly scenario: string
  /** What is expected; null where nothing is. */
  readonly flaw: PublishedFlaw | null
  readonly result: CheckResult
  /** An expected flaw that was not found, or a failure that nobody expects. */
  readonly problem: 'not found' | 'unexpected' | null
}

/** The expected flaw of a design in a scenario. */
export function flawOf(design: string, scenario: string): PublishedFlaw | null {
  return publishedFlaws.find((flaw) => flaw.design === design && flaw.scenarios.includes(scenario)) ?? null
}

/** Explores `scenario` under `design` as published, first the interleavings with few preemptions. */
export async function checkPublished(
  design: string,
  scenario: string,
  options: CheckOptions = {},
): Promise<PublishedResult> {
  const flaw = flawOf(design, scenario)
  const result = await seekFailure(scenario, { design, published: true }, options)
  const found = result.failure !== null
  const problem = found === (flaw !== null) ? null : found ? 'unexpected' : 'not found'
  return { design, scenario, flaw, result, problem }
}
