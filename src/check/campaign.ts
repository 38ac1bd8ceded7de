// Many explorations with what is known of them kept in a file: a campaign that is stopped goes on where it was.
//
// Each is explored whole if that is possible in its time. Where it is not, interleavings with at most so many
// preemptions are explored, one more each time, and the greatest number that was explored whole is the bound that it
// reached (Musuvathi, Qadeer: Iterative context bounding for systematic testing of multithreaded programs, 2007).
//
// The file has one result a line. A result counts only for the code that it was found with: its digest is in the line.

import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { type CheckResult, checkKernelScenario } from './check.ts'
import { type KernelChoice, prepare } from './prepare.ts'
import type { Shard } from './work.ts'

/** How much of the time the whole space gets before bounds are tried. */
const WHOLE_SHARE = 0.5

export interface CampaignResult {
  readonly scenario: string
  readonly design: string
  readonly rwsem: string
  readonly rss: 'shared' | 'batched'
  /** Of the code: scenario, kernel and checker. */
  readonly digest: string
  readonly verdict: 'pass' | 'fail'
  /** Every interleaving was explored. */
  readonly complete: boolean
  /**
   * Every interleaving with at most so many preemptions was; null where `complete`; -1 where not even those without.
   */
  readonly bound: number | null
  readonly executions: number
  readonly seconds: number
  /** What failed. */
  readonly message: string | null
}

export interface CampaignOptions {
  /** For each exploration. */
  readonly seconds: number
  /** Results are read from it and added to it; none where it is not given. */
  readonly file?: string | undefined
  /** Only each `count`-th exploration, from the `index`-th on (1 to `count`): others do the others. Default: all. */
  readonly shard?: Shard | undefined
  readonly onExploration?: (scenario: string, choice: KernelChoice) => void
}

/**
 * Explores each scenario on each machine, but for what the file has and what is others' to explore. Results come in the
 * order of the scenarios.
 */
export async function runCampaign(
  scenarios: readonly string[],
  choices: readonly KernelChoice[],
  options: CampaignOptions,
): Promise<CampaignResult[]> {
  const known = readResults(options.file)
  const { index, count } = options.shard ?? { index: 1, count: 1 }
  const results: CampaignResult[] = []
  let number = 0
  for (const scenario of scenarios) {
    for (const choice of choices) {
      if (number++ % count !== index - 1) continue
      const { digest } = await prepare({ scenario, choice, patches: [] }, false)
      const present = known.get(keyOf({ scenario, ...choice, rss: rssOf(choice), digest }))
      if (present !== undefined) results.push(present)
      else {
        options.onExploration?.(scenario, choice)
        const result = await exploreByBounds(scenario, choice, digest, options.seconds)
        if (options.file !== undefined) appendFileSync(options.file, `${JSON.stringify(result)}\n`)
        results.push(result)
      }
    }
  }
  return results
}

/** What a result is of. */
type Explored = Pick<CampaignResult, 'scenario' | 'design' | 'rwsem' | 'rss' | 'digest'>

function keyOf({ scenario, design, rwsem, rss, digest }: Explored): string {
  return [scenario, design, rwsem, rss, digest].join(' ')
}

function rssOf({ rss = 'batched' }: KernelChoice): 'shared' | 'batched' {
  return rss
}

/** The results in the file by what they are of. A line that was cut off, or is none, is passed over. */
function readResults(file: string | undefined): Map<string, CampaignResult> {
  const known = new Map<string, CampaignResult>()
  if (file === undefined || !existsSync(file)) return known
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const result = parseResult(line)
    if (result !== null) known.set(keyOf(result), result)
  }
  return known
}

function parseResult(line: string): CampaignResult | null {
  try {
    const result = JSON.parse(line) as CampaignResult | null
    const words = [result?.scenario, result?.design, result?.rwsem, result?.rss, result?.digest]
    const isResult = words.every((word) => typeof word === 'string') && typeof result?.complete === 'boolean'
    return isResult && (result.verdict === 'pass' || result.verdict === 'fail') ? result : null
  } catch {
    return null
  }
}

async function exploreByBounds(
  scenario: string,
  choice: KernelChoice,
  digest: string,
  seconds: number,
): Promise<CampaignResult> {
  const begun = performance.now()
  const left = (): number => seconds - (performance.now() - begun) / 1000
  let executions = 0
  let reached: number | null = -1
  const explore = async (bound: number | null, limit: number): Promise<CheckResult> => {
    const result = await checkKernelScenario(scenario, choice, { bound, seconds: limit, minimiseSeconds: 0 })
    executions += result.executions
    return result
  }
  let result = await explore(null, seconds * WHOLE_SHARE)
  if (result.complete) reached = null
  for (let bound = 0; result.failure === null && reached !== null && left() > 0; bound++) {
    result = await explore(bound, left())
    if (result.complete) reached = bound
    else if (result.failure === null) break
  }
  return {
    scenario,
    design: choice.design,
    rwsem: choice.rwsem,
    rss: rssOf(choice),
    digest,
    verdict: result.failure === null ? 'pass' : 'fail',
    complete: reached === null && result.failure === null,
    bound: reached,
    executions,
    seconds: (performance.now() - begun) / 1000,
    message: result.failure === null ? null : `${result.failure.kind}: ${result.failure.message}`,
  }
}
